"""What is read once of a version in the database: what is true of all its reports together."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import build
from tryghed_search.errors import DatabaseError
from tryghed_search.lexical import LexicalIndex
from tryghed_search.passages import Passage, Report
from tryghed_search.postgres.database import streamed
from tryghed_search.postgres.schema import GRAM, TERM, WORD
from tryghed_search.report_json import report_from
from tryghed_search.retrieval import Corpus, known_filters
from tryghed_search.tokens import TokenStatistics

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.database import Connection
    from tryghed_search.postgres.versions import Version


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is read once of a version."""

    corpus: Corpus
    passages: Sequence[Passage]
    """In the order of the reports."""
    numbers: npt.NDArray[np.int64]
    """(n,) int64: the passages' numbers in the database."""
    by_number: npt.NDArray[np.int64]
    """(n,) int64: the places of the passages, their numbers ascending."""
    keys: Mapping[str, int]
    """Of the reports, by the case-folded id."""
    centres: Mapping[int, npt.NDArray[np.float32]]
    """By the report's key."""
    words: LexicalIndex
    """Over the passages' index terms."""
    grams: LexicalIndex
    """Over their n-grams."""
    lengths: npt.NDArray[np.int64]
    """(n,) int64: how many tokens they have."""

    def places(
        self, numbers: npt.NDArray[np.int64] | Sequence[int]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Where those of some passages stand that are of this version, and which those are.

        (k,) int64 and (n,) bool, by the passages' numbers in the database.
        """
        numbers = np.asarray(numbers, dtype=np.int64)
        at = np.searchsorted(self.numbers, numbers, sorter=self.by_number)
        places = self.by_number[np.minimum(at, len(self.by_number) - 1)]
        known = self.numbers[places] == numbers
        return places[known], known

    @classmethod
    def read(cls, connection: Connection, version: Version) -> Loaded:
        """All of it; ``DatabaseError`` if something is not as it was written."""
        try:
            return cls._read(connection, version)
        except (ValueError, KeyError, TypeError) as error:
            raise DatabaseError(
                f"The reports in the database cannot be read ({type(error).__name__}: {error}). "
                "Write them anew with 'tryghed-search ingest' into an empty database."
            ) from None

    @classmethod
    def _read(cls, connection: Connection, version: Version) -> Loaded:
        keys = list(version.keys)
        bodies = {
            key: (body, np.frombuffer(centre, np.float32))
            for key, body, centre in connection.execute(
                "SELECT key, body, centre FROM reports WHERE key = ANY(%s)", (keys,), binary=True
            )
        }
        made: dict[int, Report] = {}
        numbers: dict[int, list[int]] = {key: [] for key in keys}
        with streamed(
            connection,
            "SELECT report, number, body FROM passages WHERE report = ANY(%s)"
            " ORDER BY report, position",
            (keys,),
        ) as rows:
            for key, group in itertools.groupby(rows, itemgetter(0)):
                own = list(group)
                passages = [body for _, _, body in own]
                made[key] = report_from({**bodies[key][0]["report"], "passages": passages})
                numbers[key] = [number for _, number, _ in own]
        reports = tuple(
            made.get(key) or report_from({**bodies[key][0]["report"], "passages": []})
            for key in keys
        )
        every = [passage for report in reports for passage in report.passages]
        if len(every) != version.totals.sizes[0]:
            raise ValueError(f"{len(every)} passages of {version.totals.sizes[0]}")
        ids: dict[int, dict[str, int]] = {WORD: {}, TERM: {}, GRAM: {}}
        for field, term, number in connection.execute(
            "SELECT field, term, id FROM terms", binary=True
        ):
            ids[field][term] = number
        every_number = np.array([n for key in keys for n in numbers[key]], dtype=np.int64)
        every_place = {int(number): place for place, number in enumerate(every_number)}
        words, grams, lengths = cls._lexical(connection, keys, every_place, ids)
        counts = version.totals.terms
        tokens = np.flatnonzero(version.totals.tokens)
        statistics = TokenStatistics(
            passages=len(every),
            counts=dict(zip(tokens.tolist(), version.totals.tokens[tokens].tolist(), strict=True)),
            mean=version.centre,
        )
        told = [bodies[key][0] for key in keys]
        return cls(
            corpus=Corpus(
                reports=reports,
                municipalities=build.all_spellings(
                    {name: tuple(v) for name, v in body["municipalities"].items()} for body in told
                ),
                reader_questions={k: v for b in told for k, v in b["reader_questions"].items()},
                vocabulary={
                    word: int(counts[number])
                    for word, number in ids[WORD].items()
                    if number < len(counts) and counts[number]
                },
                filters=known_filters(every),
                tokens=statistics,
            ),
            passages=every,
            numbers=every_number,
            by_number=np.argsort(every_number, kind="stable"),
            keys={report.id.casefold(): key for report, key in zip(reports, keys, strict=True)},
            centres={key: centre for key, (_, centre) in bodies.items()},
            words=words,
            grams=grams,
            lengths=lengths,
        )

    @staticmethod
    def _lexical(
        connection: Connection,
        keys: Sequence[int],
        places: Mapping[int, int],
        ids: Mapping[int, Mapping[str, int]],
    ) -> tuple[LexicalIndex, LexicalIndex, npt.NDArray[np.int64]]:
        """Word search over index terms and n-grams, and lengths; ``places`` are by number."""
        fields = (TERM, GRAM)
        # In the database all terms are numbered together.
        renumbered = {field: {term: n for n, term in enumerate(ids[field])} for field in fields}
        highest = max((max(ids[field].values(), default=0) for field in fields), default=0)
        new = np.full(highest + 1, -1, np.int32)
        for field in fields:
            numbers = np.fromiter(ids[field].values(), np.int64, len(ids[field]))
            new[numbers] = np.arange(len(numbers), dtype=np.int32)
        nothing = np.empty(0, np.int32)
        documents = tuple([nothing] * len(places) for _ in fields)
        lengths = np.zeros(len(places), np.int64)
        found = 0
        with streamed(
            connection, "SELECT passage, sizes, terms FROM details WHERE report = ANY(%s)", (keys,)
        ) as rows:
            for passage, sizes, terms in rows:
                every = np.frombuffer(terms, np.int32)
                if len(every) != 2 * sum(sizes[1:]):
                    raise ValueError("terms of another length")
                found += 1
                lengths[places[passage]] = sizes[0]
                start = 0
                for size, some in zip(sizes[1:], documents, strict=True):
                    own, counts = every[start : start + 2 * size].reshape(2, size)
                    some[places[passage]] = np.repeat(new[own], counts)
                    start += 2 * size
        if found != len(places):
            raise ValueError(f"words of {found} passages of {len(places)}")
        indexes = []
        for some, field in zip(documents, fields, strict=True):
            ends = np.cumsum([0, *map(len, some)])
            given = array("i", np.concatenate([nothing, *some]).tobytes())
            indexes.append(LexicalIndex.of_numbers(given, ends, renumbered[field]))
        return indexes[0], indexes[1], lengths
