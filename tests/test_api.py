"""``POST /api/v1/ask`` keeps the contract: every field, type and rule, on the real report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tryghed_search.outline import fold
from tryghed_search.passages import KINDS, Passage, Report

ASK, SECTIONS = "/api/v1/ask", "/api/v1/sections"
INDBRUD = "Hvor meget faldt antallet af indbrud i Hjørring?"
QUESTIONS = (
    INDBRUD,
    "Hvem har prøvet noget mod digital svindel, og hvad kostede det dem at komme i gang?",
    "gamle der bliver snydt på nettet",
    "Hvad er en prepper-middag?",
    "skærmbesøg",
    "hvordan arbejder albertslund med børn i skolen",
    "What has Aalborg done about nightlife?",
    "Hvad er forskellen på kredsråd og lokalråd?",
    "trygheds strategi komune",
    "Hvad kræver facilitatorrollen af kommunen?",
    "Hvad handler rapporten om, og hvem er den til?",
    "Hvilke spørgsmål bør en leder stille?",
    "Høje Tåstrup kriminalpræventivt team",
    "regional indsats sundhed",
    "Hvad gør Viborg mod indbrud?",
    "Hvordan får man rødvinspletter ud af en hvid skjorte?",
)
FAR = ("Hvem vandt VM i fodbold i 2022?", "What is the capital of Australia?")


def ask(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    response = client.post(ASK, json={"question": question, **more})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    return body


@pytest.fixture(scope="module")
def answers(client: TestClient) -> list[dict[str, Any]]:
    """The answers to many questions, with as many passages as may be asked for."""
    return [ask(client, question, limit=20) for question in QUESTIONS]


@pytest.fixture(scope="module")
def found(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every passage of those answers."""
    return [passage for answer in answers for passage in answer["passages"]]


@pytest.fixture(scope="module")
def by_id(report: Report) -> dict[str, Passage]:
    return {passage.id: passage for passage in report.passages}


# --- one answer -----------------------------------------------------------------------------------


def test_the_fall_in_burglaries_is_answered_with_83_percent_on_page_11(client: TestClient) -> None:
    answer = ask(client, INDBRUD)
    first = answer["passages"][0]
    assert answer["status"] == "answered"
    assert answer["notice"] is None
    assert answer["answer"] == {
        "text": "Det Gode Naboskab udsprang af projektet 'Hjørring – Fri for Indbrud', der "
        "reducerede indbrud med 83%.",
        "passage_id": "lokal-tryghed-1/hjoerring/laeringer/1",
    }
    assert first["id"] == "lokal-tryghed-1/hjoerring/laeringer/1"
    assert first["kind"] == "case"
    assert first["municipalities"] == ["Hjørring"]
    start, end = first["highlights"][0]
    assert first["text"][start:end] == answer["answer"]["text"]
    citation = first["citation"]
    assert (citation.pop("start"), citation.pop("end")) != (0, 0)
    assert citation == {
        "report": "Lokal Tryghed i praksis, Delrapport 1",
        "publisher": "TrygFonden",
        "language": "da",
        "section": [
            "Cases",
            "Hjørring – Naboskab: Tryghed gennem styrket fællesskab",
            "Læringer i kommunen",
            "1) Indbrud kan reduceres markant",
        ],
        "page": 11,
        "page_stated": True,
        "url": "/rapport/lokal-tryghed-1#hjoerring-laeringer-1",
        "reference": "TrygFonden: Lokal Tryghed i praksis, Delrapport 1, s. 11, "
        "»Læringer i kommunen«.",
    }


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def test_every_answer_has_the_fields_of_the_contract(answers: list[dict[str, Any]]) -> None:
    for body in answers:
        assert isinstance(body["question"], str)
        assert body["status"] in {"answered", "not_in_report"}
        assert isinstance(body["confidence"], float)
        assert 0.0 <= body["confidence"] <= 1.0
        assert body["notice"] is None or body["notice"].strip()
        assert body["answer"] is None or body["answer"].keys() == {"text", "passage_id"}
        assert isinstance(body["passages"], list)
        assert _texts(body["suggestions"])


def test_every_passage_has_the_fields_of_the_contract(found: list[dict[str, Any]]) -> None:
    for passage in found:
        for name in ("id", "text", "kind"):
            assert isinstance(passage[name], str), name
        assert type(passage["rank"]) is int
        assert isinstance(passage["score"], float)
        assert _texts(passage["municipalities"])
        assert _texts(passage["themes"])
        assert passage["kind"] in KINDS
        citation = passage["citation"]
        for name in ("report", "publisher", "url", "reference"):
            assert isinstance(citation[name], str), name
        assert _texts(citation["section"])
        assert citation["section"]
        assert citation["page"] is None or type(citation["page"]) is int
        assert type(citation["page_stated"]) is bool
        assert 0 <= citation["start"] < citation["end"]


def test_the_answer_is_the_first_highlight_of_the_first_passage(
    answers: list[dict[str, Any]],
) -> None:
    answered = [body for body in answers if body["status"] == "answered"]
    assert len(answered) >= 10
    for body in answered:
        first = body["passages"][0]
        assert body["notice"] is None
        assert body["answer"]["passage_id"] == first["id"]
        start, end = first["highlights"][0]
        assert body["answer"]["text"] == first["text"][start:end]


def test_what_is_not_in_the_report_has_a_notice_and_no_answer(
    client: TestClient, answers: list[dict[str, Any]]
) -> None:
    refused = [body for body in answers if body["status"] == "not_in_report"]
    assert "Hvad gør Viborg mod indbrud?" in [body["question"] for body in refused]
    refused += [ask(client, question) for question in FAR]
    for body in refused:
        assert body["status"] == "not_in_report", body["question"]
        assert body["answer"] is None
        assert body["notice"].strip()
        assert body["passages"], "the nearest passages are offered as related reading"


def test_the_notice_says_why_and_in_the_language_of_the_question(client: TestClient) -> None:
    danish = ask(client, "Hvad gør Viborg mod indbrud?")
    assert danish["notice"].startswith("Rapporten nævner ikke Viborg.")
    assert danish["language"] == "da"
    english = ask(client, "What does Randers do about burglary?")
    assert english["notice"].startswith("The report does not mention Randers.")
    assert english["language"] == "en"
    assert "rapporten" in ask(client, FAR[0])["notice"]
    assert "report" in ask(client, FAR[1])["notice"]


def test_the_same_question_gives_the_same_response(client: TestClient) -> None:
    sent = {"question": INDBRUD, "history": ["Hvad gør Hjørring?"], "limit": 7, "kind": ["case"]}
    first = client.post(ASK, json=sent)
    client.post(ASK, json={"question": "Noget helt andet om skærmbesøg?"})
    assert client.post(ASK, json=sent).content == first.content


def test_suggestions_are_other_questions_than_those_asked(
    client: TestClient, answers: list[dict[str, Any]]
) -> None:
    assert sum(bool(body["suggestions"]) for body in answers) >= 10
    for body in answers:
        assert len(set(body["suggestions"])) == len(body["suggestions"]) <= 3
        assert body["question"] not in body["suggestions"]
    first, *_ = ask(client, INDBRUD)["suggestions"]
    again = ask(client, INDBRUD, history=[first])
    assert first not in again["suggestions"]


# --- quotations and citations ---------------------------------------------------------------------


def test_a_quotation_is_a_slice_of_its_source(
    found: list[dict[str, Any]], report_text: str
) -> None:
    assert len({passage["id"] for passage in found}) > 60
    for passage in found:
        cited = report_text[passage["citation"]["start"] : passage["citation"]["end"]]
        assert passage["text"] == fold(cited), passage["id"]
        assert passage["text"] == " ".join(passage["text"].split())
        assert "**" not in passage["text"]
        assert 0 < len(passage["text"]) <= 1000


def test_highlights_are_whole_sentences_of_the_text(
    found: list[dict[str, Any]], by_id: dict[str, Passage]
) -> None:
    assert any(passage["highlights"] for passage in found)
    for passage in found:
        spans = [tuple(span) for span in passage["highlights"]]
        assert set(spans) <= set(by_id[passage["id"]].sentences)
        assert len(set(spans)) == len(spans)
        for start, end in spans:
            marked = passage["text"][start:end]
            assert marked == marked.strip() != ""
            assert start == 0 or passage["text"][start - 1] == " "
            assert end == len(passage["text"]) or passage["text"][end] == " "


def test_blocks_cover_the_text_in_order(found: list[dict[str, Any]]) -> None:
    for passage in found:
        at = 0
        for block in passage["blocks"]:
            assert passage["text"][at : block["start"]].strip() == ""
            assert block["role"] in {"heading", "paragraph", "item"}
            at = block["end"]
        assert at == len(passage["text"])


def test_ranks_count_from_one_and_scores_fall_from_at_most_one(
    answers: list[dict[str, Any]],
) -> None:
    for body in answers:
        passages = body["passages"]
        assert [p["rank"] for p in passages] == list(range(1, len(passages) + 1))
        scores = [p["score"] for p in passages]
        assert scores == sorted(scores, reverse=True)
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert len({p["id"] for p in passages}) == len(passages)


def test_an_id_is_made_from_the_slugs_of_the_outline(
    found: list[dict[str, Any]], report: Report
) -> None:
    known = {section.id for section in report.sections}
    for passage in found:
        section, _, number = passage["id"].rpartition("/")
        assert section in known
        assert int(number) >= 1


def test_every_url_leads_to_its_place_in_the_reading_view(
    client: TestClient, found: list[dict[str, Any]]
) -> None:
    page = client.get("/rapport/lokal-tryghed-1").text
    for passage in found:
        path, _, anchor = passage["citation"]["url"].partition("#")
        assert path == "/rapport/lokal-tryghed-1"
        assert anchor == passage["id"].removeprefix("lokal-tryghed-1/").replace("/", "-")
        assert page.count(f'id="{anchor}"') == 1, anchor


def test_a_reference_tells_stated_pages_from_inferred_ones(found: list[dict[str, Any]]) -> None:
    kinds = set()
    for passage in found:
        citation = passage["citation"]
        opening = f"{citation['publisher']}: {citation['report']}, "
        page, stated = citation["page"], citation["page_stated"]
        label = "" if page is None else f"s. {page}, " if stated else f"ca. s. {page}, "
        kinds.add((page is None, stated))
        assert citation["reference"].startswith(f"{opening}{label}»")
        assert citation["reference"].endswith("«.")
        title = citation["reference"].removeprefix(f"{opening}{label}»")[:-2]
        assert title in citation["section"]
    assert kinds == {(True, False), (False, True), (False, False)}


def test_gentofte_stands_about_page_12_and_the_preface_on_no_page(client: TestClient) -> None:
    gentofte = ask(client, "Hvad er en prepper-middag?", municipality=["Gentofte"], kind=["case"])
    assert ", ca. s. 12, »" in gentofte["passages"][0]["citation"]["reference"]
    intro = ask(client, "Hvad vil TrygFonden med rapporten?", kind=["intro"], limit=20)
    preface = [p["citation"] for p in intro["passages"] if "/forord/" in p["id"]]
    assert preface
    for citation in preface:
        assert citation["page"] is None
        assert citation["page_stated"] is False
        assert citation["reference"] == (
            "TrygFonden: Lokal Tryghed i praksis, Delrapport 1, »Forord«."
        )


# --- the request ----------------------------------------------------------------------------------


def test_a_question_is_trimmed(client: TestClient) -> None:
    plain = ask(client, INDBRUD)
    assert ask(client, f"  \t{INDBRUD}\n\u00a0") == plain
    assert plain["question"] == INDBRUD


def test_500_characters_after_trimming_are_a_question_and_501_are_not(client: TestClient) -> None:
    for character in ("a", "å", "😀"):
        body = ask(client, f"   {character * 500}\n", limit=1)
        assert body["question"] == character * 500
        response = client.post(ASK, json={"question": character * 501})
        assert response.status_code == 422


@pytest.mark.parametrize("question", ["", " ", "\n\t \u2003", "\x1c\x1f", None, 7, ["hej"], {}])
def test_what_is_no_question_is_422(client: TestClient, question: Any) -> None:
    response = client.post(ASK, json={"question": question})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_five_passages_come_unless_1_to_20_are_asked_for(client: TestClient) -> None:
    assert len(ask(client, INDBRUD)["passages"]) == 5
    for limit in (1, 6, 20):
        assert len(ask(client, INDBRUD, limit=limit)["passages"]) == limit


@pytest.mark.parametrize("limit", [0, 21, -1, 10**9, "5", True, 2.5, None, [5]])
def test_another_limit_is_422(client: TestClient, limit: Any) -> None:
    assert client.post(ASK, json={"question": INDBRUD, "limit": limit}).status_code == 422


def test_a_limit_may_be_written_with_a_point_as_json_allows(client: TestClient) -> None:
    assert ask(client, INDBRUD, limit=2.0) == ask(client, INDBRUD, limit=2)


def test_fewer_passages_are_the_first_of_more(client: TestClient) -> None:
    few, many = ask(client, INDBRUD, limit=3), ask(client, INDBRUD, limit=20)
    ids = [p["id"] for p in many["passages"]]
    assert [p["id"] for p in few["passages"]] == ids[:3]
    assert few["answer"] == many["answer"]


def test_a_follow_up_is_read_with_the_question_before_it(client: TestClient) -> None:
    about = {
        "hjoerring": "Hvad gør Hjørring for at få færre indbrud?",
        "nordfyn": "Hvad er skærmbesøg i Nordfyn?",
    }
    for slug, before in about.items():
        other = next(text for name, text in about.items() if name != slug)
        body = ask(client, "Hvad har de lært af det?", history=[other, before])
        assert body["passages"][0]["id"].startswith(f"lokal-tryghed-1/{slug}/")
        assert body["question"] == "Hvad har de lært af det?"


def test_ten_earlier_questions_are_taken_and_eleven_are_not(client: TestClient) -> None:
    earlier = [f"Hvad er spørgsmål nummer {n}?" for n in range(10)]
    ask(client, INDBRUD, history=earlier)
    response = client.post(ASK, json={"question": INDBRUD, "history": [*earlier, "En til?"]})
    assert response.status_code == 422
    assert ask(client, INDBRUD, history=[]) == ask(client, INDBRUD)


@pytest.mark.parametrize("history", ["Hvad?", [1], [None], [""], ["x" * 501], {"0": "Hvad?"}, None])
def test_what_is_no_list_of_questions_is_no_history(client: TestClient, history: Any) -> None:
    response = client.post(ASK, json={"question": INDBRUD, "history": history})
    assert response.status_code == 422


def test_unknown_fields_do_no_harm(client: TestClient) -> None:
    assert ask(client, INDBRUD, session="x", version=3) == ask(client, INDBRUD)


def test_a_filter_lets_through_any_of_its_values(client: TestClient) -> None:
    question = "Hvordan skaber vi tryghed sammen med borgerne?"

    def values(name: str, wanted: list[str]) -> list[Any]:
        field = {"municipality": "municipalities", "audience": "audiences"}.get(name, name)
        passages = ask(client, question, limit=20, **{name: wanted})["passages"]
        assert passages
        return [passage[field] for passage in passages]

    assert set(values("kind", ["trend"])) == {"trend"}
    assert set(values("kind", ["trend", "guide"])) == {"trend", "guide"}
    either = values("municipality", ["Hjørring", "Esbjerg"])
    assert all({"Hjørring", "Esbjerg"}.intersection(names) for names in either)
    assert {"Hjørring", "Esbjerg"} <= {name for names in either for name in names}
    assert all("politiker" in roles for roles in values("audience", ["politiker"]))


def test_all_filters_hold_together(client: TestClient) -> None:
    passages = ask(
        client,
        "samarbejde",
        limit=20,
        kind=["case", "guide"],
        municipality=["Hjørring"],
        audience=["leder"],
    )["passages"]
    assert {passage["kind"] for passage in passages} == {"case", "guide"}
    for passage in passages:
        assert "Hjørring" in passage["municipalities"]
        assert "leder" in passage["audiences"]


def test_filters_that_leave_nothing_give_an_honest_empty_answer(client: TestClient) -> None:
    body = ask(client, INDBRUD, kind=["trend"], municipality=["Hjørring"])
    assert body["status"] == "not_in_report"
    assert body["passages"] == []
    assert body["answer"] is None
    assert "passer til din afgrænsning" in body["notice"]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("kind", "case, guide, intro, trend, typology"),
        ("municipality", "Hjørring"),
        ("audience", "leder, politiker, udførende medarbejder"),
    ],
)
@pytest.mark.parametrize("unknown", ["Atlantis", "", "\x00", "<script>"])
def test_an_unknown_filter_value_is_422_with_what_is_allowed(
    client: TestClient, name: str, allowed: str, unknown: str
) -> None:
    for response in (
        client.post(ASK, json={"question": INDBRUD, name: ["case", unknown]}),
        client.get(SECTIONS, params={name: unknown}),
    ):
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert allowed in response.json()["detail"]
        assert name in response.json()["detail"]


# --- odd questions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "a",
        "æ",
        "7",
        "😀",
        "👩‍👩‍👧‍👦🏳️‍🌈" * 20,
        "x" * 500,
        "indbrud" * 71,
        "HVOR MEGET FALDT ANTALLET AF INDBRUD I HJØRRING?",
        "og i det der på en som er",
        "the of and to in",
        "qwzx vbnm plkj",
        "\x00",
        "ind\x00brud",
        "\u202eHjørring\u202c \u2066indbrud\u2069",
        "\u200b\u200d\ufeff",
        "a" + "\u0301" * 499,
        "Hjo\u0308rring indbrud",
        "ﬁnansiering ①②③ ﷺ",
        "<script>alert(1)</script>",
        "'; DROP TABLE passages; --",
        "{{7*7}} ${7*7} %s %n",
        "../../etc/passwd",
        "\\ud800 \\x00",
        "\ue000\uffff\U0010ffff",
        "日本語の質問です",
        "هل هناك جريمة؟",
        "1234567890 " * 45,
        "query: passage: </s> <mask>",
    ],
)
def test_an_odd_question_gets_an_ordinary_answer(client: TestClient, question: str) -> None:
    body = ask(client, question)
    assert body["question"] == " ".join(question.split())
    assert 0.0 <= body["confidence"] <= 1.0
    assert len(body["passages"]) == 5
    assert (body["answer"] is None) == (body["status"] == "not_in_report")


def test_capitals_and_composed_letters_make_no_difference_to_what_is_found(
    client: TestClient,
) -> None:
    for question in (INDBRUD.upper(), INDBRUD.replace("ø", "oe"), INDBRUD.replace("ø", "ö")):
        assert ask(client, question)["passages"][0]["id"].endswith("/hjoerring/laeringer/1")


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(
    question=st.text(max_size=60),
    history=st.lists(st.text(max_size=20), max_size=2),
)
@example(question="\x85", history=[])
@example(question="i\u0307", history=["\u0345"])
def test_any_text_is_answered_or_refused_politely(
    client: TestClient, question: str, history: list[str]
) -> None:
    sent = json.dumps({"question": question, "history": history, "limit": 2})
    response = client.post(ASK, content=sent, headers={"Content-Type": "application/json"})
    if response.status_code == 200:
        assert response.json()["question"] == " ".join(question.split())
    else:
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert not all(text.strip() for text in (question, *history))


def test_the_server_takes_the_questions_of_this_project_as_they_stand(client: TestClient) -> None:
    path = Path(__file__).parent / "questions" / "test.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines[::40]:
        ask(client, line["question"], history=line.get("history", []), limit=1)
