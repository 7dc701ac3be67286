"""Several reports in one index: asked all, some or one, cited by name, read and browsed each."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from tests import hosting, policy_note
from tests.browsing import ask
from tests.conftest import configured
from tryghed_search import adding, build, store
from tryghed_search.app import create_app
from tryghed_search.embedding import Encoder
from tryghed_search.search import Searcher

HERE = Path(__file__).parent
IDS = ("haven", "lille-rapport", "skoleveje")
TITLES = ("Fælles haver i praksis", "Tryghed i det små", policy_note.TITLE)
SCHOOL = "Hvor mange flere børn gik til skole?"


@pytest.fixture(scope="module")
def loaded_several(
    encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[store.Manifest, Searcher]:
    folder = tmp_path_factory.mktemp("several")
    reports = folder / "reports"
    shutil.copytree(HERE / "small-reports" / "haven", reports / "haven")
    shutil.copytree(HERE / "reports" / "lille-rapport", reports / "lille-rapport")
    note = policy_note.make_markdown(folder / "note.md")
    adding.add(note, reports, report="skoleveje", publisher=policy_note.PUBLISHER)
    build.build_index(reports, folder / "index", encoder)
    manifest, contents = store.load(folder / "index", encoder.identity)
    return manifest, Searcher(contents, encoder)


@pytest.fixture(scope="module")
def several(loaded_several: tuple[store.Manifest, Searcher]) -> Iterator[TestClient]:
    with TestClient(create_app(loaded_several), raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, question: str, **given: Any) -> Any:
    response = client.post("/api/v1/ask", json={"question": question, **given})
    assert response.status_code == 200, response.text
    return response.json()


def labels_of(page: str) -> set[str]:
    """What stands above the places that a page shows, but for what its script copies."""
    shown = page.partition("<template")[0]
    return set(re.findall(r'<span class="label"[^>]*>([^<]*)</span>', shown))


def reports_of(passages: list[dict[str, Any]]) -> set[str]:
    return {passage["id"].split("/")[0] for passage in passages}


def test_questions_from_beside_an_answer_are_of_its_report(
    loaded_several: tuple[store.Manifest, Searcher],
) -> None:
    """Passages of no case, type or trend stand beside those of their own report alone."""
    searcher = copy.copy(loaded_several[1])
    passages = [passage for report in searcher.reports for passage in report.passages]
    ids = {passage.id: passage.id for passage in passages}
    searcher._corpus = replace(searcher._corpus, reader_questions=ids)
    best = [n for n, passage in enumerate(passages) if passage.entry is None]
    assert len({passages[n].report for n in best}) > 1
    for n in best:
        found = searcher._suggestions(passages, [n], (), answered=True)
        assert {name.partition("/")[0] for name in found} <= {passages[n].report}
        assert passages[n].id not in found


# --- the API --------------------------------------------------------------------------------------


def test_a_question_goes_to_one_to_some_or_to_all_reports(several: TestClient) -> None:
    assert reports_of(asked(several, SCHOOL, limit=20)["passages"]) == set(IDS)
    for chosen in (["haven"], ["haven", "skoleveje"], ["lille-rapport"]):
        assert reports_of(asked(several, SCHOOL, limit=20, report=chosen)["passages"]) == set(
            chosen
        )
    answer = asked(several, SCHOOL, report=["lille-rapport"])
    assert answer["passages"][0]["id"] == "lille-rapport/lys/1"


def test_every_citation_names_its_report(several: TestClient) -> None:
    titles = dict(zip(IDS, TITLES, strict=True))
    for passage in asked(several, SCHOOL, limit=20)["passages"]:
        title = titles[passage["id"].split("/")[0]]
        assert passage["citation"]["report"] == title
        assert title in passage["citation"]["reference"]


def test_a_report_that_is_not_there_is_refused_and_those_that_are_named(
    several: TestClient,
) -> None:
    response = several.post("/api/v1/ask", json={"question": SCHOOL, "report": ["roman"]})
    assert response.status_code == 422
    assert "haven, lille-rapport, skoleveje" in response.json()["detail"]


def test_what_is_limited_says_nothing_of_the_other_reports(several: TestClient) -> None:
    answer = asked(several, "Hvem uddanner skolepatruljen?", report=["haven"])
    assert answer["status"] == "not_in_report"
    assert answer["notice"].startswith("Svaret står ikke i det, du har afgrænset til.")


def test_sections_come_report_by_report_and_can_be_limited(several: TestClient) -> None:
    every = several.get("/api/v1/sections").json()["sections"]
    assert [s["id"] for s in every] == [
        "haven/drivhus",
        "haven/baal",
        "lille-rapport/lys",
        "lille-rapport/kaffe",
    ]
    some = several.get("/api/v1/sections", params={"report": "lille-rapport", "q": "haver"}).json()
    assert {s["id"] for s in some["sections"]} == {"lille-rapport/lys", "lille-rapport/kaffe"}
    chapters = several.get("/api/v1/sections", params={"kind": "chapter"}).json()["sections"]
    assert {s["id"].split("/")[0] for s in chapters} == {"skoleveje"}


def test_meta_counts_passages_for_each_report(several: TestClient) -> None:
    meta = several.get("/api/v1/meta").json()
    assert [report["id"] for report in meta["reports"]] == list(IDS)
    counts = {value["value"]: value["count"] for value in meta["facets"]["report"]}
    assert counts == {report["id"]: report["passages"] for report in meta["reports"]}


# --- pages ----------------------------------------------------------------------------------------


def test_the_page_offers_the_reports_and_names_each_places_own(several: TestClient) -> None:
    empty = several.get("/").text
    for report, title in zip(IDS, TITLES, strict=True):
        assert f'name="report" value="{report}"' in empty
        assert f'href="/rapport/{report}">' in empty
        assert f"»{title}«" in empty
    answered = several.get("/", params={"q": SCHOOL, "report": "lille-rapport"}).text
    assert "Afgrænset til Tryghed i det små" in answered
    assert 'name="report" value="lille-rapport" checked' in answered
    assert labels_of(answered) == {"Tryghed i det små", "Case", "Indledning"}
    assert set(TITLES) <= labels_of(several.get("/", params={"q": SCHOOL}).text)


def test_with_one_report_there_is_nothing_to_choose(client: TestClient) -> None:
    assert 'name="report"' not in client.get("/").text
    assert "report=" not in client.get("/emner").text
    title = client.get("/api/v1/meta").json()["reports"][0]["title"]
    answered = client.get("/", params={"q": "Hvad er naboskab?"}).text
    assert title not in labels_of(answered)
    assert "Case" in labels_of(answered)


@pytest.mark.parametrize("report", range(3))
def test_every_report_can_be_read(several: TestClient, report: int) -> None:
    page = several.get(f"/rapport/{IDS[report]}")
    assert page.status_code == 200
    assert re.search(rf"<h1[^>]*>{TITLES[report]}</h1>", page.text)
    assert f'href="/rapport/{IDS[report]}" aria-current="page"' in page.text
    passages = asked(several, SCHOOL, limit=20, report=[IDS[report]])["passages"]
    for passage in passages:
        assert f'id="{passage["citation"]["url"].split("#")[1]}"' in page.text


def test_the_topics_are_those_of_all_reports_and_can_be_limited_to_one(
    several: TestClient,
) -> None:
    every = several.get("/emner").text
    for title in TITLES[:2]:
        assert title in every
    one = several.get("/emner", params={"report": "haven"}).text
    assert "Drivhuset" in one
    assert 'id="case-kaffe"' not in one
    assert "Afgrænset til Fælles haver i praksis" in one
    assert several.get("/emner", params={"report": "roman"}).status_code == 422


def test_cases_of_two_reports_stand_side_by_side(several: TestClient) -> None:
    page = several.get("/emner/sammenlign", params={"case": ["drivhus", "lys"]})
    assert page.status_code == 200
    assert "Drivhuset" in page.text
    assert "Lys på stien" in page.text


def test_the_empty_page_offers_the_questions_of_its_own_reports(
    several: TestClient, client: TestClient
) -> None:
    assert "indbrud i Hjørring" in client.get("/").text
    assert "burglaries fall in Hjørring" in client.get("/", params={"lang": "en"}).text
    assert "Hjørring" not in several.get("/").text
    assert 'id="examples"' not in several.get("/").text


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def several_page(
    browser: Browser, loaded_several: tuple[store.Manifest, Searcher]
) -> Iterator[Page]:
    with hosting.serving(create_app(loaded_several, settings=configured())) as url:
        context = browser.new_context(
            base_url=url, locale="da-DK", viewport={"width": 1400, "height": 900}
        )
        yield context.new_page()
        context.close()


def test_the_script_limits_names_and_opens_as_the_server_does(several_page: Page) -> None:
    page = several_page
    page.goto("/")
    page.get_by_text("Afgræns søgningen").click()
    page.get_by_role("group", name="Rapport").get_by_label(TITLES[1]).check()
    exchange = ask(page, SCHOOL)
    expect(exchange.locator(".scope")).to_have_text(f"Afgrænset til {TITLES[1]}")
    labels = exchange.locator(".place .label:first-of-type, .place .rank + .label")
    assert set(labels.all_text_contents()) == {TITLES[1]}
    by_script = exchange.locator(".reply").inner_text()
    assert "report=lille-rapport" in page.url
    exchange.locator(".citation").first.click()
    expect(page.locator("#beside .text")).to_contain_text("47 flere børn")
    page.goto(page.url.split("&r=")[0])
    assert page.locator(".reply").inner_text() == by_script


def test_the_widget_names_each_place_s_report_and_all_sources(several_page: Page) -> None:
    page = several_page
    page.goto("/widget")
    widget = page.locator("tryghed-search")
    exchange = hosting.ask(widget, SCHOOL)
    labels = set(exchange.locator(".labels .rank + .tag").all_text_contents())
    assert len(labels) > 1
    assert labels <= set(TITLES)
    cited = exchange.locator(".credit").all_text_contents()
    assert {title for title in TITLES if any(title in credit for credit in cited)} == labels
    assert len(cited) == len(labels)


def test_a_framed_widget_can_be_limited_to_one_report(several_page: Page) -> None:
    page = several_page
    page.goto("/widget?report=lille-rapport")
    exchange = hosting.ask(page.locator("tryghed-search"), SCHOOL)
    expect(exchange.locator(".credit")).to_have_count(1)
    expect(exchange.locator(".credit")).to_contain_text(TITLES[1])
    assert exchange.get_by_text(TITLES[0]).count() == 0


def test_an_editor_limits_the_widget_to_one_report(several_page: Page) -> None:
    page = several_page
    page.goto("/widget/demo")
    page.locator("details.filters > summary").click()
    page.get_by_role("group", name="Rapport").get_by_label(TITLES[1]).check()
    page.locator("button[type=submit]").first.click()
    expect(page.locator("body")).to_contain_text('report="lille-rapport"')
    assert "report=lille-rapport" in page.url
    expect(page.locator("tryghed-search")).to_have_attribute("report", "lille-rapport")
