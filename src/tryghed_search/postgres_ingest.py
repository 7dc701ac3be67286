"""Ingest into PostgreSQL: only the reports that changed are written, each in one transaction.

What is written is in force once the last step names it in ``versions``. An ingest that is stopped
before that has lost nothing: the reports that it has written are found by their hash the next time.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import build, danish, postgres_schema, postgres_versions, store, totals
from tryghed_search.errors import IndexWriteError, NoIndexError
from tryghed_search.locking import writing
from tryghed_search.passages import FILTERS, Passage, filter_values
from tryghed_search.pieces import Pieces
from tryghed_search.postgres import copy_rows, sparse, takes_vectors
from tryghed_search.postgres_schema import GRAM, TERM, WORD
from tryghed_search.tokens import sentence_numbers
from tryghed_search.totals import Totals

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded, Encoder
    from tryghed_search.postgres import Connection, Database

NEAREST_FROM = 50_000
"""Vectors from which on they are found through an HNSW index; below all are compared."""
_HELD = 1_000
"""Passages whose encodings are held from one pass to the next; others are read again."""
_KEPT = datetime.timedelta(minutes=10)
"""How long a version is kept for the servers that still answer from it."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One report on its way into the database."""

    source: build.Source
    words: Mapping[str, int]
    parts: Mapping[str, tuple[str, ...]]
    """How the compounds among its words are split, which other reports' words have a say in."""
    content: bytes
    """SHA-256 of all that its rows are made from."""


def ingest(
    reports: Path,
    folder: Path,
    database: Database,
    load: Callable[[], Encoder],
    progress: build.Progress | None = None,
    nearest_from: int = NEAREST_FROM,
) -> store.Manifest:
    """Read, cut, embed what is new, write what changed, and put it in force in one step.

    ``folder`` keeps what is embedded, as for an index on disk. Raises ``OutlineError``,
    ``IndexWriteError`` when another ingest is under way, ``DatabaseError`` or ``ModelError``.
    """
    sources = build.read_reports(reports)
    with writing(folder), database.writing() as connection:
        postgres_schema.migrate(connection)
        if not postgres_schema.hold(connection):
            raise IndexWriteError(
                f"Another ingest is writing to the database {database.name}; wait until it is "
                "done and try again."
            )
        takes_vectors(connection)
        encoder = load()
        kept = Pieces(folder / build.ENCODED, encoder.identity)
        items = _items(sources, encoder)
        _write_missing(connection, items, encoder, progress, kept)
        _publish(connection, items, encoder, nearest_from)
        kept.tidy()
        return postgres_versions.newest(connection).manifest


def _items(sources: Sequence[build.Source], encoder: Encoder) -> list[_Item]:
    words = [build.vocabulary(source.report.passages) for source in sources]
    every: Counter[str] = Counter()
    for counts in words:
        every.update(counts)
    parts = danish.compound_parts(every)
    items = []
    for source, counts in zip(sources, words, strict=True):
        own = {word: parts[word] for word in sorted(counts) if word in parts}
        of = [postgres_versions.FORMAT, asdict(encoder.identity), asdict(source), own]
        content = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).digest()
        items.append(_Item(source, counts, own, content))
    return items


# --- writing reports ------------------------------------------------------------------------------


def _write_missing(
    connection: Connection,
    items: Sequence[_Item],
    encoder: Encoder,
    progress: build.Progress | None,
    kept: Pieces,
) -> None:
    """Write the reports whose rows are not there yet, with the mean that they all then have."""
    there = _sums(connection, items)
    missing = [item for item in items if item.content not in there]
    counts = [len(_vector_rows(item)) for item in missing]
    done_before = 0
    held: dict[bytes, list[Encoded]] = {}
    sums = Totals.none(encoder.identity.dimension)
    for found in there.values():
        sums = sums.plus(found)
    for number, item in enumerate(missing):
        told = _Told(progress, done_before, sum(counts[number + 1 :]))
        encoded = build.encode([item.source], encoder, told, kept)
        done_before += told.done
        sums = sums.plus(_token_sums(encoded, encoder.identity.dimension))
        if sum(len(some) for some in held.values()) < 30 * _HELD:
            held[item.content] = encoded
    for item in missing:
        kept_back = held.pop(item.content, None)
        encoded = kept_back or build.encode([item.source], encoder, None, kept)
        with connection.transaction():
            _Report(connection, item, encoded, sums.mean()).write()


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


def _sums(connection: Connection, items: Sequence[_Item]) -> dict[bytes, Totals]:
    """The sums of those reports that are written."""
    rows = connection.execute(
        "SELECT content, totals FROM reports WHERE content = ANY(%s)",
        ([item.content for item in items],),
    )
    return {bytes(content): Totals.from_bytes(sums) for content, sums in rows}


def _vector_rows(item: _Item) -> npt.NDArray[np.int32]:
    return build.vector_rows(item.source.report.passages, item.source.reader_questions)


def _token_sums(encoded: Sequence[Encoded], dimension: int) -> Totals:
    sums = Totals.none(dimension)
    for e in encoded:
        sums.sizes[2] += len(e.ids)
        sums.token_sum[:] += e.tokens.sum(axis=0, dtype=np.float64)
    return sums


class _Report:
    """Writes the rows of one report, in the transaction that the connection is in."""

    def __init__(
        self,
        connection: Connection,
        item: _Item,
        encoded: Sequence[Encoded],
        centre: npt.NDArray[np.float32],
    ) -> None:
        self._connection = connection
        self._item = item
        self._passages = item.source.report.passages
        self._encoded = encoded
        self._centre = centre
        self._words = [danish.terms(p.text, item.parts) for p in self._passages]
        self._grams = [danish.grams(build.with_headings(p)) for p in self._passages]
        self._ids = {
            WORD: self._numbers_of(WORD, item.words),
            TERM: self._numbers_of(TERM, {t for some in self._words for t in some}),
            GRAM: self._numbers_of(GRAM, {t for some in self._grams for t in some}),
        }

    def write(self) -> None:
        """Write all of it."""
        sums = self._sums()
        row = self._connection.execute(
            "INSERT INTO reports (id, content, body, centre, totals)"
            " VALUES (%s, %s, %s::jsonb, %s, %s) RETURNING key",
            (
                self._item.source.report.id,
                self._item.content,
                self._body(),
                self._centre.tobytes(),
                sums.to_bytes(),
            ),
        ).fetchone()
        assert row is not None  # noqa: S101  # RETURNING gives the row
        key = int(row[0])
        numbers = [
            int(number)
            for (number,) in self._connection.execute(
                "SELECT nextval(pg_get_serial_sequence('passages', 'number'))"
                " FROM generate_series(1, %s)",
                (len(self._passages),),
            )
        ]
        self._write_passages(key, numbers)
        self._write_vectors(key, numbers)
        self._write_terms_and_tokens(key, numbers, sums)

    def _body(self) -> str:
        """The report without its passages, which have rows of their own."""
        source = self._item.source
        report = {k: v for k, v in asdict(source.report).items() if k != "passages"}
        suggested = {key: given.suggest for key, given in source.reader_questions.items()}
        body = {
            "report": report,
            "municipalities": dict(source.municipalities),
            "reader_questions": suggested,
        }
        return json.dumps(body, ensure_ascii=False)

    def _numbers_of(self, field: int, terms: Iterator[str] | Any) -> dict[str, int]:
        """The numbers of terms; those that have none yet get one."""
        wanted = sorted(terms)
        self._connection.execute(
            "INSERT INTO terms (field, term) SELECT %s, unnest(%s::text[]) EXCEPT"
            " SELECT field, term FROM terms WHERE field = %s AND term = ANY(%s::text[])",
            (field, wanted, field, wanted),
        )
        rows = self._connection.execute(
            "SELECT term, id FROM terms WHERE field = %s AND term = ANY(%s::text[])",
            (field, wanted),
        )
        return {str(term): int(number) for term, number in rows}

    def _sums(self) -> Totals:
        counts: Counter[int] = Counter()
        for word, count in self._item.words.items():
            counts[self._ids[WORD][word]] += count
        for field, every in ((TERM, self._words), (GRAM, self._grams)):
            for terms in every:
                counts.update(self._ids[field][term] for term in set(terms))
        encoded = self._encoded[: len(self._passages)]
        tokens = Counter(int(token) for e in encoded for token in np.unique(e.ids))
        sums = _token_sums(encoded, len(self._centre))
        sums.sizes[:] = (
            len(self._passages),
            len(self._encoded),
            sums.sizes[2],
            sum(map(len, self._words)),
            sum(map(len, self._grams)),
            len(self._item.source.report.sections),
        )
        return Totals(sums.sizes, _spread(counts), _spread(tokens), sums.token_sum)

    def _write_passages(self, key: int, numbers: Sequence[int]) -> None:
        copy_rows(
            self._connection,
            "passages (number, report, position, kind, municipality, audience, theme, body)",
            ["int8", "int8", "int4", "text", "text[]", "text[]", "text[]", "jsonb"],
            (
                (number, key, position, *_folded(passage), asdict(passage))
                for position, (number, passage) in enumerate(
                    zip(numbers, self._passages, strict=True)
                )
            ),
        )

    def _write_vectors(self, key: int, numbers: Sequence[int]) -> None:
        rows = _vector_rows(self._item).tolist()
        copy_rows(
            self._connection,
            "vectors (report, passage, kind, part, vector)",
            ["int8", "int8", "int2", "int4", "vector"],
            (
                (key, numbers[position], kind, part, e.pooled)
                for (position, kind, part), e in zip(rows, self._encoded, strict=True)
            ),
        )

    def _write_terms_and_tokens(self, key: int, numbers: Sequence[int], sums: Totals) -> None:
        count = max(1, len(numbers))
        averages = (sums.sizes[3] / count, sums.sizes[4] / count)
        lexical, details = [], []
        for number, passage, e, *both in zip(
            numbers, self._passages, self._encoded, self._words, self._grams, strict=False
        ):
            ids, weights, packed = [], [], []
            for field, terms, average in zip((TERM, GRAM), both, averages, strict=True):
                held = Counter(self._ids[field][term] for term in terms)
                ids.append(sorted(held))
                counts = np.array([held[i] for i in ids[-1]], dtype=np.int32)
                worth = totals.saturated(counts, len(terms), average)
                weights.append(sparse(dict(zip(ids[-1], worth.tolist(), strict=True))))
                packed += [np.array(ids[-1], dtype=np.int32), counts]
            lexical.append((key, number, *ids, *weights))
            starts = e.spans[:, 0] - len(build.heading_path(passage)) - 2
            places = sentence_numbers(starts, passage.sentences)
            sizes = [len(e.ids), len(ids[0]), len(ids[1])]
            plain = np.concatenate([e.ids, places, *packed]).astype(np.int32)
            details.append((key, number, sizes, plain.tobytes(), self._centred(e)))
        copy_rows(
            self._connection,
            "lexical (report, passage, word_ids, gram_ids, words, grams)",
            ["int8", "int8", "int4[]", "int4[]", "sparsevec", "sparsevec"],
            iter(lexical),
        )
        copy_rows(
            self._connection,
            "details (report, passage, sizes, numbers, tokens)",
            ["int8", "int8", "int4[]", "bytea", "bytea"],
            iter(details),
        )

    def _centred(self, e: Encoded) -> bytes:
        """Lengths, float32, and directions, float16, of the token vectors from the centre."""
        apart = e.tokens - self._centre
        lengths = np.linalg.norm(apart, axis=1, keepdims=True)
        directions = (apart / np.maximum(lengths, 1e-9)).astype(np.float16)
        return bytes(lengths.astype(np.float32).tobytes() + directions.tobytes())


def _spread(counts: Mapping[int, int]) -> npt.NDArray[np.int64]:
    at = np.array(list(counts), dtype=np.int64)
    return totals.counted(at, np.array(list(counts.values()), dtype=np.int64))


def _folded(passage: Passage) -> list[Any]:
    """What a passage can be filtered by, in the order of the columns, whatever its case."""
    values = {n: [v.casefold() for v in filter_values(passage, n)] for n in FILTERS}
    return [values["kind"][0], values["municipality"], values["audience"], values["theme"]]


# --- putting in force -----------------------------------------------------------------------------


def _publish(
    connection: Connection, items: Sequence[_Item], encoder: Encoder, nearest_from: int
) -> None:
    """Name the reports as what is in force, unless they are that already."""
    rows = connection.execute(
        "SELECT content, key, totals FROM reports WHERE content = ANY(%s)",
        ([item.content for item in items],),
    )
    found = {bytes(content): (int(key), Totals.from_bytes(data)) for content, key, data in rows}
    keys = [found[item.content][0] for item in items]
    try:
        if list(postgres_versions.newest(connection).keys) == keys:
            return
    except NoIndexError:
        pass
    sums = Totals.none(encoder.identity.dimension)
    for item in items:
        sums = sums.plus(found[item.content][1])
    nearest = int(sums.sizes[1]) >= nearest_from
    if nearest:
        postgres_schema.index_vectors(connection, encoder.identity.dimension)
    for table in ("passages", "vectors", "lexical", "details"):
        connection.execute(f"ANALYZE {table}")
    with connection.transaction():
        connection.execute(
            "INSERT INTO versions (model, format, reports, centre, totals, nearest)"
            " VALUES (%s::jsonb, %s, %s, %s, %s, %s)",
            (
                json.dumps(asdict(encoder.identity)),
                postgres_versions.FORMAT,
                keys,
                sums.mean().tobytes(),
                sums.to_bytes(),
                nearest,
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
