"""The index on disk: written beside the old one, switched in one step, checked when loaded.

``manifest.json`` is the one file that says which generation is in force; replacing it is the
switch. It holds the size and SHA-256 of every other file, and nothing is read before its hash is
checked: FAISS and numpy do not notice every damage. Nothing is unpickled.

    index/
    ├── manifest.json
    ├── encoded/              what the model has made of texts, see pieces.py; not read to answer
    └── generation-…/
        ├── reports.json      text, sections and passages
        ├── vocabulary.json   every word with its count
        ├── vectors.faiss     pooled vectors of passages, sentences and reader questions
        ├── rows.npy          what each vector is of
        ├── tokens-*.npy      token vectors, see tokens.py
        └── words/, grams/    BM25, see lexical.py
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import report_json
from tryghed_search.bundled import sha256_of
from tryghed_search.embedding import ModelIdentity
from tryghed_search.errors import (
    DamagedIndexError,
    NoIndexError,
    OtherModelError,
)
from tryghed_search.lexical import LexicalIndex
from tryghed_search.locking import sync, writing
from tryghed_search.passages import Passage, Report
from tryghed_search.tokens import ALL_TOKENS, TokenVectors, write_array
from tryghed_search.vectors import FLAT_UP_TO, VectorIndex

if TYPE_CHECKING:
    import numpy.typing as npt

MANIFEST = "manifest.json"
FORMAT = 3
"""Bump when the files, or what is embedded for a passage, change."""

PASSAGE, SENTENCE, ANSWERED, UNANSWERED = 0, 1, 2, 3
"""What a vector is of, the second column of ``rows``: the last two, of a reader question."""

TOKEN_VECTORS = "tokens-vectors.npy"  # noqa: S105 no secret
"""The file of a generation that most of what the model has made goes into."""
_REPORTS, _VOCABULARY = "reports.json", "vocabulary.json"
_VECTORS, _ROWS = "vectors.faiss", "rows.npy"
_REBUILD = "Rebuild it with 'tryghed-search ingest'."


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index holds."""

    reports: tuple[Report, ...]
    municipalities: Mapping[str, tuple[str, ...]]
    """Names of municipalities that the reports speak of, with their other spellings."""
    reader_questions: Mapping[str, str]
    """Passage id to the question that readers may be shown for it."""
    vectors: VectorIndex
    rows: npt.NDArray[np.int32]
    """(vectors, 3) int32: passage, what of it, and which one; for ``ANSWERED`` the sentence."""
    tokens: TokenVectors
    words: LexicalIndex
    grams: LexicalIndex
    vocabulary: Mapping[str, int]
    """Every word of passages and headings with its count."""

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All passages, in the order that the arrays number them in."""
        return tuple(p for report in self.reports for p in report.passages)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the manifest says of the index in force."""

    format: int
    built: str
    """UTC, ISO 8601."""
    folder: str
    model: ModelIdentity
    counts: Mapping[str, int]
    vectors: Mapping[str, Any]
    """How vectors are searched: ``kind``, "flat" or "hnsw", and the ``recall`` at ten measured."""
    files: Mapping[str, Mapping[str, Any]]


# --- writing --------------------------------------------------------------------------------------


def write(folder: Path, contents: Contents, model: ModelIdentity, built: str) -> Manifest:
    """Write a new generation beside the old one and switch to it.

    Raises ``IndexWriteError`` when that fails; what was there before then stays in force.
    """
    with writing(folder), unfinished(folder) as generation:
        return finish(generation, contents, model, built)


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder for a new generation, for one who holds ``folder`` (``locking.writing``).

    It is put in force by ``finish``, and removed where that does not come about. ``OSError`` where
    it cannot be made.
    """
    generation = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder))
    try:
        yield generation
    except BaseException:
        shutil.rmtree(generation, ignore_errors=True)
        raise


def finish(generation: Path, contents: Contents, model: ModelIdentity, built: str) -> Manifest:
    """Write the contents into an ``unfinished`` generation and switch to it.

    Token vectors that were written there already (``TOKEN_VECTORS``) are left as they are. Raises
    ``OSError`` when it fails.
    """
    folder = generation.parent
    manifest = _write_generation(folder, generation, contents, model, built)
    _switch(folder, manifest)
    _tidy(folder, manifest.folder)
    return manifest


def _write_generation(
    folder: Path, unfinished: Path, contents: Contents, model: ModelIdentity, built: str
) -> Manifest:
    with (unfinished / _REPORTS).open("w", encoding="utf-8") as file:
        file.writelines(
            report_json.parts(
                contents.reports,
                municipalities=contents.municipalities,
                reader_questions=contents.reader_questions,
            )
        )
    (unfinished / _VOCABULARY).write_text(report_json.text(contents.vocabulary), encoding="utf-8")
    contents.vectors.write(unfinished / _VECTORS)
    _write_array(unfinished / _ROWS, contents.rows)
    for field in fields(TokenVectors):
        name = field.name
        _write_array(unfinished / f"tokens-{name}.npy", getattr(contents.tokens, name))
    contents.words.save(unfinished / "words")
    contents.grams.save(unfinished / "grams")
    files = {
        path.relative_to(unfinished).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(unfinished.rglob("*"))
        if path.is_file()
    }
    for name in files:
        sync(unfinished / name)
    for path in (unfinished / "words", unfinished / "grams", unfinished):
        sync(path)
    unfinished.chmod(0o755)
    generation = folder / unfinished.name.replace("unfinished-", "generation-")
    unfinished.rename(generation)
    sync(folder)
    counts = {
        "reports": len(contents.reports),
        "sections": sum(len(report.sections) for report in contents.reports),
        "passages": len(contents.passages),
        "vectors": len(contents.vectors),
        "tokens": len(contents.tokens.ids),
    }
    vectors = {
        "kind": "flat" if contents.vectors.exact else "hnsw",
        "recall": round(contents.vectors.recall, 4),
    }
    return Manifest(FORMAT, built, generation.name, model, counts, vectors, files)


def _write_array(path: Path, array: npt.NDArray[Any]) -> None:
    if isinstance(array, np.memmap) and path.exists() and path.samefile(str(array.filename)):
        return  # is what was written there
    write_array(path, [array], array.dtype, array.shape)


def _switch(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in force: the one step that readers see."""
    new = folder / f".{MANIFEST}.new"
    try:
        new.write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
        sync(new)
        new.replace(folder / MANIFEST)
    except OSError:
        shutil.rmtree(folder / manifest.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    sync(folder)


def _tidy(folder: Path, current: str) -> None:
    """Remove other generations and what interrupted writers left."""
    for path in folder.iterdir():
        ours = path.name.startswith(("generation-", "unfinished-"))
        if ours and path.name != current and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


# --- reading --------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """The manifest in force.

    Raises ``NoIndexError`` when there is none and ``DamagedIndexError`` when it cannot be read.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoIndexError(
            f"There is no index in {folder}. Build it with 'tryghed-search ingest'."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedIndexError(f"{path} cannot be read ({error}). {_REBUILD}") from None
    try:
        if data["format"] != FORMAT:
            raise OtherModelError(
                f"The index in {folder} has format {data['format']}, this program reads "
                f"{FORMAT}. {_REBUILD}"
            )
        manifest = Manifest(
            format=data["format"],
            built=str(data["built"]),
            folder=str(data["folder"]),
            model=model_from(data["model"]),
            counts={str(k): int(v) for k, v in data["counts"].items()},
            vectors=dict(data["vectors"]),
            files={str(k): dict(v) for k, v in data["files"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DamagedIndexError(f"{path} is not a manifest of an index. {_REBUILD}") from None
    unsafe = [name for name in (manifest.folder, *manifest.files) if not _is_inside(name)]
    if unsafe or "/" in manifest.folder:
        raise DamagedIndexError(f"{path} names files outside the index. {_REBUILD}")
    return manifest


def model_from(data: Mapping[str, Any]) -> ModelIdentity:
    """The identity that ``dataclasses.asdict`` and JSON have made plain."""
    texts = {key: str(value) for key, value in data.items() if key != "dimension"}
    return ModelIdentity(**texts, dimension=int(data["dimension"]))


def _is_inside(name: str) -> bool:
    path = Path(name)
    within = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return within and "\0" not in name


def load(folder: Path, model: ModelIdentity) -> tuple[Manifest, Contents]:
    """The index in force, whole and made with ``model``.

    Raises ``NoIndexError``, ``DamagedIndexError`` (a file is missing, truncated or changed) or
    ``OtherModelError`` (the index was made with another model or format).
    """
    manifest = read_manifest(folder)
    while True:
        try:
            return manifest, _load(folder, manifest, model)
        except (DamagedIndexError, FileNotFoundError):  # the second while folders are listed
            newer = read_manifest(folder)
            if newer.folder == manifest.folder:
                raise
            manifest = newer  # an ingest has switched over and removed the one being read


def _load(folder: Path, manifest: Manifest, model: ModelIdentity) -> Contents:
    if manifest.model != model:
        raise OtherModelError(
            f"The index in {folder} was made with the model {manifest.model.name} "
            f"({manifest.model.sha256[:12]}), but {model.name} ({model.sha256[:12]}) is set. "
            "Rebuild it with 'tryghed-search ingest', or set the model that made it."
        )
    generation = folder / manifest.folder
    _check_files(generation, manifest)
    try:
        contents = _read(generation, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedIndexError(
            f"The index in {folder} cannot be read ({type(error).__name__}). {_REBUILD}"
        ) from None
    _check_counts(folder, manifest, contents)
    return contents


def _check_files(generation: Path, manifest: Manifest) -> None:
    """Every file that the manifest names is as it was written, and there is no other to read."""
    for name, expected in manifest.files.items():
        path = generation / name
        try:
            size = path.stat().st_size
            whole = size == expected.get("bytes") and sha256_of(path) == expected.get("sha256")
        except OSError as error:
            raise DamagedIndexError(
                f"The index file {path} cannot be read ({error.strerror}). {_REBUILD}"
            ) from None
        if not whole:
            raise DamagedIndexError(
                f"The index file {path} is damaged: it is not as it was written. {_REBUILD}"
            )
    for path in sorted(generation.rglob("[!.]*")):
        if path.is_file() and path.relative_to(generation).as_posix() not in manifest.files:
            raise DamagedIndexError(
                f"The index file {path} is not one that was written. {_REBUILD}"
            )


def _check_counts(folder: Path, manifest: Manifest, contents: Contents) -> None:
    passages = len(contents.passages)
    fits = (
        passages == manifest.counts.get("passages")
        and len(contents.vectors) == len(contents.rows) == manifest.counts.get("vectors")
        and len(contents.tokens.bounds) == passages + 1
        and len(contents.tokens.ids) == manifest.counts.get("tokens")
        and contents.vectors.dimension == manifest.model.dimension
    )
    if not fits:
        raise DamagedIndexError(
            f"The parts of the index in {folder} do not belong together. {_REBUILD}"
        )


def _read(generation: Path, manifest: Manifest) -> Contents:
    reports, data = report_json.read((generation / _REPORTS).read_text(encoding="utf-8"))
    mapped = manifest.counts["vectors"] > FLAT_UP_TO
    tokens_mapped = mapped or manifest.counts["tokens"] > ALL_TOKENS
    tokens = {
        field.name: np.load(
            generation / f"tokens-{field.name}.npy",
            allow_pickle=False,
            mmap_mode="r" if tokens_mapped and field.name == "vectors" else None,
        )
        for field in fields(TokenVectors)
    }
    vectors, passages = generation / _VECTORS, manifest.counts["passages"]
    index = VectorIndex.mapped(vectors) if mapped else VectorIndex.from_bytes(vectors.read_bytes())
    index.recall = float(manifest.vectors["recall"])
    return Contents(
        reports=reports,
        municipalities={name: tuple(v) for name, v in data["municipalities"].items()},
        reader_questions=data["reader_questions"],
        vectors=index,
        rows=np.load(generation / _ROWS, allow_pickle=False),
        tokens=TokenVectors(**tokens),
        words=LexicalIndex.load(generation / "words", passages, mapped),
        grams=LexicalIndex.load(generation / "grams", passages, mapped),
        vocabulary=json.loads((generation / _VOCABULARY).read_text(encoding="utf-8")),
    )
