"""A PostgreSQL database with pgvector, on one host or several: the only module that knows psycopg.

Reading asks any host that the address names, by chance, so that replicas share the work; writing
asks the leader. What a host says is never taken for the truth once a connection has failed: the
work is done anew from its beginning, on another connection.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar
from urllib.parse import quote

from tryghed_search.errors import DatabaseError, DatabaseLostError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import psycopg
    from psycopg_pool import ConnectionPool

    Connection = psycopg.Connection[tuple[Any, ...]]

SERVER = 15
"""The oldest major version of PostgreSQL that is known to do."""
EXTENSION = (0, 8)
"""The oldest pgvector: from here on a filtered search goes on until it has found enough."""

_CONNECT_SECONDS = 2
_STATEMENT_SECONDS = 20
_WRITE_STATEMENT_SECONDS = 3600
"""Building an index over many vectors is one statement."""
_QUICK = "-c jit=off"
"""Compiling a statement takes longer than what is asked here."""
_READ_SECONDS = 4.0
"""How long a reader looks for a host that answers."""
_PAUSE_SECONDS = 0.05
_REFUSED_SECONDS = 1.0
"""Once no host has answered: how long nobody looks for one again."""
_CONNECTIONS = 8
_AT_ONCE = 2_000
"""Rows that are fetched together where there are many."""
_HOW = (
    "Write it as postgresql://user:password@host1,host2/database, with what is no letter or digit "
    "in the password as %40 for @, %3A for : and %2F for /"
)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a database, as it says itself."""

    name: str
    answers: bool
    leads: bool
    says: str


class Database:
    """The database that an address names; safe to use from several threads.

    Raises ``SettingsError`` for an address that is none, and where psycopg is not installed.
    """

    def __init__(self, address: str) -> None:
        _library()
        from psycopg import ProgrammingError, conninfo

        try:
            given = conninfo.conninfo_to_dict(address)
            _check(address.partition("://")[2], str(given.get("port", "")))
        except (ProgrammingError, ValueError):  # its message may hold a piece of the password
            raise SettingsError(f"TRYGHED_STORE is no address of a database. {_HOW}.") from None
        self._password = str(given.pop("password", "") or "")
        self._given = {"connect_timeout": _CONNECT_SECONDS, **given}
        hosts = str(given.get("host", "") or "localhost")
        self.name = f"{given.get('dbname', '')} on {hosts.replace(',', ', ')}"
        """Database and hosts, fit for a log."""
        self._pool: ConnectionPool[Connection] | None = None
        self._lock = threading.Lock()
        self._answered = False
        self.lost = False
        """Whether the last attempt to read found no host that answers."""
        self._refused_until = 0.0
        self._looking = threading.Lock()

    # --- reading ----------------------------------------------------------------------------------

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """What ``work`` makes of one unchanging view of the database, on any host.

        It is called again, from its beginning, when a connection fails or when it raises
        ``DatabaseLostError`` itself, so it must not do anything but read. Raises
        ``DatabaseLostError`` when no host gives an answer in time, ``DatabaseError`` when the
        database refuses. While the database is lost one at a time looks for it, now and then, and
        for all others it is raised at once: who waits holds a thread.
        """
        if not self.lost:
            return self._read(work)
        if time.monotonic() < self._refused_until or not self._looking.acquire(blocking=False):
            raise DatabaseLostError(f"The database {self.name} did not answer a moment ago.")
        try:
            return self._read(work)
        finally:
            self._looking.release()

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        import psycopg

        end = time.monotonic() + _READ_SECONDS
        while True:
            try:
                with self._pooled(end) as connection, connection.transaction():
                    result = _answer(work, connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseLostError) as error:
                if isinstance(error, psycopg.errors.QueryCanceled) or time.monotonic() >= end:
                    if not isinstance(error, psycopg.errors.QueryCanceled):
                        self._refused_until = time.monotonic() + _REFUSED_SECONDS
                    self._note(lost=True, why=error)
                    raise DatabaseLostError(
                        f"The database {self.name} does not answer: {self._said(error)}. See that "
                        "it runs and that TRYGHED_STORE names it."
                    ) from None
                time.sleep(_PAUSE_SECONDS)
                continue
            except psycopg.Error as error:
                raise self._refused(error) from None
            self._note(lost=False)
            return result

    def _pooled(self, end: float) -> contextlib.AbstractContextManager[Connection]:
        return self._open_pool().connection(timeout=max(0.1, end - time.monotonic()))

    def _open_pool(self) -> ConnectionPool[Connection]:
        with self._lock:
            if self._pool is None:
                import psycopg
                from psycopg_pool import ConnectionPool

                # A pool only tells that it has no connection; this tells why.
                psycopg.connect(**self._arguments(writing=False)).close()
                # Every trouble with a connection is told by whoever wanted it.
                logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
                self._pool = ConnectionPool(
                    kwargs=self._arguments(writing=False),
                    configure=_prepare_reader,
                    check=ConnectionPool.check_connection,
                    min_size=1,
                    max_size=_CONNECTIONS,
                    max_lifetime=600,  # so that a host that has come back gets its share again
                    reconnect_timeout=_READ_SECONDS,
                    name="tryghed-search",
                    open=True,
                )
                # A pool that is only forgotten complains of its own threads.
                atexit.register(self.close)
            return self._pool

    def _note(self, *, lost: bool, why: Exception | None = None) -> None:
        if lost and self._answered and not self.lost:
            logger.error("the database %s is lost: %s", self.name, self._said(why))
        if self.lost and not lost:
            logger.warning("the database %s answers again", self.name)
        self.lost = lost
        self._answered = self._answered or not lost

    # --- writing ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection to the leader, each statement a transaction unless one is begun.

        Raises ``DatabaseError``, also for what PostgreSQL refuses meanwhile.
        """
        import psycopg

        try:
            with psycopg.connect(**self._arguments(writing=True)) as connection:
                connection.autocommit = True
                yield connection
        except psycopg.Error as error:
            raise self._refused(error) from None

    def close(self) -> None:
        """Give all connections back."""
        with self._lock:
            if self._pool is not None:
                atexit.unregister(self.close)
                self._pool.close()
                self._pool = None

    # --- every host -------------------------------------------------------------------------------

    def hosts(self) -> Iterator[Host]:
        """What each host of the address says of itself."""
        import psycopg

        hosts = str(self._given.get("host", "") or "localhost").split(",")
        ports = str(self._given.get("port", "") or "5432").split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        for host, port in zip(hosts, ports, strict=False):
            name = f"{host}:{port or 5432}"
            arguments = {**self._arguments(writing=False), "host": host, "port": port or 5432}
            try:
                with psycopg.connect(**arguments) as connection:
                    follows, server, behind, extension = connection.execute(
                        "SELECT pg_is_in_recovery(), current_setting('server_version'),"
                        " coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(),"
                        " pg_last_wal_replay_lsn()), 0),"
                        " (SELECT extversion FROM pg_extension WHERE extname = 'vector')"
                    ).fetchone() or (True, "", 0, None)
            except psycopg.Error as error:
                yield Host(name, False, False, f"does not answer ({self._said(error)})")
                continue
            role = f"follows, {behind} bytes behind" if follows else "leads"
            pgvector = f"pgvector {extension}" if extension else "no pgvector yet"
            yield Host(name, True, not follows, f"{role} (PostgreSQL {server}, {pgvector})")

    # --- what both need ---------------------------------------------------------------------------

    def _arguments(self, *, writing: bool) -> dict[str, Any]:
        seconds = _WRITE_STATEMENT_SECONDS if writing else _STATEMENT_SECONDS
        arguments = {
            **self._given,
            "application_name": "tryghed-search",
            "options": f"{self._given.get('options', '')} -c statement_timeout={seconds}s {_QUICK}",
            "target_session_attrs": "read-write" if writing else "any",
            "load_balance_hosts": "disable" if writing else "random",
            "tcp_user_timeout": 1000 * (60 if writing else _STATEMENT_SECONDS),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        }
        return {**arguments, "password": self._password} if self._password else arguments

    def _refused(self, error: Exception) -> DatabaseError:
        return DatabaseError(
            f"The database {self.name} cannot be used: {self._said(error)}. Nothing that was in "
            "force is changed."
        )

    def _said(self, error: Exception | None) -> str:
        """One line of what went wrong, without the password, however it is written."""
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        for secret in {self._password, quote(self._password), quote(self._password, safe="")}:
            if secret:
                said = said.replace(secret, "***")
        return said


def _check(rest: str, ports: str) -> None:
    """``ValueError`` where a password is not written as it should: else a piece of it is a host."""
    before, *more = rest.partition("?")[0].split("@")
    for port in ports.split(","):
        int(port or 0)
    if len(more) > 1 or (more and "/" in before):
        raise ValueError("what separates the address's parts stands in one of them")


def _answer(work: Callable[[Connection], Result], connection: Connection) -> Result:
    """What ``work`` makes; the connection ends if its host does not have what is asked for."""
    try:
        return work(connection)
    except DatabaseLostError:
        connection.close()  # from the pool the same host would be asked again
        raise


def _prepare_reader(connection: Connection) -> None:
    import psycopg

    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True


def _library() -> None:
    try:
        import psycopg
        import psycopg_pool  # noqa: F401
    except ImportError:
        raise SettingsError(
            "TRYGHED_STORE needs the client of PostgreSQL: install tryghed-search[postgres], or "
            "leave the setting out."
        ) from None
    del psycopg


@contextlib.contextmanager
def streamed(
    connection: Connection, statement: LiteralString, given: Sequence[Any]
) -> Iterator[Iterable[tuple[Any, ...]]]:
    """The rows of a statement, of which no more than some are in memory at a time.

    One such statement at a time in the transaction that the connection is in; on leaving it is
    closed, read to its end or not.
    """
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = _AT_ONCE
        yield cursor.execute(statement, given, binary=True)


def copy_rows(
    connection: Connection, into: LiteralString, types: list[str], rows: Iterator[tuple[Any, ...]]
) -> None:
    """Write many rows at once; ``into`` is a table with its columns, ``types`` are theirs."""
    statement = f"COPY {into} FROM STDIN WITH (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def takes_vectors(connection: Connection) -> None:
    """Have arrays written as pgvector's types, once it is there."""
    from pgvector.psycopg import register_vector

    register_vector(connection)


def literal(vector: npt.NDArray[np.float32]) -> str:
    """A vector as a statement takes it on any connection."""
    from pgvector import Vector

    return Vector(vector).to_text()
