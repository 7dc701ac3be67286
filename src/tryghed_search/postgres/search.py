"""Search in PostgreSQL: what ``retrieval`` asks of a store of passages.

Up to a number of vectors every passage is a candidate, and every vector is compared; above it those
that ``likely`` finds. A candidate's scores are exact either way: cosines come from the database;
words are weighed here, over what is read once of each passage, and token vectors compared here,
over rows that are kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search.errors import BusyError, DatabaseLostError, OtherModelError
from tryghed_search.passages import Filters
from tryghed_search.postgres import cosines, versions
from tryghed_search.postgres.corpus import Loaded
from tryghed_search.postgres.database import literal
from tryghed_search.postgres.details import Memory, fetch, interaction
from tryghed_search.postgres.likely import Likely
from tryghed_search.retrieval import Candidates, Query, RawScores
from tryghed_search.store import Manifest

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import ModelIdentity
    from tryghed_search.postgres.database import Connection, Database
    from tryghed_search.retrieval import Corpus
    from tryghed_search.tokens import LateInteraction

LOST = "Databasen svarer ikke lige nu. Prøv igen om lidt."
"""What an asker is told while the database does not answer."""


def load(
    database: Database,
    model: ModelIdentity,
    megabytes: float,
    newest: Callable[[Connection], versions.Version] = versions.newest,
) -> tuple[Manifest, PostgresRetriever]:
    """The version in force, made with ``model``, ready to be asked.

    ``megabytes`` is the memory for passages' token vectors. Raises ``NoIndexError``,
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
        self._passages = loaded.passages
        self._likely = Likely(version, loaded) if version.nearest else None
        self._everything: LateInteraction | None = None

    @property
    def corpus(self) -> Corpus:
        """What is true of all reports together."""
        return self._loaded.corpus

    def candidates(self, queries: Sequence[Query], wanted: Sequence[Filters]) -> Candidates:
        """What is worth scoring for some texts, all of it from one state of the database.

        Raises ``BusyError`` when no host gives an answer, or none has this version.
        """

        def read(connection: Connection) -> Candidates:
            if self._likely is None:
                return self._all(connection, queries)
            chosen, raw = self._likely.kept(connection, queries, wanted)
            late = self._late(connection, chosen)
            return Candidates([self._passages[i] for i in chosen], late, tuple(raw))

        try:
            return self._database.read(read)
        except DatabaseLostError:
            raise BusyError(LOST) from None

    def _all(self, connection: Connection, queries: Sequence[Query]) -> Candidates:
        """Every passage."""
        there = connection.execute(versions.IS_THERE, (self.version.number,))
        if there.fetchone() is None:
            raise DatabaseLostError("this host does not have what is asked for yet")
        every = np.arange(len(self._passages))
        late = self._everything or self._late(connection, every)
        # What all candidates are made into takes twice the room of what they are made from.
        if 3 * self._memory.used < self._memory.room:
            self._everything = late
        keys = list(self.version.keys)
        statement = cosines.STATEMENT.format("report")
        raw = []
        for query in queries:
            given = (literal(query.vector), keys)
            told = connection.execute(statement, given, binary=True).fetchone()
            rows, values = cosines.rows(told, every, self._loaded)
            words, grams = self._loaded.words, self._loaded.grams
            raw.append(
                RawScores(rows, values, words.scores(query.terms), grams.scores(query.grams))
            )
        return Candidates(self._passages, late, tuple(raw))

    def _late(self, connection: Connection, chosen: npt.NDArray[np.int64]) -> LateInteraction:
        """Late interaction over the passages in these places."""
        loaded = self._loaded
        numbers = loaded.numbers[chosen].tolist()
        details = fetch(connection, self._memory, numbers, loaded.centres, self.version.centre)
        return interaction(details, loaded.corpus.tokens)
