"""Ingest into PostgreSQL: only the reports that changed are written, each in one transaction.

What is written is in force once the last step names it in ``versions``. An ingest that is stopped
before that has lost nothing: the reports that it has written are found by their hash the next time.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tryghed_search import build, danish, store
from tryghed_search.errors import IndexWriteError, NoIndexError, RecallError
from tryghed_search.locking import writing
from tryghed_search.pieces import Pieces
from tryghed_search.postgres import schema, versions
from tryghed_search.postgres.database import takes_vectors
from tryghed_search.postgres.report import Item, ReportRows, token_sums, vector_rows
from tryghed_search.postgres.totals import Totals
from tryghed_search.vectors import FLAT_UP_TO, LEAST_RECALL

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoded, Encoder
    from tryghed_search.postgres.database import Connection, Database

_HELD = 1_000
"""Passages whose encodings are held from one pass to the next; others are read again."""
_KEPT = datetime.timedelta(minutes=10)
"""How long a version is kept for the servers that still answer from it."""


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

    From ``nearest_from`` vectors on they are found through HNSW indexes. Raises
    ``IndexWriteError`` when another ingest is under way, ``RecallError`` when those indexes find
    less than ``least_recall`` of the ten nearest, ``DatabaseError`` or ``ModelError``.
    """
    with writing(folder), database.writing() as connection:
        schema.migrate(connection)
        if not schema.hold(connection):
            raise IndexWriteError(
                f"Another ingest is writing to the database {database.name}; wait until it is "
                "done and try again."
            )
        takes_vectors(connection)
        encoder = load()
        kept = Pieces(folder / build.ENCODED, encoder.identity)
        items = _items(sources, encoder)
        _write_missing(connection, items, encoder, progress, kept)
        _publish(connection, items, encoder, nearest_from, least_recall)
        kept.tidy()
        return versions.newest(connection).manifest


def _items(sources: Sequence[build.Source], encoder: Encoder) -> list[Item]:
    words = [build.vocabulary(source.report.passages) for source in sources]
    every: Counter[str] = Counter()
    for counts in words:
        every.update(counts)
    parts = danish.compound_parts(every)
    items = []
    for source, counts in zip(sources, words, strict=True):
        own = {word: parts[word] for word in sorted(counts) if word in parts}
        of = [versions.FORMAT, asdict(encoder.identity), asdict(source), own]
        content = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).digest()
        items.append(Item(source, counts, own, content))
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
    there = _sums(connection, items)
    missing = [item for item in items if item.content not in there]
    counts = [len(vector_rows(item)) for item in missing]
    done_before = 0
    held: dict[bytes, list[Encoded]] = {}
    sums = Totals.none(encoder.identity.dimension)
    for found in there.values():
        sums = sums.plus(found)
    for number, item in enumerate(missing):
        told = _Told(progress, done_before, sum(counts[number + 1 :]))
        encoded = build.encode([item.source], encoder, told, kept)
        done_before += told.done
        sums = sums.plus(token_sums(encoded, encoder.identity.dimension))
        if sum(len(some) for some in held.values()) < 30 * _HELD:
            held[item.content] = encoded
    for item in missing:
        kept_back = held.pop(item.content, None)
        encoded = kept_back or build.encode([item.source], encoder, None, kept)
        with connection.transaction():
            ReportRows(connection, item, encoded, sums.mean()).write()


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


def _sums(connection: Connection, items: Sequence[Item]) -> dict[bytes, Totals]:
    """The sums of those reports that are written."""
    rows = connection.execute(
        "SELECT content, totals FROM reports WHERE content = ANY(%s)",
        ([item.content for item in items],),
    )
    return {bytes(content): Totals.from_bytes(sums) for content, sums in rows}


# --- putting in force -----------------------------------------------------------------------------


def _publish(
    connection: Connection,
    items: Sequence[Item],
    encoder: Encoder,
    nearest_from: int,
    least_recall: float,
) -> None:
    """Name the reports as what is in force, unless they are that already."""
    rows = connection.execute(
        "SELECT content, key, totals FROM reports WHERE content = ANY(%s)",
        ([item.content for item in items],),
    )
    found = {bytes(content): (int(key), Totals.from_bytes(data)) for content, key, data in rows}
    keys = [found[item.content][0] for item in items]
    try:
        if list(versions.newest(connection).keys) == keys:
            return
    except NoIndexError:
        pass
    sums = Totals.none(encoder.identity.dimension)
    for item in items:
        sums = sums.plus(found[item.content][1])
    nearest, recall = int(sums.sizes[1]) >= nearest_from, 1.0
    if nearest:
        schema.index_vectors(connection, encoder.identity.dimension)
    for table in ("passages", "vectors", "lexical", "details"):
        connection.execute(f"ANALYZE {table}")
    if nearest:
        recall = schema.recall(connection, encoder.identity.dimension)
        if recall < least_recall:
            raise RecallError(
                f"The index of {sums.sizes[1]} vectors in the database finds {recall:.3f} of the "
                f"ten nearest, less than {least_recall}: what is written is not put in force."
            )
    with connection.transaction():
        connection.execute(
            "INSERT INTO versions (model, format, reports, centre, totals, nearest, recall)"
            " VALUES (%s::jsonb, %s, %s, %s, %s, %s, %s)",
            (
                json.dumps(asdict(encoder.identity)),
                versions.FORMAT,
                keys,
                sums.mean().tobytes(),
                sums.to_bytes(),
                nearest,
                recall,
            ),
        )
        connection.execute(
            "DELETE FROM versions v WHERE EXISTS (SELECT 1 FROM versions newer"
            " WHERE newer.version > v.version AND newer.built < now() - %s)",
            (_KEPT,),
        )
        connection.execute(
            "DELETE FROM reports WHERE NOT EXISTS (SELECT 1 FROM versions"
            " WHERE reports.key = ANY(versions.reports))"
        )
