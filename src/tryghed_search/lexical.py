"""Word search: the only module that knows bm25s.

BM25 as in Lucene (Robertson & Zaragoza 2009; variants in Kamphuis et al. 2020).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import ranking

if TYPE_CHECKING:
    import numpy.typing as npt

K1, B = 1.2, 0.75
"""BM25's two constants."""
_OCCURRENCES = 1_000_000
"""Of a question's terms in documents, that are looked at to choose the best documents."""
_BLOCK = 50_000
"""Documents whose scores are reckoned together when an index is built."""
_LOOKED_UP = 12
"""A term's documents are gone through one by one as long as they are fewer than so many times
those asked for; else these are searched for among them."""


class LexicalIndex:
    """BM25 over documents that are given as lists of terms."""

    def __init__(self, retriever: Any, size: int) -> None:
        self._retriever = retriever
        self._size = size

    @classmethod
    def build(cls, documents: Iterable[Sequence[str]]) -> LexicalIndex:
        """An index of ``documents``, each its terms in order; they are gone through once."""
        numbers: dict[str, int] = {}
        given, ends = array("i"), array("q", [0])  # as texts they would take ten times as much
        for terms in documents:
            given.extend(numbers.setdefault(term, len(numbers)) for term in terms)
            ends.append(len(given))
        return cls.of_numbers(given, np.asarray(ends), numbers)

    @classmethod
    def of_numbers(
        cls, given: array[int], ends: npt.NDArray[np.int64], numbers: Mapping[str, int]
    ) -> LexicalIndex:
        """An index of documents whose terms are ``given`` by number, one document after another.

        What bm25s would build of them, to the bit, but all documents at once where it goes through
        them one by one: in a third of the time and with less memory. Document i has the terms from
        ``ends[i]`` to ``ends[i + 1]``; ``numbers`` has every term's, from 0 on.
        """
        import bm25s

        retriever = bm25s.BM25(k1=K1, b=B, method="lucene")
        retriever.scores = _scores(given, ends, len(numbers))
        retriever.vocab_dict = {**numbers, "": len(numbers)}
        retriever.nonoccurrence_array = None
        return cls(retriever, len(ends) - 1)

    @classmethod
    def load(cls, folder: Path, size: int, mapped: bool = False) -> LexicalIndex:
        """The index that ``save`` wrote, of ``size`` documents; nothing in it is unpickled.

        ``mapped`` into memory instead of read, its files must not change as long as it is used.
        """
        import bm25s

        retriever = bm25s.BM25.load(folder, allow_pickle=False, show_progress=False, mmap=mapped)
        for name in ("data", "indices", "indptr"):
            # Plain arrays: numpy takes its time to cut pieces from one that knows it is mapped.
            retriever.scores[name] = np.asarray(retriever.scores[name])
        return cls(retriever, size)

    def save(self, folder: Path) -> None:
        """Write the index as plain arrays and JSON into ``folder``; ``OSError`` if that fails."""
        self._retriever.save(folder, allow_pickle=False, show_progress=False)
        for path in folder.glob("*.npy"):
            try:
                np.load(path, mmap_mode="r", allow_pickle=False)
            except ValueError:  # numpy does not see that the last bytes found no room
                raise OSError(f"{path.name} is shorter than what was written") from None

    def scores(self, terms: Sequence[str]) -> npt.NDArray[np.float32]:
        """The BM25 score of every document, (n,) float32, 0 or more; terms count as often as given.

        Terms that no document holds count nothing.
        """
        known = [term for term in terms if term in self]
        if not known:
            return np.zeros(self._size, np.float32)
        return np.asarray(self._retriever.get_scores(known), dtype=np.float32)

    def best(
        self,
        terms: Sequence[str],
        count: int,
        among: npt.NDArray[np.bool_] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Numbers of the ``count`` documents that score best, (k,) int64, fewer if fewer score.

        Without looking at more than ``_OCCURRENCES``: the rarest terms first, because what stands
        in a great many documents hardly tells them apart. ``among`` (n,) tells which may be found.
        """
        scores = np.zeros(self._size, np.float32)
        places = sorted(self._places(terms), key=lambda place: place[1] - place[0])
        looked_at = 0
        for number, (start, end, times) in enumerate(places):
            looked_at += end - start
            if number and looked_at > _OCCURRENCES:
                break
            scores[self._documents[start:end]] += times * self._weights[start:end]
        if among is not None:
            scores *= among
        found = np.flatnonzero(scores > 0)
        if len(found) > count:
            reached = scores[found]
            least = np.partition(reached, -count)[-count]
            # Of those that are equal the first are taken, after all that are better.
            better, equal = found[reached > least], found[reached == least]
            found = np.concatenate([better, equal[: count - len(better)]])
        return found

    def scores_of(
        self, terms: Sequence[str], documents: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """What ``scores`` gives for some documents, (k,) float32; their numbers ascend."""
        found = np.zeros(len(documents), np.float32)
        place = np.full(self._size, -1, np.int32)
        place[documents] = np.arange(len(documents), dtype=np.int32)
        for start, end, times in self._places(terms):
            holders, weights = self._documents[start:end], self._weights[start:end]
            if len(holders) < _LOOKED_UP * len(documents):
                places = place[holders]
                held = places >= 0
                found[places[held]] += times * weights[held]
            else:
                at = np.searchsorted(holders, documents)
                at[at == len(holders)] = 0
                held = holders[at] == documents
                found[held] += times * weights[at[held]]
        return found

    def _places(self, terms: Sequence[str]) -> list[tuple[int, int, int]]:
        """Where each term's documents begin and end, if there are any; how often it is given."""
        bounds = self._retriever.scores["indptr"]
        given = Counter(self._retriever.vocab_dict[term] for term in terms if term in self)
        places = ((int(bounds[n]), int(bounds[n + 1]), times) for n, times in given.items())
        return [place for place in places if place[0] < place[1]]

    @property
    def _documents(self) -> npt.NDArray[np.int32]:
        """The documents of each term, ascending, term after term."""
        documents: npt.NDArray[np.int32] = self._retriever.scores["indices"]
        return documents

    @property
    def _weights(self) -> npt.NDArray[np.float32]:
        """What a term adds to the score of each of its documents."""
        weights: npt.NDArray[np.float32] = self._retriever.scores["data"]
        return weights

    def __contains__(self, term: str) -> bool:
        return bool(term) and term in self._retriever.vocab_dict  # bm25s adds an empty term


def _scores(given: array[int], ends: npt.NDArray[np.int64], terms: int) -> dict[str, Any]:
    """What each of ``terms`` adds to the score of each of its documents, as bm25s keeps it.

    ``given`` are the documents' terms, one after another to the ``ends``.
    """
    from scipy import sparse

    count, lengths = len(ends) - 1, np.diff(ends)
    numbers = np.frombuffer(given, np.int32) if given else np.empty(0, np.int32)
    table = sparse.csr_matrix(
        (np.ones(len(given), np.float32), numbers, ends), shape=(count, max(1, terms))
    )
    table.sum_duplicates()
    rarity = ranking.idf(count, np.bincount(table.indices, minlength=terms))
    less = K1 * (1 - B + B * lengths / max(1e-9, float(lengths.mean())))
    for start in range(0, count, _BLOCK):
        bounds = table.indptr[start : start + _BLOCK + 1]
        part = slice(int(bounds[0]), int(bounds[-1]))
        often = table.data[part]
        held = often / (often + np.repeat(less[start : start + _BLOCK], np.diff(bounds)))
        table.data[part] = rarity[table.indices[part]] * held
    by_term = table.tocsc()
    return {
        "data": by_term.data,
        "indices": by_term.indices.astype(np.int32, copy=False),
        "indptr": by_term.indptr,
        "num_docs": count,
    }
