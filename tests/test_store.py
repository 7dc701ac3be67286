"""The index on disk: whole or refused, and the old one stays until the new one is in force."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import file_size_limit, without_rights
from tryghed_search import build, danish, store
from tryghed_search.bundled import sha256_of
from tryghed_search.embedding import Encoder, ModelIdentity
from tryghed_search.errors import (
    DamagedIndexError,
    IndexWriteError,
    NoIndexError,
    OtherModelError,
    RecallError,
    TryghedError,
)
from tryghed_search.lexical import LexicalIndex
from tryghed_search.passages import Report
from tryghed_search.tokens import TokenVectors
from tryghed_search.vectors import VectorIndex

SMALL_REPORTS = Path(__file__).parent / "small-reports"
OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00"
MODEL = ModelIdentity("m", "1", "0" * 64, "", "", 3)


@pytest.fixture(scope="module")
def contents(encoder: Encoder) -> store.Contents:
    return build.embed(build.read_reports(SMALL_REPORTS), encoder)


@pytest.fixture(scope="module")
def model(encoder: Encoder) -> ModelIdentity:
    return encoder.identity


@pytest.fixture(scope="module")
def written(
    contents: store.Contents, model: ModelIdentity, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An index that no test changes."""
    folder = tmp_path_factory.mktemp("written")
    store.write(folder, contents, model, OLD)
    return folder


@pytest.fixture
def index(written: Path, tmp_path: Path) -> Path:
    """An index of one's own."""
    return Path(shutil.copytree(written, tmp_path / "index"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def generation(folder: Path) -> Path:
    return folder / store.read_manifest(folder).folder


def flip_a_bit(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 4
    path.write_bytes(data)


def assert_equal(one: store.Contents, other: store.Contents) -> None:
    assert one.reports == other.reports
    assert one.municipalities == other.municipalities
    assert one.reader_questions == other.reader_questions
    assert one.vectors.to_bytes() == other.vectors.to_bytes()
    for mine, theirs in [
        (one.rows, other.rows),
        *(
            (getattr(one.tokens, f.name), getattr(other.tokens, f.name))
            for f in fields(TokenVectors)
        ),
    ]:
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)
    question = "Hvad kostede drivhuset i Odense?"
    for lexical, terms in (
        ("words", danish.terms(question, {})),
        ("grams", danish.grams(question)),
    ):
        mine = getattr(one, lexical).scores(terms)
        assert mine.max() > 0
        assert np.array_equal(mine, getattr(other, lexical).scores(terms))


# --- whole ----------------------------------------------------------------------------------------


def test_what_is_loaded_equals_what_was_written(
    contents: store.Contents, model: ModelIdentity, written: Path
) -> None:
    manifest, loaded = store.load(written, model)
    assert_equal(loaded, contents)
    assert manifest.model == model
    assert manifest.built == OLD


def test_the_manifest_counts_what_the_index_holds(contents: store.Contents, written: Path) -> None:
    counts = store.read_manifest(written).counts
    assert counts == {
        "reports": 1,
        "sections": 4,
        "passages": len(contents.passages),
        "vectors": len(contents.rows),
        "tokens": len(contents.tokens.ids),
    }
    assert counts["passages"] == 5


def test_the_manifest_names_every_file_with_its_size_and_hash(written: Path) -> None:
    manifest = store.read_manifest(written)
    folder = generation(written)
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert set(found) == set(manifest.files)
    for name, path in found.items():
        assert manifest.files[name] == {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def test_writing_the_same_twice_gives_the_same_files(
    contents: store.Contents, model: ModelIdentity, index: Path
) -> None:
    before = store.read_manifest(index)
    after = store.write(index, contents, model, OLD)
    assert after.files == before.files
    assert after.folder != before.folder


def test_a_new_index_takes_the_place_of_the_old_one(
    contents: store.Contents, model: ModelIdentity, index: Path
) -> None:
    manifest = store.write(index, contents, model, NEW)
    assert store.load(index, model)[0] == manifest
    assert manifest.built == NEW
    assert names(index) == {".lock", "manifest.json", manifest.folder}


def test_the_manifest_is_replaced_and_never_rewritten(
    contents: store.Contents, model: ModelIdentity, index: Path
) -> None:
    """Who has opened the old one reads it to its end: there is no moment with half a manifest."""
    before = (index / "manifest.json").read_text(encoding="utf-8")
    with (index / "manifest.json").open(encoding="utf-8") as opened:
        store.write(index, contents, model, NEW)
        assert opened.read() == before
    assert (index / "manifest.json").read_text(encoding="utf-8") != before


def test_folders_that_are_not_there_are_made(
    contents: store.Contents, model: ModelIdentity, tmp_path: Path
) -> None:
    store.write(tmp_path / "a" / "b", contents, model, OLD)
    assert store.load(tmp_path / "a" / "b", model)[0].built == OLD


def test_the_next_write_tidies_up_what_others_left_and_only_that(
    contents: store.Contents, model: ModelIdentity, index: Path
) -> None:
    for name in ("unfinished-x", "generation-y"):
        (index / name / "words").mkdir(parents=True)
        (index / name / "rows.npy").write_bytes(b"left")
    (index / ".manifest.json.new").write_text("{", encoding="utf-8")
    (index / "README.md").write_text("mine", encoding="utf-8")
    (index / "generation-notes.txt").write_text("mine", encoding="utf-8")
    assert store.load(index, model)[0].built == OLD, "leftovers do no harm"
    manifest = store.write(index, contents, model, NEW)
    assert names(index) == {
        ".lock",
        "manifest.json",
        manifest.folder,
        "README.md",
        "generation-notes.txt",
    }


# --- damaged --------------------------------------------------------------------------------------


def test_no_index_is_named_with_the_command_that_builds_one(tmp_path: Path) -> None:
    with pytest.raises(NoIndexError, match="Build it with 'tryghed-search ingest'"):
        store.load(tmp_path / "nothing", MODEL)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer", "empty", "missing"])
def test_damage_to_any_file_is_seen_and_named(
    index: Path, model: ModelIdentity, damage: str
) -> None:
    folder = generation(index)
    for name in store.read_manifest(index).files:
        path = folder / name
        whole = path.read_bytes()
        if damage == "flipped":
            flip_a_bit(path)
        elif damage == "missing":
            path.unlink()
        else:
            cut = {"truncated": whole[:-1], "longer": whole + b"\0", "empty": b""}
            path.write_bytes(cut[damage])
        with pytest.raises(DamagedIndexError, match="Rebuild it with 'tryghed-search ingest'") as e:
            store.load(index, model)
        assert str(path) in str(e.value)
        assert "\n" not in str(e.value)
        path.write_bytes(whole)
    assert store.load(index, model)[0].built == OLD


def test_a_file_that_was_not_written_is_refused(index: Path, model: ModelIdentity) -> None:
    extra = generation(index) / "words" / "corpus.jsonl"
    extra.write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedIndexError, match=r"corpus\.jsonl is not one that was written"):
        store.load(index, model)


def test_what_a_file_manager_leaves_does_no_harm(index: Path, model: ModelIdentity) -> None:
    (generation(index) / ".DS_Store").write_bytes(b"\0")
    assert store.load(index, model)[0].built == OLD


def test_a_missing_generation_is_a_damaged_index(index: Path, model: ModelIdentity) -> None:
    shutil.rmtree(generation(index))
    with pytest.raises(DamagedIndexError, match="cannot be read"):
        store.load(index, model)


def changed_manifest(index: Path, **changes: Any) -> None:
    path = index / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(data | changes), encoding="utf-8")


def test_nothing_is_read_that_the_manifest_does_not_vouch_for(
    index: Path, model: ModelIdentity
) -> None:
    changed_manifest(index, files={})
    flip_a_bit(generation(index) / "vectors.faiss")
    with pytest.raises(DamagedIndexError):
        store.load(index, model)


@pytest.mark.parametrize("count", ["passages", "vectors", "tokens"])
def test_parts_that_do_not_belong_together_are_refused(
    index: Path, model: ModelIdentity, count: str
) -> None:
    counts = dict(store.read_manifest(index).counts)
    changed_manifest(index, counts=counts | {count: counts[count] + 1})
    with pytest.raises(DamagedIndexError, match=r"do not belong together|cannot be read"):
        store.load(index, model)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"manifest"',
        b"{}",
        b'{"format": %d}' % store.FORMAT,
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"<html>",
    ],
)
def test_a_manifest_that_is_garbage_is_refused(index: Path, garbage: bytes) -> None:
    (index / "manifest.json").write_bytes(garbage)
    with pytest.raises(
        DamagedIndexError, match="Rebuild it with 'tryghed-search ingest'"
    ) as caught:
        store.load(index, MODEL)
    assert str(index / "manifest.json") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["counts", "model"])
def test_a_number_without_end_is_refused(index: Path, field: str) -> None:
    """Python's JSON knows Infinity, which is no whole number."""
    manifest = json.loads((index / "manifest.json").read_text(encoding="utf-8"))
    endless = {key: float("inf") for key in ("passages", "dimension") if key in manifest[field]}
    changed_manifest(index, **{field: manifest[field] | endless})
    with pytest.raises(DamagedIndexError, match="is not a manifest of an index"):
        store.load(index, MODEL)


def test_a_manifest_that_is_a_folder_is_refused(index: Path) -> None:
    (index / "manifest.json").unlink()
    (index / "manifest.json").mkdir()
    with pytest.raises(DamagedIndexError, match="Rebuild"):
        store.load(index, MODEL)


@pytest.mark.parametrize(
    "number", [0, store.FORMAT - 1, store.FORMAT + 1, 99, str(store.FORMAT), None]
)
def test_another_format_is_refused_with_the_command_that_rebuilds(
    index: Path, model: ModelIdentity, number: object
) -> None:
    changed_manifest(index, format=number)
    with pytest.raises(OtherModelError, match=f"has format {number}, this program reads") as caught:
        store.load(index, model)
    assert "tryghed-search ingest" in str(caught.value)


@pytest.mark.parametrize("field", [f.name for f in fields(ModelIdentity)])
def test_another_model_is_refused_whatever_differs(
    index: Path, model: ModelIdentity, field: str
) -> None:
    value = getattr(model, field)
    other = replace(model, **{field: value + 1 if field == "dimension" else f"{value}x"})
    with pytest.raises(OtherModelError, match="Rebuild it with 'tryghed-search ingest'"):
        store.load(index, other)
    changed_manifest(index, model={f.name: getattr(other, f.name) for f in fields(ModelIdentity)})
    with pytest.raises(OtherModelError, match="or set the model that made it"):
        store.load(index, model)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "words/../../x", "..", ".", "", "a\0b", "a/../../b"]
)
def test_a_manifest_never_leads_outside_the_index(
    index: Path, model: ModelIdentity, name: str
) -> None:
    manifest = json.loads((index / "manifest.json").read_text(encoding="utf-8"))
    changed_manifest(index, files=manifest["files"] | {name: {"bytes": 0, "sha256": ""}})
    with pytest.raises(DamagedIndexError, match="names files outside the index"):
        store.load(index, model)
    changed_manifest(index, files=manifest["files"], folder=name)
    with pytest.raises(DamagedIndexError, match="names files outside the index"):
        store.load(index, model)


def test_a_flipped_bit_anywhere_in_the_manifest_never_gives_another_index(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    """Either it is refused, or what the bit says is only a date and the contents are the same."""
    path = index / "manifest.json"
    whole = path.read_bytes()
    loaded = 0
    messages = []
    for at in range(0, len(whole), 3):
        flip_a_bit(path, at)
        try:
            found = store.load(index, model)[1]
        except TryghedError as error:
            messages.append(str(error))
        else:
            loaded += 1
            assert found.reports == contents.reports
            assert np.array_equal(found.rows, contents.rows)
        path.write_bytes(whole)
    assert loaded < len(messages) / 10
    assert not any("\n" in message for message in messages)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_manifest_with_anything_in_any_place_is_read_or_refused(
    written: Path, data: st.DataObject
) -> None:
    manifest: Any = json.loads((written / "manifest.json").read_text(encoding="utf-8"))
    inner = data.draw(st.sampled_from(["", "model", "counts", "files"]))
    place = manifest[inner] if inner else manifest
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(anything)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        with pytest.raises(TryghedError):  # its files are not there
            store.load(Path(name), MODEL)


class Marker:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "name",
    ["rows.npy", "tokens-vectors.npy", "words/data.csc.index.npy", "grams/indptr.csc.index.npy"],
)
def test_nothing_is_unpickled(index: Path, model: ModelIdentity, tmp_path: Path, name: str) -> None:
    """An array of objects, vouched for by the manifest, is refused before it can do anything."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([Marker(tmp_path / "harm")], dtype=object), allow_pickle=True)
    path = generation(index) / name
    path.write_bytes(buffer.getvalue())
    files = json.loads((index / "manifest.json").read_text(encoding="utf-8"))["files"]
    entry = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    changed_manifest(index, files=files | {name: entry})
    with pytest.raises(DamagedIndexError, match="cannot be read"):
        store.load(index, model)
    assert not (tmp_path / "harm").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "harm").exists(), "it would have done it"


# --- failing to write -----------------------------------------------------------------------------


def assert_old_index_stays(
    folder: Path, before: set[str], model: ModelIdentity, contents: store.Contents
) -> None:
    manifest, loaded = store.load(folder, model)
    assert manifest.built == OLD
    assert loaded.reports == contents.reports
    assert names(folder) == before, "nothing is left lying about"


def assert_says_what_to_do(error: IndexWriteError, folder: Path, why: str) -> None:
    message = str(error)
    assert str(folder) in message
    assert why in message
    assert "The old index, if there is one, is untouched." in message
    assert "TRYGHED_INDEX" in message
    assert "\n" not in message


def test_a_file_that_may_not_grow_leaves_the_old_index(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    """One byte too little for each file in turn."""
    before = names(index)
    sizes = {entry["bytes"] for entry in store.read_manifest(index).files.values()}
    for size in sorted(sizes):
        with file_size_limit(size - 1), pytest.raises(IndexWriteError) as caught:
            store.write(index, contents, model, NEW)
        assert_says_what_to_do(caught.value, index, "")
        assert any(
            why in str(caught.value) for why in ("larger than allowed", "the disk is full")
        ), size
        assert_old_index_stays(index, before, model, contents)
    store.write(index, contents, model, NEW)
    assert store.load(index, model)[0].built == NEW


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes; only root can have one."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("no disk may be mounted here; the test with a limit on files says the same")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_full_disk_leaves_the_old_index(
    small_disk: Path, model: ModelIdentity, contents: store.Contents, report: Report
) -> None:
    """Full at once, full at every page on the way and full for the last file."""
    index = small_disk / "index"
    store.write(index, contents, model, OLD)
    before = names(index)
    page = os.sysconf("SC_PAGE_SIZE")
    files = store.read_manifest(index).files.values()
    pages = sum(-(-entry["bytes"] // page) for entry in files)
    # Larger than a buffer: numpy, which writes them, then fails in a way of its own.
    grams = LexicalIndex.build([danish.grams(passage.text) for passage in report.passages])
    contents = replace(contents, grams=grams)
    failures = 0
    for free in range(3 * pages + 100):
        filler = small_disk / "filler"
        room = shutil.disk_usage(small_disk).free - free * page
        filler.write_bytes(bytes(room))
        try:
            store.write(index, contents, model, NEW)
        except IndexWriteError as error:
            failures += 1
            assert_says_what_to_do(error, index, "the disk is full")
            assert_old_index_stays(index, before, model, contents)
        finally:
            filler.unlink()
        if store.read_manifest(index).built == NEW:
            break
    assert failures >= pages
    assert store.load(index, model)[0].built == NEW, "with room enough it is written"


def test_a_folder_that_may_not_be_written_is_named_and_its_index_still_read(
    model: ModelIdentity, contents: store.Contents
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's folders may be entered by one user only
        Path(name).chmod(0o755)
        index = Path(name) / "index"
        store.write(index, contents, model, OLD)
        before = names(index)
        with without_rights(index):
            with pytest.raises(IndexWriteError) as caught:
                store.write(index, contents, model, NEW)
            assert_old_index_stays(index, before, model, contents)
        assert_says_what_to_do(caught.value, index, "this user may not write there")
        store.write(index, contents, model, NEW)
        assert store.load(index, model)[0].built == NEW


def test_a_file_where_the_folder_should_be_is_named(
    model: ModelIdentity, contents: store.Contents, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "index"):
        with pytest.raises(IndexWriteError) as caught:
            store.write(folder, contents, model, NEW)
        assert_says_what_to_do(caught.value, folder, "there is a file where a folder should be")


def test_a_switch_that_fails_leaves_the_old_index(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    """All files are written, but the new manifest cannot be."""
    (index / ".manifest.json.new").mkdir()
    before = names(index)
    with pytest.raises(IndexWriteError) as caught:
        store.write(index, contents, model, NEW)
    assert_says_what_to_do(caught.value, index, "")
    assert_old_index_stays(index, before, model, contents)


def test_a_first_write_that_fails_leaves_no_index(
    model: ModelIdentity, contents: store.Contents, tmp_path: Path
) -> None:
    with file_size_limit(1000), pytest.raises(IndexWriteError):
        store.write(tmp_path, contents, model, NEW)
    with pytest.raises(NoIndexError):
        store.load(tmp_path, model)
    assert names(tmp_path) == {".lock"}


# --- at the same time -----------------------------------------------------------------------------


def test_a_second_writer_is_told_to_wait(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    with (index / ".lock").open("a", encoding="ascii") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(IndexWriteError, match="Another ingest is writing to") as caught:
            store.write(index, contents, model, NEW)
    assert "wait until it is done and try again" in str(caught.value)
    assert store.load(index, model)[0].built == OLD
    assert store.write(index, contents, model, NEW).built == NEW


def test_of_many_writers_at_once_each_writes_whole_or_not_at_all(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    told: list[str] = []

    def write(number: int) -> str | None:
        try:
            return store.write(index, contents, model, f"writer {number}").built
        except IndexWriteError as error:
            told.append(str(error))
            return None

    with ThreadPoolExecutor(4) as pool:
        done = [built for built in pool.map(write, range(12)) if built]
    assert all("Another ingest" in message for message in told)
    manifest, loaded = store.load(index, model)
    assert manifest.built in done
    assert_equal(loaded, contents)
    assert names(index) == {".lock", "manifest.json", manifest.folder}


def test_a_reader_never_sees_half_an_index_while_it_is_replaced(
    index: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    enough = threading.Event()

    def replace_it() -> int:
        count = 0
        while not enough.is_set():
            store.write(index, contents, model, NEW)
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_it)
        try:
            for _ in range(60):
                assert store.load(index, model)[1].reports == contents.reports
        finally:
            enough.set()
        assert writing.result() > 0


WRITER = """
import sys
from pathlib import Path
from tryghed_search import store
folder = Path(sys.argv[1])
model = store.read_manifest(folder).model
_, contents = store.load(folder, model)
number = 0
while True:
    number += 1
    print(store.write(folder, contents, model, f"write {number}").built, flush=True)
"""


def test_an_ingest_that_is_killed_leaves_the_old_index_or_the_new_one(
    written: Path, tmp_path: Path, model: ModelIdentity, contents: store.Contents
) -> None:
    """Five processes that write without end are killed, each at a moment of its own."""
    folders = [Path(shutil.copytree(written, tmp_path / str(n))) for n in range(5)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        for folder in folders
    ]
    moments = (0.0, 0.013, 0.037, 0.071, 0.113)  # of a write that takes some 0.05 seconds
    for folder, process, moment in zip(folders, processes, moments, strict=True):
        assert process.stdout is not None
        assert process.stdout.readline() == "write 1\n"
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split("\n")
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        last = int(([line for line in told if line] or ["write 1"])[-1].split()[1])
        manifest, loaded = store.load(folder, model)
        assert manifest.built in {f"write {last}", f"write {last + 1}"}
        assert_equal(loaded, contents)
        assert store.write(folder, contents, model, NEW).built == NEW, "its lock died with it"
        assert names(folder) == {".lock", "manifest.json", store.read_manifest(folder).folder}


# --- a large index --------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any index counts as large."""
    monkeypatch.setattr(store, "FLAT_UP_TO", 1)


@pytest.mark.usefixtures("large")
def test_a_large_index_is_mapped_and_holds_what_was_written(
    contents: store.Contents, index: Path, model: ModelIdentity
) -> None:
    loaded = store.load(index, model)[1]
    assert isinstance(loaded.tokens.vectors, np.memmap)
    assert_equal(loaded, contents)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["vectors.faiss", "tokens-vectors.npy", "rows.npy"])
def test_damage_is_seen_before_anything_is_mapped(
    index: Path, model: ModelIdentity, name: str
) -> None:
    path = generation(index) / name
    flip_a_bit(path)
    with pytest.raises(DamagedIndexError, match=name):
        store.load(index, model)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedIndexError, match=name):
        store.load(index, model)


def test_the_manifest_says_how_vectors_are_searched_and_what_that_finds(
    contents: store.Contents, model: ModelIdentity, tmp_path: Path
) -> None:
    assert store.write(tmp_path, contents, model, OLD).vectors == {"kind": "flat", "recall": 1.0}
    graph = VectorIndex.build(contents.vectors.vectors(), flat_up_to=10)
    store.write(tmp_path, replace(contents, vectors=graph), model, NEW)
    manifest, loaded = store.load(tmp_path, model)
    assert manifest.vectors == {"kind": "hnsw", "recall": round(graph.recall, 4)}
    assert not loaded.vectors.exact


def test_an_index_that_would_find_too_little_leaves_the_old_one(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build.build_index(SMALL_REPORTS, tmp_path, encoder)
    usual = VectorIndex.build

    def poor(vectors: Any) -> VectorIndex:
        return usual(vectors, flat_up_to=10, least_recall=1.01)

    monkeypatch.setattr(VectorIndex, "build", poor)
    with pytest.raises(RecallError, match="not put in force"):
        build.build_index(SMALL_REPORTS, tmp_path, encoder)
    assert store.load(tmp_path, encoder.identity)[0] == before
