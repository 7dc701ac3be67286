"""``GET /api/v1/sections`` and ``GET /api/v1/meta``: the whole entries, and what there is."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tryghed_search.outline import fold
from tryghed_search.passages import KINDS, Report
from tryghed_search.store import Manifest

ASK, SECTIONS = "/api/v1/ask", "/api/v1/sections"

# Each of the six cases, eight types and three trends: page, and whether the report states it.
ENTRIES = {
    "aalborg": ("case", 10, True),
    "hjoerring": ("case", 11, True),
    "gentofte": ("case", 12, False),
    "albertslund": ("case", 13, True),
    "esbjerg": ("case", 14, True),
    "nordfyn": ("case", 15, False),
    "ad-hoc": ("typology", 17, False),
    "faste-partnerskaber": ("typology", 17, True),
    "tryghedsfora": ("typology", 17, False),
    "kredsraad-lokalraad": ("typology", 17, False),
    "tryghedsstrategier": ("typology", 18, False),
    "tvaerkommunale-samarbejder": ("typology", 18, False),
    "regionale-indsatser": ("typology", 18, False),
    "nationale-programmer": ("typology", 18, False),
    "facilitator": ("trend", 20, True),
    "stabsfunktion": ("trend", 21, True),
    "stedsbaseret": ("trend", 22, True),
}


def sections(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"{SECTIONS}{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["sections"]
    return found


def slugs(found: list[dict[str, Any]]) -> list[str]:
    return [section["id"].removeprefix("lokal-tryghed-1/") for section in found]


# --- sections -------------------------------------------------------------------------------------


def test_without_a_topic_the_17_entries_stand_in_the_order_of_the_report(
    client: TestClient,
) -> None:
    response = client.get(SECTIONS)
    assert response.json()["query"] is None
    found = response.json()["sections"]
    assert slugs(found) == list(ENTRIES)
    for section, (kind, page, stated) in zip(found, ENTRIES.values(), strict=True):
        assert (section["kind"], section["page"], section["page_stated"]) == (kind, page, stated)


def test_an_entry_has_the_fields_of_the_contract_and_its_own_passages(
    client: TestClient, report: Report, report_text: str
) -> None:
    entry_of = {passage.id: passage.entry for passage in report.passages}
    for query in ("", "?q=digital%20svindel"):
        for section in sections(client, query):
            slug = section["id"].removeprefix("lokal-tryghed-1/")
            outlined = report.section(slug)
            assert section["title"] == outlined.title
            assert section["section"] == list(outlined.path)
            for name in ("municipalities", "themes", "audiences"):
                assert section[name] == list(getattr(outlined, name))
            assert section["url"] == f"/rapport/lokal-tryghed-1#{slug}"
            assert 0.0 <= section["score"] <= 1.0
            assert section["passages"]
            for rank, passage in enumerate(section["passages"], start=1):
                assert passage["rank"] == rank
                assert entry_of[passage["id"]] == slug
                start, end = passage["citation"]["start"], passage["citation"]["end"]
                assert passage["text"] == fold(report_text[start:end])


def test_every_entry_has_its_place_in_the_reading_view(client: TestClient) -> None:
    page = client.get("/rapport/lokal-tryghed-1").text
    for section in sections(client):
        assert page.count(f'id="{section["url"].partition("#")[2]}"') == 1


def test_something_for_rural_municipalities_is_nordfyn_first(client: TestClient) -> None:
    response = client.get(SECTIONS, params={"q": "noget for landkommuner"})
    found = response.json()["sections"]
    assert response.json()["query"] == "noget for landkommuner"
    assert slugs(found)[0] == "nordfyn"
    assert sorted(slugs(found)) == sorted(ENTRIES)
    scores = [section["score"] for section in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


@pytest.mark.parametrize(
    ("topic", "slug"),
    [
        ("digital svindel mod ældre", "esbjerg"),
        ("unge i nattelivet", "aalborg"),
        ("burglary and neighbours", "hjoerring"),
        ("kriser og beredskab", "gentofte"),
        ("borgersamlinger og udvalg", "tryghedsfora"),
        ("kommunen som facilitator", "facilitator"),
    ],
)
def test_a_topic_finds_its_entry_first(client: TestClient, topic: str, slug: str) -> None:
    first, *_ = client.get(SECTIONS, params={"q": topic}).json()["sections"]
    assert slugs([first]) == [slug]


def test_the_same_topic_gives_the_same_response(client: TestClient) -> None:
    first = client.get(SECTIONS, params={"q": "svindel"})
    assert client.get(SECTIONS, params={"q": "svindel"}).content == first.content


def test_a_blank_topic_is_no_topic(client: TestClient) -> None:
    assert slugs(sections(client, "?q=")) == list(ENTRIES)
    assert slugs(sections(client, "?q=%20%20")) == list(ENTRIES)


def test_a_topic_of_more_than_500_characters_is_422(client: TestClient) -> None:
    assert client.get(SECTIONS, params={"q": "å" * 500}).status_code == 200
    response = client.get(SECTIONS, params={"q": "å" * 501})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_guides_and_introductions_come_when_they_are_asked_for(client: TestClient) -> None:
    guides = sections(client, "?kind=guide")
    assert slugs(guides) == [
        "laesevejledning",
        "laesevejledning/politikere",
        "laesevejledning/ledere",
        "laesevejledning/medarbejdere",
    ]
    assert all(section["kind"] == "guide" for section in guides)
    assert slugs(sections(client, "?kind=intro")) == ["forord", "cases", "organisering"]


def test_entries_are_filtered_by_kind_municipality_and_role(client: TestClient) -> None:
    cases = [slug for slug, (kind, *_) in ENTRIES.items() if kind == "case"]
    trends = [slug for slug, (kind, *_) in ENTRIES.items() if kind == "trend"]
    assert slugs(sections(client, "?kind=case")) == cases
    assert slugs(sections(client, "?kind=trend")) == trends
    assert slugs(sections(client, "?kind=case&kind=trend")) == cases + trends
    aalborg = slugs(sections(client, "?municipality=Aalborg"))
    assert aalborg == ["aalborg", "tvaerkommunale-samarbejder"]
    both = slugs(sections(client, "?municipality=Aalborg&municipality=Odense"))
    assert both == ["aalborg", "faste-partnerskaber", "tvaerkommunale-samarbejder"]
    ranked = sections(client, "?q=svindel&kind=case&audience=politiker")
    assert set(slugs(ranked)) == {"hjoerring", "gentofte", "albertslund"}
    assert sections(client, "?kind=trend&municipality=Nordfyn") == []


# --- what is in the index -------------------------------------------------------------------------


def test_meta_tells_of_the_reports_the_facets_and_the_model(
    client: TestClient, report: Report, loaded: tuple[Manifest, Any]
) -> None:
    meta = client.get("/api/v1/meta").json()
    assert meta["reports"] == [
        {
            "id": "lokal-tryghed-1",
            "title": "Lokal Tryghed i praksis, Delrapport 1",
            "publisher": "TrygFonden",
            "language": "da",
            "sections": len(report.sections),
            "passages": len(report.passages),
            "url": "/rapport/lokal-tryghed-1",
        }
    ]
    assert meta["counts"]["passages"] == len(report.passages)
    assert meta["counts"]["reports"] == 1
    model = loaded[0].model
    assert meta["model"]["name"] == model.name == "multilingual-e5-small"
    assert meta["model"]["sha256"] == model.sha256
    assert meta["model"]["dimension"] == 384
    assert meta["index"]["format"] == loaded[0].format
    built = datetime.datetime.fromisoformat(meta["index"]["built"])
    assert built.utcoffset() == datetime.timedelta(0)


def test_the_facets_count_every_value_that_can_be_filtered_by(
    client: TestClient, report: Report
) -> None:
    facets = client.get("/api/v1/meta").json()["facets"]
    assert facets.keys() >= {"kind", "municipality", "audience"}
    counted = {facet["value"]: facet["count"] for facet in facets["kind"]}
    assert counted.keys() == set(KINDS) - {"chapter"}  # which is for reports of another shape
    assert sum(counted.values()) == len(report.passages)
    municipalities = {facet["value"]: facet["count"] for facet in facets["municipality"]}
    held = [p for p in report.passages if "Hjørring" in p.municipalities]
    assert municipalities["Hjørring"] == len(held)
    for values in facets.values():
        counts = [facet["count"] for facet in values]
        assert counts == sorted(counts, reverse=True)
    for name in ("kind", "municipality", "audience"):
        every = [facet["value"] for facet in facets[name]]
        assert client.post(ASK, json={"question": "tryghed", name: every}).status_code == 200
