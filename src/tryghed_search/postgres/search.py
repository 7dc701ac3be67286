"""Search in PostgreSQL: what ``retrieval`` asks of a store of passages.

Up to a number of vectors every passage is a candidate, and every vector is compared; above it the
candidates are the nearest by HNSW indexes, the best by words and by n-grams, and of what a filter
lets through so many as well. Every candidate's scores are exact either way: cosines come from the
database, word search and late interaction are computed here, over rows that are kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import ranking
from tryghed_search.errors import BusyError, DatabaseError, DatabaseLostError, OtherModelError
from tryghed_search.passages import Filters
from tryghed_search.postgres import totals, versions
from tryghed_search.postgres.corpus import Loaded
from tryghed_search.postgres.database import literal
from tryghed_search.postgres.details import Details, Memory, fetch, interaction
from tryghed_search.postgres.schema import EFFORT
from tryghed_search.retrieval import Candidates, Query, RawScores, sample
from tryghed_search.store import ANSWERED, PASSAGE, SENTENCE, UNANSWERED, Manifest

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import ModelIdentity
    from tryghed_search.postgres.database import Connection, Database
    from tryghed_search.retrieval import Corpus
    from tryghed_search.tokens import LateInteraction

_NEAREST = {PASSAGE: 256, SENTENCE: 256, ANSWERED: 256, UNANSWERED: 16}
"""How many vectors are looked for through an index, by what they are of."""
_BEST = 256
"""How many passages are looked for by words, and by n-grams."""
_POSTINGS = 3_000
"""In how many passages the terms that passages are looked for by stand at most, the rarest first:
all that hold one of them are weighed."""
_NARROW = 5_000
"""Passages that a filter lets through, up to which all their vectors are compared."""
_FARTHEST = 8
"""How many of the passages that have least to do with a text are candidates as well."""

LOST = "Databasen svarer ikke lige nu. Prøv igen om lidt."
"""What an asker is told while the database does not answer."""

_ROW = np.dtype([("passage", ">i8"), ("kind", ">i2"), ("part", ">i4"), ("cosine", ">f4")])
_COSINES = (
    "SELECT string_agg(int8send(passage) || int2send(kind) || int4send(part)"
    " || float4send((-(vector <#> %s::vector))::real), ''::bytea) FROM vectors WHERE {} = ANY(%s)"
)


def load(
    database: Database,
    model: ModelIdentity,
    megabytes: float,
    newest: Callable[[Connection], versions.Version] = versions.newest,
) -> tuple[Manifest, PostgresRetriever]:
    """The version in force, made with ``model``, ready to be asked.

    ``megabytes`` is the memory for passages' token vectors and terms. Raises ``NoIndexError``,
    ``OtherModelError``, ``DatabaseError`` or ``DatabaseLostError``.
    """

    def read(connection: Connection) -> PostgresRetriever:
        version = newest(connection)
        if version.model != model:
            raise OtherModelError(
                f"What is in the database was made with the model {version.model.name} "
                f"({version.model.sha256[:12]}), but {model.name} ({model.sha256[:12]}) is set. "
                "Write it anew with 'tryghed-search ingest', or set the model that made it."
            )
        memory = Memory(megabytes)
        return PostgresRetriever(database, version, Loaded.read(connection, version), memory)

    retriever = database.read(read)
    return retriever.version.manifest, retriever


class PostgresRetriever:
    """The passages of one version in the database; safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        version: versions.Version,
        loaded: Loaded,
        memory: Memory,
    ) -> None:
        self._database = database
        self.version = version
        self._loaded = loaded
        self._memory = memory
        self._passages = [p for report in loaded.corpus.reports for p in report.passages]
        self._by_number = np.argsort(loaded.numbers, kind="stable")
        self._sorted = loaded.numbers[self._by_number]
        self._everything: tuple[list[Details], LateInteraction] | None = None

    @property
    def corpus(self) -> Corpus:
        """What is true of all reports together."""
        return self._loaded.corpus

    def candidates(self, queries: Sequence[Query], wanted: Sequence[Filters]) -> Candidates:
        """What is worth scoring for some texts, all of it from one state of the database.

        Raises ``BusyError`` when no host gives an answer, or none has this version.
        """

        def read(connection: Connection) -> Candidates:
            if not versions.is_there(connection, self.version.number):
                # A replica that is behind, or an old version that has been cleared away.
                raise DatabaseLostError(f"there is no version {self.version.number}")
            if not self.version.nearest:
                chosen = np.arange(len(self._passages))
            else:
                chosen = self._chosen(connection, queries, wanted)
            return self._scored(connection, queries, chosen)

        try:
            return self._database.read(read)
        except DatabaseLostError:
            raise BusyError(LOST) from None

    # --- scores of candidates ---------------------------------------------------------------------

    def _scored(
        self, connection: Connection, queries: Sequence[Query], chosen: npt.NDArray[np.int64]
    ) -> Candidates:
        details, late = self._details(connection, chosen)
        return Candidates(
            passages=[self._passages[i] for i in chosen],
            late=late,
            raw=tuple(self._raw(connection, query, chosen, details) for query in queries),
        )

    def _details(
        self, connection: Connection, chosen: npt.NDArray[np.int64]
    ) -> tuple[list[Details], LateInteraction]:
        if self._everything is not None and len(chosen) == len(self._passages):
            return self._everything
        loaded = self._loaded
        numbers = loaded.numbers[chosen].tolist()
        details = fetch(connection, self._memory, numbers, loaded.centres, self.version.centre)
        late = interaction(details, loaded.corpus.tokens)
        # What all candidates are made into takes twice the room of what they are made from.
        if len(chosen) == len(self._passages) and 3 * self._memory.used < self._memory.room:
            self._everything = details, late
        return details, late

    def _raw(
        self,
        connection: Connection,
        query: Query,
        chosen: npt.NDArray[np.int64],
        details: Sequence[Details],
    ) -> RawScores:
        rows = self._rows(connection, query, chosen)
        places = np.searchsorted(chosen, self._position(rows["passage"]))
        sizes = self.version.totals.sizes
        passages = max(1, int(sizes[0]))
        return RawScores(
            rows=np.stack([places, rows["kind"], rows["part"]], axis=1).astype(np.int32),
            cosines=rows["cosine"].astype(np.float32),
            words=totals.bm25(
                self._weights(query.terms, self._loaded.terms),
                [d.terms for d in details],
                [d.term_counts for d in details],
                sizes[3] / passages,
            ),
            grams=totals.bm25(
                self._weights(query.grams, self._loaded.grams),
                [d.grams for d in details],
                [d.gram_counts for d in details],
                sizes[4] / passages,
            ),
        )

    def _rows(
        self, connection: Connection, query: Query, chosen: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.void]:
        """Every vector of the chosen passages with its cosine."""
        if len(chosen) == len(self._passages):
            by, of = "report", list(self.version.keys)
        else:
            by, of = "passage", self._loaded.numbers[chosen].tolist()
        row = connection.execute(
            _COSINES.format(by), (literal(query.vector), of), binary=True
        ).fetchone()
        rows = np.frombuffer((row and row[0]) or b"", _ROW)
        # Each passage has one vector of its own, so one that is not there would be noticed.
        if np.count_nonzero(rows["kind"] == PASSAGE) != len(chosen):
            raise DatabaseError(
                "Vectors are missing in the database. Write the reports anew with "
                "'tryghed-search ingest' into an empty database."
            )
        return rows

    def _position(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where passages stand in the reports' order, by their numbers in the database."""
        return self._by_number[np.searchsorted(self._sorted, numbers)]

    def _counts(self, number: int) -> int:
        counts = self.version.totals.terms
        return int(counts[number]) if number < len(counts) else 0

    def _weights(self, terms: Sequence[str], numbers: Mapping[str, int]) -> npt.NDArray[np.float32]:
        """How much each term counts in a text, (t,) float32 by number."""
        counts = self.version.totals.terms
        weights = np.zeros(len(counts), np.float32)
        known = [n for n in (numbers.get(term, -1) for term in terms) if n >= 0 and self._counts(n)]
        worth = ranking.idf(int(self.version.totals.sizes[0]), counts[known])
        np.add.at(weights, known, worth)
        return weights

    # --- choosing candidates ----------------------------------------------------------------------

    def _chosen(
        self, connection: Connection, queries: Sequence[Query], wanted: Sequence[Filters]
    ) -> npt.NDArray[np.int64]:
        """Positions of the candidates, in order."""
        for name, value in (
            ("hnsw.ef_search", str(EFFORT)),
            ("hnsw.iterative_scan", "strict_order"),
        ):
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        found = {int(self._loaded.numbers[i]) for i in sample(len(self._passages))}
        everything = Choice(tuple(self.version.keys), "", ())
        for query in queries:
            found |= self._nearest(connection, query, everything)
            found |= self._farthest(connection, query)
            found |= self._best(connection, query.terms, self._loaded.terms, "word", everything)
            found |= self._best(connection, query.grams, self._loaded.grams, "gram", everything)
        for filters in wanted:
            choice = self._choice(filters)
            few = connection.execute(
                "SELECT p.number FROM passages p WHERE p.report = ANY(%s)"
                f"{choice.conditions} LIMIT {_NARROW + 1}",
                (list(choice.keys), *choice.values),
                binary=True,
            ).fetchall()
            numbers = [int(number) for (number,) in few]
            if len(numbers) <= _BEST:
                found.update(numbers)
                continue
            for query in queries:
                if len(numbers) <= _NARROW:
                    found |= _nearest_of(connection, query, numbers)
                else:
                    found |= self._nearest(connection, query, choice)
                    for terms, ids, field in (
                        (query.terms, self._loaded.terms, "word"),
                        (query.grams, self._loaded.grams, "gram"),
                    ):
                        found |= self._best(connection, terms, ids, field, choice)
        return np.sort(self._position(np.array(sorted(found), dtype=np.int64)))

    def _choice(self, filters: Filters) -> Choice:
        """What a filter lets through, as conditions on the table of passages ``p``."""
        keys, conditions, values = tuple(self.version.keys), "", []
        for name, given in filters.named:
            folded = [value.casefold() for value in given]
            if name == "report":
                keys = tuple(self._loaded.keys[i] for i in folded if i in self._loaded.keys)
            elif name == "kind":
                conditions += " AND p.kind = ANY(%s)"
                values.append(folded)
            else:
                conditions += f" AND p.{name} && %s::text[]"
                values.append(folded)
        return Choice(keys, conditions, tuple(values))

    def _nearest(self, connection: Connection, query: Query, choice: Choice) -> set[int]:
        """Passages with the nearest vectors of each kind, through the HNSW indexes."""
        dimension = len(query.vector)
        found: set[int] = set()
        for kind, count in _NEAREST.items():
            rows = connection.execute(
                f"SELECT v.passage FROM vectors v {choice.join('v')} WHERE v.kind = {kind}"
                f" AND v.report = ANY(%s){choice.conditions}"
                f" ORDER BY (v.vector::vector({dimension})) <#> %s::vector LIMIT {count}",
                (list(choice.keys), *choice.values, literal(query.vector)),
                binary=True,
            )
            found.update(int(number) for (number,) in rows)
        return found

    def _farthest(self, connection: Connection, query: Query) -> set[int]:
        """Passages that have least to do with a text: scores are stretched from theirs up."""
        dimension = len(query.vector)
        rows = connection.execute(
            f"SELECT passage FROM vectors WHERE kind = {PASSAGE} AND report = ANY(%s)"
            f" ORDER BY (vector::vector({dimension})) <#> %s::vector LIMIT {_FARTHEST}",
            (list(self.version.keys), literal(-query.vector)),
            binary=True,
        )
        return {int(number) for (number,) in rows}

    def _best(
        self,
        connection: Connection,
        terms: Sequence[str],
        numbers: Mapping[str, int],
        field: str,
        choice: Choice,
    ) -> set[int]:
        """Passages that are best by their rarest terms of a text."""
        weights = self._weights(terms, numbers)
        given = np.flatnonzero(weights)
        if not len(given):
            return set()
        counts = self.version.totals.terms[given]
        by_rarity = np.argsort(counts, kind="stable")
        few = np.cumsum(counts[by_rarity]) <= _POSTINGS
        few[0] = True
        rarest = given[by_rarity[few]]
        asked = literal({int(n): float(weights[n]) for n in given})
        rows = connection.execute(
            f"SELECT l.passage FROM lexical l {choice.join('l')} WHERE l.{field}_ids && %s::int[]"
            f" AND l.report = ANY(%s){choice.conditions}"
            f" ORDER BY l.{field}s <#> %s::sparsevec LIMIT {_BEST}",
            (rarest.tolist(), list(choice.keys), *choice.values, asked),
            binary=True,
        )
        return {int(number) for (number,) in rows}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which passages are to be found."""

    keys: tuple[int, ...]
    """Of reports."""
    conditions: str
    """On the table of passages ``p``, each after an AND, with places for ``values``."""
    values: tuple[list[str], ...]

    def join(self, table: str) -> str:
        """The table of passages beside another one, if there are conditions on it."""
        return f"JOIN passages p ON p.number = {table}.passage" if self.conditions else ""


def _nearest_of(connection: Connection, query: Query, numbers: Sequence[int]) -> set[int]:
    """Those of some passages with the nearest vectors; all are compared, through no index."""
    rows = connection.execute(
        "SELECT passage FROM vectors WHERE passage = ANY(%s)"
        " ORDER BY vector <#> %s::vector LIMIT %s",
        (list(numbers), literal(query.vector), sum(_NEAREST.values())),
        binary=True,
    )
    return {int(number) for (number,) in rows}
