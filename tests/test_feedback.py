"""What readers say of answers: how it is kept, sent, asked for and evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from tests.browsing import BURGLARIES, VIBORG, ask
from tests.conftest import file_size_limit, without_rights
from tests.hosting import serving
from tryghed_search import cli, evaluation, feedback
from tryghed_search.app import create_app
from tryghed_search.errors import FeedbackError
from tryghed_search.feedback import Book, Verdict, entry, masked, read_lines
from tryghed_search.passages import Filters, Question
from tryghed_search.search import Searcher
from tryghed_search.store import Manifest

TODAY = date(2026, 3, 1)
ADDRESS = "/api/v1/feedback"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "kept" / "feedback.jsonl", days=30)


@pytest.fixture
def open_client(loaded: tuple[Manifest, Searcher], book: Book) -> Iterator[TestClient]:
    """An application that asks for feedback."""
    with TestClient(create_app(loaded, book), raise_server_exceptions=False) as client:
        yield client


def lines(book: Book) -> list[dict[str, Any]]:
    return [line for _, line in read_lines(book.path)]


def told(
    searcher: Searcher, text: str, verdict: Verdict, right: int | None = None, **filters: Any
) -> dict[str, Any]:
    question = Question(text, filters=Filters(**filters))
    return entry(question, searcher.ask(question), verdict, right, TODAY)


# --- what a line says -----------------------------------------------------------------------------


def test_a_helpful_answer_labels_its_sentence(searcher: Searcher) -> None:
    line = told(searcher, BURGLARIES, "helpful")
    assert (line["kind"], line["verdict"], line["day"]) == ("helpful", "helpful", "2026-03-01")
    assert line["evidence"] == [searcher.ask(Question(BURGLARIES)).sentence]


@pytest.mark.parametrize("verdict", ["wrong-passage", "missing"])
def test_another_place_that_is_pointed_out_is_the_label(
    searcher: Searcher, verdict: Verdict
) -> None:
    line = told(searcher, BURGLARIES, verdict, right=3)
    assert line["kind"] == verdict
    assert line["evidence"] == [searcher.ask(Question(BURGLARIES)).hits[2].passage.text]


@pytest.mark.parametrize("verdict", ["wrong-passage", "missing"])
def test_without_a_right_place_a_person_is_to_label_the_question(
    searcher: Searcher, verdict: Verdict
) -> None:
    line = told(searcher, BURGLARIES, verdict)
    assert (line["kind"], line["evidence"]) == ("unlabelled", [])
    assert line["verdict"] == verdict


def test_after_a_wrong_sentence_the_passage_s_other_sentences_are_right(
    searcher: Searcher,
) -> None:
    line = told(searcher, BURGLARIES, "wrong-sentence")
    answer = searcher.ask(Question(BURGLARIES))
    assert line["kind"] == "wrong-sentence"
    assert answer.sentence not in line["evidence"]
    assert line["evidence"]
    assert all(text in answer.hits[0].passage.text for text in line["evidence"])


def test_a_refusal_that_the_reader_agrees_with_is_an_unanswerable_question(
    searcher: Searcher,
) -> None:
    assert told(searcher, VIBORG, "helpful")["kind"] == "near"
    limited = told(searcher, VIBORG, "helpful", kinds=("guide",))
    assert limited["kind"] == "unlabelled"  # the rest of the report may answer it


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hjælp til 010203-1234?", "Hjælp til […]?"),
        ("ring 12 34 56 78", "ring […]"),
        ("skriv til a.b@kommune.dk i dag", "skriv til […] i dag"),
        ("faldt 83,3 % i 2015", "faldt 83,3 % i 2015"),
        ("§ 115, side 11", "§ 115, side 11"),
    ],
)
def test_long_numbers_and_addresses_are_not_kept(text: str, kept: str) -> None:
    assert masked(text) == kept


# --- the file -------------------------------------------------------------------------------------


def test_lines_are_added_and_nobody_else_may_read_them(book: Book) -> None:
    book.keep({"day": TODAY.isoformat(), "question": "æøå"}, TODAY)
    book.keep({"day": TODAY.isoformat(), "question": "to"}, TODAY)
    assert [line["question"] for line in lines(book)] == ["æøå", "to"]
    assert book.path.stat().st_mode & 0o777 == 0o600


def test_lines_are_dropped_when_they_are_too_old(book: Book) -> None:
    for age in (31, 30, 0):
        day = TODAY - timedelta(days=age)
        book.keep({"day": day.isoformat(), "age": age}, day)
    assert [line["age"] for line in lines(book)] == [30, 0]
    assert book.path.stat().st_mode & 0o777 == 0o600
    assert list(book.path.parent.iterdir()) == [book.path]


def test_a_full_file_is_not_added_to(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MOST", 10)
    book.keep({"day": TODAY.isoformat()}, TODAY)
    with pytest.raises(FeedbackError, match="full"):
        book.keep({"day": TODAY.isoformat()}, TODAY)


def test_a_file_that_cannot_be_written_is_told_of_at_the_start(tmp_path: Path) -> None:
    with without_rights(tmp_path), pytest.raises(FeedbackError, match="TRYGHED_FEEDBACK"):
        Book(tmp_path / "feedback.jsonl", days=30)


def test_a_line_that_is_no_object_is_named(book: Book) -> None:
    book.path.write_text('{"a": 1}\n[]\n', encoding="utf-8")
    with pytest.raises(FeedbackError, match="line 2"):
        lines(book)


# --- over HTTP ------------------------------------------------------------------------------------


def test_without_a_file_nobody_is_asked_and_nothing_can_be_sent(client: TestClient) -> None:
    assert client.post(ADDRESS, json={"question": "x", "verdict": "helpful"}).status_code == 404
    assert ADDRESS not in client.get("/openapi.json").json()["paths"]
    html = client.get("/", params={"q": BURGLARIES}).text
    assert "Din vurdering" not in html.split('<script type="application/json"')[0]


def test_what_is_sent_is_kept_without_anything_about_the_sender(
    open_client: TestClient, book: Book
) -> None:
    sent = {
        "question": "Hvad siger Jens på 12345678 om indbrud i Hjørring?",
        "history": ["a@b.dk"],
        "verdict": "wrong-passage",
        "right": 2,
        "municipality": ["Hjørring"],
    }
    response = open_client.post(ADDRESS, json=sent, headers={"User-Agent": "secret-agent"})
    assert (response.status_code, response.content) == (204, b"")
    (line,) = lines(book)
    assert line["question"] == "Hvad siger Jens på […] om indbrud i Hjørring?"
    assert line["history"] == ["[…]"]
    assert set(line) == {
        "id", "kind", "question", "history", "evidence", "verdict", "status", "found", "day",
        "limited_to",
    }  # fmt: skip
    assert line["limited_to"] == {"municipality": ["Hjørring"]}
    assert line["day"] == datetime.now(UTC).date().isoformat()
    assert "secret-agent" not in book.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong",
    [{"verdict": "great"}, {"verdict": None}, {"right": 0}, {"right": 6}, {"question": " "}],
)
def test_what_does_not_fit_is_refused(
    open_client: TestClient, book: Book, wrong: dict[str, Any]
) -> None:
    response = open_client.post(
        ADDRESS, json={"question": BURGLARIES, "verdict": "missing", **wrong}
    )
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert lines(book) == []


def test_feedback_that_cannot_be_kept_is_told_without_a_path(
    open_client: TestClient, book: Book
) -> None:
    with file_size_limit(0):
        response = open_client.post(ADDRESS, json={"question": BURGLARIES, "verdict": "helpful"})
    assert response.status_code == 503
    assert "/" not in response.json()["detail"]
    assert lines(book) == []


# --- as labelled questions ------------------------------------------------------------------------


def test_what_is_kept_can_be_evaluated(
    open_client: TestClient, book: Book, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for question, verdict, right in (
        (BURGLARIES, "helpful", None),
        (BURGLARIES, "wrong-sentence", None),
        (BURGLARIES, "wrong-passage", 2),
        (BURGLARIES, "wrong-passage", None),
        (VIBORG, "helpful", None),
    ):
        open_client.post(ADDRESS, json={"question": question, "verdict": verdict, "right": right})
    monkeypatch.setenv("TRYGHED_FEEDBACK", str(book.path))
    printed = CliRunner().invoke(cli.app, ["feedback"]).stdout
    assert printed == book.path.read_text(encoding="utf-8")
    labelled = CliRunner().invoke(cli.app, ["feedback", "--labelled"]).stdout
    assert len(labelled.splitlines()) == 4
    path = book.path.with_name("questions.jsonl")
    path.write_text(printed, encoding="utf-8")
    table = evaluation.figures(evaluation.run(searcher, evaluation.read_questions(path)))
    assert table["helpful"]["hit@1"].value == table["helpful"]["sentence"].value == 1
    assert table["wrong-sentence"]["hit@1"].value == 1
    assert table["wrong-sentence"]["sentence"].value == 0
    assert (table["wrong-passage"]["questions"], table["wrong-passage"]["hit@1"].value) == (1, 0)
    assert table["no-answer"]["near questions"] == 1


def test_the_command_says_that_no_feedback_is_kept() -> None:
    result = CliRunner().invoke(cli.app, ["feedback"])
    assert isinstance(result.exception, FeedbackError)
    assert "TRYGHED_FEEDBACK" in str(result.exception)


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def asking(browser: Browser, loaded: tuple[Manifest, Searcher], book: Book) -> Iterator[Page]:
    """A page of a server that asks for feedback."""
    with serving(create_app(loaded, book)) as url:
        context = browser.new_context(base_url=url, locale="da-DK")
        yield context.new_page()
        context.close()


def test_an_answer_is_judged_at_a_click(asking: Page, book: Book) -> None:
    asking.goto("/")
    exchange = ask(asking, BURGLARIES)
    exchange.get_by_role("button", name="Ja").click()
    expect(asking.get_by_role("status")).to_have_text("Tak. Din vurdering er gemt.")
    expect(exchange.get_by_role("button", name="Ja")).to_have_count(0)
    assert [line["verdict"] for line in lines(book)] == ["helpful"]


def test_another_place_can_be_pointed_out_with_the_keyboard(asking: Page, book: Book) -> None:
    asking.goto(f"/?q={BURGLARIES}&kind=case")
    exchange = asking.get_by_role("article")
    exchange.get_by_role("button", name="Nej, forkert sted").press("Enter")
    expect(exchange.get_by_text("Er et af stederne det rigtige?")).to_be_focused()
    asking.keyboard.press("Tab")
    expect(exchange.get_by_role("button", name="Sted 2")).to_be_focused()
    asking.keyboard.press("Tab")
    asking.keyboard.press("Enter")
    expect(exchange.get_by_text("Tak. Din vurdering er gemt.")).to_be_focused()
    (line,) = lines(book)
    assert (line["verdict"], line["question"], line["kind"]) == (
        "wrong-passage",
        BURGLARIES,
        "wrong-passage",
    )


def test_a_refusal_is_agreed_with_or_not(asking: Page, book: Book) -> None:
    asking.goto("/")
    exchange = ask(asking, VIBORG)
    expect(exchange.get_by_text("Er det rigtigt, at rapporten ikke svarer?")).to_be_visible()
    expect(exchange.get_by_role("button", name="forkert")).to_have_count(0)
    exchange.get_by_role("button", name="Nej, rapporten svarer").click()
    exchange.get_by_role("button", name="Ingen af dem").click()
    expect(exchange.get_by_text("Tak. Din vurdering er gemt.")).to_be_visible()
    assert [(line["verdict"], line["kind"]) for line in lines(book)] == [("missing", "unlabelled")]


def test_a_judgement_that_is_not_kept_can_be_sent_again(asking: Page, book: Book) -> None:
    asking.goto(f"/?q={BURGLARIES}")
    asking.route(f"**{ADDRESS}", lambda route: route.fulfill(status=503), times=1)
    asking.get_by_role("button", name="Ja").click()
    expect(asking.get_by_role("status")).to_have_text("Vurderingen kunne ikke gemmes. Prøv igen.")
    expect(asking.locator(".failed")).to_have_text("Vurderingen kunne ikke gemmes. Prøv igen.")
    asking.get_by_role("button", name="Ja").click()
    expect(asking.get_by_role("status")).to_have_text("Tak. Din vurdering er gemt.")
    assert len(lines(book)) == 1
