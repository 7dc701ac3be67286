"""Reports in a real PostgreSQL: what is written, what is found there, and what is refused."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from tests import policy_note
from tests.conftest import REPORT, REPORTS, ROOT
from tests.postgres import PASSWORD, QUOTED, Server, server
from tryghed_search import adding, build, danish, evaluation, retrieval, store
from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.errors import (
    DatabaseError,
    DatabaseLostError,
    IndexWriteError,
    NoIndexError,
    OtherModelError,
    RecallError,
    SettingsError,
)
from tryghed_search.memory import AllPassages, LikelyPassages
from tryghed_search.passages import Filters, Question
from tryghed_search.postgres import details, ingest, schema, versions
from tryghed_search.postgres.database import Database
from tryghed_search.postgres.search import PostgresRetriever
from tryghed_search.retrieval import Query, scores
from tryghed_search.search import Searcher
from tryghed_search.stores import PostgresStore

__all__ = ["server"]  # a fixture

SMALL = Path(__file__).parent / "reports" / "lille-rapport"
GARDEN = Path(__file__).parent / "small-reports" / "haven"
LAMPS = Question("Hvor mange flere børn gik til skole, da stien fik lamper?", limit=10)
names = (f"base{number}" for number in itertools.count())


@dataclass
class Kept:
    """A database, a folder of reports to bring into it, and what is embedded of them."""

    store: PostgresStore
    reports: Path
    encoder: Encoder
    address: str

    def ingest(self) -> store.Manifest:
        return self.store.ingest(self.reports, lambda: self.encoder)

    def searcher(self) -> Searcher:
        return Searcher(self.store.load(self.encoder.identity)[1], self.encoder)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.address, autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def run(self, statement: str) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture
def kept(server: Server, encoder: Encoder, tmp_path: Path) -> Iterator[Kept]:
    """An empty database and one small report that is to go there."""
    address = server.new_database(next(names))
    shutil.copytree(SMALL, tmp_path / "reports" / "lille-rapport")
    place = PostgresStore(Database(address), tmp_path / "index", 64)
    yield Kept(place, tmp_path / "reports", encoder, address)
    place.database.close()


@pytest.fixture(scope="module")
def real(
    server: Server,
    encoder: Encoder,
    index_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kept]:
    """The real report in a database, from the encodings that its index on disk was made from."""
    address = server.new_database(next(names))
    folder = tmp_path_factory.mktemp("postgres") / "index"
    shutil.copytree(index_folder, folder)
    place = PostgresStore(Database(address), folder, 512)
    kept = Kept(place, REPORTS, encoder, address)
    kept.ingest()
    yield kept
    place.database.close()


class Once(Encoder):
    """The encoder, which works only once on what two stores are asked."""

    def __init__(self, encoder: Encoder) -> None:
        self.__dict__.update(encoder.__dict__)
        self._encoder = encoder
        self._known: dict[tuple[str, ...], list[Encoded]] = {}

    def encode_questions(self, texts: Sequence[str], *_: Any) -> list[Encoded]:
        key = tuple(texts)
        if key not in self._known:
            self._known[key] = self._encoder.encode_questions(texts)
        return self._known[key]


def places(searcher: Searcher, question: Question) -> list[str]:
    return [hit.passage.id for hit in searcher.ask(question).hits]


# --- the same as in memory ------------------------------------------------------------------------


def test_both_stores_give_the_same_top_ten_to_every_labelled_question(
    real: Kept, index_folder: Path
) -> None:
    encoder = Once(real.encoder)
    in_memory = Searcher(store.load(index_folder, encoder.identity)[1], encoder)
    in_database = Searcher(real.store.load(encoder.identity)[1], encoder)
    asked = 0
    for name in ("tuning", "test"):
        path = ROOT / "tests" / "questions" / f"{name}.jsonl"
        for labelled in evaluation.read_questions(path):
            asked += 1
            if not labelled.history and asked % 10:  # without what both make of the best ten
                ranked = in_memory.rank(labelled.question, 10)
                assert in_database.rank(labelled.question, 10) == ranked
                continue
            question = Question(labelled.question, labelled.history, 10)
            one, other = in_memory.ask(question), in_database.ask(question)
            assert [h.passage for h in one.hits] == [h.passage for h in other.hits]
            assert (one.status, one.sentence) == (other.status, other.sentence)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
    assert asked > 800


def test_both_stores_are_told_the_same_of_all_reports(real: Kept, searcher: Searcher) -> None:
    ours, theirs = real.searcher(), searcher
    assert ours.reports == theirs.reports
    one, other = ours._corpus, theirs._corpus
    for name in ("municipalities", "reader_questions", "vocabulary", "filters"):
        assert dict(getattr(one, name)) == dict(getattr(other, name))
    assert dict(one.tokens.counts) == dict(other.tokens.counts)
    np.testing.assert_allclose(one.tokens.mean, other.tokens.mean, atol=1e-5)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(kinds=("TREND",)),
        Filters(municipalities=("hjørring",)),
        Filters(kinds=("case",), audiences=("politiker",)),
        Filters(reports=("lokal-tryghed-1",), themes=("indbrud",)),
    ],
)
def test_filters_let_the_same_through(real: Kept, searcher: Searcher, filters: Filters) -> None:
    question = Question("Hvordan skaber man tryghed?", limit=20, filters=filters)
    assert places(real.searcher(), question) == places(searcher, question)
    ours, theirs = (s.sections("tryghed", filters) for s in (real.searcher(), searcher))
    assert [hit.section for hit in ours] == [hit.section for hit in theirs]


# --- many passages --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(real: Kept, server: Server) -> Iterator[Kept]:
    """The same report as if it were many: found through the indexes, a few candidates each."""
    address = server.new_database(next(names))
    database = Database(address)
    folder = Path(real.store._folder)
    ingest.bring_in(
        build.read_reports(REPORTS), folder, database, lambda: real.encoder, nearest_from=1000
    )
    place = PostgresStore(database, folder, 512)
    yield Kept(place, REPORTS, real.encoder, address)
    database.close()


@pytest.fixture
def few_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {
        "NEAREST": 32,
        "BEST": 8,
        "KEPT": 8,
        "TOKENS": 0,
        "ENDS": 2,
        "FARTHEST": 2,
        "SAMPLE": 4,
    }
    for name, value in few.items():
        monkeypatch.setattr(retrieval, name, value)


def test_of_many_passages_the_best_are_found_among_few(
    many: Kept, searcher: Searcher, few_looked_for: None
) -> None:
    path = ROOT / "tests" / "questions" / "tuning.jsonl"
    labelled = [q for q in evaluation.read_questions(path) if q.answerable][::5]
    ours = many.searcher()
    same = [
        places(ours, Question(q.question, q.history, 1))
        == places(searcher, Question(q.question, q.history, 1))
        for q in labelled
    ]
    assert len(same) > 40
    assert sum(same) / len(same) >= 0.95
    fresh = many.searcher()
    reading = fresh._scorer.read(["Hvor mange indbrud var der?"])[0]
    assert 8 <= len(reading.candidates.passages) < 20
    retriever = fresh._scorer._retriever
    assert isinstance(retriever, PostgresRetriever)
    assert len(retriever._memory._held) == len(reading.candidates.passages)  # no other was fetched


def test_of_many_passages_those_that_are_kept_get_the_scores_that_they_get_in_memory(
    many: Kept, index_folder: Path, few_looked_for: None
) -> None:
    encoder = many.encoder
    text = "Hvor meget faldt antallet af indbrud i Hjørring?"
    query = Query(
        encoder.encode_questions([text])[0].pooled, danish.terms(text, {}), danish.grams(text)
    )
    in_memory = AllPassages(store.load(index_folder, encoder.identity)[1])
    every = in_memory.candidates([query], ())
    some = many.store.load(encoder.identity)[1].candidates([query], ())
    places = [list(every.passages).index(passage) for passage in some.passages]
    assert 8 <= len(places) < 20
    for name in ("words", "grams"):
        expected = getattr(every.raw[0], name)[places]
        assert expected.any()
        np.testing.assert_allclose(getattr(some.raw[0], name), expected, rtol=1e-4)
    ours, theirs = (scores(own.raw[0], len(own.passages)) for own in (some, every))
    np.testing.assert_allclose(ours.dense, theirs.dense[places], atol=1e-5)
    np.testing.assert_allclose(ours.asked, theirs.asked[places], atol=1e-5)


def test_rows_of_another_version_take_nobodys_place(
    kept: Kept, index_folder: Path, few_looked_for: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        index_folder / build.ENCODED, kept.store._folder / build.ENCODED, dirs_exist_ok=True
    )
    shutil.copytree(REPORT, kept.reports / "lokal-tryghed-1")

    def ingested() -> None:
        sources, database = build.read_reports(kept.reports), kept.store.database
        ingest.bring_in(sources, kept.store._folder, database, lambda: kept.encoder, nearest_from=1)

    ingested()
    shutil.rmtree(kept.reports / "lokal-tryghed-1")
    ingested()
    ours = kept.searcher()
    found = places(ours, Question("Hvor mange indbrud var der i Hjørring?", limit=5))
    assert len(found) == min(5, sum(len(report.passages) for report in ours.reports))
    assert {place.split("/")[0] for place in found} == {"lille-rapport"}
    assert places(ours, LAMPS)[0] == "lille-rapport/lys/1"
    retriever = kept.store.load(kept.encoder.identity)[1]
    assert isinstance(retriever, PostgresRetriever)
    likely, cases = retriever._likely, Filters(kinds=("case",))
    assert likely is not None
    query = Query(kept.encoder.encode_questions(["Indbrud i Hjørring"])[0].pooled, [], [])
    monkeypatch.setattr("tryghed_search.postgres.likely._NARROW", 0)  # as if the cases were many
    choice = likely._choice(cases, likely._selections.of(cases).passages)
    without, found = (
        kept.store.database.read(lambda c, some=some: likely._near(c, [query], some)[0])
        for some in ([], [choice])
    )
    (vectors,) = kept.rows(
        "SELECT count(*) FROM vectors v JOIN passages p ON p.number = v.passage"  # noqa: S608
        f" WHERE p.report = {retriever.version.keys[0]} AND p.kind = 'case'"
    )
    assert vectors == (len(found) - len(without),)


def test_both_stores_stretch_scores_over_the_same_passages(
    many: Kept, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So large an effort that the index misses none.
    monkeypatch.setattr("tryghed_search.postgres.likely._FARTHEST_EFFORT", 1000)
    monkeypatch.setattr(retrieval, "ENDS", 0)
    monkeypatch.setattr(retrieval, "TOKENS", 4 * 800)
    in_memory = LikelyPassages(store.load(index_folder, many.encoder.identity)[1])
    retriever = many.store.load(many.encoder.identity)[1]
    assert isinstance(retriever, PostgresRetriever)
    likely = retriever._likely
    assert likely is not None
    for text in ("Hvor mange indbrud var der?", "Hvad gør en boligforening?"):
        query = Query(many.encoder.encode_questions([text])[0].pooled, [], [])
        near, far = in_memory._contents.vectors.ends(query.vector, 1, retrieval.FARTHEST)
        expected = in_memory._at_ends(near, far).tolist()
        _, ends = many.store.database.read(
            lambda connection, query=query: likely._near(connection, [query], [])
        )
        assert set(ends.tolist()) == set(expected)


def test_the_vectors_of_many_passages_are_found_through_an_index(many: Kept) -> None:
    vector = many.encoder.encode_questions(["Hvor mange indbrud var der?"])[0].pooled
    retriever = many.store.load(many.encoder.identity)[1]
    assert isinstance(retriever, PostgresRetriever)
    assert retriever.version.nearest
    with psycopg.connect(many.address) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")  # 90 passages are soon looked through
        connection.execute("SET LOCAL enable_bitmapscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT passage FROM vectors v WHERE"  # noqa: S608
            f" {schema.nearest_first(384).format('')} LIMIT 10",
            (str(vector.tolist()),),
        ).fetchall()
    assert any("vectors_384" in line for (line,) in plan), plan


def test_an_index_that_finds_too_few_of_the_nearest_is_not_put_in_force(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.ingest()
    before = kept.store.manifest()
    shutil.copytree(GARDEN, kept.reports / "haven")

    def again(**given: Any) -> store.Manifest:
        folder = kept.store._folder
        sources = build.read_reports(kept.reports)
        return ingest.bring_in(sources, folder, kept.store.database, lambda: kept.encoder, **given)

    with pytest.raises(RecallError, match="not put in force"):
        again(nearest_from=1, least_recall=1.01)
    assert kept.store.manifest() == before
    assert again(nearest_from=1).vectors == {"kind": "hnsw", "recall": 1.0}


def test_what_an_index_does_not_find_is_measured(
    many: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with many.store.database.writing() as connection:
        effort, recall = schema.measured(connection, 384, 0.98)
        assert effort == schema._EFFORTS[0]
        assert recall >= 0.98
        monkeypatch.setattr(schema, "_EFFORTS", (1, 2))
        effort, recall = schema.measured(connection, 384, 1.01)
        assert effort == 2
        assert 0 < recall < 1


def test_a_narrow_filter_finds_its_passages_among_many(
    many: Kept, searcher: Searcher, few_looked_for: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Question("Hvordan skaber man tryghed?", limit=5)
    for filters in (
        Filters(municipalities=("Gentofte",)),
        Filters(kinds=("trend",)),
        Filters(reports=("LOKAL-TRYGHED-1",), kinds=("typology",)),
    ):
        narrow = replace(question, filters=filters)
        expected = places(searcher, narrow)
        assert set(places(many.searcher(), narrow)[:3]) <= set(expected)
        with monkeypatch.context() as patch:
            patch.setattr("tryghed_search.postgres.likely._NARROW", 7)  # as if they were many
            assert set(places(many.searcher(), narrow)[:3]) <= set(expected)


# --- ingest ---------------------------------------------------------------------------------------


def test_only_what_changed_is_written(kept: Kept) -> None:
    first = kept.ingest()
    assert first.counts["reports"] == 1
    assert kept.ingest() == first
    before = kept.rows("SELECT key, id FROM reports")
    shutil.copytree(GARDEN, kept.reports / "haven")
    second = kept.ingest()
    assert second.counts["reports"] == 2
    assert second.counts["passages"] > first.counts["passages"]
    after = kept.rows("SELECT key, id FROM reports")
    assert set(before) < set(after)
    assert len(after) == len(before) + 1
    shutil.rmtree(kept.reports / "haven")
    third = kept.ingest()
    assert third.counts == first.counts
    assert third.folder != first.folder
    assert set(kept.rows("SELECT key, id FROM reports")) == set(after)  # another reads it still


def test_added_one_after_the_other_reports_are_as_if_they_had_come_together(
    kept: Kept, encoder: Encoder, index_folder: Path, tmp_path: Path
) -> None:
    kept.ingest()
    shutil.copytree(
        index_folder / build.ENCODED, tmp_path / "index" / build.ENCODED, dirs_exist_ok=True
    )
    shutil.copytree(REPORT, kept.reports / "lokal-tryghed-1")
    kept.ingest()
    build.build_index(kept.reports, tmp_path / "index", encoder)
    in_memory = Searcher(store.load(tmp_path / "index", encoder.identity)[1], encoder)
    path = ROOT / "tests" / "questions" / "tuning.jsonl"
    for labelled in evaluation.read_questions(path)[::10]:
        question = Question(labelled.question, labelled.history, 10)
        assert places(kept.searcher(), question) == places(in_memory, question)


@pytest.mark.parametrize(
    "other",
    [
        "format = format - 1",
        "totals = 'x'",
        "totals = ''",
        "totals = substring(totals FROM 1 FOR 300)",
        "totals = overlay(totals PLACING '\\x0000000000000000'::bytea FROM 60)",
    ],
)
def test_a_version_that_this_program_cannot_read_is_written_anew(kept: Kept, other: str) -> None:
    first = kept.ingest()
    kept.run(f"UPDATE versions SET {other}")  # noqa: S608
    with pytest.raises(DatabaseError, match="Write it anew with 'tryghed-search ingest'"):
        kept.store.manifest()
    assert kept.ingest().counts == first.counts
    assert kept.store.manifest().folder != first.folder
    assert places(kept.searcher(), LAMPS)[0] == "lille-rapport/lys/1"


def test_sums_of_a_report_that_cannot_be_read_are_told(kept: Kept) -> None:
    kept.ingest()
    kept.run("UPDATE reports SET totals = substring(totals FROM 1 FOR 300)")
    shutil.copytree(GARDEN, kept.reports / "haven")
    with pytest.raises(DatabaseError, match="anew with 'tryghed-search ingest' into an empty"):
        kept.ingest()
    assert places(kept.searcher(), LAMPS)[0] == "lille-rapport/lys/1", "what is in force answers"


def test_a_new_format_is_written_by_ingest(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.ingest()
    monkeypatch.setattr(versions, "FORMAT", versions.FORMAT + 1)
    assert kept.ingest().format == first.format + 1
    assert places(kept.searcher(), LAMPS)[0] == "lille-rapport/lys/1"


def test_no_more_passages_are_held_than_there_is_room_for(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(GARDEN, kept.reports / "haven")
    encoded: list[str] = []

    def encode(sources: Sequence[build.Source], *given: Any) -> list[Encoded]:
        encoded.extend(source.report.id for source in sources)
        return real_encode(sources, *given)

    real_encode = build.encode
    monkeypatch.setattr(build, "encode", encode)
    sizes = {s.report.id: len(s.report.passages) for s in build.read_reports(kept.reports)}
    monkeypatch.setattr(ingest, "_HELD", sizes["haven"] + sizes["lille-rapport"] - 1)
    kept.ingest()
    assert encoded == ["haven", "lille-rapport", "lille-rapport"]
    assert places(kept.searcher(), LAMPS)[0] == "lille-rapport/lys/1"


def test_what_is_no_longer_read_by_anybody_is_cleared_away(kept: Kept) -> None:
    kept.ingest()
    shutil.copytree(GARDEN, kept.reports / "haven")
    kept.ingest()
    shutil.rmtree(kept.reports / "lille-rapport")
    kept.run("UPDATE versions SET built = built - interval '1 hour'")
    kept.ingest()
    kept.run("UPDATE versions SET built = built - interval '1 hour'")
    shutil.copytree(SMALL, kept.reports / "lille-rapport")
    kept.ingest()  # the one before is superseded only now, so it stays
    assert len(kept.rows("SELECT version FROM versions")) == 2
    ids = {report for (report,) in kept.rows("SELECT id FROM reports")}
    assert ids == {"haven", "lille-rapport"}
    for table in ("passages", "vectors", "details"):
        lost = f"SELECT count(*) FROM {table} WHERE report NOT IN (SELECT key FROM reports)"  # noqa: S608
        assert kept.rows(lost) == [(0,)]


def test_an_ingest_of_what_is_there_clears_away_what_was_replaced_long_ago(kept: Kept) -> None:
    kept.ingest()
    shutil.copytree(GARDEN, kept.reports / "haven")
    shutil.rmtree(kept.reports / "lille-rapport")
    kept.run("UPDATE versions SET built = built - interval '1 hour'")
    second = kept.ingest()
    assert kept.ingest() == second
    assert len(kept.rows("SELECT version FROM versions")) == 2  # the first was replaced just now
    kept.run("UPDATE versions SET built = built - interval '1 hour'")
    assert kept.ingest() == kept.store.manifest()
    assert len(kept.rows("SELECT version FROM versions")) == 1
    assert kept.rows("SELECT id FROM reports") == [("haven",)]
    assert kept.store.manifest().folder == second.folder


def test_an_ingest_that_fails_changes_nothing_and_the_next_one_goes_on_from_there(
    kept: Kept,
) -> None:
    first = kept.ingest()
    expected = places(kept.searcher(), LAMPS)
    shutil.copytree(GARDEN, kept.reports / "haven")
    note = policy_note.make_markdown(kept.reports.parent / "note.md")
    adding.add(note, kept.reports, report="skoleveje", publisher=policy_note.PUBLISHER)
    kept.run("ALTER TABLE reports ADD CONSTRAINT trouble CHECK (id <> 'skoleveje')")
    with pytest.raises(DatabaseError, match="trouble"):
        kept.ingest()
    assert kept.store.manifest() == first
    assert places(kept.searcher(), LAMPS) == expected
    halfway = kept.rows("SELECT key, id FROM reports WHERE id = 'haven'")
    assert halfway
    kept.run("ALTER TABLE reports DROP CONSTRAINT trouble")
    assert kept.ingest().counts["reports"] == 3
    assert kept.rows("SELECT key, id FROM reports WHERE id = 'haven'") == halfway


def test_a_second_ingest_into_the_same_database_is_refused(kept: Kept) -> None:
    kept.ingest()
    with kept.store.database.writing() as connection:
        assert schema.hold(connection)
        with pytest.raises(IndexWriteError, match="Another ingest is writing to the database"):
            kept.ingest()
    kept.ingest()


def test_while_another_ingest_writes_tables_are_left_alone(kept: Kept) -> None:
    with kept.store.database.writing() as connection:
        assert schema.hold(connection)
        with pytest.raises(IndexWriteError, match="Another ingest is writing to the database"):
            kept.ingest()
        assert kept.rows("SELECT to_regclass('schema_version')") == [(None,)]
        assert kept.rows("SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == [(0,)]
    kept.ingest()


def test_who_began_with_a_version_ends_with_it(kept: Kept) -> None:
    kept.ingest()
    begun = kept.searcher()
    before = begun.ask(LAMPS)
    shutil.copytree(GARDEN, kept.reports / "haven")
    shutil.rmtree(kept.reports / "lille-rapport")
    kept.ingest()
    assert begun.ask(LAMPS) == before
    assert {h.passage.report for h in kept.searcher().ask(LAMPS).hits} == {"haven"}


# --- what is refused ------------------------------------------------------------------------------


def test_an_empty_database_is_told_from_one_without_reports(kept: Kept) -> None:
    with pytest.raises(NoIndexError, match="no report in the database yet"):
        kept.store.manifest()
    with kept.store.database.writing() as connection:
        schema.migrate(connection)
    with pytest.raises(NoIndexError, match="There is no report in the database"):
        kept.store.manifest()


def test_another_model_is_refused(kept: Kept) -> None:
    kept.ingest()
    with pytest.raises(OtherModelError, match="was made with the model"):
        kept.store.load(replace(kept.encoder.identity, sha256="0" * 64))


def test_tables_of_a_newer_program_are_refused(kept: Kept) -> None:
    kept.ingest()
    kept.run("INSERT INTO schema_version (version) VALUES (99)")
    for attempt in (kept.ingest, kept.store.manifest):
        with pytest.raises(DatabaseError, match=r"version 99 of the tables.*Install that"):
            attempt()


def test_older_tables_are_brought_up_to_date_by_ingest_step_by_step(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept.ingest()
    ours = len(schema.MIGRATIONS)
    more = (*schema.MIGRATIONS, "CREATE TABLE further (number integer)")
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    monkeypatch.setattr(schema, "VERSION", len(more))
    with pytest.raises(DatabaseError, match=rf"version {ours} of .* reads {ours + 1}\. Run"):
        kept.store.manifest()
    assert kept.ingest() == first
    assert kept.rows("SELECT version FROM schema_version ORDER BY version") == [
        (number,) for number in range(1, ours + 2)
    ]
    assert kept.rows("SELECT count(*) FROM further") == [(0,)]
    broken = (*more, "CREATE TABLE half (number integer); SELECT 1/0")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "VERSION", len(broken))
    with pytest.raises(DatabaseError, match="division by zero"):
        kept.ingest()
    assert kept.rows("SELECT to_regclass('half')") == [(None,)]


def test_what_the_first_version_of_the_tables_was_searched_by_is_taken_away(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept.store.database.writing() as connection, monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        patch.setattr(schema, "VERSION", 1)
        schema.migrate(connection)
    kept.run("CREATE INDEX vectors_384_0 ON vectors (passage) WHERE kind = 0")
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'vectors'"
    assert ("vectors_384_0",) in kept.rows(indexes)
    kept.ingest()
    assert ("vectors_384_0",) not in kept.rows(indexes)
    assert kept.rows("SELECT to_regclass('lexical')") == [(None,)]
    assert places(kept.searcher(), LAMPS)[0] == "lille-rapport/lys/1"


def test_vectors_of_another_length_do_not_disturb_the_index(kept: Kept) -> None:
    def ingested(encoder: Encoder) -> store.Manifest:
        sources, database = build.read_reports(kept.reports), kept.store.database
        folder = kept.store._folder / encoder.identity.name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return ingest.bring_in(sources, folder, database, lambda: encoder, nearest_from=1)

    assert ingested(kept.encoder).vectors["recall"] == 1.0
    assert ingested(Shorter(kept.encoder)).vectors["recall"] == 1.0
    assert ingested(kept.encoder).vectors["recall"] == 1.0


class Shorter(Encoder):
    """A model whose vectors are half as long."""

    def __init__(self, encoder: Encoder) -> None:
        self.__dict__.update(encoder.__dict__)
        self._encoder = encoder
        dimension = encoder.identity.dimension // 2
        self.identity = replace(encoder.identity, name="half", sha256="1" * 64, dimension=dimension)

    def encode_documents(self, *given: Any) -> list[Encoded]:
        return [self._half(e) for e in self._encoder.encode_documents(*given)]

    def encode_questions(self, *given: Any) -> list[Encoded]:
        return [self._half(e) for e in self._encoder.encode_questions(*given)]

    def _half(self, e: Encoded) -> Encoded:
        size = self.identity.dimension
        pooled = e.pooled[:size] / np.linalg.norm(e.pooled[:size])
        return Encoded(pooled, e.tokens[:, :size], e.ids, e.spans)


@pytest.fixture
def control(server: Server) -> Iterator[Path]:
    """The file by which the server knows pgvector, to be changed."""
    (path,) = server.programs.parent.rglob("vector.control")
    as_it_was = path.read_bytes()
    yield path
    path.write_bytes(as_it_was)


def test_a_server_without_pgvector_is_told_what_it_lacks(kept: Kept, control: Path) -> None:
    control.unlink()
    with pytest.raises(DatabaseError, match="no extension 'vector': install pgvector there"):
        kept.ingest()
    assert kept.rows("SELECT to_regclass('schema_version')") == [(None,)]


def test_a_pgvector_that_is_too_old_is_told(kept: Kept, control: Path) -> None:
    text = control.read_text(encoding="utf-8")
    assert "default_version = '0.8.6'" in text
    control.write_text(text.replace("0.8.6", "0.5.1"), encoding="utf-8")
    with pytest.raises(DatabaseError, match=r"version 0\.5\.1, 0\.8 or newer is needed"):
        kept.ingest()


@pytest.mark.parametrize("damage", ["vectors", "details", "passages", "terms", "numbers"])
def test_rows_that_are_missing_are_noticed(kept: Kept, damage: str) -> None:
    kept.ingest()
    if damage in {"terms", "numbers"}:
        kept.run(f"UPDATE details SET {damage} = substring({damage} FROM 1 FOR 100)")  # noqa: S608
    else:
        column = "number" if damage == "passages" else "passage"
        kept.run(f"DELETE FROM {damage} WHERE {column} = (SELECT max(number) FROM passages)")  # noqa: S608
    with pytest.raises(DatabaseError, match=r"[Mm]issing|not in the database|cannot be read|as it"):
        kept.searcher().ask(LAMPS)


# --- addresses and passwords ----------------------------------------------------------------------


def attempts(address: str) -> list[Callable[[], Any]]:
    database = Database(address)
    return [
        lambda: database.read(lambda connection: connection.execute("SELECT 1")),
        lambda: database.writing().__enter__(),
        lambda: [pytest.fail(host.says) for host in database.hosts() if host.answers],
    ]


def test_a_password_is_never_told(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("tryghed_search.postgres.database._READ_SECONDS", 0.2)
    right = server.address("findes-ikke")
    wrong = server.address().replace(QUOTED, "et-andet-kodeord")
    for address in (right, wrong, right.replace(str(server.port), "1")):
        for attempt in attempts(address)[:2]:
            with pytest.raises(DatabaseError) as caught:
                attempt()
            message = str(caught.value)
            assert "\n" not in message
            for secret in (PASSWORD, QUOTED, "et-andet-kodeord"):
                assert secret not in message
                assert secret not in caplog.text
        assert "127.0.0.1" in message
    written = capfd.readouterr()
    assert PASSWORD not in written.out + written.err


def test_a_wrong_password_is_told_as_such(server: Server) -> None:
    database = Database(server.address().replace(QUOTED, "forkert"))
    with pytest.raises(DatabaseLostError, match="password authentication failed"):
        database.read(lambda connection: connection.execute("SELECT 1"))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://a:hem@meligt@host/y",
        "postgresql://a:hem/meligt@host/y",
        "postgresql://a:hem:meligt@host:port/y",
        "postgresql://u:hemmeligt@host/x y%zz",
    ],
)
def test_an_address_that_is_none_is_refused_without_telling_the_password(address: str) -> None:
    with pytest.raises(SettingsError, match="TRYGHED_STORE is no address") as caught:
        Database(address)
    assert "meligt" not in str(caught.value)


def test_a_statement_that_takes_too_long_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.postgres.database._STATEMENT_SECONDS", 1)
    database = Database(server.address())
    with pytest.raises(DatabaseLostError, match="statement timeout"):
        database.read(lambda connection: connection.execute("SELECT pg_sleep(30)"))
    assert database.lost
    database.read(lambda connection: connection.execute("SELECT 1"))
    assert not database.lost
    database.close()


def test_while_no_host_answers_only_one_looks_for_it_and_not_all_the_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.postgres.database._READ_SECONDS", 0.1)
    database = Database(server.address())
    asked = itertools.count(1)

    def unreachable() -> Any:
        next(asked)
        raise psycopg.OperationalError("no host")

    def select() -> Any:
        return database.read(lambda connection: connection.execute("SELECT 1").fetchone())

    with monkeypatch.context() as patch:
        patch.setattr(database, "_open_pool", unreachable)
        with pytest.raises(DatabaseLostError, match="no host"):
            select()
    attempts = next(asked)
    assert attempts > 1
    with pytest.raises(DatabaseLostError, match="a moment ago"):
        select()  # although it would answer again
    monkeypatch.setattr(database, "_refused_until", 0.0)
    with database._looking, pytest.raises(DatabaseLostError, match="a moment ago"):
        select()
    assert database.lost
    assert select() == (1,)
    assert not database.lost
    database.close()


def test_reading_cannot_write(kept: Kept) -> None:
    kept.ingest()
    with pytest.raises(DatabaseError, match="read-only transaction"):
        kept.store.database.read(lambda connection: connection.execute("DELETE FROM reports"))


# --- memory ---------------------------------------------------------------------------------------


def test_the_memory_holds_what_was_asked_for_last_and_no_more_than_there_is_room_for() -> None:
    def some(tokens: int) -> details.Details:
        few = np.zeros(4, np.int32)
        return details.Details(few, few, np.zeros((tokens, 384), np.float16))

    memory = details.Memory(1)
    memory.keep({number: some(100) for number in range(10)})
    assert set(memory.get(range(10))) == set(range(10))
    memory.get([0])
    memory.keep({number: some(100) for number in range(10, 16)})
    assert memory.used <= memory.room == 1024**2
    held = memory.get(range(16))
    assert 0 in held
    assert 1 not in held
    assert set(range(10, 16)) <= set(held)
    memory.keep({99: some(2000)})  # more than there is room for
    assert memory.used == 0


def test_answers_are_the_same_with_no_room_to_remember_anything(
    real: Kept, searcher: Searcher
) -> None:
    place = PostgresStore(real.store.database, real.store._folder, 0.01)
    ours = Searcher(place.load(real.encoder.identity)[1], real.encoder)
    question = Question("Hvor meget faldt antallet af indbrud i Hjørring?", limit=10)
    for _ in range(2):
        assert places(ours, question) == places(searcher, question)
