"""Ingest: from the reports' folders to an index, or a message and the old index."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from tests.conftest import REPORTS
from tryghed_search import build, bundled, danish, store
from tryghed_search.embedding import Encoder
from tryghed_search.errors import IndexWriteError, OutlineError
from tryghed_search.passages import Report
from tryghed_search.reader_questions import WHOLE, ReaderQuestions
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings
from tryghed_search.tokens import HEADING, TokenVectors

SMALL_REPORTS = Path(__file__).parent / "small-reports"


@pytest.fixture(scope="module")
def small() -> build.Source:
    (found,) = build.read_reports(SMALL_REPORTS)
    return found


@pytest.fixture(scope="module")
def contents(small: build.Source, encoder: Encoder) -> store.Contents:
    return build.embed([small], encoder)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder of reports of one's own."""
    return Path(shutil.copytree(SMALL_REPORTS, tmp_path / "reports"))


def refused(reports: Path) -> str:
    with pytest.raises(OutlineError) as caught:
        build.read_reports(reports)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- reading --------------------------------------------------------------------------------------


def test_a_report_is_read_with_its_outline_and_reader_questions(small: build.Source) -> None:
    assert [passage.id for passage in small.report.passages] == [
        "haven/forord/1",
        "haven/drivhus/1",
        "haven/drivhus/laeringer/1",
        "haven/drivhus/laeringer/2",
        "haven/baal/1",
    ]
    assert small.municipalities == {"Odense": (), "Aarhus": ("Århus",)}
    assert small.reader_questions["haven/baal/1"] == ReaderQuestions(
        suggest="Hvornår brænder de kvas i Aarhus?",
        answered=(("Hvornår brænder de kvas i Aarhus?", WHOLE), ("Må man tænde bål?", WHOLE)),
        unanswered=(),
    )


def test_several_reports_are_read_in_the_order_of_their_folders(reports: Path) -> None:
    other = Path(shutil.copytree(reports / "haven", reports / "a-foran"))
    outline = other / "outline.toml"
    outline.write_text(
        outline.read_text("utf-8").replace('id = "haven"', 'id = "gaarden"'), encoding="utf-8"
    )
    assert [source.report.id for source in build.read_reports(reports)] == ["gaarden", "haven"]


def test_two_reports_with_one_id_are_refused(reports: Path) -> None:
    shutil.copytree(reports / "haven", reports / "igen")
    assert "have the id 'haven', haven and igen" in refused(reports)


def test_what_an_add_that_was_killed_has_left_is_no_report(reports: Path) -> None:
    shutil.copytree(reports / "haven", reports / ".adding-x1")
    assert [source.report.id for source in build.read_reports(reports)] == ["haven"]


@pytest.mark.parametrize("way", ["through a link", "with dots"])
def test_an_index_is_whole_however_its_folder_is_named(
    reports: Path, encoder: Encoder, tmp_path: Path, way: str
) -> None:
    """systemd's state folders are links."""
    folder = tmp_path / "private" / "index"
    folder.mkdir(parents=True)
    named = tmp_path / "index"
    if way == "with dots":
        named = folder / ".." / "index"
    else:
        named.symlink_to(folder)
    build.build_index(reports, named, encoder)
    _, found = store.load(folder, encoder.identity)
    lengths = np.linalg.norm(found.tokens.vectors.astype(np.float32), axis=1)
    assert np.allclose(lengths, 1, atol=1e-2)


def test_a_folder_without_reports_is_refused_with_the_setting(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing", SMALL_REPORTS / "haven"):
        message = refused(folder)
        assert str(folder) in message
        assert "TRYGHED_REPORTS" in message


def test_a_missing_text_is_named(reports: Path) -> None:
    (reports / "haven" / "report.txt").unlink()
    assert "report.txt cannot be read: No such file" in refused(reports)


@pytest.mark.parametrize("name", ["report.txt", "outline.toml", "questions.toml"])
def test_a_file_that_is_not_utf_8_is_named_with_the_byte(reports: Path, name: str) -> None:
    path = reports / "haven" / name
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1", "replace"))
    assert re.search(rf"{name} is not UTF-8 \(byte \d+\); save it as UTF-8", refused(reports))


def test_a_mark_that_an_editor_puts_first_does_no_harm(reports: Path, small: build.Source) -> None:
    """Some editors begin a UTF-8 file with a byte order mark."""
    for name in ("outline.toml", "questions.toml"):
        path = reports / "haven" / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert build.read_reports(reports) == (small,)


@pytest.mark.parametrize(
    ("questions", "says"),
    [
        ('["drivhus/9"]\nsuggest = "a"\nquestions = ["b"]', "no passage 'drivhus/9'"),
        ('["drivhus/1"]\nquestions = ["b"]', "'drivhus/1' needs 'suggest'"),
        ('["drivhus/1"]\nsuggest = ""\nquestions = ["b"]', "'drivhus/1' needs 'suggest'"),
        ('["drivhus/1"]\nsuggest = "a"', "needs 'suggest', a text, and 'questions'"),
        ('["drivhus/1"]\nsuggest = "a"\nquestions = "b"', "a list of texts"),
        ('["drivhus/1"]\nsuggest = "a"\nquestions = [1]', "a list of texts"),
        ('"drivhus/1" = 7', "needs 'suggest'"),
        ('["drivhus/1"\n', "is not valid TOML"),
    ],
)
def test_a_slip_in_the_reader_questions_is_named(reports: Path, questions: str, says: str) -> None:
    (reports / "haven" / "questions.toml").write_text(questions, encoding="utf-8")
    message = refused(reports)
    assert says in message
    assert "questions.toml" in message


def test_a_report_needs_no_reader_questions(reports: Path) -> None:
    (reports / "haven" / "questions.toml").unlink()
    (source,) = build.read_reports(reports)
    assert source.reader_questions == {}


# --- embedding ------------------------------------------------------------------------------------


def test_what_is_embedded_has_its_headings_and_what_is_quoted_has_not(
    contents: store.Contents, encoder: Encoder
) -> None:
    number = next(i for i, p in enumerate(contents.passages) if p.id == "haven/drivhus/laeringer/1")
    passage = contents.passages[number]
    assert build.heading_path(passage) == "Læringer › 1) Glas skal renses"
    assert passage.text.startswith("1) Glas skal renses Vinduerne")
    (alone,) = encoder.encode_documents(["Læringer › 1) Glas skal renses. " + passage.text])
    (row,) = np.flatnonzero((contents.rows == (number, store.PASSAGE, 0)).all(axis=1))
    rows, cosines = contents.vectors.search(alone.pooled, 1)
    assert rows.tolist() == [row]
    assert cosines[0] > 0.9999


def test_the_chapter_is_left_out_of_the_headings_unless_it_is_all_there_is(
    report: Report,
) -> None:
    paths = {passage.id: build.heading_path(passage) for passage in report.passages}
    assert paths["lokal-tryghed-1/forord/1"] == "Forord"
    assert paths["lokal-tryghed-1/hjoerring/laeringer/1"] == (
        "Hjørring – Naboskab: Tryghed gennem styrket fællesskab › Læringer i kommunen › "
        "1) Indbrud kan reduceres markant"
    )


def question_rows(passage: int, given: ReaderQuestions | None) -> list[tuple[int, int, int]]:
    """What the rows say of one passage's reader questions."""
    if given is None:
        return []
    answered = [(passage, store.ANSWERED, sentence) for _, sentence in given.answered]
    return answered + [(passage, store.UNANSWERED, n) for n in range(len(given.unanswered))]


def test_every_passage_sentence_and_reader_question_has_a_vector(
    contents: store.Contents, encoder: Encoder, small: build.Source
) -> None:
    wanted = []
    for number, passage in enumerate(contents.passages):
        wanted.append((number, store.PASSAGE, 0))
        wanted += [(number, store.SENTENCE, n) for n in range(len(passage.sentences))]
        wanted += question_rows(number, small.reader_questions.get(passage.id))
    assert sorted(map(tuple, contents.rows.tolist())) == sorted(wanted)
    assert len(contents.vectors) == len(wanted)
    passage = contents.passages[1]
    start, end = passage.sentences[1]
    (sentence,) = encoder.encode_documents([passage.text[start:end]])
    whole, fact, unanswered = encoder.encode_questions(
        ["Må man tænde bål?", "Var det dyrt at komme i gang?", "Hvem ejer grunden?"]
    )
    for encoded, row in (
        (sentence, (1, store.SENTENCE, 1)),
        (whole, (4, store.ANSWERED, WHOLE)),
        (fact, (1, store.ANSWERED, 1)),
        (unanswered, (1, store.UNANSWERED, 1)),
    ):
        rows, cosines = contents.vectors.search(encoded.pooled, 1)
        assert tuple(contents.rows[rows[0]]) == row
        assert cosines[0] > 0.9999


def test_the_reports_index_has_a_vector_for_each_of_its_reader_questions(
    index_folder: Path, encoder: Encoder, source: build.Source
) -> None:
    contents = store.load(index_folder, encoder.identity)[1]
    asked: list[tuple[str, tuple[int, int, int]]] = []
    for number, passage in enumerate(contents.passages):
        given = source.reader_questions[passage.id]
        texts = [question for question, _ in given.answered] + list(given.unanswered)
        asked += zip(texts, question_rows(number, given), strict=True)
    rows = [tuple(row) for row in contents.rows.tolist()]
    kept = [row for row in rows if row[1] in (store.ANSWERED, store.UNANSWERED)]
    assert sorted(kept) == sorted(row for _, row in asked)
    assert {row[1] for row in kept} == {store.ANSWERED, store.UNANSWERED}
    some = asked[::61]
    assert {row[1] for _, row in some} == {store.ANSWERED, store.UNANSWERED}
    encodings = encoder.encode_questions([text for text, _ in some])
    for encoded, (text, row) in zip(encodings, some, strict=True):
        nearest, cosines = contents.vectors.search(encoded.pooled, 1)
        assert rows[nearest[0]] == row, text
        assert cosines[0] > 0.9999


def test_the_question_that_is_shown_is_the_suggested_one(contents: store.Contents) -> None:
    assert contents.reader_questions["haven/drivhus/1"] == "Hvad kostede drivhuset i Odense?"


def test_every_token_knows_its_sentence(contents: store.Contents, encoder: Encoder) -> None:
    """The tokens of a sentence by itself are those that the passage's tokens say it has."""
    bounds = contents.tokens.bounds
    for number, passage in enumerate(contents.passages):
        ids = contents.tokens.ids[bounds[number] : bounds[number + 1]]
        sentences = contents.tokens.sentences[bounds[number] : bounds[number + 1]]
        texts = [build.heading_path(passage) + "."]
        texts += [passage.text[start:end] for start, end in passage.sentences]
        alone = encoder.encode_documents(texts)
        for n, encoded in enumerate(alone, start=HEADING):
            assert ids[sentences == n].tolist() == encoded.ids.tolist(), (passage.id, n)


def test_no_passage_of_the_report_is_too_long_for_the_model(report: Report) -> None:
    folder = bundled.model_folder(Settings().cache)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = [f"passage: {build.heading_path(p)}. {p.text}" for p in report.passages]
    assert max(len(encoding.ids) for encoding in tokenizer.encode_batch(texts)) <= 512


def test_progress_runs_to_the_number_of_texts(small: build.Source, encoder: Encoder) -> None:
    told: list[tuple[int, int]] = []
    contents = build.embed([small], encoder, lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {len(contents.vectors)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_the_vocabulary_holds_hyphenated_words_whole_and_in_parts(report: Report) -> None:
    found = build.vocabulary(report.passages)
    assert {"prepper-middag", "prepper", "middag"} <= set(found)
    assert found["tryghed"] > found["prepper-middag"] > 0


def test_word_search_finds_themes_only_by_their_grams(contents: store.Contents) -> None:
    """A theme is an editor's word: it helps to find a passage but is no word of the report."""
    assert contents.words.scores(danish.terms("grønt", {})).max() == 0
    found = np.flatnonzero(contents.grams.scores(danish.grams("grønt")))
    assert {contents.passages[i].entry for i in found} == {"drivhus"}


# --- the whole way --------------------------------------------------------------------------------


def test_building_twice_gives_the_same_ids_texts_and_files(
    encoder: Encoder, tmp_path: Path
) -> None:
    first = build.build_index(SMALL_REPORTS, tmp_path / "one", encoder)
    second = build.build_index(SMALL_REPORTS, tmp_path / "two", encoder)
    assert first.files == second.files
    assert first.counts == second.counts
    ours = store.load(tmp_path / "one", encoder.identity)[1]
    assert ours.reports == build.embed(build.read_reports(SMALL_REPORTS), encoder).reports


def test_the_time_of_building_is_in_utc(encoder: Encoder, tmp_path: Path) -> None:
    built = build.build_index(SMALL_REPORTS, tmp_path, encoder).built
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", built)


def test_an_outline_that_does_not_fit_leaves_the_old_index(
    encoder: Encoder, reports: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    before = build.build_index(reports, index, encoder)
    outline = reports / "haven" / "outline.toml"
    outline.write_text(outline.read_text("utf-8").replace("og agurker", "og kål"), encoding="utf-8")
    with pytest.raises(OutlineError, match="Drivhuset: / Tomater / og kål"):
        build.build_index(reports, index, encoder)
    assert store.load(index, encoder.identity)[0] == before
    assert {path.name for path in index.iterdir()} == {
        ".lock",
        "encoded",
        "manifest.json",
        before.folder,
    }


def test_the_built_index_answers(contents: store.Contents, encoder: Encoder) -> None:
    from tryghed_search.passages import Question

    answer = Searcher(contents, encoder).ask(Question("Hvorfor tørrede planterne ud?"))
    assert answer.hits[0].passage.id == "haven/drivhus/laeringer/2"


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    encoder: Encoder, tmp_path: Path
) -> None:
    occupied = tmp_path / "index"
    occupied.write_text("a file where the folder should be", encoding="utf-8")
    embedded: list[tuple[int, int]] = []
    with pytest.raises(IndexWriteError, match="a file where a folder should be"):
        build.build_index(REPORTS, occupied, encoder, lambda *done: embedded.append(done))
    assert not embedded


def test_token_vectors_in_a_file_are_those_in_memory(encoder: Encoder, tmp_path: Path) -> None:
    sources = build.read_reports(SMALL_REPORTS)
    held = build.embed(sources, encoder).tokens
    written = build.embed(sources, encoder, token_vectors=tmp_path / "tokens.npy").tokens
    assert isinstance(written.vectors, np.memmap)
    for field in fields(TokenVectors):
        one, other = getattr(held, field.name), getattr(written, field.name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    np.save(tmp_path / "whole.npy", held.vectors)
    assert (tmp_path / "tokens.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
