"""Nearest neighbours among unit vectors: the only module that knows FAISS.

Up to ``FLAT_UP_TO`` vectors all are compared (``IndexFlatIP``); above that a graph is searched
(HNSW, Malkov & Yashunin 2016), which finds nearly all of the nearest, and how many is measured
before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search.errors import DamagedIndexError, RecallError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FLAT_UP_TO = 50_000
"""Vectors that are all compared, in about 3 ms; docs/growing.md has what was measured."""
LEAST_RECALL = 0.98
"""Share of the ten nearest that a graph must find."""
_LINKS = 32
"""What FAISS calls M. With half as many a graph of a million vectors found .956 of the ten nearest
where this one finds .988, and was built hardly sooner (docs/decisions.md)."""
_CONSTRUCTION = (128, 256)
"""What FAISS calls efConstruction: the effort that a graph is built with, and then with more."""
_SEARCH = (64, 128, 192, 256, 384, 512)
"""efSearch: the least effort of these with which the recall suffices is used."""
_PROBES = 200
"""Questions that the recall is measured with."""
_ASIDE = 1.5
"""Length of the noise in a probe: a cosine of 0.55 with the vector that it is made of, as questions
have with what answers them. Nearer ones are found too easily (docs/decisions.md)."""
_AT_ONCE = 1 << 20
"""Bytes that are handed on together when an index is written."""
_FEW = 30_000
"""Rows of a selection that are compared one by one."""


def _faiss() -> Any:
    """FAISS, loaded when first needed; its types do not know all that it can do."""
    import faiss

    return faiss


class VectorIndex:
    """Inner-product search over rows of unit length."""

    def __init__(self, index: Any, recall: float = 1.0) -> None:
        self._index = index
        self.recall = recall
        """Share of the ten nearest that are found, as it was measured when this was built."""

    @classmethod
    def build(
        cls,
        vectors: npt.NDArray[np.float32],
        flat_up_to: int = FLAT_UP_TO,
        least_recall: float = LEAST_RECALL,
    ) -> VectorIndex:
        """An index of ``vectors``, (n, d) float32, rows of unit length.

        Raises ``RecallError`` when a graph finds less than ``least_recall`` of the ten nearest,
        also when it is built with more effort.
        """
        faiss = _faiss()
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        count, dimension = vectors.shape
        if count <= flat_up_to:
            flat = faiss.IndexFlatIP(dimension)
            flat.add(vectors)
            return cls(flat)
        probes = _probes(vectors)
        nearest = _ten_nearest(vectors, probes)
        recall = 0.0
        for construction in _CONSTRUCTION:
            graph = faiss.IndexHNSWFlat(dimension, _LINKS, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = construction
            graph.add(vectors)
            for effort in _SEARCH:
                graph.hnsw.efSearch = effort
                _, found = graph.search(probes, nearest.shape[1])
                recall = _overlap(found, nearest)
                if recall >= least_recall:
                    return cls(graph, recall)
        raise RecallError(
            f"The index of {count} vectors finds {recall:.3f} of the ten nearest, less than "
            f"{least_recall}: it is not put in force, and an old index stays. Ingest fewer reports."
        )

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> VectorIndex:
        """The index that ``to_bytes`` wrote; ``DamagedIndexError`` if FAISS cannot read it.

        Hand it checked bytes only: FAISS does not notice every damage.
        """
        faiss = _faiss()
        return cls._read(lambda: faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8)))

    @classmethod
    def mapped(cls, path: Path) -> VectorIndex:
        """As ``from_bytes``, of a file that is mapped into memory instead of read.

        It must not change as long as the index is used.
        """
        faiss = _faiss()
        return cls._read(lambda: faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))

    @classmethod
    def _read(cls, read: Callable[[], Any]) -> VectorIndex:
        try:
            return cls(read())
        except RuntimeError:
            raise DamagedIndexError(
                "The vectors cannot be read; rebuild the index with 'tryghed-search ingest'."
            ) from None

    def write(self, path: Path) -> None:
        """Write what ``to_bytes`` gives, without holding it; ``OSError`` where that fails."""
        faiss = _faiss()
        with path.open("wb") as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write, _AT_ONCE))

    def to_bytes(self) -> memoryview:
        """The index as FAISS serialises it."""
        faiss = _faiss()
        return memoryview(faiss.serialize_index(self._index))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return int(self._index.d)

    @property
    def exact(self) -> bool:
        """Whether all vectors are compared."""
        return not hasattr(self._index, "hnsw")

    @property
    def _effort(self) -> int:
        return int(self._index.hnsw.efSearch)

    def vectors(self) -> npt.NDArray[np.float32]:
        """All rows, (n, d) float32, without copying; valid as long as the index is."""
        faiss = _faiss()
        flat = self._index if self.exact else faiss.downcast_index(self._index.storage)
        numbers = faiss.rev_swig_ptr(flat.get_xb(), len(self) * self.dimension)
        return np.asarray(numbers).reshape(len(self), self.dimension)

    def search(
        self,
        question: npt.NDArray[np.float32],
        count: int,
        among: npt.NDArray[np.int64] | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The ``count`` rows nearest to ``question``, (d,) float32 of unit length.

        Returns rows, (k,) int64, and their cosines, (k,) float32 from -1 to 1, best first, where k
        is ``count`` or the number of rows if that is less. ``among`` are the numbers of the rows
        that may be found, ascending; few are compared one by one, and for many the effort grows
        with what is left out, so that a narrow selection is searched as well as all.
        """
        count = min(count, len(self) if among is None else len(among))
        if count == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if among is not None and (len(among) <= _FEW or self.exact):
            return self._among(question, count, among)
        given = {} if among is None else {"params": self._selecting(among, count)}
        cosines, rows = self._index.search(
            np.ascontiguousarray(question, dtype=np.float32)[None, :], count, **given
        )
        found = rows[0] >= 0  # a graph may find fewer
        return rows[0][found], cosines[0][found]

    def ends(
        self, question: npt.NDArray[np.float32], nearest: int, farthest: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The rows nearest to ``question`` and rows far from it, (k,) and (l,) int64, best first.

        Of an index that is not ``exact`` the second are only among the farthest, so as to take
        little time.
        """
        if self.exact:
            cosines = self.cosines(question)
            return _largest(cosines, nearest), _largest(-cosines, farthest)
        faiss = _faiss()
        _, rows = self._index.search(
            np.ascontiguousarray(-question, dtype=np.float32)[None, :],
            min(farthest, len(self)),
            params=faiss.SearchParametersHNSW(efSearch=max(_SEARCH[0], farthest)),
        )
        return self.search(question, nearest)[0], rows[0][rows[0] >= 0]

    def _among(
        self, question: npt.NDArray[np.float32], count: int, among: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        cosines = self.vectors()[among] @ question
        best = np.argsort(-cosines, kind="stable")[:count]
        return among[best], cosines[best]

    def _selecting(self, among: npt.NDArray[np.int64], count: int) -> Any:
        faiss = _faiss()
        chosen = np.zeros(len(self), dtype=bool)
        chosen[among] = True
        effort = int(max(self._effort, count) * len(self) / len(among))
        selector = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
        return faiss.SearchParametersHNSW(sel=selector, efSearch=effort)

    def cosines(self, question: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The cosine of every row with ``question``, (n,) float32, in the rows' order.

        Of an index that is ``exact``; in a third of the time that ``search`` takes to put them all
        in order.
        """
        _, cosines, rows = self._index.range_search(
            np.ascontiguousarray(question, dtype=np.float32)[None, :], -np.inf
        )
        found = np.empty(len(self), np.float32)
        found[rows] = cosines
        return found


def _largest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Places of the ``count`` largest values, largest first; equals in their order."""
    if count < len(values):
        least = np.partition(values, -count)[-count] if count else np.inf
        chosen = np.flatnonzero(values >= least)
    else:
        chosen = np.arange(len(values))
    return np.asarray(chosen[np.argsort(-values[chosen], kind="stable")][:count], dtype=np.int64)


def _probes(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Questions near some of the vectors, (q, d) float32 of unit length, the same every time."""
    random = np.random.default_rng(7)
    near = vectors[np.linspace(0, len(vectors) - 1, min(_PROBES, len(vectors))).astype(np.int64)]
    noise = random.standard_normal(near.shape, dtype=np.float32)
    noise *= _ASIDE / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = near + noise
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)


def _ten_nearest(
    vectors: npt.NDArray[np.float32], probes: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    faiss = _faiss()
    metric = faiss.METRIC_INNER_PRODUCT
    _, nearest = faiss.knn(probes, vectors, min(10, len(vectors)), metric=metric)
    return np.asarray(nearest, dtype=np.int64)


def _overlap(found: npt.NDArray[np.int64], nearest: npt.NDArray[np.int64]) -> float:
    """Which share of the nearest was found, over all probes."""
    both = [np.intersect1d(one, other).size for one, other in zip(found, nearest, strict=True)]
    return float(sum(both) / nearest.size)
