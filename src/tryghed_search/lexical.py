"""Word search: the only module that knows bm25s.

BM25 as in Lucene (Robertson & Zaragoza 2009; variants in Kamphuis et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class LexicalIndex:
    """BM25 over documents that are given as lists of terms."""

    def __init__(self, retriever: Any, size: int) -> None:
        self._retriever = retriever
        self._size = size

    @classmethod
    def build(cls, documents: Sequence[Sequence[str]]) -> LexicalIndex:
        """An index of ``documents``, each its terms in order."""
        import bm25s

        retriever = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        retriever.index([list(terms) for terms in documents], show_progress=False)
        return cls(retriever, len(documents))

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        """The index that ``save`` wrote, of ``size`` documents; nothing in it is unpickled."""
        import bm25s

        return cls(bm25s.BM25.load(folder, allow_pickle=False, show_progress=False), size)

    def save(self, folder: Path) -> None:
        """Write the index as plain arrays and JSON into ``folder``."""
        self._retriever.save(folder, allow_pickle=False, show_progress=False)

    def scores(self, terms: Sequence[str]) -> npt.NDArray[np.float32]:
        """The BM25 score of every document, (n,) float32, 0 or more; terms count as often as given.

        Terms that no document holds count nothing.
        """
        known = [term for term in terms if term in self]
        if not known:
            return np.zeros(self._size, np.float32)
        return np.asarray(self._retriever.get_scores(known), dtype=np.float32)

    def __contains__(self, term: str) -> bool:
        return bool(term) and term in self._retriever.vocab_dict  # bm25s adds an empty term
