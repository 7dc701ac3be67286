"""How a database of reports grows: the part of ``scale.py`` for a PostgreSQL server.

A real server, started for this (``tests/postgres.py``), on the same machine. What is asked for is
what ``scale.py`` asks of an index in one process, of the same passages.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring
import numpy as np
from synthetic import Synthetic, SyntheticEncoder

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "2GB",  # so that the graph is built in memory, by several processes
    "max_wal_size": "8GB",
    "fsync": "on",
    "autovacuum": "on",
}
"""What an operator would set for so many passages on a machine of some memory."""
_NEAREST = "nearest.json"
_STORE_MB = 512


@contextmanager
def server(beside: Path | None, wanted: bool) -> Iterator[Any]:
    """A server for all sizes, with its data ``beside`` that of other stores; None if not wanted."""
    if not wanted:
        yield None
        return
    sys.path.insert(0, str(ROOT))  # for what the tests know of PostgreSQL
    from tests.postgres import running

    with running(beside, **SETTINGS) as started:
        yield started


@contextmanager
def database(started: Any, size: int) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    import psycopg

    name = f"passages{size}"
    address = started.new_database(name)
    yield address
    with psycopg.connect(started.address(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')


def memory_mb(pid: int) -> float:
    """What the server's processes hold together, what they share counted once, in MB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text("utf-8", "replace").rpartition(")")[2].split()
            if status.parent.name == str(pid) or int(fields[1]) == pid:
                text = (status.parent / "smaps_rollup").read_text("ascii")
                total += int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0])
        except (OSError, IndexError):  # it has ended meanwhile
            continue
    return round(total / 1024, 1)


def build(given: argparse.Namespace) -> dict[str, Any]:
    """Write ``size`` passages into an empty database, and find the nearest among all vectors."""
    from scale import Recalled, clock, real_contents

    from tryghed_search import build as whole
    from tryghed_search.postgres import database, ingest, report, schema, versions
    from tryghed_search.postgres.totals import Totals
    from tryghed_search.vectors import VectorIndex

    made = Synthetic(real_contents(given.index), given.size, given.tokens)
    encoder = SyntheticEncoder(made)
    place = database.Database(given.address)
    seconds: dict[str, float] = {}
    with place.writing() as connection:
        schema.migrate(connection)
        database.takes_vectors(connection)
        sources = [whole.Source(report, {}, {}) for report in made.reports()]
        with clock(seconds, "prepare"):
            items = ingest.items_of(sources, made.identity)
        # One vector each, as in the index that this is compared with.
        items = [
            replace(item, rows=whole.vector_rows([replace(p, sentences=()) for p in passages], {}))
            for item in items
            if (passages := item.source.report.passages)
        ]

        def encoded(item: Any) -> list[Any]:
            texts = [whole.embedded_text(p) for p in item.source.report.passages]
            found = encoder.encode_documents(texts)
            if given.tokens:
                return found
            return [
                replace(e, tokens=e.tokens[:0], ids=e.ids[:0], spans=e.spans[:0]) for e in found
            ]

        sums = Totals.none(made.identity.dimension)
        for item in items:
            report.add_tokens(sums, encoded(item))
        spent, numbers = 0.0, report.TermNumbers(connection)
        for item in items:
            some = encoded(item)
            began = time.perf_counter()
            with connection.transaction():
                report.ReportRows(connection, item, some, sums.mean(), numbers).write()
            spent += time.perf_counter() - began
        seconds["write"] = round(spent, 3)
        with clock(seconds, "publish"):
            ingest.publish(connection, items, made.identity)
        connection.execute("CHECKPOINT")
        version = versions.newest(connection)
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    flat = VectorIndex.build(made.vectors(), flat_up_to=given.size)
    ids = [p.id for source in sources for p in source.report.passages]
    recalled = Recalled(given.questions_file, made.identity)
    nearest = [
        [ids[row] for row in flat.search(recalled.encode_questions([text])[0].pooled, 10)[0]]
        for text in recalled.each(given.exact)
    ]
    (given.folder / _NEAREST).write_text(json.dumps(nearest), encoding="utf-8")
    return {
        "vectors": dict(version.manifest.vectors),
        "effort": version.effort,
        "token_vectors": int(version.totals.sizes[2]),
        "bytes": size[0] if size else 0,
        "build_seconds": round(sum(seconds.values()), 3),
        "seconds": seconds,
    }


def ask(given: argparse.Namespace) -> dict[str, Any]:
    """Load what was written, and ask."""
    from scale import ROUNDS, Recalled, clock, resident_mb

    from tryghed_search.passages import Question
    from tryghed_search.postgres.database import Database
    from tryghed_search.search import Searcher
    from tryghed_search.stores import PostgresStore

    place = PostgresStore(Database(given.address), given.folder, _STORE_MB)
    seconds: dict[str, float] = {}
    model = place.manifest().model
    with clock(seconds, "load"):
        _, retriever = place.load(model)
    recalled = Recalled(given.questions_file, model)
    with clock(seconds, "ready"):
        searcher = Searcher(retriever, recalled)
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        rounds.append([])
        for text in recalled.each():
            began = time.perf_counter()
            searcher.ask(Question(text, limit=10))
            rounds[-1].append(time.perf_counter() - began)
    spent = [one for some in rounds[1:] for one in some]
    best = json.loads((given.folder / "exact.json").read_text(encoding="utf-8"))
    found = []
    for text, expected in zip(recalled.each(len(best)), best, strict=True):
        ids = {p.id for p in searcher.rank(text, 10)}
        found.append(len(ids.intersection(expected)) / len(expected))
    nearest = json.loads((given.folder / _NEAREST).read_text(encoding="utf-8"))
    told = {
        "load_seconds": round(sum(seconds.values()), 3),
        "memory_mb": resident_mb("RssAnon"),
        "peak_mb": measuring.peak_memory_mb(),
        "server_mb": memory_mb(given.pid),
        "first_p50_ms": measuring.median_ms(rounds[0]),
        "p50_ms": measuring.median_ms(spent),
        "p99_ms": measuring.quantile_ms(spent, 0.99),
        "recall": round(float(np.mean(found)), 4),
        "vector_recall": _vector_recall(place.database, retriever, recalled, nearest),
    }
    place.database.close()
    return told


def _vector_recall(database: Any, retriever: Any, recalled: Any, nearest: list[list[str]]) -> float:
    """Which share of the ten nearest vectors the database finds with the effort that it chose."""
    from tryghed_search.postgres import schema
    from tryghed_search.postgres.database import literal

    version, loaded = retriever.version, retriever._loaded

    def read(connection: Any) -> list[float]:
        found = []
        if version.nearest:
            connection.execute(schema.LOOKING, (str(version.effort),))
        for text, expected in zip(recalled.each(len(nearest)), nearest, strict=True):
            vector = recalled.encode_questions([text])[0].pooled
            ordered = schema.nearest_first(version.model.dimension).format("")
            statement = f"SELECT v.passage FROM vectors v WHERE {ordered} LIMIT 10"  # noqa: S608
            rows = connection.execute(statement, (literal(vector),))
            places, _ = loaded.places([number for (number,) in rows])
            ids = {loaded.passages[place].id for place in places}
            found.append(len(ids.intersection(expected)) / len(expected))
        return found

    return round(float(np.mean(database.read(read))), 4)


STAGES = {"postgres-build": build, "postgres-ask": ask}
