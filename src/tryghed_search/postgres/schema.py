"""The tables in PostgreSQL, their version, and how an older one becomes this one.

A report's rows are written once and never changed; ``versions`` says which reports make up what is
served. So a reader of one version is never disturbed by a writer of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from tryghed_search.errors import DatabaseError, NoIndexError
from tryghed_search.postgres.database import EXTENSION, SERVER, literal

if TYPE_CHECKING:
    from tryghed_search.postgres.database import Connection

MIGRATIONS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE terms (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        field smallint NOT NULL,            -- 0 word, 1 index term, 2 n-gram
        term text COLLATE "C" NOT NULL,
        UNIQUE (field, term)
    );
    CREATE TABLE reports (
        key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL,
        content bytea NOT NULL UNIQUE,      -- SHA-256 of all that its rows are made from
        body jsonb NOT NULL,                -- the report without its passages
        centre bytea NOT NULL,              -- float32: taken from each of its token vectors
        totals bytea NOT NULL,              -- see totals.py
        written timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE passages (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        report bigint NOT NULL REFERENCES reports ON DELETE CASCADE,
        position integer NOT NULL,
        kind text NOT NULL,                 -- these four case-folded, for filters
        municipality text[] NOT NULL,
        audience text[] NOT NULL,
        theme text[] NOT NULL,
        body jsonb NOT NULL,
        UNIQUE (report, position)
    );
    CREATE INDEX ON passages USING gin (municipality);
    CREATE INDEX ON passages USING gin (audience);
    CREATE INDEX ON passages USING gin (theme);
    CREATE TABLE vectors (
        report bigint NOT NULL REFERENCES reports ON DELETE CASCADE,
        passage bigint NOT NULL,
        kind smallint NOT NULL,             -- what of the passage, as in store.py
        part integer NOT NULL,
        vector vector NOT NULL
    );
    CREATE INDEX ON vectors (passage);
    CREATE INDEX ON vectors (report);
    CREATE TABLE lexical (
        report bigint NOT NULL REFERENCES reports ON DELETE CASCADE,
        passage bigint PRIMARY KEY,
        word_ids integer[] NOT NULL,
        gram_ids integer[] NOT NULL,
        words sparsevec NOT NULL,           -- weight of each term in the passage
        grams sparsevec NOT NULL
    );
    CREATE INDEX ON lexical USING gin (word_ids) WITH (fastupdate = off);
    CREATE INDEX ON lexical USING gin (gram_ids) WITH (fastupdate = off);
    CREATE INDEX ON lexical (report);
    CREATE TABLE details (
        report bigint NOT NULL REFERENCES reports ON DELETE CASCADE,
        passage bigint PRIMARY KEY,
        sizes integer[] NOT NULL,           -- tokens, index terms, n-grams
        numbers bytea NOT NULL,             -- int32: of tokens, sentences, terms, their counts
        tokens bytea NOT NULL               -- of token vectors from the report's centre: lengths,
                                            -- float32, and directions, float16
    );
    CREATE INDEX ON details (report);
    ALTER TABLE details ALTER tokens SET STORAGE EXTERNAL;
    CREATE TABLE versions (
        version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        built timestamptz NOT NULL DEFAULT now(),
        model jsonb NOT NULL,
        format integer NOT NULL,
        reports bigint[] NOT NULL,          -- keys, in the order of the reports
        centre bytea NOT NULL,              -- float32: the mean of all token vectors
        totals bytea NOT NULL,
        nearest boolean NOT NULL,           -- whether vectors are found through an HNSW index
        recall real NOT NULL                -- share of the ten nearest that it finds
    );
    """,
    # Words and n-grams are weighed by who asks; all vectors share an index, see index_vectors.
    """
    DROP TABLE lexical;
    ALTER TABLE details ADD COLUMN terms bytea NOT NULL DEFAULT '';  -- int32: index terms, how
                                            -- often each, n-grams, how often; no longer in numbers
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT indexname FROM pg_indexes
            WHERE schemaname = current_schema() AND tablename = 'vectors'
            AND indexname ~ '^vectors_[0-9]+_[0-3]$'
        LOOP
            EXECUTE format('DROP INDEX %I', name);
        END LOOP;
    END
    $$;
    -- hnsw.ef_search: how many vectors a search through the index keeps in view
    ALTER TABLE versions ADD COLUMN effort integer NOT NULL DEFAULT 0;
    """,
)
"""The first makes the tables, each further one changes them; never edit one that was released."""

WORD, TERM, GRAM = 0, 1, 2
"""Fields of the table of terms: a word as it stands, an index term, an n-gram."""

_EFFORTS = (256, 400, 640, 1000)
"""hnsw.ef_search, how many vectors a search keeps in view: the least with which the recall suffices
is used. It finds no more than that, and pgvector knows no more than 1,000."""
LOOKING = (
    "SELECT set_config('hnsw.ef_search', %s, true),"
    " set_config('hnsw.iterative_scan', 'strict_order', true),"
    " set_config('enable_seqscan', 'off', true)"
)
"""What is set in a transaction that looks through indexes, with a place for the effort."""
_PROBES = 50
"""Searches that the recall is measured with."""
_ASIDE = 1.5
"""Length of the noise in a probe, which makes it as far from a vector as questions are from what
answers them; as in vectors.py."""

VERSION = len(MIGRATIONS)
_LOCK = 0x7472796768656400
"""PostgreSQL's advisory lock that whoever writes holds."""


def check(connection: Connection) -> None:
    """See that the database is one that this program can read.

    Raises ``NoIndexError`` where nothing was written yet, else ``DatabaseError``, and says what to
    do.
    """
    _check_server(connection)
    found = version(connection)
    if found == 0:
        raise NoIndexError(
            "There is no report in the database yet. Write them with 'tryghed-search ingest'."
        )
    if found < VERSION:
        raise DatabaseError(
            f"The database has version {found} of the tables, this program reads {VERSION}. Run "
            "'tryghed-search ingest' with this program, which brings it up to date."
        )
    _check_newer(found)


def _check_newer(found: int) -> None:
    if found > VERSION:
        raise DatabaseError(
            f"The database has version {found} of the tables, this program knows {VERSION} at "
            "most: it was written by a newer one. Install that, or name another database."
        )


def _check_server(connection: Connection) -> None:
    server = connection.info.server_version
    if server < 10_000 * SERVER:
        raise DatabaseError(
            f"The database is PostgreSQL {server // 10_000}, which is too old; {SERVER} or newer "
            "is needed."
        )


def _check_extension(connection: Connection) -> None:
    row = connection.execute(
        "SELECT installed_version, default_version FROM pg_available_extensions"
        " WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise DatabaseError(
            "The database's server has no extension 'vector': install pgvector there (package "
            "postgresql-…-pgvector)."
        )
    installed, to_be_had = row
    offered = str(installed or to_be_had)
    numbers = tuple(int(part) for part in offered.split(".")[:2])
    if numbers < EXTENSION:
        least = ".".join(map(str, EXTENSION))
        raise DatabaseError(
            f"The extension 'vector' in the database is version {offered}, {least} or newer is "
            "needed: upgrade pgvector on the server, then run 'ALTER EXTENSION vector UPDATE'."
        )
    if installed is None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def version(connection: Connection) -> int:
    """Which version of the tables the database has; 0 for none."""
    there = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return 0
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0] or 0) if row else 0


def migrate(connection: Connection) -> None:
    """Bring the tables up to this program's version, each step whole or not at all.

    For one who may write (``hold``): others would change them at the same time.

    Raises ``DatabaseError`` for a server or extension that is too old, and for a database that a
    newer program has written.
    """
    _check_server(connection)
    _check_newer(version(connection))
    _check_extension(connection)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version"
        " (version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())"
    )
    for number in range(version(connection) + 1, VERSION + 1):
        with connection.transaction():
            connection.execute(MIGRATIONS[number - 1])
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))


def hold(connection: Connection) -> bool:
    """Take the right to write, until the connection ends; False if another has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    return bool(row and row[0])


def index_vectors(connection: Connection, dimension: int) -> None:
    """Have vectors of so many numbers found through an index, those to come as well.

    It is made once, which takes as long as it takes, and holds vectors with half their bits, which
    is enough for finding them.
    """
    connection.execute(
        f"CREATE INDEX IF NOT EXISTS vectors_{dimension} ON vectors USING hnsw"
        f" ((vector::halfvec({dimension})) halfvec_ip_ops) WITH (m = 16, ef_construction = 128)"
        f" WHERE vector_dims(vector) = {dimension}"
    )


def nearest_first(dimension: int) -> str:
    """Condition and order of a search in ``vectors v`` that goes through the index.

    With a place for further conditions, and one for the vector that the others are to be near to.
    """
    return (
        f" vector_dims(v.vector) = {dimension} {{}}"
        f" ORDER BY (v.vector::halfvec({dimension})) <#> %s::halfvec"
    )


def measured(connection: Connection, dimension: int, least: float) -> tuple[int, float]:
    """The effort with which the index finds enough of the ten nearest vectors, and which share.

    The share, 0 to 1, is the best that is to be had where that is less than ``least``. Looked for
    are vectors as far from those of passages as questions are.
    """
    import numpy as np

    random = np.random.default_rng(7)
    rows = connection.execute(
        "SELECT vector::real[] FROM vectors WHERE vector_dims(vector) = %s AND kind = 0"
        " ORDER BY md5(passage::text) LIMIT %s",
        (dimension, _PROBES),
    ).fetchall()
    probes = []
    for (vector,) in rows:
        noise = random.standard_normal(dimension)
        probe = np.array(vector) + _ASIDE * noise / np.linalg.norm(noise)
        probes.append(literal(probe / np.linalg.norm(probe)))
    compared = (  # through no index, whose expression is another one
        "SELECT ctid FROM vectors WHERE vector_dims(vector) = %s"
        " ORDER BY vector <#> %s::vector LIMIT 10"
    )
    exact = [{at for (at,) in connection.execute(compared, (dimension, probe))} for probe in probes]
    nearest = f"SELECT ctid FROM vectors v WHERE{nearest_first(dimension).format('')} LIMIT 10"
    wanted = max(1, sum(map(len, exact)))
    effort = recall = 0.0
    for effort in _EFFORTS:
        with connection.transaction():
            connection.execute(LOOKING, (str(effort),))
            found = [{at for (at,) in connection.execute(nearest, (probe,))} for probe in probes]
        recall = sum(len(a & b) for a, b in zip(found, exact, strict=True)) / wanted
        if recall >= least:
            break
    return int(effort), recall
