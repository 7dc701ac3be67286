"""What the model has made of texts, kept from one ingest to the next.

A piece is some consecutive texts of one report that are encoded by one call. What a text becomes
depends, in its last bits, on those that it is encoded with; so a piece is cut by its own texts
alone, and kept under the hash of all that goes into it: an index that is put together from kept
pieces is the index that a build from nothing gives.

``<folder>/<SHA-256 of model, kind and texts>.npz`` holds a SHA-256 of that name and of what
follows, then numpy's arrays. A file that is not as it was written is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tryghed_search.embedding import Encoded

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import ModelIdentity

FORMAT = 2
"""Bump when what is kept of a text, or how the encoder makes it, changes."""

Kind = Literal["passage", "sentence", "question"]
"""How a text is encoded: as a document with its token vectors, as one without, as a question."""

_LEAST, _ABOUT, _MOST = 64, 64, 256
"""Texts of a piece: after the least, one in so many ends it, at the most any."""
_NAME = re.compile(r"\.?[0-9a-f]{64}\.npz(?:\.new)?")
_DIGEST = 32

logger = logging.getLogger(__name__)


def cut(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in pieces, in their order.

    A text itself says whether a piece may end with it, so that an edit changes the pieces around it
    and leaves those further on as they were.
    """
    start = 0
    for at, text in enumerate(texts, start=1):
        ends = hashlib.sha256(text.encode()).digest()[0] % _ABOUT == 0
        if at == len(texts) or at - start == _MOST or (ends and at - start >= _LEAST):
            yield texts[start:at]
            start = at


class Pieces:
    """The kept pieces of one model in one folder."""

    def __init__(self, folder: Path, model: ModelIdentity) -> None:
        self._folder = folder
        self._model = asdict(model)
        self._dimension = model.dimension
        self._used: set[str] = set()
        self._keeps = True

    def has(self, kind: Kind, texts: Sequence[str]) -> bool:
        """Whether what the texts were encoded to is kept and whole."""
        return self._read(self._name(kind, texts)) is not None

    def find(self, kind: Kind, texts: Sequence[str]) -> list[Encoded] | None:
        """What the texts were encoded to, or None if that is not kept, or no longer whole."""
        kept = self._read(self._name(kind, texts))
        if kept is None:
            return None
        try:
            with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
                return self._apart({key: arrays[key] for key in arrays.files}, len(texts))
        except (ValueError, KeyError, zipfile.BadZipFile):
            return None

    def keep(self, kind: Kind, texts: Sequence[str], encoded: Sequence[Encoded]) -> bool:
        """Keep what the texts were encoded to, in one step; where that fails, go on without.

        Returns whether it is kept.
        """
        if not self._keeps:
            return False
        name = self._name(kind, texts)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            pooled=np.stack([e.pooled for e in encoded]),
            tokens=np.concatenate([e.tokens for e in encoded]),
            ids=np.concatenate([e.ids for e in encoded]),
            spans=np.concatenate([e.spans for e in encoded]),
            lengths=np.array([len(e.ids) for e in encoded], dtype=np.int64),
        )
        kept = buffer.getvalue()
        new = self._folder / f".{name}.new"
        try:
            self._folder.mkdir(exist_ok=True)
            new.write_bytes(_digest(name, kept) + kept)
            new.replace(self._folder / name)
        except OSError as error:
            self._keeps = False
            with contextlib.suppress(OSError):
                new.unlink()
            logger.warning(
                "What is embedded cannot be kept in %s (%s); the ingest goes on, but if it is "
                "stopped it begins anew.",
                self._folder,
                error.strerror or os.strerror(error.errno or 0),
            )
        return self._keeps

    def tidy(self) -> None:
        """Remove every piece that has been neither found nor kept since this was made."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name) and path.name not in self._used:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _name(self, kind: Kind, texts: Sequence[str]) -> str:
        of = json.dumps([FORMAT, self._model, kind, list(texts)], sort_keys=True)
        name = f"{hashlib.sha256(of.encode()).hexdigest()}.npz"
        self._used.add(name)
        return name

    def _read(self, name: str) -> memoryview | None:
        """What a file keeps; None if it is not as it was written."""
        try:
            data = memoryview((self._folder / name).read_bytes())
        except OSError:
            return None
        digest, kept = data[:_DIGEST], data[_DIGEST:]
        return kept if digest == _digest(name, kept) else None

    def _apart(self, arrays: dict[str, npt.NDArray[Any]], count: int) -> list[Encoded]:
        """The arrays as one encoding for each text; ``ValueError`` if they are others."""
        pooled, lengths = arrays["pooled"], arrays["lengths"]
        tokens, ids, spans = arrays["tokens"], arrays["ids"], arrays["spans"]
        total = int(lengths.sum())
        fits = (
            pooled.shape == (count, self._dimension)
            and lengths.shape == (count,)
            and tokens.shape == (total, self._dimension)
            and ids.shape == (total,)
            and spans.shape == (total, 2)
            and all(a.dtype == np.float32 for a in (pooled, tokens))
            and all(a.dtype == np.int32 for a in (ids, spans))
        )
        if not fits:
            raise ValueError("other arrays than were kept")
        ends = np.cumsum(lengths)
        return [
            Encoded(pooled[i], tokens[end - n : end], ids[end - n : end], spans[end - n : end])
            for i, (n, end) in enumerate(zip(lengths.tolist(), ends.tolist(), strict=True))
        ]


def _digest(name: str, kept: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(name.encode())
    digest.update(kept)
    return digest.digest()
