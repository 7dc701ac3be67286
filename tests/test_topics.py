"""``/emner`` and ``/emner/sammenlign`` over the real application, as they stand without scripts."""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.test_pages import Node, _names, page
from tryghed_search import app, compare_views, denmark, topic_views, topics
from tryghed_search.passages import Filters, Passage, Report, Section

EMNER, COMPARE = "/emner", "/emner/sammenlign"
CASES = ["aalborg", "hjoerring", "gentofte", "albertslund", "esbjerg", "nordfyn"]


def overview(client: TestClient, status: int = 200, **params: Any) -> Node:
    return page(client, EMNER, status, **params).first("main")


def comparison(client: TestClient, *cases: str, status: int = 200, **params: Any) -> Node:
    return page(client, COMPARE, status, case=list(cases), **params).first("main")


def cards(main: Node) -> list[Node]:
    return list(main.every("li", cls="card"))


def slugs(main: Node) -> list[str]:
    """The sections that the cards open."""
    return [urlsplit(card.first("h3").first("a")["href"]).fragment for card in cards(main)]


def hrefs(node: Node) -> list[str]:
    return [link["href"] for link in node.every("a")]


def query(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


def chip(main: Node, label: str) -> Node:
    return next(link for link in main.every("a", cls="chip") if link.text.startswith(label))


def entry(report: Report, slug: str) -> Section:
    return next(section for section in report.entries if section.anchor == slug)


def own(report: Report, slug: str) -> list[Passage]:
    return [p for p in report.passages if p.entry == slug]


def words(passage: Passage) -> str:
    """A passage's words as a page shows them, without the dashes of lists."""
    return " ".join(
        passage.text[block.start : block.end].removeprefix("- ") for block in passage.blocks
    )


# --- the overview ---------------------------------------------------------------------------------


def test_the_overview_shows_every_case_type_and_trend_by_kind(
    client: TestClient, report: Report
) -> None:
    main = overview(client)
    assert slugs(main) == [section.anchor for section in report.entries]
    groups = list(main.every("section", cls="group"))
    assert [group.first("h2").text for group in groups] == [
        "Cases",
        "Organisationsformer",
        "Tendenser",
    ]
    assert [len(cards(group)) for group in groups] == [6, 8, 3]
    assert main.first(cls="counted").text.startswith("Alle 17 cases")


def test_a_card_says_title_page_whom_and_what_it_concerns(client: TestClient) -> None:
    esbjerg = cards(overview(client))[4]
    assert esbjerg.first("h3").text == "Esbjerg – Digital svindel"
    assert esbjerg.first(cls="subtitle").text == "Forebyggelse via SOSU og hjemmebesøg"
    assert esbjerg.first(cls="page").text == "s. 14"
    facts = esbjerg.first(cls="facts").text
    assert "For udførende medarbejdere og ledere" in facts
    assert "digital svindel" in facts
    assert "hjemmepleje" in facts
    assert "Nævner" not in facts


def test_a_type_says_which_municipalities_it_names(client: TestClient) -> None:
    main = overview(client)
    facts = {slug: card.text for slug, card in zip(slugs(main), cards(main), strict=True)}
    assert "Nævner København, Aarhus og Aalborg" in facts["tvaerkommunale-samarbejder"]
    assert "Nævner Høje-Taastrup" in facts["stedsbaseret"]


def test_a_theme_leads_on_where_others_share_it(client: TestClient) -> None:
    links = {link.text: link["href"] for link in cards(overview(client))[0].every("a")}
    assert "samskabelse" not in links
    found = slugs(page(client, links["natteliv"]).first("main"))
    assert found == ["aalborg", "faste-partnerskaber"]


@pytest.mark.parametrize("topic", ["", "svindel på nettet", "frivillige"])
def test_every_card_quotes_its_own_section_word_for_word(
    client: TestClient, report: Report, topic: str
) -> None:
    main = overview(client, q=topic)
    assert len(cards(main)) == 17
    for slug, card in zip(slugs(main), cards(main), strict=True):
        quoted = card.first("blockquote").text.removesuffix(" …")
        assert quoted
        assert any(quoted in words(passage) for passage in own(report, slug)), slug


def test_every_link_of_the_overview_leads_somewhere(client: TestClient, report: Report) -> None:
    reading = page(client, "/rapport/lokal-tryghed-1")
    anchors = {node["id"] for node in reading.every() if "id" in node.attributes}
    main = overview(client, q="politi", audience="leder")
    ids = {node["id"] for node in main.every() if "id" in node.attributes}
    for address in set(hrefs(main)):
        link = urlsplit(address)
        if link.path == "/rapport/lokal-tryghed-1":
            assert link.fragment in anchors
        elif link.path:
            assert link.path in {"/", EMNER, COMPARE}
            assert client.get(f"{link.path}?{link.query}").status_code == 200, address
        else:
            assert link.fragment in ids


# --- a topic --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "first"),
    [
        ("unge i nattelivet", "aalborg"),
        ("gamle der bliver snydt på nettet", "esbjerg"),
        ("noget for landkommuner", "nordfyn"),
        ("who else uses neighbours against burglary", "hjoerring"),
    ],
)
def test_a_topic_ranks_and_marks_why(client: TestClient, topic: str, first: str) -> None:
    main = overview(client, q=topic)
    assert slugs(main)[0] == first
    best = cards(main)[0]
    assert best.has("mark")
    link = urlsplit(best.first(cls="source").first("a")["href"])
    passage = page(client, f"{link.path}?{link.query}").first(id=link.fragment)
    assert [m.text for m in passage.every("mark")] == [m.text for m in best.every("mark")]


def test_what_is_further_from_the_topic_is_folded_away_and_not_lost(client: TestClient) -> None:
    main = overview(client, q="unge i nattelivet")
    rest = main.first("details", cls="rest")
    near = 17 - len(cards(rest))
    assert 0 < near < 8
    assert main.first(cls="counted").text.startswith(f"{near} af 17")
    assert rest.first("summary").text == f"Længere fra emnet ({17 - near})"
    assert sorted(slugs(main)) == sorted(slugs(overview(client)))


def test_a_topic_can_be_asked_about(client: TestClient) -> None:
    main = overview(client, q="unge & <b>natteliv</b>")
    (link,) = (a for a in main.first(cls="ways").every("a") if a.text.startswith("Spørg"))
    assert query(link["href"]) == {"q": ["unge & <b>natteliv</b>"]}
    assert main.first("input", name="q")["value"] == "unge & <b>natteliv</b>"
    assert not main.first(cls="found").has("b")


@pytest.mark.parametrize(
    ("topic", "notice"),
    [
        ("indbrud i Viborg", "Rapporten nævner ikke Viborg."),
        ("Viborg eller Skive Kommune", "Rapporten nævner ikke Skive og Viborg."),
    ],
)
def test_a_municipality_that_the_report_does_not_name_is_said(
    client: TestClient, topic: str, notice: str
) -> None:
    assert overview(client, q=topic).first(cls="notice").text == notice


@pytest.mark.parametrize("topic", ["skærmbesøg på Nordfyn", "Nordfyns Kommune", "Høje-Taastrup"])
def test_one_that_it_names_is_not_said_to_be_missing(client: TestClient, topic: str) -> None:
    assert not overview(client, q=topic).has(cls="notice")


# --- choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"kind": "case"}, CASES),
        ({"audience": "politiker", "kind": "case"}, ["hjoerring", "gentofte", "albertslund"]),
        ({"municipality": "Esbjerg"}, ["esbjerg"]),
        (
            {"municipality": "Albertslund"},
            ["albertslund", "tryghedsstrategier", "stabsfunktion"],
        ),
        ({"theme": "hjemmepleje"}, ["esbjerg", "nordfyn"]),
        ({"theme": ["skole", "beredskab"]}, ["gentofte", "albertslund"]),
        ({"theme": "hjemmepleje", "municipality": "Nordfyn"}, ["nordfyn"]),
        ({"municipality": "esbjerg", "kind": "CASE"}, ["esbjerg"]),
        ({"q": "hjemmepleje", "municipality": ["Nordfyn", "Gentofte"]}, ["nordfyn", "gentofte"]),
    ],
)
def test_choices_narrow_the_overview(
    client: TestClient, params: dict[str, Any], found: list[str]
) -> None:
    assert slugs(overview(client, **params)) == found


def test_every_choice_leaves_as_many_as_it_says(client: TestClient) -> None:
    for start in ({}, {"audience": "udførende medarbejder"}, {"kind": "typology"}):
        for link in overview(client, **start).every("a", cls="chip"):
            if query(link["href"]).keys() <= start.keys():
                continue  # taken back, or one more of the same kind
            count = int(link.first(cls="count").text)
            assert len(cards(page(client, link["href"]).first("main"))) == count > 0, link.text


def test_a_choice_is_in_the_address_and_can_be_taken_back(client: TestClient) -> None:
    address = chip(overview(client, q="politi"), "Ledere")["href"]
    assert query(address) == {"q": ["politi"], "audience": ["leder"]}
    chosen = page(client, address).first("main")
    assert chip(chosen, "Ledere")["aria-current"] == "true"
    assert query(chip(chosen, "Ledere")["href"]) == {"q": ["politi"]}
    two = chip(chosen, "Politikere")["href"]
    assert query(two)["audience"] == ["leder", "politiker"]


def test_the_form_carries_the_choices_on(client: TestClient) -> None:
    params = {"audience": ["leder", "politiker"], "theme": "unge", "lang": "en"}
    form = overview(client, **params).first("form", cls="finder")
    hidden = [(n["name"], n["value"]) for n in form.every("input", type="hidden")]
    assert hidden == [
        ("audience", "leder"),
        ("audience", "politiker"),
        ("theme", "unge"),
        ("lang", "en"),
    ]
    assert form["action"] == EMNER


def test_the_choices_are_said_and_can_be_cleared(client: TestClient) -> None:
    main = overview(client, audience="leder", municipality="Esbjerg", theme="ældre")
    assert "Afgrænset til Ledere · Esbjerg · ældre" in main.first(cls="summary").text
    assert main.first(cls="counted").text.startswith("1 af 17")
    assert EMNER in hrefs(main.first(cls="ways"))


@pytest.mark.parametrize(
    ("audience", "guide"),
    [("politiker", "politikere"), ("leder", "ledere"), ("udførende medarbejder", "medarbejdere")],
)
def test_a_role_leads_to_its_reading_guide(client: TestClient, audience: str, guide: str) -> None:
    links = hrefs(overview(client, audience=audience).first(cls="ways"))
    assert f"/rapport/lokal-tryghed-1#laesevejledning-{guide}" in links


def test_roles_and_kinds_have_their_order_and_names_that_of_the_alphabet(
    client: TestClient,
) -> None:
    facets = list(overview(client).first("nav", cls="facets").every(cls="facet"))
    labels = [[a.text.rsplit(" ", 1)[0] for a in facet.every("a")] for facet in facets]
    assert labels[0] == ["Politikere", "Ledere", "Udførende medarbejdere"]
    assert labels[1] == ["Case", "Organisationsform", "Tendens"]
    assert labels[2][0] == "Albertslund"
    assert labels[2][-2:] == ["Aalborg", "Aarhus"]
    assert labels[3][-1] == "ældre"


def test_nothing_found_is_said_with_a_way_on(client: TestClient) -> None:
    main = overview(client, kind="trend", municipality="Esbjerg")
    assert cards(main) == []
    assert main.first(cls="counted").text.startswith("Ingen af de 17")
    assert not main.has("svg", cls="map")
    assert hrefs(main.first(cls="ways")) == [EMNER]
    for label in ("Tendens", "Esbjerg"):
        assert cards(page(client, chip(main, label)["href"]).first("main"))


@pytest.mark.parametrize("topic", ["fodbold", "Viborg"])
def test_nothing_found_for_a_topic_either(client: TestClient, topic: str) -> None:
    main = overview(client, q=topic, kind="trend", municipality="Esbjerg")
    assert cards(main) == []
    assert main.first(cls="counted").text.startswith("Ingen")


# --- what cannot be used --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"kind": "roman"}, "»roman« findes ikke"),
        ({"kind": "guide"}, "»guide« findes ikke"),
        ({"municipality": "Viborg"}, "»Viborg« findes ikke"),
        ({"audience": "borger", "theme": ""}, "»borger, « findes ikke"),
        ({"theme": "<img src=x>"}, "»<img src=x>« findes ikke"),
        ({"theme": "x" * 5000}, f"»{'x' * 60}« findes ikke"),
        ({"q": "x" * 501}, "Emnet er for langt. Det må højst fylde 500 tegn."),
    ],
)
def test_what_cannot_be_used_is_said_and_left_out(
    client: TestClient, params: dict[str, Any], said: str
) -> None:
    main = overview(client, 422, **params)
    problem = main.first(id="topic-problem")
    assert problem.text.startswith(said)
    assert not problem.has("img")
    assert "topic-problem" in main.first("input", name="q")["aria-describedby"].split()
    assert len(cards(main)) == 17


def test_what_can_be_used_beside_it_is_used(client: TestClient) -> None:
    main = overview(client, 422, theme=["hjemmepleje", "roman"])
    assert slugs(main) == ["esbjerg", "nordfyn"]


@pytest.mark.parametrize("topic", ["", "   ", "\n"])
def test_a_blank_topic_is_none(client: TestClient, topic: str) -> None:
    assert len(list(overview(client, q=topic).every("section", cls="group"))) == 3


def test_a_topic_of_signs_is_answered_with_a_page(client: TestClient) -> None:
    for topic in ("?", "«»", "\u202e", "🙂", "x" * 500, "-" * 500):
        assert cards(overview(client, q=topic))


# --- the map --------------------------------------------------------------------------------------


def test_every_case_is_a_link_on_the_map_and_in_the_list(
    client: TestClient, report: Report
) -> None:
    country = overview(client).first(cls="country")
    points = list(country.first("svg").every("a"))
    assert {p["href"] for p in points} == {f"/rapport/lokal-tryghed-1#{slug}" for slug in CASES}
    listed = country.first("ul", cls="case-list")
    assert hrefs(listed) == [f"/rapport/lokal-tryghed-1#{slug}" for slug in CASES]
    for point in points:
        section = entry(report, urlsplit(point["href"]).fragment)
        assert point["aria-label"] == section.title.split(": ")[0]
        assert point.first("text").text == section.municipalities[0]
        dot = point.first("circle", cls="dot")
        assert (float(dot["cx"]), float(dot["cy"])) == denmark.town(section.municipalities[0])


def test_the_map_tells_which_cases_were_found(client: TestClient) -> None:
    def found(**params: Any) -> set[str]:
        svg = overview(client, **params).first("svg", cls="map")
        return {p.first("text").text for p in svg.every("a") if p["data-found"] == "yes"}

    assert len(found()) == 6
    assert found(theme="hjemmepleje") == {"Esbjerg", "Nordfyn"}
    assert found(q="unge i nattelivet") == {"Aalborg"}


def test_there_is_no_map_where_no_case_is(client: TestClient) -> None:
    assert not overview(client, kind="typology").has(cls="country")


def test_names_on_the_map_do_not_cover_one_another(client: TestClient) -> None:
    texts = list(overview(client).first("svg", cls="map").every("text"))
    places = [(float(t["x"]), float(t["y"])) for t in texts]
    for i, (x, y) in enumerate(places):
        for other_x, other_y in places[i + 1 :]:
            assert abs(x - other_x) > 80 or abs(y - other_y) >= 17


# --- cases side by side ---------------------------------------------------------------------------


def test_the_cases_can_be_chosen_in_the_list(client: TestClient) -> None:
    form = overview(client).first(cls="country").first("form")
    assert form["action"] == COMPARE
    boxes = list(form.every("input", type="checkbox"))
    assert [(box["name"], box["value"]) for box in boxes] == [("case", slug) for slug in CASES]
    assert boxes[4]["aria-label"] == "Sammenlign Esbjerg – Digital svindel"


@pytest.mark.parametrize("topic", ["xyzzy", "😀", "havvindmøller"])
def test_a_topic_that_nothing_is_about_says_so_and_folds_all_away(
    client: TestClient, topic: str
) -> None:
    main = overview(client, q=topic)
    assert (
        f"Ingen af de 17 cases, organisationsformer og tendenser handler tydeligt om »{topic}«"
        in (main.text)
    )
    assert "Længere fra emnet (17)" in main.first(cls="rest").text
    assert "Tættest på" not in main.text
    assert main.has(cls="country")


def test_a_card_of_a_case_leads_to_the_choice_of_others(client: TestClient) -> None:
    esbjerg = cards(overview(client))[4]
    address = esbjerg.first(cls="card-foot").first("a")["href"]
    assert query(address) == {"case": ["esbjerg"]}
    main = page(client, address).first("main")
    taken = [b["value"] for b in main.every("input", type="checkbox") if "checked" in b.attributes]
    assert taken == ["esbjerg"]
    assert "Vælg én eller to cases mere" in main.text
    assert not main.has("section", cls="aspect")


def test_without_cases_there_is_the_choice_of_all(client: TestClient) -> None:
    main = comparison(client)
    assert [box["value"] for box in main.every("input", type="checkbox")] == CASES
    assert not main.has(cls="field-problem")


@pytest.mark.parametrize(
    "chosen", [CASES[:2], CASES[3:], ["nordfyn", "aalborg"], ["hjoerring", "aalborg", "gentofte"]]
)
def test_cases_stand_point_by_point_with_every_word_of_the_report(
    client: TestClient, report: Report, chosen: list[str]
) -> None:
    main = comparison(client, *chosen)
    columns = list(main.every("section", cls="column"))
    titles = [entry(report, slug).title.split(": ")[0] for slug in chosen]
    assert [column.first("h2").text for column in columns] == titles
    shown = {
        slug: [column.first(cls="quote").text] for slug, column in zip(chosen, columns, strict=True)
    }
    aspects = list(main.every("section", cls="aspect"))
    for aspect in aspects:
        cells = list(aspect.every("section", cls="cell"))
        assert [cell.first("h3").text for cell in cells] == titles
        for slug, cell in zip(chosen, cells, strict=True):
            if cell.has(cls="quote"):
                shown[slug].append(cell.first(cls="quote").text)
            else:
                assert cell.first(cls="missing").text
    for slug in chosen:
        assert " ".join(shown[slug]) == " ".join(words(p) for p in own(report, slug))


def test_the_points_are_the_reports_own_headings(client: TestClient) -> None:
    def points(*cases: str) -> list[str]:
        aspects = comparison(client, *cases).every("section", cls="aspect")
        return [aspect.first("h2").text for aspect in aspects]

    common = ["Indsatsen kort fortalt", "Læringer i kommunen", "Organisering"]
    assert points("gentofte", "esbjerg", "nordfyn") == common
    with_action = points("gentofte", "aalborg")
    assert with_action == [common[0], "Fra idé til handling på gadeplan", *common[1:]]
    assert points("aalborg", "hjoerring")[1] == "Fra idé til handling"


def test_a_point_that_a_case_lacks_says_so_in_its_place(client: TestClient) -> None:
    main = comparison(client, "gentofte", "aalborg")
    cells = list(list(main.every("section", cls="aspect"))[1].every("section", cls="cell"))
    assert (
        cells[0].first(cls="missing").text == "Rapporten skriver ikke om dette punkt i denne case."
    )
    assert not cells[1].has(cls="missing")


def test_a_case_s_own_heading_stands_where_it_is_another(client: TestClient) -> None:
    main = comparison(client, "aalborg", "hjoerring")
    action = list(main.every("section", cls="aspect"))[1]
    assert [p.text for p in action.every(cls="own-heading")] == [
        "Fra idé til handling på gadeplan",
        "Fra idé til handling lokalt",
    ]


def test_every_point_is_cited_and_leads_to_the_report(client: TestClient, report: Report) -> None:
    main = comparison(client, "gentofte", "esbjerg")
    links = [cell.first(cls="source").first("a") for cell in main.every("section", cls="cell")]
    assert links[1].text == "Indsatsen kort fortalt, s. 14"
    assert links[0].text == "Indsatsen kort fortalt, ca. s. 12"
    anchors = {section.anchor for section in report.sections}
    assert {urlsplit(link["href"]).fragment for link in links} <= anchors


def test_of_three_each_can_be_taken_out(client: TestClient) -> None:
    main = comparison(client, "aalborg", "esbjerg", "nordfyn")
    links = [column.first(cls="without").first("a") for column in main.every(cls="column")]
    assert query(links[1]["href"]) == {"case": ["aalborg", "nordfyn"]}
    assert not page(client, links[1]["href"]).has(cls="without")


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        (["viborg", "esbjerg"], "En af de valgte cases findes ikke"),
        (["facilitator", "esbjerg"], "En af de valgte cases findes ikke"),
        (["", "esbjerg"], "En af de valgte cases findes ikke"),
        (CASES[:4], "Der kan højst stå 3 cases"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why_and_keeps_the_choice(
    client: TestClient, cases: list[str], said: str
) -> None:
    main = comparison(client, *cases, status=422)
    assert main.first(cls="field-problem").text.startswith(said)
    taken = [b["value"] for b in main.every("input", type="checkbox") if "checked" in b.attributes]
    assert taken == [slug for slug in CASES if slug in cases]


def test_the_same_case_twice_is_one(client: TestClient) -> None:
    assert not comparison(client, "esbjerg", "esbjerg").has(cls="aspect")


# --- both pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [topic_views.TopicsPage, compare_views.ComparePage])
def test_a_template_uses_what_its_context_holds_and_no_more(context: type[Any]) -> None:
    given = {field.name for field in fields(context)}
    used = _names(context.template)
    assert used <= given
    assert given - {"title"} <= used


PAGES = [
    EMNER,
    f"{EMNER}?q=unge&audience=leder&theme=unge",
    f"{EMNER}?kind=trend&municipality=Esbjerg",
    f"{EMNER}?theme=roman",
    COMPARE,
    f"{COMPARE}?case=aalborg",
    f"{COMPARE}?case=aalborg&case=hjoerring&case=esbjerg",
]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_one_whole_without_code_style_or_anything_from_elsewhere(
    client: TestClient, address: str
) -> None:
    html = client.get(address).text
    tree = page(client, address, 422 if "roman" in address else 200)
    assert not tree.has("script")
    assert not tree.has("style")
    assert not re.search(r"\s(style|on\w+)=", html)
    links = [n.attributes.get(a) for n in tree.every() for a in ("src", "href", "action")]
    assert not [link for link in links if link and not re.match("#|/(?!/)", link)]
    ids = [node["id"] for node in tree.every() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for node in tree.every():
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert set(node.attributes.get(name, "").split()) <= set(ids)
    assert len(list(tree.every("h1"))) == 1
    levels = [int(n.tag[1]) for n in tree.first("main").every() if re.fullmatch("h[1-6]", n.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tree.first("nav").has("a", href="/emner")


@pytest.mark.parametrize("address", PAGES)
def test_an_english_reader_stays_in_english_and_is_quoted_danish(
    client: TestClient, address: str
) -> None:
    status = 422 if "roman" in address else 200
    tree = page(client, f"{address}{'&' if '?' in address else '?'}lang=en", status)
    assert tree.first("html")["lang"] == "en"
    danish = tree.first(id="other-language")["href"]
    local = [a for a in hrefs(tree) if a.startswith("/") and a != danish]
    assert all("lang=en" in a for a in local)
    assert all(n["lang"] == "da" for n in tree.every(cls="quote"))
    for form in tree.every("form"):
        assert form.has("input", type="hidden", name="lang", value="en")
    assert page(client, danish, status).first("html")["lang"] == "da"


def test_english_words(client: TestClient) -> None:
    main = overview(client, q="Viborg", audience="leder", lang="en")
    assert "The report does not mention Viborg." in main.text
    assert "For managers and frontline staff" in main.text
    assert "approx. p. 12" in main.first(cls="country").text
    assert "At most 3 cases" in comparison(client, *CASES, status=422, lang="en").text


def test_the_front_page_and_the_report_lead_to_the_topics(client: TestClient) -> None:
    for address in ("/", "/rapport/lokal-tryghed-1"):
        main = page(client, address).first("main")
        (link,) = (a for a in main.every("a") if a["href"] == EMNER)
        assert link.text == "Se cases, organisationsformer og tendenser efter emne"


def test_the_title_tells_pages_apart(client: TestClient) -> None:
    def title(address: str) -> str:
        return page(client, address).first("title").text

    assert title(EMNER) == "Hvad har andre gjort? – Lokal tryghed"
    assert title(f"{EMNER}?q=unge") == "unge – Lokal tryghed"
    assert title(f"{COMPARE}?case=esbjerg&case=gentofte") == (
        "Esbjerg – Digital svindel og Gentofte – Beredskab – Lokal tryghed"
    )


def test_the_pages_say_that_they_are_not_ready() -> None:
    with TestClient(app.create_app()) as client:
        for address in (f"{EMNER}?q=unge", f"{COMPARE}?case=esbjerg&case=gentofte"):
            response = client.get(address)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"


def test_under_a_prefix_every_address_has_it(loaded: Any) -> None:
    with TestClient(app.create_app(loaded), root_path="/tryghed") as client:
        for address in PAGES:
            tree = page(client, f"/tryghed{address}", 422 if "roman" in address else 200)
            links = [n.attributes.get(a) for n in tree.every() for a in ("href", "action")]
            assert not [a for a in links if a and not a.startswith(("/tryghed", "#"))]


# --- the structure behind them --------------------------------------------------------------------


def test_counts_agree_with_the_search(client: TestClient, report: Report) -> None:
    for facet, key in (("municipalities", "municipality"), ("audiences", "audience")):
        for value, count in topics.counts([report], Filters(), facet).items():
            found = client.get("/api/v1/sections", params={key: value}).json()["sections"]
            assert len(found) == count


def test_headings_merge_in_an_order_that_keeps_each_case_s_own(report: Report) -> None:
    cases = topics.cases([report])
    aspects = topics.aspects(cases)
    for number, case in enumerate(cases):
        own = [a.sections[number] for a in aspects if a.sections[number]]
        assert own == list(case.parts)


def test_cases_of_the_same_slug_are_told_apart_by_their_id(report: Report) -> None:
    case = topics.cases([report])[0]
    assert topics.name(case, [case]) == "aalborg"
    assert topics.name(case, [case, case]) == "lokal-tryghed-1/aalborg"
