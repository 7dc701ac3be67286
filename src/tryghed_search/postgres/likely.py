"""Of many passages in the database the likely ones, found through its indexes.

It is asked twice, each time all at once: which passages vectors, words and n-grams put forward, and
what these are worth. The database weighs words with each report's own mean length of passages,
which is as good for choosing; those that are kept get their exact scores in ``search``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import retrieval
from tryghed_search.errors import DatabaseError, DatabaseLostError
from tryghed_search.passages import Filters
from tryghed_search.postgres import schema, versions
from tryghed_search.postgres.asked import COSINES, Asked
from tryghed_search.postgres.database import literal
from tryghed_search.retrieval import RawScores, Selections, narrowed, sample, worth_keeping

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.corpus import Loaded
    from tryghed_search.postgres.database import Connection
    from tryghed_search.postgres.versions import Version

    Statement = tuple[str, list[Any]]

_POSTINGS = 3_000
"""In how many passages the terms that passages are looked for by stand at most, the rarest first:
all that hold one of them are weighed."""
_NARROW = 5_000
"""Passages that a filter lets through, up to which all their vectors are compared."""
_OPPOSITE_EFFORT = 64
"""hnsw.ef_search for the vectors that have least to do with a text."""
_OTHERS = 0.1
"""The share of other versions' passages among what is found, above which they are kept out."""

_WORTH = np.dtype([("passage", ">i8"), ("words", ">f4"), ("grams", ">f4")])
_LEXICAL = (
    "SELECT string_agg(int8send(passage) || float4send((-(words <#> %s::sparsevec))::real)"
    " || float4send((-(grams <#> %s::sparsevec))::real), ''::bytea)"
    " FROM lexical WHERE passage = ANY(%s)"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which passages are to be found."""

    conditions: str = ""
    """Each after an AND, with places for ``values``; ``{0}`` is the table that is searched."""
    values: tuple[list[Any], ...] = ()
    join: str = ""
    """The table of passages beside it, if there are conditions on that."""
    few: bool = False
    """Whether all that it lets through are compared, through no index."""


class Likely:
    """The likely passages of one version."""

    def __init__(self, version: Version, loaded: Loaded) -> None:
        self._version = version
        self._loaded = loaded
        self._passages = loaded.passages
        self._selections = Selections(self._passages)
        self._sample = sample(len(self._passages))

    def kept(
        self, connection: Connection, asked: Sequence[Asked], wanted: Sequence[Filters]
    ) -> tuple[npt.NDArray[np.int64], list[RawScores]]:
        """Places of the passages that are worth all scores, ascending, with those for each text.

        What words and n-grams say is not exact.
        """
        named = [filters for filters in dict.fromkeys(wanted) if filters.named]
        masks = [self._selections.of(filters) for filters in named]
        choices = [self._choice(*both) for both in zip(named, masks, strict=True)]
        found, ends = self._found(connection, asked, choices)
        always = np.union1d(self._sample, ends)
        chosen = np.union1d(always, found)
        raw = self._worth(connection, asked, chosen)
        kept = worth_keeping(raw, np.isin(chosen, always), [mask[chosen] for mask in masks])
        return chosen[kept], [narrowed(own, kept) for own in raw]

    # --- which -----------------------------------------------------------------------------------

    def _found(
        self, connection: Connection, asked: Sequence[Asked], choices: Sequence[Choice]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Places of what is put forward, and of those that have most and least to do with texts."""
        everything = Choice()
        for _ in range(2):
            statements = [
                [s for choice in (everything, *choices) for s in _near(one, choice)]
                for one in asked
            ]
            effort = max(self._version.effort, retrieval.NEAREST)
            with connection.pipeline():
                there = connection.execute(versions.IS_THERE, (self._version.number,))
                connection.execute(schema.LOOKING, (str(_OPPOSITE_EFFORT),))
                far = [connection.execute(*_farthest(one), binary=True) for one in asked]
                connection.execute(schema.LOOKING, (str(effort),))
                near = [[connection.execute(*s, binary=True) for s in some] for some in statements]
                if there.fetchone() is None:
                    raise DatabaseLostError("this host does not have what is asked for yet")
                end_numbers = [n for cursor in far for (n,) in cursor]
                numbers = []
                for first, *others in near:
                    nearest = [n for (n,) in first]
                    end_numbers += nearest[: retrieval.ENDS]
                    numbers += [*nearest, *(n for cursor in others for (n,) in cursor)]
            found, known = self._loaded.places(numbers)
            if known.mean() >= 1 - _OTHERS:
                break
            everything = Choice(" AND {0}.report = ANY(%s)", (list(self._version.keys),))
        return found, self._loaded.places(end_numbers)[0]

    def _choice(self, filters: Filters, allowed: npt.NDArray[np.bool_]) -> Choice:
        if np.count_nonzero(allowed) <= _NARROW:
            numbers = self._loaded.numbers[allowed].tolist()
            return Choice(" AND {0}.passage = ANY(%s)", (numbers,), few=True)
        conditions, values, join = "", [], ""
        for name, given in filters.named:
            folded: list[Any] = [value.casefold() for value in given]
            if name == "report":
                conditions += " AND {0}.report = ANY(%s)"
                folded = [self._loaded.keys[i] for i in folded if i in self._loaded.keys]
            else:
                join = "JOIN passages p ON p.number = {0}.passage"
                conditions += f" AND p.{name} {'= ANY(%s)' if name == 'kind' else '&& %s::text[]'}"
            values.append(folded)
        return Choice(conditions, tuple(values), join)

    # --- what they are worth ----------------------------------------------------------------------

    def _worth(
        self, connection: Connection, asked: Sequence[Asked], chosen: npt.NDArray[np.int64]
    ) -> list[RawScores]:
        numbers = self._loaded.numbers[chosen].tolist()
        with connection.pipeline():
            cursors = []
            for one in asked:
                of_vectors: Statement = (COSINES.format("passage"), [one.vector, numbers])
                of_words = (_LEXICAL, [literal(one.words), literal(one.grams), numbers])
                cursors.append(
                    [connection.execute(*s, binary=True) for s in (of_vectors, of_words)]
                )
            told = [(vectors.fetchone(), lexical.fetchone()) for vectors, lexical in cursors]
        raw = []
        for one, (vectors, lexical) in zip(asked, told, strict=True):
            rows, cosines = one.cosines(vectors, chosen)
            worth = np.frombuffer((lexical and lexical[0]) or b"", _WORTH)
            if len(worth) != len(chosen):
                raise DatabaseError(
                    "Words are missing in the database. Write the reports anew with "
                    "'tryghed-search ingest' into an empty database."
                )
            order = np.argsort(self._loaded.places(worth["passage"])[0])
            words, grams = (worth[n][order].astype(np.float32) for n in ("words", "grams"))
            raw.append(RawScores(rows, cosines, words, grams))
        return raw


def _near(one: Asked, choice: Choice) -> Iterator[Statement]:
    """What finds the passages nearest to a text, first by vectors, best first, then by terms."""
    nearest = schema.nearest_first(one.dimension)
    if choice.few:  # not in the form that would be searched through the index
        nearest = " true {} ORDER BY v.vector <#> %s::vector"
    yield (
        f"SELECT v.passage FROM vectors v {choice.join.format('v')}"
        f" WHERE {nearest.format(choice.conditions.format('v'))} LIMIT {retrieval.NEAREST}",
        [*choice.values, one.vector],
    )
    for field, weights in (("word", one.words), ("gram", one.grams)):
        if not weights:
            continue
        having = " true" if choice.few else f" l.{field}_ids && %s::int[]"
        rarest = [] if choice.few else [one.rarest(weights, _POSTINGS)]
        yield (
            f"SELECT l.passage FROM lexical l {choice.join.format('l')}"
            f" WHERE {having} {choice.conditions.format('l')}"
            f" ORDER BY l.{field}s <#> %s::sparsevec LIMIT {retrieval.BEST}",
            [*rarest, *choice.values, literal(weights)],
        )


def _farthest(one: Asked) -> Statement:
    """What finds the passages that have least to do with a text."""
    nearest = schema.nearest_first(one.dimension).format("")
    return f"SELECT v.passage FROM vectors v WHERE {nearest} LIMIT {retrieval.FARTHEST}", [
        one.opposite
    ]
