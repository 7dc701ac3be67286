"""What earlier ingests have embedded is used again, never trusted blindly, and changes nothing."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REPORT, command, file_size_limit
from tryghed_search import build, pieces, store
from tryghed_search.embedding import Encoded, Encoder, ModelIdentity
from tryghed_search.errors import IndexWriteError, OutlineError
from tryghed_search.pieces import Pieces

HERE = Path(__file__).parent
MODEL = ModelIdentity("m", "1", "0" * 64, "", "", 3)
TEXTS = ("et", "to", "tre")


def encoded(seed: int = 0) -> list[Encoded]:
    dice = np.random.default_rng(seed)
    return [
        Encoded(
            dice.random(3, np.float32),
            dice.random((n, 3), np.float32),
            np.arange(n, dtype=np.int32),
            np.arange(2 * n, dtype=np.int32).reshape(n, 2),
        )
        for n in (2, 0, 5)
    ]


def same(one: list[Encoded] | None, other: list[Encoded]) -> bool:
    return one is not None and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        and getattr(a, name).dtype == getattr(b, name).dtype
        for a, b in zip(one, other, strict=True)
        for name in ("pooled", "tokens", "ids", "spans")
    )


# --- pieces ---------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3), max_size=700))
def test_pieces_are_the_texts_in_their_order(texts: list[str]) -> None:
    found = list(pieces.cut(texts))
    assert [text for piece in found for text in piece] == texts
    assert all(0 < len(piece) <= 256 for piece in found)
    assert all(len(piece) >= 64 for piece in found[:-1])


def test_an_edit_leaves_the_pieces_further_on_as_they_were() -> None:
    texts = [f"Sætning nummer {n}." for n in range(3000)]
    before = {tuple(piece) for piece in pieces.cut(texts)}
    after = {tuple(piece) for piece in pieces.cut([*texts[:100], "Ny.", *texts[100:]])}
    assert len(before) > 15
    assert len(after - before) <= 3


def test_what_is_kept_is_found_again_by_kind_texts_and_model(tmp_path: Path) -> None:
    kept = Pieces(tmp_path / "encoded", MODEL)
    assert kept.find("passage", TEXTS) is None
    kept.keep("passage", TEXTS, encoded())
    assert same(kept.find("passage", TEXTS), encoded())
    assert same(Pieces(tmp_path / "encoded", MODEL).find("passage", TEXTS), encoded())
    assert kept.find("sentence", TEXTS) is None
    assert kept.find("passage", TEXTS[::-1]) is None
    assert kept.find("passage", ("etto", "tre")) is None
    for field, value in (("sha256", "1" * 64), ("query_prompt", "q"), ("document_prompt", "d")):
        other = replace(MODEL, **{field: value})
        assert Pieces(tmp_path / "encoded", other).find("passage", TEXTS) is None


def test_a_piece_that_is_not_as_it_was_written_is_as_good_as_none(tmp_path: Path) -> None:
    kept = Pieces(tmp_path, MODEL)
    kept.keep("passage", TEXTS, encoded())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert kept.find("passage", TEXTS) is None, at
        path.write_bytes(whole[:at])
        assert kept.find("passage", TEXTS) is None, at
    path.write_bytes(whole)
    kept.keep("passage", ("noget", "helt", "andet"), encoded(1))
    (other,) = (p for p in tmp_path.iterdir() if p != path)
    shutil.copy(other, path)  # whole, but of other texts
    assert kept.find("passage", TEXTS) is None


def test_only_pieces_without_use_are_tidied_away(tmp_path: Path) -> None:
    Pieces(tmp_path, MODEL).keep("passage", TEXTS, encoded())
    Pieces(tmp_path, MODEL).keep("sentence", TEXTS, encoded())
    (tmp_path / f".{'0' * 64}.npz.new").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    again = Pieces(tmp_path, MODEL)
    assert again.find("sentence", TEXTS)
    again.tidy()
    assert same(again.find("sentence", TEXTS), encoded())
    assert again.find("passage", TEXTS) is None
    assert len(list(tmp_path.iterdir())) == 2
    Pieces(tmp_path / "nothing", MODEL).tidy()


def test_where_nothing_can_be_kept_the_work_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Pieces(tmp_path / "encoded", MODEL)
    with file_size_limit(100):
        kept.keep("passage", TEXTS, encoded())
        kept.keep("sentence", TEXTS, encoded())
    assert list((tmp_path / "encoded").iterdir()) == []
    assert len([r for r in caplog.records if "cannot be kept" in r.getMessage()]) == 1


# --- ingest ---------------------------------------------------------------------------------------


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three small reports in a folder of one's own."""
    folder = tmp_path / "reports"
    shutil.copytree(HERE / "reports", folder)
    shutil.copytree(HERE / "small-reports" / "haven", folder / "haven")
    shutil.copytree(HERE / "small-reports" / "haven", folder / "marken")
    change(folder / "marken" / "outline.toml", 'id = "haven"', 'id = "marken"')
    change(folder / "marken" / "report.txt", "fredag", "onsdag")
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def ingest(reports: Path, tmp_path: Path, encoder: Encoder) -> Callable[[], tuple[int, dict]]:
    """Builds the index and compares it with a build from nothing: what was embedded, the files."""

    def run() -> tuple[int, dict]:
        told = [(0, 0)]
        index = tmp_path / "index"
        manifest = build.build_index(reports, index, encoder, lambda *done: told.append(done))
        assert told[-1][0] == told[-1][1]
        shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
        fresh = build.build_index(reports, tmp_path / "fresh", encoder)
        assert manifest.files == fresh.files, "every byte is that of a build from nothing"
        assert manifest.counts == fresh.counts
        pieces_of = [
            sorted(p.name for p in (f / "encoded").iterdir()) for f in (index, tmp_path / "fresh")
        ]
        assert pieces_of[0] == pieces_of[1], "nothing is kept that no report uses"
        return told[-1][1], dict(manifest.counts)

    return run


def test_only_what_changed_is_embedded_and_the_index_is_that_of_a_build_from_nothing(
    ingest: Callable[[], tuple[int, dict]], reports: Path
) -> None:
    embedded, counts = ingest()
    # What two of the reports have alike is embedded once for each, for they are cut by themselves,
    # but kept once; in a second run all of it is there.
    assert embedded == counts["vectors"]
    assert ingest() == (0, counts)
    change(reports / "lille-rapport" / "report.txt", "hver torsdag", "hver fredag")
    embedded, after = ingest()
    assert after == counts
    assert 0 < embedded < counts["vectors"] / 2
    change(reports / "haven" / "questions.toml", "penge til drivhus", "pris på drivhus")
    assert 0 < ingest()[0] < counts["vectors"] / 2
    shutil.rmtree(reports / "marken")
    embedded, after = ingest()
    assert (embedded, after["reports"]) == (0, 2)


def test_a_title_in_the_outline_is_embedded_so_it_counts_as_a_change(
    ingest: Callable[[], tuple[int, dict]], reports: Path
) -> None:
    counts = ingest()[1]
    change(reports / "haven" / "outline.toml", 'title = "Læringer"', 'title = "Lært"')
    assert 0 < ingest()[0] < counts["vectors"] / 2
    change(reports / "haven" / "outline.toml", "page = 3", "page = 5")
    assert ingest()[0] == 0, "a page is no part of what is embedded"


def test_a_damaged_piece_is_embedded_again(
    ingest: Callable[[], tuple[int, dict]], tmp_path: Path
) -> None:
    counts = ingest()[1]
    for path in (tmp_path / "index" / "encoded").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert ingest() == (counts["vectors"], counts)


def test_spellings_of_a_municipality_come_from_all_reports(reports: Path, encoder: Encoder) -> None:
    change(reports / "marken" / "outline.toml", '"Aarhus" = ["Århus"]', '"Aarhus" = ["Aros"]')
    contents = build.embed(build.read_reports(reports), encoder)
    assert contents.municipalities["Aarhus"] == ("Århus", "Aros")


def test_an_ingest_that_is_stopped_goes_on_where_it_was(
    reports: Path, tmp_path: Path, encoder: Encoder
) -> None:
    index = tmp_path / "index"
    total = 0

    def stop(done: int, of: int) -> None:
        nonlocal total
        total = of
        if done > of / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.build_index(reports, index, encoder, stop)
    assert not (index / store.MANIFEST).exists()
    told: list[tuple[int, int]] = []
    manifest = build.build_index(reports, index, encoder, lambda *done: told.append(done))
    assert 0 < told[-1][1] < total
    fresh = build.build_index(reports, tmp_path / "fresh", encoder)
    assert manifest.files == fresh.files


def test_an_ingest_that_is_killed_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    """The real report by the real command, killed once the first piece is kept."""
    reports = tmp_path / "reports"
    shutil.copytree(REPORT, reports / "lokal-tryghed-1")
    index = tmp_path / "index"
    environment = {**os.environ, "TRYGHED_REPORTS": str(reports), "TRYGHED_INDEX": str(index)}
    process = subprocess.Popen([*command(), "ingest"], env=environment)
    while not list(index.glob("encoded/[0-9a-f]*.npz")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(index.glob("encoded/[0-9a-f]*.npz"))
    done = subprocess.run(
        [*command(), "ingest"], env=environment, capture_output=True, text=True, check=True
    )
    built, rest = done.stdout.splitlines()
    vectors = int(re.search(r"(\d+) vectors", built)[1])  # type: ignore[index]
    embedded = int(re.match(r"Embedded (\d+) texts; the others", rest)[1])  # type: ignore[index]
    assert vectors - 256 * len(kept) <= embedded <= vectors - 64 * (len(kept) - 1) - 1


def test_ctrl_c_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    shutil.copytree(REPORT, reports / "lokal-tryghed-1")
    index = tmp_path / "index"
    process = subprocess.Popen(
        # A process that was started in the background may have been told to ignore it.
        ["env", "--default-signal=INT", *command(), "ingest"],
        env={**os.environ, "TRYGHED_REPORTS": str(reports), "TRYGHED_INDEX": str(index)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(index.glob("encoded/[0-9a-f]*.npz")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("tryghed-search: Stopped. ")
    assert said.count("\n") == 1
    assert "the next 'tryghed-search ingest' goes on from there" in said


# --- at the same time -----------------------------------------------------------------------------


def test_a_second_ingest_is_told_before_the_model_is_loaded(reports: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()

    def load() -> Encoder:
        raise AssertionError("the model is loaded")

    with (index / ".lock").open("a", encoding="ascii") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(IndexWriteError, match="Another ingest is writing to"):
            build.rebuild(reports, index, load)


def test_an_outline_that_does_not_fit_is_told_before_the_model_is_loaded(
    reports: Path, tmp_path: Path
) -> None:
    change(reports / "haven" / "report.txt", "Bålpladsen", "Skuret")

    def load() -> Encoder:
        raise AssertionError("the model is loaded")

    with pytest.raises(OutlineError):
        build.rebuild(reports, tmp_path / "index", load)
    assert not (tmp_path / "index").exists()
