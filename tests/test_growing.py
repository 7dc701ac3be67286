"""The example in docs/growing.md, run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

from tests.conftest import ROOT, command

TEXT = (ROOT / "docs" / "growing.md").read_text(encoding="utf-8")


def test_the_step_by_step_example_does_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    lines = re.findall(r"```sh\n(tryghed-search .*)\n```", TEXT)
    assert [line.split()[1] for line in lines] == ["add", "ingest", "ask"]

    def run(line: str) -> str:
        words = [*command(), *shlex.split(line)[1:]]
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
        )
        assert done.stderr == ""
        return done.stdout

    added, ingested, asked = map(run, lines)
    assert f"```\n{added}```" in TEXT
    assert "1 report(s), 4 sections, 3 passages" in ingested
    sentence = asked.splitlines()[0]
    assert (
        sentence
        == "»Flest uheld sker i krydset ved Kirkevej, hvor 11 børn kom til skade på fem år.«"
    )
    assert f"gives {sentence}" in TEXT


def test_what_is_said_of_the_outline_is_toml_with_the_keys_that_there_are() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert set(tomllib.loads(shown)) == {"report", "examples", "municipalities"}


def test_every_limit_that_is_told_is_the_one_in_force() -> None:
    from tryghed_search.extracting import Limits

    limits = Limits()
    assert f"{limits.pages:,} pages" in TEXT
    assert f"{limits.file_bytes // 10**6} MB, {limits.unpacked_bytes // 10**6} MB unpacked" in TEXT
    assert f"{limits.characters // 10**6} million characters" in TEXT
    assert f"{limits.cpu_seconds} seconds of processor time" in TEXT
    assert f"{limits.memory_bytes / 10**9} GB of memory" in TEXT
