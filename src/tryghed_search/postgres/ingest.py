"""Ingest into PostgreSQL: only the reports that changed are written, each in one transaction.

What is written is in force once the last step names it in ``versions``. An ingest that is stopped
before that has lost nothing: the reports that it has written are found by their hash the next time.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tryghed_search import build, danish, store
from tryghed_search.errors import DatabaseError, IndexWriteError, NoIndexError, RecallError
from tryghed_search.locking import writing
from tryghed_search.pieces import Pieces
from tryghed_search.postgres import schema, versions
from tryghed_search.postgres.database import takes_vectors
from tryghed_search.postgres.report import Item, ReportRows, TermNumbers, add_tokens
from tryghed_search.postgres.totals import Totals
from tryghed_search.tokens import ALL_TOKENS
from tryghed_search.vectors import FLAT_UP_TO, LEAST_RECALL

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoded, Encoder, ModelIdentity
    from tryghed_search.postgres.database import Connection, Database

_HELD = 1_000
"""Passages at most whose encodings, with their sentences' and questions', are held from one pass
to the next; others are read again."""
_KEPT = datetime.timedelta(minutes=10)
"""How long a version that was replaced is kept for the servers that still answer from it."""


def ingest(
    reports: Path,
    folder: Path,
    database: Database,
    load: Callable[[], Encoder],
    progress: build.Progress | None = None,
) -> store.Manifest:
    """Read, cut, embed what is new, write what changed, and put it in force in one step.

    ``folder`` keeps what is embedded, as for an index on disk. Raises ``OutlineError``, and what
    ``bring_in`` raises.
    """
    return bring_in(build.read_reports(reports), folder, database, load, progress)


def bring_in(
    sources: Sequence[build.Source],
    folder: Path,
    database: Database,
    load: Callable[[], Encoder],
    progress: build.Progress | None = None,
    nearest_from: int = FLAT_UP_TO,
    least_recall: float = LEAST_RECALL,
) -> store.Manifest:
    """As ``ingest``, with reports that are read already.

    From ``nearest_from`` vectors on, or with more tokens than ``memory`` compares, passages are
    found through indexes. Raises
    ``IndexWriteError`` when another ingest is under way, ``RecallError`` when that of vectors finds
    less than ``least_recall`` of the ten nearest, ``DatabaseError`` or ``ModelError``.
    """
    with writing(folder), database.writing() as connection:
        if not schema.hold(connection):
            raise IndexWriteError(
                f"Another ingest is writing to the database {database.name}; wait until it is "
                "done and try again."
            )
        schema.migrate(connection)
        takes_vectors(connection)
        encoder = load()
        kept = Pieces(folder / build.ENCODED, encoder.identity)
        items = items_of(sources, encoder.identity)
        _write_missing(connection, items, encoder, progress, kept)
        publish(connection, items, encoder.identity, nearest_from, least_recall)
        kept.tidy()
        return versions.newest(connection).manifest


def items_of(sources: Sequence[build.Source], model: ModelIdentity) -> list[Item]:
    """Reports as they are written: what of one changes when another comes is in them."""
    words = [build.vocabulary(source.report.passages) for source in sources]
    every: Counter[str] = Counter()
    for counts in words:
        every.update(counts)
    parts = danish.compound_parts(every)
    items = []
    for source, counts in zip(sources, words, strict=True):
        own = {word: parts[word] for word in sorted(counts) if word in parts}
        of = [versions.FORMAT, asdict(model), asdict(source), own]
        content = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).digest()
        rows = build.vector_rows(source.report.passages, source.reader_questions)
        items.append(Item(source, counts, own, content, rows))
    return items


# --- writing reports ------------------------------------------------------------------------------


def _write_missing(
    connection: Connection,
    items: Sequence[Item],
    encoder: Encoder,
    progress: build.Progress | None,
    kept: Pieces,
) -> None:
    """Write the reports whose rows are not there yet, with the mean that they all then have."""
    written = _written(connection, items)
    missing = [item for item in items if item.content not in written]
    counts = [len(item.rows) for item in missing]
    done_before = 0
    held: dict[bytes, list[Encoded]] = {}
    held_passages = 0
    sums = _summed(connection, written.values(), encoder.identity.dimension)
    for number, item in enumerate(missing):
        told = _Told(progress, done_before, sum(counts[number + 1 :]))
        encoded = build.encode([item.source], encoder, told, kept)
        done_before += told.done
        add_tokens(sums, encoded)
        passages = len(item.source.report.passages)
        if held_passages + passages <= _HELD:
            held[item.content] = encoded
            held_passages += passages
    numbers = TermNumbers(connection)
    for item in missing:
        kept_back = held.pop(item.content, None)
        encoded = kept_back or build.encode([item.source], encoder, None, kept)
        with connection.transaction():
            ReportRows(connection, item, encoded, sums.mean(), numbers).write()


class _Told:
    """What is told of one report's texts, as part of what is told of all."""

    def __init__(self, progress: build.Progress | None, before: int, after: int) -> None:
        self._progress = progress
        self._before = before
        self._after = after
        self.done = 0

    def __call__(self, done: int, total: int) -> None:
        self.done = done
        if self._progress is not None:
            self._progress(self._before + done, self._before + total + self._after)


def _written(connection: Connection, items: Sequence[Item]) -> dict[bytes, int]:
    """The keys of those reports that are written, by their hash."""
    rows = connection.execute(
        "SELECT content, key FROM reports WHERE content = ANY(%s)",
        ([item.content for item in items],),
    )
    return {bytes(content): int(key) for content, key in rows}


def _summed(connection: Connection, keys: Iterable[int], dimension: int) -> Totals:
    """The sums over the reports with these keys."""
    rows = connection.execute("SELECT totals FROM reports WHERE key = ANY(%s)", (list(keys),))
    try:
        return Totals.summed(dimension, (data for (data,) in rows))
    except ValueError:
        raise DatabaseError(
            "The sums of a report in the database cannot be read. Write the reports anew with "
            "'tryghed-search ingest' into an empty database."
        ) from None


# --- putting in force -----------------------------------------------------------------------------


def publish(
    connection: Connection,
    items: Sequence[Item],
    model: ModelIdentity,
    nearest_from: int = FLAT_UP_TO,
    least_recall: float = LEAST_RECALL,
) -> None:
    """Name reports that are written as what is in force, unless they are that already.

    What was replaced long enough ago is cleared away in either case.

    Raises ``RecallError`` as ``bring_in`` does.
    """
    written = _written(connection, items)
    keys = [written[item.content] for item in items]
    try:
        if list(versions.newest(connection).keys) == keys:
            _clear_away(connection)
            return
    except (NoIndexError, DatabaseError):  # what cannot be read is written anew
        pass
    sums = _summed(connection, keys, model.dimension)
    nearest = int(sums.sizes[1]) >= nearest_from or int(sums.sizes[2]) > ALL_TOKENS
    recall, effort = 1.0, 0
    if nearest:
        schema.index_vectors(connection, model.dimension)
    for table in ("passages", "vectors", "details"):
        connection.execute(f"ANALYZE {table}")
    if nearest:
        effort, recall = schema.measured(connection, model.dimension, least_recall)
        if recall < least_recall:
            raise RecallError(
                f"The index of {sums.sizes[1]} vectors in the database finds {recall:.3f} of the "
                f"ten nearest, less than {least_recall}: what is written is not put in force."
            )
    with connection.transaction():
        connection.execute(
            "INSERT INTO versions (model, format, reports, centre, totals, nearest, recall,"
            " effort)"
            " VALUES (%s::jsonb, %s, %s, %s, %s, %s, %s, %s)",
            (
                json.dumps(asdict(model)),
                versions.FORMAT,
                keys,
                sums.mean().tobytes(),
                sums.to_bytes(),
                nearest,
                recall,
                effort,
            ),
        )
        _clear_away(connection)


def _clear_away(connection: Connection) -> None:
    """Remove the versions that were replaced long enough ago, and reports that none names."""
    with connection.transaction():
        connection.execute(
            "DELETE FROM versions v WHERE EXISTS (SELECT 1 FROM versions newer"
            " WHERE newer.version > v.version AND newer.built < now() - %s)",
            (_KEPT,),
        )
        connection.execute(
            "DELETE FROM reports WHERE NOT EXISTS (SELECT 1 FROM versions"
            " WHERE reports.key = ANY(versions.reports))"
        )
