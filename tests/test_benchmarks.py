"""The benchmarks in short: that each runs, and that what it tells is right. No time is judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the results are kept, for the report."""
    return tmp_path_factory.mktemp("bench")


def ran(name: str, out: Path, *arguments: str | Path) -> dict[str, Any]:
    """What a benchmark wrote, after it ended with 0."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--out", out, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    assert told["machine"]["cores"] >= 1
    assert told["machine"]["versions"]["torch"]
    return told


@pytest.fixture(scope="module")
def limit(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran("limit", out, "--questions", "6", "--index", index_folder)


@pytest.fixture(scope="module")
def start(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran("start", out, "--runs", "1", "--warmups", "0", "--index", index_folder)


@pytest.fixture(scope="module")
def ingest(out: Path) -> dict[str, Any]:
    return ran("ingest", out, "--runs", "1", "--reports", ROOT / "tests" / "reports")


@pytest.fixture(scope="module")
def load(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran(
        "load", out, "--index", index_folder, "--seconds", "2", "--runs", "1",
        "--connections", "1", "4", "--encoded", "64",
    )  # fmt: skip


@pytest.fixture(scope="module")
def stages(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran(
        "stages", out, "--index", index_folder, "--questions", "4", "--runs", "1", "--warmups", "0"
    )


@pytest.fixture(scope="module")
def compare(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran(
        "compare", out, "--index", index_folder, "--questions", "8", "--starts", "1",
        "--warmups", "0", "--peers", sys.executable, "--only", "bare_model", "faiss_plain",
    )  # fmt: skip


@pytest.fixture(scope="module")
def scale(out: Path, index_folder: Path) -> dict[str, Any]:
    return ran(
        "scale", out, "--index", index_folder, "--sizes", "100", "300", "--questions", "8",
        "--exact", "4", "--adding", "200", "--keep", out / "kept",
    )  # fmt: skip


def ordered(figure: list[float]) -> bool:
    """Whether a ratio lies in its interval, and none of it is nothing."""
    value, low, high = figure
    return 0 < low <= value <= high


def test_an_answer_is_measured_in_every_way_against_its_model(limit: dict[str, Any]) -> None:
    assert limit["questions"] == 6
    assert len(limit["ways"]) == 9
    assert all(ordered(row["ratio"]) for row in limit["ways"].values())
    assert limit["ways"]["sentence-transformers encode_query"]["ratio"] == [1, 1, 1]
    # What is remembered is not asked of the model again.
    ways = {name: row["median_ms"] for name, row in limit["ways"].items()}
    assert ways["repeated later, in process"] < ways["in process"]
    for repeated in ("repeated at once, over HTTP", "repeated later, over HTTP"):
        assert ways[repeated] < ways["over HTTP"]


def test_a_start_is_measured_against_the_models(start: dict[str, Any]) -> None:
    ways = start["ways"]
    assert ways["bare Python"]["seconds"] < ways["tryghed-search --help"]["seconds"]
    assert ways["tryghed-search --help"]["seconds"] < ways["bare model"]["seconds"]
    assert ways["bare model"]["peak_mb"] > 10 * ways["bare Python"]["peak_mb"]


def test_an_ingest_is_measured_against_the_same_texts(ingest: dict[str, Any]) -> None:
    assert ingest["texts"] > 5
    assert ordered(ingest["ratio"])


def test_under_load_answers_are_counted_and_what_is_too_much_is_refused(
    load: dict[str, Any],
) -> None:
    assert list(load["connections"]) == ["1", "4"]
    for row in load["connections"].values():
        assert row["answers_per_second"] > 0
        assert row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["refused_share"] == 0
    (flood,) = load["ten_times_capacity"]
    assert set(flood["statuses"]) <= {"200", "503"}
    assert flood["refused_share"] > 0
    assert flood["health_asked"] > 0


def test_the_stages_of_answer_and_start_are_told_apart(stages: dict[str, Any]) -> None:
    told = stages["answer"]["stages"]
    assert "encoder" in told
    assert sum(row["share"] for row in told.values()) == pytest.approx(1, abs=0.05)
    assert stages["start"]["stages"]["import torch"]["seconds"] > 0


def test_systems_are_compared_by_the_rule_of_evaluate(compare: dict[str, Any]) -> None:
    systems = compare["systems"]
    assert list(systems) == ["bare_model", "faiss_plain"]
    other = systems["faiss_plain"]
    for half in ("tuning", "test"):
        assert 0 <= other[half]["hit@1"][0] <= other[half]["mrr@10"][0] <= 1
        assert other[half]["hit@5"][0] > 0
    assert other["lines_of_code"] > 5
    assert other["index_mb"] > 0
    assert other["peak_mb"] > 100
    assert systems["bare_model"]["start_ratio"] == [1, 1, 1]
    assert "test" not in systems["bare_model"]


def test_an_index_is_measured_as_it_grows(scale: dict[str, Any]) -> None:
    faiss = scale["stores"]["faiss"]
    small, large = faiss["sizes"]["100"], faiss["sizes"]["300"]
    for row in (small, large):
        assert row["vectors"] == {"kind": "flat", "recall": 1.0}
        assert row["recall"] == row["vector_recall"] == 1.0, "all of so few are scored"
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["memory_mb"] <= row["peak_mb"]
    assert 2.5 < large["bytes"] / small["bytes"] < 3.5
    assert large["words"] > small["words"]
    assert 0.9 < faiss["exponents"]["bytes"] < 1.1
    adding = faiss["adding"]
    assert adding["seconds"]["added"] > 0
    assert adding["peak_mb"] > 10
    # A third of the passages is new, so that it takes at least its share.
    assert adding["share"] > 1 / 3


def test_a_database_is_measured_by_the_same_passages(scale: dict[str, Any]) -> None:
    faiss, database = (scale["stores"][name]["sizes"] for name in ("faiss", "postgresql"))
    assert set(database) == {"100", "300"}
    for size, row in database.items():
        assert row["vectors"]["kind"] == "flat"
        assert row["token_vectors"] == faiss[size]["token_vectors"]
        assert row["recall"] == row["vector_recall"] == 1.0, "all of so few are scored"
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["server_mb"] > 10
    assert database["100"]["bytes"] < database["300"]["bytes"]


@pytest.mark.usefixtures("scale")
def test_an_index_that_was_kept_is_asked_and_not_built_again(
    out: Path, index_folder: Path, tmp_path: Path
) -> None:
    built = out / "kept" / "100-passages" / "built.json"
    told = json.loads(built.read_text(encoding="utf-8"))
    built.write_text(json.dumps(told | {"build_seconds": 7}), encoding="utf-8")
    again = ran(
        "scale", tmp_path, "--index", index_folder, "--sizes", "100", "--questions", "8",
        "--adding", "0", "--keep", out / "kept", "--stores", "faiss",
    )  # fmt: skip
    row = again["stores"]["faiss"]["sizes"]["100"]
    assert row["build_seconds"] == 7
    assert row["recall"] == 1.0
    assert "adding" not in again["stores"]["faiss"]


def test_lines_of_code_are_those_that_hold_code() -> None:
    source = (
        '"""Doc."""\n\n# why\nimport os\n\n\n'
        'def f(\n    a,\n):\n    """Doc."""\n    return a  # x\n'
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import compare; print(compare.lines_of_code(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, BENCHMARKS, source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "5"


@pytest.mark.usefixtures("limit", "start", "ingest", "load", "stages", "compare", "scale")
def test_the_report_writes_every_table_and_both_plots(out: Path, tmp_path: Path) -> None:
    page, growing = tmp_path / "performance.md", tmp_path / "growing.md"
    for path in (page, growing):
        shutil.copy(ROOT / "docs" / path.name, path)
    command = [
        sys.executable, BENCHMARKS / "report.py", "--results", out, "--page", page,
        "--growing", growing, "--images", tmp_path,
    ]  # fmt: skip
    for _ in range(2):  # the second time over what the first wrote
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        written = page.read_text(encoding="utf-8")
    assert "not measured" not in done.stdout
    both = written + growing.read_text(encoding="utf-8")
    for name in ("limit", "load", "start", "ingest", "compare", "stages", "scale"):
        between = both.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
        assert "Measured " in between, name
    paper = growing.read_text(encoding="utf-8").partition("<!-- paper -->")[2]
    assert "FAISS, one process, 300 with token vectors" in paper.partition("<!-- /paper -->")[0]
    for name in ("latency-load", "quality-latency"):
        picture = ET.parse(tmp_path / f"{name}.svg").getroot()  # noqa: S314 our own
        assert picture.find("{http://www.w3.org/2000/svg}title") is not None
    page.write_text(written.replace("<!-- load -->", ""), encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "markers of 'load'" in done.stderr
