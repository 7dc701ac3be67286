"""The rows of one report: what is written of it, once, and never changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search import build, danish
from tryghed_search.passages import FILTERS, Passage, filter_values
from tryghed_search.postgres import totals
from tryghed_search.postgres.database import copy_rows
from tryghed_search.postgres.schema import GRAM, TERM, WORD
from tryghed_search.postgres.totals import Totals
from tryghed_search.tokens import sentence_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded
    from tryghed_search.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class Item:
    """One report on its way into the database."""

    source: build.Source
    words: Mapping[str, int]
    parts: Mapping[str, tuple[str, ...]]
    """How the compounds among its words are split, which other reports' words have a say in."""
    content: bytes
    """SHA-256 of all that its rows are made from."""
    rows: npt.NDArray[np.int32]
    """What each of its vectors is of, as in ``store.Contents.rows``."""


def add_tokens(sums: Totals, encoded: Sequence[Encoded]) -> None:
    """Add to sums what of them comes from encodings alone: of tokens and of their vectors."""
    for e in encoded:
        sums.sizes[2] += len(e.ids)
        sums.token_sum[:] += e.tokens.sum(axis=0, dtype=np.float64)


class TermNumbers:
    """The numbers that the database has for terms, asked for once each.

    For one who may write (``schema.hold``), and as long as nothing that was written is undone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[int, dict[str, int]] = {WORD: {}, TERM: {}, GRAM: {}}

    def of(self, field: int, terms: Collection[str]) -> Mapping[str, int]:
        """The numbers of ``terms``, and of some others; those that have none yet get one."""
        known = self._known[field]
        for statement in (
            "SELECT term, id FROM terms WHERE field = %s AND term = ANY(%s::text[])",
            "INSERT INTO terms (field, term) SELECT %s, unnest(%s::text[]) RETURNING term, id",
        ):
            missing = sorted(set(terms).difference(known))
            if missing:
                known.update(self._connection.execute(statement, (field, missing)))
        return known


class ReportRows:
    """Writes the rows of one report, in the transaction that the connection is in."""

    def __init__(
        self,
        connection: Connection,
        item: Item,
        encoded: Sequence[Encoded],
        centre: npt.NDArray[np.float32],
        numbers: TermNumbers,
    ) -> None:
        self._connection = connection
        self._item = item
        self._passages = item.source.report.passages
        self._encoded = encoded
        self._centre = centre
        self._words = [danish.terms(p.text, item.parts) for p in self._passages]
        self._grams = [danish.grams(build.with_headings(p)) for p in self._passages]
        self._ids = {
            WORD: numbers.of(WORD, item.words),
            TERM: numbers.of(TERM, {t for some in self._words for t in some}),
            GRAM: numbers.of(GRAM, {t for some in self._grams for t in some}),
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
        self._write_terms_and_tokens(key, numbers)

    def _body(self) -> str:
        """The report without its passages, which have rows of their own."""
        source = self._item.source
        report = asdict(replace(source.report, passages=()))
        del report["passages"]
        suggested = {key: given.suggest for key, given in source.reader_questions.items()}
        body = {
            "report": report,
            "municipalities": dict(source.municipalities),
            "reader_questions": suggested,
        }
        return json.dumps(body, ensure_ascii=False)

    def _sums(self) -> Totals:
        counts: Counter[int] = Counter()
        for word, count in self._item.words.items():
            counts[self._ids[WORD][word]] += count
        encoded = self._encoded[: len(self._passages)]
        tokens = Counter(int(token) for e in encoded for token in np.unique(e.ids))
        sums = Totals.none(len(self._centre))
        add_tokens(sums, encoded)
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
        rows = self._item.rows.tolist()
        copy_rows(
            self._connection,
            "vectors (report, passage, kind, part, vector)",
            ["int8", "int8", "int2", "int4", "vector"],
            (
                (key, numbers[position], kind, part, e.pooled)
                for (position, kind, part), e in zip(rows, self._encoded, strict=True)
            ),
        )

    def _write_terms_and_tokens(self, key: int, numbers: Sequence[int]) -> None:
        copy_rows(
            self._connection,
            "details (report, passage, sizes, numbers, terms, tokens)",
            ["int8", "int8", "int4[]", "bytea", "bytea", "bytea"],
            self._details(key, numbers),
        )

    def _details(self, key: int, numbers: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for number, passage, e, *both in zip(
            numbers, self._passages, self._encoded, self._words, self._grams, strict=False
        ):
            sizes, terms = [len(e.ids)], []
            for field, held in zip((TERM, GRAM), both, strict=True):
                counts = Counter(held)
                ids = [self._ids[field][term] for term in counts]
                sizes.append(len(ids))
                terms += [*ids, *counts.values()]
            starts = e.spans[:, 0] - len(build.heading_path(passage)) - 2
            places = sentence_numbers(starts, passage.sentences)
            of_tokens = np.concatenate([e.ids, places]).astype(np.int32).tobytes()
            of_terms = np.array(terms, dtype=np.int32).tobytes()
            yield key, number, sizes, of_tokens, of_terms, self._centred(e)

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
