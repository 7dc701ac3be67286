"""What search asks of a store of passages.

A store says once, when it is loaded, what is true of all its reports (:class:`Corpus`), and for
each question which passages are worth scoring, with their raw scores (:class:`Candidates`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from tryghed_search import lexical, ranking, store
from tryghed_search.passages import FILTERS, Filters, Passage, Report, filter_values

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.tokens import LateInteraction, TokenStatistics

SAMPLE = 16
"""Passages of no merit that are scored, so that scores are stretched over their usual range."""
NEAREST = 768
"""Vectors that are looked at for one question in a large store; several may be of one passage."""
NEAREST_WITHOUT_TOKENS = 256
"""The same where there is no late interaction that those further off could come to merit by."""
BEST = 768
"""Passages that words and n-grams together put forward, and the nearest vectors at most."""
MANY = 100_000
"""Passages up to which ``BEST`` are put forward; of ten times as many twice as many are."""
KEPT = 96
"""Of those, the best by all scores but late interaction, which get that too: at least so many."""
TOKENS = 14_000
"""Token vectors for which more than ``KEPT`` are kept: of short passages many, of long ones few."""
ENDS = 8
"""The nearest vectors, whose passages are scored whatever else is known of them: a question that
the reports leave unanswered counts."""
FARTHEST = 128
"""Vectors far from the question, whose passages are scored so that scores are stretched over the
range that they have among all: as many as a quarter of ``TOKENS`` allows, but at least ``ENDS``,
and no more than that where there is no late interaction, whose range takes most of them."""
SELECTIONS = 16
"""Filters whose passages and rows are kept at hand, up to 9 bytes a vector each."""
_SECOND_ASKED = 0.4
"""How much a passage's second nearest reader question counts, the nearest the rest."""

_NOBODY = np.empty(0, dtype=np.int64)
_NO_OWNERS = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is true of all reports of a store together."""

    reports: tuple[Report, ...]
    municipalities: Mapping[str, tuple[str, ...]]
    """Names of municipalities that the reports speak of, with their other spellings."""
    reader_questions: Mapping[str, str]
    """Passage id to the question that readers may be shown for it."""
    vocabulary: Mapping[str, int]
    """Every word of the reports with its count, as ``build.vocabulary`` counts."""
    filters: Mapping[str, Mapping[str, str]]
    """For each of ``FILTERS`` its values as they are written, by their case-folded form."""
    tokens: TokenStatistics


@dataclass(frozen=True, slots=True)
class Query:
    """One text as a store is asked for it."""

    vector: npt.NDArray[np.float32]
    """(d,) float32 of unit length: the text's pooled vector."""
    terms: Sequence[str]
    """Its index terms, ``danish.terms``."""
    grams: Sequence[str]
    """Its character n-grams, ``danish.grams``."""


@dataclass(frozen=True, slots=True)
class RawScores:
    """What a store says of n candidates for one text."""

    rows: npt.NDArray[np.int32]
    """(k, 3) int32: position among the candidates, what of it (``store.PASSAGE`` to
    ``store.UNANSWERED``) and which one, as in ``store.Contents.rows``, in any order. Every row
    of every candidate."""
    cosines: npt.NDArray[np.float32]
    """(k,) float32: the rows' cosines with the text."""
    words: npt.NDArray[np.float32]
    """(n,) float32: BM25 over the index terms."""
    grams: npt.NDArray[np.float32]
    """(n,) float32: BM25 over the n-grams."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The passages that are worth scoring for some texts that are asked together."""

    passages: Sequence[Passage]
    """n passages in the order of the reports, each once."""
    late: LateInteraction
    """Over the token vectors of the n passages, with the corpus's statistics."""
    raw: tuple[RawScores, ...]
    """One for each text."""


class Retriever(Protocol):
    """A store of passages as search sees it; safe to use from several threads."""

    @property
    def corpus(self) -> Corpus:
        """What is true of all reports together."""
        ...

    def candidates(self, queries: Sequence[Query], wanted: Sequence[Filters]) -> Candidates:
        """What is worth scoring for some texts.

        The best passages of all for every text, and for each of ``wanted`` the best of those that
        it lets through: others may be among them. Scores are stretched over the candidates, so
        besides the best there should be some of no merit. All passages will do.
        """
        ...


def scores(
    raw: RawScores, count: int, late: npt.NDArray[np.float32] | None = None
) -> ranking.Scores:
    """The scores of ``count`` candidates, for ``ranking.fuse``; without ``late`` there is none."""
    cosines = raw.cosines
    passage, sentence, answered = (
        raw.rows[:, 1] == kind for kind in (store.PASSAGE, store.SENTENCE, store.ANSWERED)
    )
    owners = raw.rows[:, 0]
    floor = float(cosines.min())
    return ranking.Scores(
        dense=ranking.best_per_group(cosines[passage], owners[passage], count, floor),
        sentence=ranking.best_per_group(cosines[sentence], owners[sentence], count, floor),
        late=np.zeros(count, np.float32) if late is None else late,
        words=raw.words,
        grams=raw.grams,
        asked=ranking.best_two_per_group(
            cosines[answered], owners[answered], count, np.nan, _SECOND_ASKED
        ),
    )


def worth_keeping(
    raw: Sequence[RawScores],
    always: npt.NDArray[np.bool_],
    among: Sequence[npt.NDArray[np.bool_]] = (),
    lengths: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Which of n candidates get late interaction as well, (n,) bool.

    For each text the best by all other scores, and as many of those that each of ``among`` lets
    through, (n,) bool; and those that ``always`` do, (n,) bool. ``KEPT`` are kept, or where that is
    more and ``lengths`` (n,) tells how many token vectors each has, those that have ``TOKENS``.
    """
    kept = always.copy()
    lengths = np.zeros(len(always), np.int64) if lengths is None else lengths
    most = len(always) if lengths.any() else 0
    for own in raw:
        best = np.argsort(-ranking.fuse(scores(own, len(always)), ranking.Weights()))
        for some in (best, *(best[allowed[best]] for allowed in among)):
            kept[some[: max(KEPT, min(affordable(lengths[some], TOKENS), most))]] = True
    return kept


def affordable(lengths: npt.NDArray[np.int64], tokens: int) -> int:
    """How many of the first passages have no more than ``tokens`` token vectors together."""
    return int(np.searchsorted(np.cumsum(lengths), tokens, side="right"))


def affordable_ends(lengths: npt.NDArray[np.int64]) -> int:
    """How many of the passages farthest from a text are scored; ``lengths`` (n,) are theirs."""
    return max(affordable(lengths, TOKENS // 4), ENDS)


def looked_for(lengths: npt.NDArray[np.int64]) -> tuple[int, int]:
    """How many near and far vectors are looked for among passages of ``lengths`` (n,) in tokens."""
    return (NEAREST, FARTHEST) if lengths.any() else (NEAREST_WITHOUT_TOKENS, ENDS)


def narrowed(
    raw: RawScores,
    kept: npt.NDArray[np.bool_],
    words: npt.NDArray[np.float32],
    grams: npt.NDArray[np.float32],
) -> RawScores:
    """The scores of those k candidates that are ``kept``, (n,) bool.

    ``words`` and ``grams``, (k,) float32, are theirs by all terms.
    """
    some = kept[raw.rows[:, 0]]
    rows = raw.rows[some]
    rows[:, 0] = (np.cumsum(kept) - 1)[rows[:, 0]]
    return RawScores(rows, raw.cosines[some], words, grams)


def lexical_merit(
    words: lexical.LexicalQuestion, grams: lexical.LexicalQuestion
) -> npt.NDArray[np.float32]:
    """How much words and n-grams together speak for each of n passages, (n,) float32."""
    weights = ranking.Weights()
    return lexical.together(words, weights.words, grams, weights.grams)


def sample(count: int) -> npt.NDArray[np.int64]:
    """Places of passages from all over ``count`` of them, which are always candidates."""
    return np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64))


def best_count(count: int) -> int:
    """How many of ``count`` passages words and n-grams put forward, and vectors at most."""
    return round(BEST * math.pow(max(1.0, count / MANY), math.log10(2)))


def known_filters(passages: Sequence[Passage]) -> dict[str, dict[str, str]]:
    """The values of each of ``FILTERS`` that the passages have, by their case-folded form."""
    return {
        name: {value.casefold(): value for p in passages for value in filter_values(p, name)}
        for name in FILTERS
    }


class Selection(NamedTuple):
    """What filters let through."""

    passages: npt.NDArray[np.bool_]
    """(n,) bool."""
    rows: npt.NDArray[np.int64]
    """Numbers of their vectors' rows, ascending; none where it is not known whose rows are."""


class Selections:
    """What filters let through of many passages; those that were asked for last are kept."""

    def __init__(
        self, passages: Sequence[Passage], owners: npt.NDArray[np.int32] = _NO_OWNERS
    ) -> None:
        """``owners`` (k,) has for each row of vectors the number of its passage."""
        holders: dict[tuple[str, str], list[int]] = {}
        for number, passage in enumerate(passages):
            for name in FILTERS:
                for value in {value.casefold() for value in filter_values(passage, name)}:
                    holders.setdefault((name, value), []).append(number)
        arrays = {key: np.array(some, dtype=np.int64) for key, some in holders.items()}
        # Of no method: a store that remembers itself stays in memory when it has been replaced.
        self._of = lru_cache(SELECTIONS)(partial(_selection, arrays, len(passages), owners))

    def of(self, filters: Filters) -> Selection:
        """What filters let through, whatever the case and order of their values."""
        return self._of(
            tuple(
                (name, tuple(sorted({value.casefold() for value in values})))
                for name, values in filters.named
            )
        )


def _selection(
    holders: Mapping[tuple[str, str], npt.NDArray[np.int64]],
    count: int,
    owners: npt.NDArray[np.int32],
    named: Sequence[tuple[str, Sequence[str]]],
) -> Selection:
    """What filters let through, ``named`` with their values."""
    allowed = np.ones(count, dtype=bool)
    for name, values in named:
        having = np.zeros(count, dtype=bool)
        for value in values:
            having[holders.get((name, value), _NOBODY)] = True
        allowed &= having
    return Selection(allowed, np.flatnonzero(allowed[owners]))


def lets_through(filters: Filters, passages: Sequence[Passage]) -> npt.NDArray[np.bool_]:
    """Which of n passages may be found, whatever the case of the values, (n,) bool."""
    allowed = np.ones(len(passages), dtype=bool)
    for name, given in filters.named:
        wanted = {value.casefold() for value in given}
        allowed &= np.array(
            [any(v.casefold() in wanted for v in filter_values(p, name)) for p in passages]
        )
    return allowed
