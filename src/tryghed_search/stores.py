"""Where reports are kept, ready to be searched: a folder, or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tryghed_search import build, store
from tryghed_search.errors import DatabaseLostError
from tryghed_search.postgres import ingest, search, versions

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoder, ModelIdentity
    from tryghed_search.postgres.database import Connection, Database
    from tryghed_search.retrieval import Retriever


class Store(Protocol):
    """What the program asks of either."""

    @property
    def name(self) -> str:
        """As the operator is told of it; without a password."""
        ...

    @property
    def lost(self) -> bool:
        """Whether questions cannot be answered because it does not answer."""
        ...

    def look(self) -> Hashable:
        """What tells one state of it from the next; None while there is nothing.

        Raises ``OSError`` or ``DatabaseError`` when it cannot be looked at.
        """
        ...

    def manifest(self) -> store.Manifest:
        """What is in force; raises what ``load`` raises."""
        ...

    def load(self, model: ModelIdentity) -> tuple[store.Manifest, store.Contents | Retriever]:
        """What is in force, made with ``model``, ready to be searched.

        Raises ``NoIndexError``, ``DamagedIndexError``, ``OtherModelError`` or ``DatabaseError``.
        """
        ...

    def ingest(
        self, reports: Path, load: Callable[[], Encoder], progress: build.Progress | None = None
    ) -> store.Manifest:
        """Bring it up to the reports; raises what ``build.rebuild`` raises, ``DatabaseError``."""
        ...


class FolderStore:
    """An index in a folder, all of it in memory while it is searched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def lost(self) -> bool:
        """Never: it is in memory."""
        return False

    def look(self) -> Hashable:
        """The manifest's inode, size and time; None when there is none."""
        try:
            stat = (self._folder / store.MANIFEST).stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def manifest(self) -> store.Manifest:
        """The manifest in force."""
        return store.read_manifest(self._folder)

    def load(self, model: ModelIdentity) -> tuple[store.Manifest, store.Contents]:
        """The index in force."""
        return store.load(self._folder, model)

    def ingest(
        self, reports: Path, load: Callable[[], Encoder], progress: build.Progress | None = None
    ) -> store.Manifest:
        """Write a new index beside the old one and switch to it."""
        return build.rebuild(reports, self._folder, load, progress)


class PostgresStore:
    """Reports in a database, which does the searching; a folder for what is embedded."""

    def __init__(self, database: Database, folder: Path, megabytes: float) -> None:
        self.database = database
        self._folder = folder
        self._megabytes = megabytes
        self._seen = 0

    @property
    def name(self) -> str:
        """Database and hosts."""
        return self.database.name

    @property
    def lost(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self.database.lost

    def look(self) -> Hashable:
        """The number of the newest version that was ever seen: a replica may be behind."""
        number = self.database.read(versions.number_in_force)
        self._seen = max(self._seen, number)
        return self._seen or None

    def manifest(self) -> store.Manifest:
        """That of the version in force."""
        return self.database.read(self._newest).manifest

    def load(self, model: ModelIdentity) -> tuple[store.Manifest, Retriever]:
        """The version in force; its vectors stay where they are."""
        return search.load(self.database, model, self._megabytes, self._newest)

    def ingest(
        self, reports: Path, load: Callable[[], Encoder], progress: build.Progress | None = None
    ) -> store.Manifest:
        """Write the reports that changed and put them in force."""
        return ingest.ingest(reports, self._folder, self.database, load, progress)

    def _newest(self, connection: Connection) -> versions.Version:
        version = versions.newest(connection)
        if version.number < self._seen:
            raise DatabaseLostError(f"this host has version {version.number}, not {self._seen} yet")
        return version
