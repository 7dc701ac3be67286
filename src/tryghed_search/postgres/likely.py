"""Of many passages in the database the likely ones.

It is asked twice, each time all at once: which vectors are nearest to texts and which farthest, and
how near all vectors of the candidates are. Words and n-grams are weighed here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import lexical, retrieval
from tryghed_search.errors import DatabaseLostError
from tryghed_search.passages import Filters
from tryghed_search.postgres import cosines, schema, versions
from tryghed_search.postgres.database import literal
from tryghed_search.retrieval import Query, RawScores, Selections, narrowed, sample, worth_keeping

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.corpus import Loaded
    from tryghed_search.postgres.database import Connection
    from tryghed_search.postgres.versions import Version

_NARROW = 5_000
"""Passages that a filter lets through, up to which all their vectors are compared."""
_FARTHEST_EFFORT = retrieval.FARTHEST
"""hnsw.ef_search for the vectors that have least to do with a text."""
_OTHERS = 0.1
"""The share of other versions' passages among what is found, above which they are kept out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which passages are to be found."""

    conditions: str = ""
    """Each after an AND, with places for ``values``."""
    values: tuple[list[Any], ...] = ()
    join: str = ""
    """The table of passages beside that of vectors, if there are conditions on it."""
    few: bool = False
    """Whether all that it lets through are compared, through no index."""

    def of(self, version: Version) -> Choice:
        """Those of them that are the version's own."""
        if self.few:
            return self  # they are named one by one
        conditions = f"{self.conditions} AND v.report = ANY(%s)"
        return replace(self, conditions=conditions, values=(*self.values, list(version.keys)))

    def nearest(self, dimension: int, limit: int) -> str:
        """The statement that finds the nearest, with a place for the vector after ``values``."""
        ordered = schema.nearest_first(dimension)
        if self.few:  # not in the form that would be searched through the index
            ordered = " true {} ORDER BY v.vector <#> %s::vector"
        return (
            f"SELECT v.passage FROM vectors v {self.join} WHERE {ordered.format(self.conditions)}"
            f" LIMIT {limit}"
        )


class Likely:
    """The likely passages of one version."""

    def __init__(self, version: Version, loaded: Loaded) -> None:
        self._version = version
        self._loaded = loaded
        self._selections = Selections(loaded.passages)
        self._best_count = retrieval.best_count(len(loaded.passages))
        self._nearest, self._farthest = retrieval.looked_for(loaded.lengths)
        self._sample = sample(len(loaded.passages))

    def kept(
        self, connection: Connection, queries: Sequence[Query], wanted: Sequence[Filters]
    ) -> tuple[npt.NDArray[np.int64], list[RawScores]]:
        """Places of the passages that are worth all scores, ascending, with those for each text."""
        named = [filters for filters in dict.fromkeys(wanted) if filters.named]
        masks = [self._selections.of(filters).passages for filters in named]
        choices = [self._choice(*both) for both in zip(named, masks, strict=True)]
        near, ends = self._near(connection, queries, choices)
        always = np.union1d(self._sample, ends)
        asked = [
            (self._loaded.words.question(query.terms), self._loaded.grams.question(query.grams))
            for query in queries
        ]
        found = [
            lexical.best(merit, self._best_count, allowed)
            for merit in itertools.starmap(retrieval.lexical_merit, asked)
            for allowed in (None, *masks)
        ]
        chosen = np.unique(np.concatenate([always, near, *found]))
        raw = [
            RawScores(
                rows=rows,
                cosines=values,
                words=words.by_rarest[chosen],
                grams=grams.by_rarest[chosen],
            )
            for (words, grams), (rows, values) in zip(
                asked, self._cosines(connection, queries, chosen), strict=True
            )
        ]
        among = [mask[chosen] for mask in masks]
        kept = worth_keeping(raw, np.isin(chosen, always), among, self._loaded.lengths[chosen])
        numbers = chosen[kept]
        return numbers, [
            narrowed(own, kept, words.scores_of(numbers), grams.scores_of(numbers))
            for own, (words, grams) in zip(raw, asked, strict=True)
        ]

    def _near(
        self, connection: Connection, queries: Sequence[Query], choices: Sequence[Choice]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Places of the passages nearest to texts, and of those always scored: both ends."""
        dimension = self._version.model.dimension
        vectors = [literal(query.vector) for query in queries]
        opposites = [literal(-query.vector) for query in queries]
        count = self._nearest
        effort = max(self._version.effort, count)
        choices = [Choice(), *choices]
        for _ in range(2):
            farthest = choices[0].nearest(dimension, self._farthest)
            with connection.pipeline():
                there = connection.execute(versions.IS_THERE, (self._version.number,))
                connection.execute(schema.LOOKING, (str(_FARTHEST_EFFORT),))
                far = [
                    connection.execute(farthest, [*choices[0].values, one], binary=True)
                    for one in opposites
                ]
                connection.execute(schema.LOOKING, (str(effort),))
                near = [
                    connection.execute(c.nearest(dimension, count), [*c.values, one], binary=True)
                    for c in choices
                    for one in vectors
                ]
                if there.fetchone() is None:
                    raise DatabaseLostError("this host does not have what is asked for yet")
                opposite = [[number for (number,) in cursor] for cursor in far]
                found = [[number for (number,) in cursor] for cursor in near]
            places, known = self._loaded.places([number for some in found for number in some])
            if not len(known) or known.mean() >= 1 - _OTHERS:
                break
            choices = [choice.of(self._version) for choice in choices]
        ends = [self._loaded.places(some[: retrieval.ENDS])[0] for some in found[: len(queries)]]
        for some in opposite:
            far_places, _ = self._loaded.places(list(dict.fromkeys(some)))  # each passage once
            few = retrieval.affordable_ends(self._loaded.lengths[far_places])
            ends.append(far_places[:few])
        return places, np.concatenate(ends)

    def _choice(self, filters: Filters, allowed: npt.NDArray[np.bool_]) -> Choice:
        if np.count_nonzero(allowed) <= _NARROW:
            numbers = self._loaded.numbers[allowed].tolist()
            return Choice(" AND v.passage = ANY(%s)", (numbers,), few=True)
        conditions, values, join = "", [], ""
        for name, given in filters.named:
            folded: list[Any] = [value.casefold() for value in given]
            if name == "report":
                conditions += " AND v.report = ANY(%s)"
                folded = [self._loaded.keys[i] for i in folded if i in self._loaded.keys]
            else:
                join = "JOIN passages p ON p.number = v.passage"
                conditions += f" AND p.{name} {'= ANY(%s)' if name == 'kind' else '&& %s::text[]'}"
            values.append(folded)
        return Choice(conditions, tuple(values), join)

    def _cosines(
        self, connection: Connection, queries: Sequence[Query], chosen: npt.NDArray[np.int64]
    ) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
        """What of the chosen passages each vector is of, and its cosine with each text."""
        numbers = self._loaded.numbers[chosen].tolist()
        statement = cosines.STATEMENT.format("passage")
        with connection.pipeline():
            cursors = [
                connection.execute(statement, (literal(query.vector), numbers), binary=True)
                for query in queries
            ]
            told = [cursor.fetchone() for cursor in cursors]
        return [cosines.rows(one, chosen, self._loaded) for one in told]
