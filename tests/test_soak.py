"""The long runs of ``make soak``, in short."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


def ran(script: str, *arguments: str | Path) -> dict[str, Any]:
    """What a run printed, after it ended with 0."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_under_load_with_swaps_and_leavers_every_answer_is_the_one_given_alone(
    index_folder: Path,
) -> None:
    told = ran(
        "soak.py", "--json", "--built", index_folder, "--seconds", "12", "--swap", "3",
        "--questions", "30", "--connections", "50",
    )  # fmt: skip
    assert told["wrong"] == 0
    assert told["answers"] > 100
    assert told["swaps"] >= 2
    assert told["aborted"] > 0
    assert set(told["statuses"]) <= {"200", "404", "422", "429", "503"}


def test_an_ingest_that_is_killed_leaves_a_whole_index() -> None:
    told = ran("kills.py", "--times", "4", "--ingests", "0")
    assert told["kills"] == told.get("old", 0) + told.get("new", 0)
