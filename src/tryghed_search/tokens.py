"""Token vectors of all passages and late interaction over them.

MaxSim (Khattab & Zaharia 2020, ColBERT): each token of the question takes its best match in the
passage. Here the corpus mean is taken away from every token vector first, which removes what all
tokens share in a model that was not trained for this, and a question's token counts by how rare it
is in the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import linear, ranking

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tryghed_search.embedding import Encoded

ALL_TOKENS = 100_000
"""Token vectors up to which a question is compared with all, in about 30 ms; more stay on disk."""
HEADING = -1
"""Sentence number of tokens that stand in the heading path in front of a passage."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The token vectors of n passages, one after another."""

    vectors: npt.NDArray[np.float16]
    """(t, d) float16, corpus mean taken away, rows of unit length."""
    ids: npt.NDArray[np.int32]
    """(t,) int32: numbers in the model's vocabulary."""
    sentences: npt.NDArray[np.int32]
    """(t,) int32: which of its passage's sentences a token stands in, or ``HEADING``."""
    bounds: npt.NDArray[np.int64]
    """(n + 1,) int64: passage i has the rows ``bounds[i]`` to ``bounds[i + 1]``."""
    mean: npt.NDArray[np.float32]
    """(d,) float32: the mean of all token vectors as the model gives them."""

    @classmethod
    def build(
        cls,
        encoded: Iterable[Encoded],
        sentences: Sequence[npt.NDArray[np.int32]],
        mean: npt.NDArray[np.float32] | None = None,
        into: Path | None = None,
    ) -> TokenVectors:
        """From the passages' encodings and, for each token, the sentence that it stands in.

        ``encoded`` is gone through once, or twice where ``mean`` (``TokenSum``) is not given. With
        ``into`` the vectors are written to that file as numpy's, one passage after another, and
        mapped into memory; ``OSError`` where that fails.
        """
        if mean is None:
            mean = TokenSum.of(encoded).mean
        bounds = np.concatenate([[0], np.cumsum([len(some) for some in sentences])])
        shape = int(bounds[-1]), len(mean)
        ids = np.empty(shape[0], np.int32)

        def centred() -> Iterator[npt.NDArray[np.float16]]:
            """One passage at a time: all of them in float32 once more may be more than there is."""
            for e, start, end in zip(encoded, bounds[:-1], bounds[1:], strict=True):
                ids[start:end] = e.ids
                yield unit(e.tokens - mean).astype(np.float16)

        if into is None:
            vectors = np.empty(shape, np.float16)
            for some, start, end in zip(centred(), bounds[:-1], bounds[1:], strict=True):
                vectors[start:end] = some
        else:
            write_array(into, centred(), np.dtype(np.float16), shape)
            vectors = np.load(into, mmap_mode="r", allow_pickle=False)
        return cls(
            vectors=vectors,
            ids=ids,
            sentences=np.concatenate(sentences).astype(np.int32),
            bounds=bounds.astype(np.int64),
            mean=mean,
        )

    @classmethod
    def joined(
        cls,
        vectors: Sequence[npt.NDArray[np.float16]],
        ids: Sequence[npt.NDArray[np.int32]],
        sentences: Sequence[npt.NDArray[np.int32]],
        mean: npt.NDArray[np.float32],
    ) -> TokenVectors:
        """From what each passage has of ``vectors``, ``ids`` and ``sentences``."""
        lengths = [len(some) for some in ids]
        return cls(
            vectors=np.concatenate(vectors),
            ids=np.concatenate(ids),
            sentences=np.concatenate(sentences).astype(np.int32),
            bounds=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            mean=mean,
        )


class TokenSum:
    """The running sum of token vectors, row by row, as numpy adds up the rows of one array."""

    def __init__(self, dimension: int) -> None:
        self._sum = np.zeros(dimension, np.float32)
        self._count = 0

    @classmethod
    def of(cls, encoded: Iterable[Encoded]) -> TokenSum:
        """The sum over some passages, at least one."""
        made: TokenSum | None = None
        for e in encoded:
            made = made or cls(len(e.pooled))
            made.add(e)
        if made is None:
            raise ValueError("there are no passages")
        return made

    def add(self, encoded: Encoded) -> None:
        """Count one passage more; the order of passages decides the last bits."""
        self._sum = np.add.reduce(np.concatenate([self._sum[None], encoded.tokens]), axis=0)
        self._count += len(encoded.ids)

    @property
    def mean(self) -> npt.NDArray[np.float32]:
        """(d,) float32; zeros where there are no tokens."""
        return self._sum / np.float32(max(1, self._count))


@dataclass(frozen=True, slots=True)
class TokenStatistics:
    """What late interaction has to know of all passages of an index."""

    passages: int
    counts: Mapping[int, int]
    """In how many passages a token stands, by its number in the model's vocabulary."""
    mean: npt.NDArray[np.float32]
    """(d,) float32: see ``TokenVectors``."""

    @classmethod
    def of(cls, tokens: TokenVectors) -> TokenStatistics:
        """The statistics of passages that are all there."""
        passages = len(tokens.bounds) - 1
        owners = np.repeat(np.arange(passages), np.diff(tokens.bounds))
        each_once = np.unique(tokens.ids.astype(np.int64) * passages + owners)
        found, counts = np.unique(each_once // max(1, passages), return_counts=True)
        return cls(passages, dict(zip(found.tolist(), counts.tolist(), strict=True)), tokens.mean)

    def weights(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """How much each token of a question counts, by how rare it is, (m,) float32."""
        df = np.array([self.counts.get(int(i), 0) for i in ids], dtype=np.float32)
        return ranking.idf(self.passages, df)

    def centred(self, question: Encoded) -> npt.NDArray[np.float32]:
        """The question's tokens as the passages' are kept, (m, d) float32, rows of unit length."""
        return unit(question.tokens - self.mean)


class LateInteraction:
    """Scores questions against :class:`TokenVectors`."""

    def __init__(
        self,
        tokens: TokenVectors,
        statistics: TokenStatistics | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        """``statistics`` are those of the whole index, if the passages are not all of it.

        ``lasting`` says that many questions are to come: getting ready takes longer, each less.
        """
        self._cosines = linear.Cosines(tokens.vectors, lasting)
        self._tokens = tokens
        self._statistics = statistics or TokenStatistics.of(tokens)
        self._passages = len(tokens.bounds) - 1

    def __bool__(self) -> bool:
        """Whether there are any token vectors: not every model gives them."""
        return len(self._tokens.ids) > 0

    def weights(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """How much each token of a question counts, as ``TokenStatistics.weights``."""
        return self._statistics.weights(ids)

    def centred(self, question: Encoded) -> npt.NDArray[np.float32]:
        """The question's tokens as the passages' are kept, as ``TokenStatistics.centred``."""
        return self._statistics.centred(question)

    def vectors_of(self, passage: int) -> npt.NDArray[np.float32]:
        """The token vectors of one passage, (n, d) float32, rows of unit length."""
        start, end = self._tokens.bounds[passage : passage + 2]
        return self._tokens.vectors[start:end].astype(np.float32)

    def similarities(self, question: Encoded) -> npt.NDArray[np.float32]:
        """Cosines of the question's tokens with all tokens of all passages, (m, t) float32."""
        return self._cosines(self.centred(question))

    def passages(
        self, similarities: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Weighted MaxSim of each passage, (n,) float32 from -1 to 1."""
        if not len(similarities) or not self:
            return np.zeros(self._passages, np.float32)
        bounds = self._tokens.bounds
        some = bounds[:-1] < bounds[1:]  # reduceat knows no empty stretches
        best = np.zeros((len(similarities), self._passages), np.float32)
        best[:, some] = np.maximum.reduceat(similarities, bounds[:-1][some], axis=1)
        return np.asarray(weights @ best / max(float(weights.sum()), 1e-9), dtype=np.float32)

    def sentences(
        self,
        similarities: npt.NDArray[np.float32],
        weights: npt.NDArray[np.float32],
        passage: int,
        count: int,
    ) -> npt.NDArray[np.float32]:
        """Weighted MaxSim of each of a passage's ``count`` sentences, (count,) float32."""
        scores = np.zeros(count, np.float32)
        if not len(similarities) or not self:
            return scores
        start, end = self._tokens.bounds[passage : passage + 2]
        numbers = self._tokens.sentences[start:end]
        firsts = np.flatnonzero(np.diff(numbers, prepend=HEADING - 1))  # sentences stand in a row
        best = np.maximum.reduceat(similarities[:, start:end], firsts, axis=1)
        found = numbers[firsts]
        scores[found[found >= 0]] = (weights @ best)[found >= 0]
        return scores / max(float(weights.sum()), 1e-9)

    def sentence_means(
        self, values: npt.NDArray[np.float32], passage: int, count: int
    ) -> npt.NDArray[np.float32]:
        """The mean over each sentence's tokens of ``values``, (tokens of the passage,) float32.

        (count,) float32; where a sentence has no token with a finite value, the least of the means.
        """
        start, end = self._tokens.bounds[passage : passage + 2]
        numbers = self._tokens.sentences[start:end]
        kept = np.isfinite(values) & (numbers >= 0)
        if not kept.any():
            return np.zeros(count, np.float32)
        sums = np.bincount(numbers[kept], values[kept], count)
        tokens = np.bincount(numbers[kept], minlength=count)
        means = sums / np.maximum(tokens, 1)
        means[tokens == 0] = means[tokens > 0].min()
        return np.asarray(means, dtype=np.float32)


def sentence_numbers(
    starts: npt.NDArray[np.int32], sentences: Sequence[tuple[int, int]]
) -> npt.NDArray[np.int32]:
    """Which of a passage's sentences each token stands in, (t,) int32, or ``HEADING``.

    ``starts`` is where the tokens begin in the passage's text, negative in the headings before it.
    """
    numbers = np.full(len(starts), HEADING, dtype=np.int32)
    for number, (start, end) in enumerate(sentences):
        numbers[(starts >= start) & (starts < end)] = number
    return numbers


def write_array(
    path: Path,
    parts: Iterable[npt.NDArray[Any]],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
) -> None:
    """Write an array that comes in parts, as ``numpy.save`` writes it whole.

    To a full disk that is an ``OSError``. ``numpy.save`` may lose the last bytes without a word,
    and an array that is mapped would end the process.
    """
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, described | {"shape": shape})
        for part in parts:
            file.write(np.ascontiguousarray(part).data)


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows at unit length, (n, d) float32; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)
