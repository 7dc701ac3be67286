"""Word search: the only module that knows bm25s.

BM25 as in Lucene (Robertson & Zaragoza 2009; variants in Kamphuis et al. 2020).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tryghed_search import ranking

if TYPE_CHECKING:
    import numpy.typing as npt

K1, B = 1.2, 0.75
"""BM25's two constants."""
_OCCURRENCES = 2_000_000
"""Of a question's terms in documents, that are looked at to choose the best documents."""
_BLOCK = 50_000
"""Documents whose scores are reckoned together when an index is built."""
_SAMPLED = 64
"""One of so many scores tells about how great those are that are asked for."""


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

    def question(self, terms: Sequence[str]) -> LexicalQuestion:
        """What is to be asked of the index about one question, its ``terms`` as for ``scores``."""
        bounds = self._retriever.scores["indptr"]
        given = Counter(self._retriever.vocab_dict[term] for term in terms if term in self)
        stretches = ((int(bounds[n]), int(bounds[n + 1]), times) for n, times in given.items())
        return LexicalQuestion(
            self._size,
            [
                _Holders(self._documents[start:end], self._weights[start:end], times)
                for start, end, times in stretches
                if start < end
            ],
        )

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


class _Holders(NamedTuple):
    """The documents that hold a term."""

    documents: npt.NDArray[np.int32]
    """Their numbers, ascending."""
    weights: npt.NDArray[np.float32]
    """What the term adds to the score of each."""
    times: int
    """How often it is given."""


class LexicalQuestion:
    """The scores of many documents for one question.

    By the question's rarest terms those of all documents, as long as these terms do not occur more
    than ``_OCCURRENCES`` times: what stands in a great many documents hardly tells them apart. By
    all its terms those of some documents.
    """

    def __init__(self, size: int, terms: Sequence[_Holders]) -> None:
        terms = sorted(terms, key=lambda term: len(term.documents))
        occurrences = np.cumsum([len(term.documents) for term in terms])
        rare = max(1, int(np.searchsorted(occurrences, _OCCURRENCES, side="right")))
        self.by_rarest = _added_up(size, terms[:rare])
        """(n,) float32: the scores of all documents by the rarest terms."""
        self._common = terms[rare:]

    def scores_of(self, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """What ``LexicalIndex.scores`` gives for some documents, (k,) float32."""
        found = self.by_rarest[documents]
        wanted = documents.astype(np.int32)  # else numpy would make the holders as wide
        for holders, weights, times in self._common:
            at = np.searchsorted(holders, wanted)
            at[at == len(holders)] = 0
            held = holders[at] == wanted
            found[held] += times * weights[at[held]]
        return found


def together(
    one: LexicalQuestion, weight: float, other: LexicalQuestion, other_weight: float
) -> npt.NDArray[np.float32]:
    """The scores by the rarest terms in two indexes of the same documents added up, (n,) float32.

    Each index's count for its weight as if they ran from 0 to 1; the sum is on a scale of its own.
    """
    high, other_high = float(one.by_rarest.max()), float(other.by_rarest.max())
    if not other_high:
        return one.by_rarest
    if not high:
        return other.by_rarest
    added = one.by_rarest * np.float32(weight / high * other_high / other_weight)
    added += other.by_rarest
    return added


def best(
    scores: npt.NDArray[np.float32], count: int, among: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Numbers of the ``count`` documents with the greatest scores, (k,) int64; ``scores`` are (n,).

    Fewer if fewer have one above 0. ``among`` (n,) tells which may be found.
    """
    if among is not None:
        scores = scores * among
    found = _among_the_best(scores, count)
    if len(found) > count:
        reached = scores[found]
        least = np.partition(reached, -count)[-count]
        # Of those that are equal the first are taken, after all that are better.
        better, equal = found[reached > least], found[reached == least]
        found = np.concatenate([better, equal[: count - len(better)]])
    return found


def _added_up(size: int, terms: Sequence[_Holders]) -> npt.NDArray[np.float32]:
    """The scores of all documents by some terms, (size,) float32."""
    from scipy import sparse

    if not terms:
        return np.zeros(size, np.float32)
    # A product with a sparse matrix is one loop, without copies of all that is looked at.
    ends = np.cumsum([len(term.documents) for term in terms])
    by_term = sparse.csc_matrix(
        (
            np.concatenate([term.weights for term in terms]),
            np.concatenate([term.documents for term in terms]),
            np.concatenate([[0], ends]).astype(np.int32),
        ),
        shape=(size, len(terms)),
    )
    return np.asarray(by_term @ np.array([term.times for term in terms], np.float32))


def _among_the_best(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Places of scores above 0, ascending, the ``count`` greatest among them: of many a few more.

    To put hundreds of thousands in order would take longer than to add them up.
    """
    some = scores[::_SAMPLED]
    place = 2 * (count // _SAMPLED) + 32  # well below what is asked for, whatever the sample
    if place < len(some):
        least = np.partition(some, -place)[-place]
        found = np.flatnonzero(scores >= least)
        if least > 0 and len(found) >= count:
            return found
    return np.flatnonzero(scores > 0)


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
