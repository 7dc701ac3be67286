"""The index of one process as a store: every passage is scored, or of many the likely ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import lexical, retrieval
from tryghed_search.passages import Filters
from tryghed_search.retrieval import (
    Candidates,
    Corpus,
    Query,
    RawScores,
    Retriever,
    Selection,
    Selections,
    affordable_ends,
    known_filters,
    lexical_merit,
    looked_for,
    narrowed,
    sample,
    worth_keeping,
)
from tryghed_search.tokens import ALL_TOKENS, LateInteraction, TokenStatistics, TokenVectors

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.lexical import LexicalQuestion
    from tryghed_search.store import Contents


def retriever_over(contents: Contents) -> Retriever:
    """The store of an index: all passages are candidates as long as that is quick."""
    few = contents.vectors.exact and len(contents.tokens.ids) <= ALL_TOKENS
    return AllPassages(contents) if few else LikelyPassages(contents)


def _corpus(contents: Contents) -> Corpus:
    return Corpus(
        reports=contents.reports,
        municipalities=contents.municipalities,
        reader_questions=contents.reader_questions,
        vocabulary=contents.vocabulary,
        filters=known_filters(contents.passages),
        tokens=TokenStatistics.of(contents.tokens),
    )


class AllPassages:
    """Every passage of an index is a candidate for every question."""

    def __init__(self, contents: Contents) -> None:
        self.corpus = _corpus(contents)
        self._contents = contents
        self._passages = contents.passages
        self._late = LateInteraction(contents.tokens, self.corpus.tokens, lasting=True)

    def candidates(
        self,
        queries: Sequence[Query],
        wanted: Sequence[Filters],  # noqa: ARG002  # all are there anyway
    ) -> Candidates:
        """All passages, whatever is ``wanted``."""
        contents = self._contents
        raw = tuple(
            RawScores(
                rows=contents.rows,
                cosines=contents.vectors.cosines(query.vector),
                words=contents.words.scores(query.terms),
                grams=contents.grams.scores(query.grams),
            )
            for query in queries
        )
        return Candidates(self._passages, self._late, raw)


class LikelyPassages:
    """The passages of an index that vectors, words or n-grams put forward are candidates.

    Each candidate gets its exact scores. Token vectors stay on disk, mapped, but for those of the
    candidates.
    """

    def __init__(self, contents: Contents) -> None:
        self.corpus = _corpus(contents)
        self._contents = contents
        self._passages = contents.passages
        owners = contents.rows[:, 0]
        self._rows = np.argsort(owners, kind="stable")
        """The rows of each passage, passage after passage."""
        self._bounds = np.searchsorted(owners[self._rows], np.arange(len(self._passages) + 1))
        self._vectors = contents.vectors.vectors()
        # As a plain array: numpy takes its time to cut pieces from one that knows it is mapped.
        self._tokens = replace(contents.tokens, vectors=np.asarray(contents.tokens.vectors))
        self._lengths = np.diff(contents.tokens.bounds)
        self._nearest, self._farthest = looked_for(self._lengths)
        self._best_count = retrieval.best_count(len(self._passages))
        self._sample = sample(len(self._passages))
        self._selections = Selections(self._passages, owners)

    def candidates(self, queries: Sequence[Query], wanted: Sequence[Filters]) -> Candidates:
        """The best of all and of each of ``wanted``, and a sample of the rest."""
        selected = [
            self._selections.of(filters) if filters.named else None
            for filters in dict.fromkeys((Filters(), *wanted))
        ]
        ends = [
            self._contents.vectors.ends(query.vector, self._nearest, self._farthest)
            for query in queries
        ]
        asked = [
            (self._contents.words.question(query.terms), self._contents.grams.question(query.grams))
            for query in queries
        ]
        merits = [lexical_merit(*both) for both in asked]
        found = [
            self._best(query, near, merit, chosen)
            for query, (near, _), merit in zip(queries, ends, merits, strict=True)
            for chosen in selected
        ]
        rest = np.concatenate([self._sample, *(self._at_ends(*rows) for rows in ends)])
        always = np.zeros(len(self._passages), dtype=bool)
        always[rest] = True
        scored = always.copy()
        scored[np.concatenate(found)] = True
        numbers = np.flatnonzero(scored)
        raw = self._scored(queries, asked, numbers)
        among = [chosen.passages[numbers] for chosen in selected if chosen is not None]
        lengths = self._lengths[numbers]
        kept = worth_keeping(raw, always[numbers], among, lengths)
        numbers = numbers[kept]
        raw = [
            narrowed(own, kept, words.scores_of(numbers), grams.scores_of(numbers))
            for own, (words, grams) in zip(raw, asked, strict=True)
        ]
        late = LateInteraction(_tokens_of(self._tokens, numbers), self.corpus.tokens)
        return Candidates([self._passages[number] for number in numbers], late, tuple(raw))

    def _at_ends(
        self, near: npt.NDArray[np.int64], far: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Numbers of the passages of the nearest rows and, as late interaction allows, the far."""
        farthest = self._owners(far)
        few = affordable_ends(self._lengths[farthest])
        return np.concatenate([self._owners(near[: retrieval.ENDS]), farthest[:few]])

    def _owners(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Numbers of the passages that rows are of, in the rows' order, each once."""
        owners = self._contents.rows[rows, 0].astype(np.int64)
        first = np.unique(owners, return_index=True)[1]
        return np.asarray(owners[np.sort(first)])

    def _scored(
        self,
        queries: Sequence[Query],
        asked: Sequence[tuple[LexicalQuestion, LexicalQuestion]],
        numbers: npt.NDArray[np.int64],
    ) -> list[RawScores]:
        """The scores of some passages for each query, of words and n-grams by the rarest ones."""
        counts = self._bounds[numbers + 1] - self._bounds[numbers]
        rows = self._rows[_stretches(self._bounds[numbers], counts)]
        named = self._contents.rows[rows]
        named[:, 0] = np.repeat(np.arange(len(numbers), dtype=np.int32), counts)
        cosines = self._vectors[rows] @ np.stack([query.vector for query in queries]).T
        return [
            RawScores(
                rows=named,
                cosines=np.ascontiguousarray(own),
                words=words.by_rarest[numbers],
                grams=grams.by_rarest[numbers],
            )
            for (words, grams), own in zip(asked, cosines.T, strict=True)
        ]

    def _best(
        self,
        query: Query,
        nearest: npt.NDArray[np.int64],
        merit: npt.NDArray[np.float32],
        selected: Selection | None,
    ) -> npt.NDArray[np.int64]:
        """Numbers of the passages that vectors, and words and n-grams, put forward.

        ``nearest`` are the rows nearest of all, ``merit`` is that of ``lexical_merit``.
        """
        allowed = None
        if selected is not None:
            allowed = selected.passages
            nearest, _ = self._contents.vectors.search(query.vector, self._nearest, selected.rows)
        put_forward = lexical.best(merit, self._best_count, allowed)
        return np.concatenate([self._owners(nearest)[: self._best_count], put_forward])


def _stretches(
    starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The whole numbers of several stretches, one after another."""
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.repeat(starts - before, counts) + np.arange(counts.sum()))


def _tokens_of(tokens: TokenVectors, numbers: npt.NDArray[np.int64]) -> TokenVectors:
    """The token vectors of some passages."""
    starts = tokens.bounds[numbers]
    lengths = tokens.bounds[numbers + 1] - starts
    rows = _stretches(starts, lengths)
    return TokenVectors(
        vectors=tokens.vectors[rows],
        ids=tokens.ids[rows],
        sentences=tokens.sentences[rows],
        bounds=np.concatenate([[0], np.cumsum(lengths)]),
        mean=tokens.mean,
    )
