"""Nearest neighbours among unit vectors: the only module that knows FAISS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search.errors import DamagedIndexError

if TYPE_CHECKING:
    import numpy.typing as npt


class VectorIndex:
    """Exact inner-product search (FAISS ``IndexFlatIP``) over rows of unit length."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: npt.NDArray[np.float32]) -> VectorIndex:
        """An index of ``vectors``, (n, d) float32, rows of unit length."""
        import faiss

        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index)

    @classmethod
    def from_bytes(cls, data: bytes) -> VectorIndex:
        """The index that ``to_bytes`` wrote; ``DamagedIndexError`` if FAISS cannot read it.

        Hand it checked bytes only: FAISS does not notice every damage.
        """
        import faiss

        try:
            return cls(faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8)))
        except RuntimeError:
            raise DamagedIndexError(
                "The vectors cannot be read; rebuild the index with 'tryghed-search ingest'."
            ) from None

    def to_bytes(self) -> bytes:
        """The index as FAISS serialises it."""
        import faiss

        return bytes(faiss.serialize_index(self._index))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return int(self._index.d)

    def search(
        self, question: npt.NDArray[np.float32], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The ``count`` rows nearest to ``question``, (d,) float32 of unit length.

        Returns rows, (k,) int64, and their cosines, (k,) float32 from -1 to 1, best first, where k
        is ``count`` or the number of rows if that is less.
        """
        cosines, rows = self._index.search(
            np.ascontiguousarray(question, dtype=np.float32)[None, :], min(count, len(self))
        )
        return rows[0], cosines[0]

    def cosines(self, question: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The cosine of every row with ``question``, (n,) float32, in the rows' order.

        In a third of the time that ``search`` takes to put them all in order.
        """
        _, cosines, rows = self._index.range_search(
            np.ascontiguousarray(question, dtype=np.float32)[None, :], -np.inf
        )
        found = np.empty(len(self), np.float32)
        found[rows] = cosines
        return found
