"""Whether a machine and an index are fit: each trouble by itself is seen, and named."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest

from tests.test_cli import Run, run, small, small_index, small_model
from tryghed_search import checking

__all__ = ["run", "small", "small_index", "small_model"]  # fixtures


def found(run: Run, index: Path, status: int) -> dict[str, checking.Finding]:
    ran = run("check", "--json", "--index", index)
    told = json.loads(ran.out)
    assert ran.status == status
    assert told["fit"] is (status == 0)
    findings = {item["what"]: checking.Finding(**item) for item in told["findings"]}
    bad = [what for what, finding in findings.items() if not finding.fit]
    if bad:
        assert ran.err == f"tryghed-search: Not fit to serve: {', '.join(bad)}.\n"
    return findings


def test_a_fit_machine_is_told_with_figures_and_status_0(run: Run, small: Path) -> None:
    small.chmod(0o755)
    findings = found(run, small, 0)
    assert {"memory", "open files", "disk", "rights", "user", "model", "index"} < set(findings)
    assert "first answer" in findings
    assert " ms" in findings["first answer"].says
    assert "passages, built" in findings["index"].says
    assert str(small) in findings["index"].says
    ran = run("check", "--index", small)
    assert [line[:5] for line in ran.out.splitlines()] == ["ok   "] * len(findings)
    assert ran.err == ""


def test_a_missing_index_is_named_and_nothing_is_asked_of_it(run: Run, small: Path) -> None:
    shutil.rmtree(small)
    findings = found(run, small, 1)
    assert "Build it with 'tryghed-search ingest'" in findings["index"].says
    assert "first answer" not in findings


def test_a_damaged_index_is_named(run: Run, small: Path) -> None:
    (next(small.glob("generation-*")) / "rows.npy").write_bytes(b"")
    assert "damaged" in found(run, small, 1)["index"].says


def test_a_model_that_is_not_there_is_named(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYGHED_MODEL", "./nowhere")
    findings = found(run, small, 1)
    assert "no model folder" in findings["model"].says
    assert "index" not in findings


def test_an_index_that_everybody_may_write_is_named(run: Run, small: Path) -> None:
    small.chmod(0o777)
    rights = found(run, small, 1)["rights"]
    assert str(small) in rights.says
    assert "chmod o-w" in rights.says


def test_too_few_file_descriptors_are_named(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setenv("TRYGHED_CONNECTIONS", str(soft))
    assert "LimitNOFILE" in found(run, small, 1)["open files"].says


def test_too_little_memory_for_the_processes_is_named(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYGHED_WORKERS", "64")
    monkeypatch.setattr(checking, "WORKER_MB", 100_000)
    assert "6400000 MB needed for 64 process(es)" in found(run, small, 1)["memory"].says


def test_feedback_that_cannot_be_kept_is_named(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYGHED_FEEDBACK", str(small / "manifest.json" / "said.jsonl"))
    assert "cannot be written" in found(run, small, 1)["feedback"].says


@pytest.mark.parametrize(
    ("most", "used", "free"),
    [(None, 0, 8000), ("max", 0, 8000), ("2147483648", 1048576, 2047), ("99999999999999", 1, 8000)],
)
def test_memory_is_what_the_control_group_leaves(
    tmp_path: Path, most: str | None, used: int, free: int
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 16000000 kB\nMemAvailable: 8192000 kB\n", encoding="ascii")
    if most is not None:
        (tmp_path / "memory.max").write_text(f"{most}\n", encoding="ascii")
        (tmp_path / "memory.current").write_text(f"{used}\n", encoding="ascii")
    assert checking.available_mb(meminfo, tmp_path) == free
