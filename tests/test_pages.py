"""The pages over the real application: what stands in them without any script."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import meta, nodes
from starlette.testclient import TestClient

from tryghed_search import (
    app,
    case_views,
    compare_views,
    pages,
    quoting,
    reading,
    topic_pages,
    topic_views,
    views,
    widget,
)
from tryghed_search.passages import Report

REPORT = "/rapport/lokal-tryghed-1"
BURGLARIES = "Hvor meget faldt antallet af indbrud i Hjørring?"
VIBORG = "Hvad gør Viborg Kommune ved indbrud?"
CONTEXTS = (views.AskPage, reading.ReportPage, views.ProblemPage)
VOID = {"meta", "link", "input", "br", "path", "rect"}


class Node:
    """An element of a page: enough of a tree to look things up in."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.content: list[Node | str] = []

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def every(self, tag: str | None = None, **wanted: str) -> Iterator[Node]:
        """The elements inside with that tag and those attributes; ``cls`` is one of its classes."""
        for child in self.content:
            if isinstance(child, Node):
                if child._is(tag, wanted):
                    yield child
                yield from child.every(tag, **wanted)

    def first(self, tag: str | None = None, **wanted: str) -> Node:
        return next(self.every(tag, **wanted))

    def has(self, tag: str | None = None, **wanted: str) -> bool:
        return any(True for _ in self.every(tag, **wanted))

    @property
    def text(self) -> str:
        return " ".join(self._words().split())

    def _words(self) -> str:
        after = "" if self.tag in {"a", "mark"} else " "
        return "".join(c if isinstance(c, str) else c._words() for c in self.content) + after

    def _is(self, tag: str | None, wanted: dict[str, str]) -> bool:
        cls = wanted.get("cls")
        return (
            tag in {None, self.tag}
            and (cls is None or cls in self.attributes.get("class", "").split())
            and all(self.attributes.get(k) == v for k, v in wanted.items() if k != "cls")
        )


class Tree(HTMLParser):
    """Reads a page into nodes; a page whose elements are not closed in order is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]
        self.feed(html)
        assert self._open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def page(client: TestClient, address: str, status: int = 200, **params: Any) -> Node:
    response = client.get(address, params=params or None)
    assert response.status_code == status
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return Tree(response.text).root


def main_of(tree: Node) -> Node:
    """The page's content without the templates that only the script uses."""
    main = tree.first("main")
    main.content = [c for c in main.content if isinstance(c, str) or c.tag != "template"]
    return main


def leaves(words: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(words, dict):
        return {path: words}
    return {
        k: v for name, below in words.items() for k, v in leaves(below, f"{path}.{name}").items()
    }


# --- words and templates --------------------------------------------------------------------------


def test_every_language_has_the_same_words_with_the_same_blanks() -> None:
    danish, english = leaves(pages.words("da")), leaves(pages.words("en"))
    assert danish.keys() == english.keys()
    for key, words in danish.items():
        blanks = [re.findall(r"\{\w+\}", str(w)) for w in (words, english[key])]
        assert sorted(blanks[0]) == sorted(blanks[1]), key


def test_no_word_is_left_over() -> None:
    """Each group's words are named in a template, in Python or in the script."""
    web = Path(pages.templates().loader.searchpath[0]).parent  # type: ignore[union-attr]
    code = [*web.glob("templates/*"), *web.glob("static/*.js"), *web.glob("widget/*.js")]
    code += [Path(module.__file__) for module in (pages, reading, views)]
    code += [Path(m.__file__) for m in (case_views, topic_views, compare_views, topic_pages)]
    code.append(Path(widget.__file__))
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    by_value = ("kinds", "audiences", "groups")  # looked up by what the report holds
    for key in leaves(pages.words("da")):
        group, name = key[1:].split(".")
        stem = re.sub("_(one|many)$", "", name)
        assert group in by_value or re.search(rf"\b{stem}(_|\b)", text), key


def test_no_word_is_hidden_by_a_method_of_dict() -> None:
    names = {name for key in leaves(pages.words("da")) for name in key[1:].split(".")}
    assert not names & set(dir(dict))


def _names(template: str) -> set[str]:
    """The context names that a template, and those that it extends or imports from, use."""
    environment = pages.templates()
    assert environment.loader is not None
    tree = environment.parse(environment.loader.get_source(environment, template)[0])
    names = set(meta.find_undeclared_variables(tree))
    names -= {macro.name for macro in tree.find_all(nodes.Macro)}
    for link in tree.find_all((nodes.Extends, nodes.FromImport)):
        if isinstance(link, nodes.FromImport):
            names -= {n if isinstance(n, str) else n[1] for n in link.names}
        names |= _names(link.template.value)  # type: ignore[attr-defined]
    return names


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_template_uses_what_its_context_holds_and_no_more(context: type[views.Page]) -> None:
    given = {field.name for field in fields(context)}
    used = _names(context.template)
    assert used <= given
    assert given - {"title"} <= used


def test_no_page_has_inline_code_or_style_or_anything_from_elsewhere(client: TestClient) -> None:
    for address in ("/", f"/?q={VIBORG}", REPORT, "/rapport/unknown"):
        html = client.get(address).text
        tree = Tree(html).root
        for script in tree.every("script"):
            assert "src" in script.attributes or script["type"] == "application/json"
        assert not tree.has("style")
        assert not re.search(r"\s(style|on\w+)=", html)
        assert "javascript:" not in html
        links = [n.attributes.get(a) for n in tree.every() for a in ("src", "href", "action")]
        assert not [link for link in links if link and not re.match("#|/(?!/)", link)]


def test_ids_are_unique_and_labels_lead_to_fields(client: TestClient) -> None:
    for address in ("/", f"/?q={BURGLARIES}&h=x", REPORT):
        tree = page(client, address)
        ids = [node["id"] for node in tree.every() if "id" in node.attributes]
        assert len(ids) == len(set(ids))
        assert all(n["for"] in ids for n in tree.every("label") if "for" in n.attributes)


# --- the conversation -----------------------------------------------------------------------------


def test_the_empty_conversation_has_one_heading_a_labelled_field_and_no_answer(
    client: TestClient,
) -> None:
    tree = page(client, "/")
    assert tree.first("html")["lang"] == "da"
    assert len(list(tree.every("h1"))) == 1
    field = tree.first("input", name="q")
    assert "placeholder" not in field.attributes
    assert int(field["size"]) >= 27
    assert tree.first("label", **{"for": field["id"]}).text == "Dit spørgsmål"
    assert tree.first(id=field["aria-describedby"]).text
    assert tree.first("form", method="get").has("button", type="submit")
    assert not main_of(tree).has("article")


@pytest.mark.parametrize("lang", ["da", "en"])
def test_every_example_question_is_answered(client: TestClient, lang: str) -> None:
    examples = page(client, "/", lang=lang).first(id="examples")
    links = list(examples.every("a"))
    assert 4 <= len(links) <= 6
    for link in links:
        reply = main_of(page(client, link["href"])).first(cls="reply")
        assert reply["data-state"] in {"sure", "unsure"}, link.text


def test_the_answer_stands_in_the_page_marked_and_cited(client: TestClient) -> None:
    main = main_of(page(client, "/", q=BURGLARIES))
    assert main.first("h2", cls="question").text.endswith(BURGLARIES)
    reply = main.first(cls="reply")
    assert reply["data-state"] == "sure"
    assert reply.first(cls="verdict").text == "Rapporten svarer"
    best = reply.first(cls="best")
    assert "reducerede indbrud med 83%" in best.first("mark").text
    assert best.first("a", cls="citation").text == (
        "Hjørring – Naboskab › Læringer i kommunen, s. 11"
    )
    assert [label.text for label in best.every(cls="label")][:2] == ["Case", "Hjørring"]


def test_places_are_numbered_through_from_one(client: TestClient) -> None:
    for question in (BURGLARIES, VIBORG):
        ranks = [n.text for n in main_of(page(client, "/", q=question)).every(cls="rank")]
        assert ranks == [str(n) for n in range(1, len(ranks) + 1)]


def test_confidence_is_said_in_words(client: TestClient) -> None:
    reply = main_of(page(client, "/", q=BURGLARIES)).first(cls="reply")
    quotes = " ".join(quote.text for quote in reply.every("blockquote"))
    assert reply.text.count("%") == quotes.count("%")


def test_what_the_report_does_not_say_is_said_first_and_nothing_is_marked(
    client: TestClient,
) -> None:
    reply = main_of(page(client, "/", q=VIBORG)).first(cls="reply")
    assert reply["data-state"] == "absent"
    assert "Viborg" in reply.first(cls="notice").text
    assert next(reply.every())["class"] == "notice"
    assert reply.first("h3").text == "Måske relateret"
    assert not reply.has("mark")
    assert not reply.has(cls="best")


@pytest.mark.parametrize("question", [BURGLARIES, "Hvordan er det organiseret?", VIBORG])
def test_every_citation_leads_to_its_words_in_the_report(client: TestClient, question: str) -> None:
    main = main_of(page(client, "/", q=question))
    for place in main.every("figure"):
        link = urlsplit(place.first("a", cls="citation")["href"])
        passage = page(client, f"{link.path}?{link.query}").first(id=link.fragment)
        whole = list(place.every("blockquote"))[-1]
        assert whole.text.endswith(passage.text)
        marked = [mark.text for mark in whole.every("mark")]
        assert [mark.text for mark in passage.every("mark")] == marked


def test_markup_in_a_question_is_text(client: TestClient) -> None:
    question = '<img src=x onerror=alert(1)>"&amp;'
    response = client.get("/", params={"q": question, "h": question})
    assert "<img" not in response.text
    main = main_of(Tree(response.text).root)
    assert main.first("h2", cls="question").text.endswith(question)
    hidden = [n["value"] for n in main.every("input", type="hidden")]
    assert hidden == [question, question]


def test_earlier_questions_are_carried_on_and_can_be_returned_to(client: TestClient) -> None:
    main = main_of(page(client, "/", q="Hvordan er det organiseret?", h=[BURGLARIES, "Hvem?"]))
    links = [link["href"] for link in main.first(cls="earlier").every("a")]
    assert parse_qs(urlsplit(links[1]).query) == {"q": ["Hvem?"], "h": [BURGLARIES]}
    form = main.first("form")
    assert [n["value"] for n in form.every("input", type="hidden")] == [
        BURGLARIES,
        "Hvem?",
        "Hvordan er det organiseret?",
    ]
    suggestion = main.first(cls="suggestions").first("a")
    assert len(parse_qs(urlsplit(suggestion["href"]).query)["h"]) == 3


def test_at_most_ten_earlier_questions_are_carried_on(client: TestClient) -> None:
    main = main_of(page(client, "/", q="Hvem?", h=[f"spørgsmål {n}" for n in range(15)]))
    values = [n["value"] for n in main.first("form").every("input", type="hidden")]
    assert len(values) == 10
    assert values[-1] == "Hvem?"


def test_filters_are_kept_shown_and_obeyed(client: TestClient) -> None:
    main = main_of(page(client, "/", q="fællesskab", kind="case", municipality="Gentofte"))
    assert main.first(cls="scope").text == "Afgrænset til Case · Gentofte"
    assert main.first(id="filters-chosen").text == "2 valgt"
    chosen = [n["value"] for n in main.every("input", type="checkbox") if "checked" in n.attributes]
    assert chosen == ["case", "Gentofte"]
    for place in main.every("figure"):
        labels = [label.text for label in place.every(cls="label")]
        assert labels[0] == "Case"
        assert "Gentofte" in labels


def test_municipalities_are_in_danish_order(client: TestClient) -> None:
    boxes = page(client, "/").every("input", type="checkbox", name="municipality")
    assert [box["value"] for box in boxes] == [
        "Albertslund",
        "Esbjerg",
        "Gentofte",
        "Hjørring",
        "Nordfyn",
        "Aalborg",
    ]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"q": "  "}, "Skriv et spørgsmål først."),
        ({"q": "x" * 501}, "Spørgsmålet er for langt. Det må højst fylde 500 tegn."),
        ({"q": "Hvem?", "kind": "roman"}, "Spørgsmålet eller afgrænsningen kan ikke bruges."),
        ({"q": "Hvem?", "h": "x" * 501}, "Spørgsmålet er for langt."),
    ],
)
def test_a_question_that_cannot_be_used_is_answered_with_why(
    client: TestClient, params: dict[str, str], words: str
) -> None:
    main = main_of(page(client, "/", 422, **params))
    assert main.first(id="question-problem").text.startswith(words)
    field = main.first("input", name="q")
    assert field["aria-invalid"] == "true"
    assert "question-problem" in field["aria-describedby"].split()
    assert field["value"] == params["q"].strip()
    assert not main.has("article")


def test_english_words_for_english_readers_and_danish_quotations(client: TestClient) -> None:
    tree = page(client, "/", q=BURGLARIES, lang="en")
    assert tree.first("html")["lang"] == "en"
    best = main_of(tree).first(cls="best")
    assert best.first("blockquote")["lang"] == "da"
    assert best.first("a", cls="citation").text.endswith("p. 11")
    addresses = [n["href"] for n in tree.every("a") if n["href"].startswith("/")]
    danish = tree.first(id="other-language")["href"]
    assert all("lang=en" in address for address in addresses if address != danish)
    assert page(client, danish).first("html")["lang"] == "da"


def test_an_unknown_language_is_danish(client: TestClient) -> None:
    assert page(client, "/", lang="xx").first("html")["lang"] == "da"


# --- the report -----------------------------------------------------------------------------------


def test_the_report_shows_every_passage_and_section_at_its_anchor(
    client: TestClient, report: Report
) -> None:
    tree = page(client, REPORT)
    for section in report.sections:
        chapter = tree.first("section", id=section.anchor)
        assert chapter.first(f"h{len(section.path) + 1}").text == section.title
    for passage in report.passages:
        shown = tree.first("div", id=passage.anchor).text
        lines = (passage.text[block.start : block.end] for block in passage.blocks)
        words = " ".join(line.removeprefix("- ") for line in lines)
        assert shown in words
        assert words in f"{report.section(passage.section).title} {shown}"


def test_the_contents_lead_to_every_case_type_and_trend(client: TestClient, report: Report) -> None:
    contents = page(client, REPORT).first("nav", cls="contents")
    links = {link["href"] for link in contents.every("a")}
    assert {f"#{section.anchor}" for section in report.entries} <= links
    assert "Esbjerg – Digital svindel" in contents.text


def test_pages_are_shown_stated_or_inferred(client: TestClient) -> None:
    tree = page(client, REPORT)
    assert tree.first("section", id="hjoerring").first(cls="page").text == "s. 11"
    assert tree.first("section", id="gentofte").first(cls="page").text == "ca. s. 12"


def test_what_is_left_out_of_the_index_is_not_shown(client: TestClient) -> None:
    assert "Et dyk ned i seks konkrete eksempler på innovative indsatser" not in (
        page(client, REPORT).text
    )


def test_a_sentence_is_marked_in_its_passage_only(client: TestClient, report: Report) -> None:
    passage = next(p for p in report.passages if p.anchor == "hjoerring-laeringer-1")
    start, end = passage.sentences[2]
    tree = page(client, REPORT, p=passage.anchor, m=f"{start}-{end}")
    marks = [mark.text for mark in tree.every("mark")]
    assert marks == [passage.text[start:end]]
    assert tree.first(id=passage.anchor).has("mark")


@pytest.mark.parametrize("mark", ["9-9999", "9999-9", "a-b", "1-2-3", "-", "٣-٤", ""])
def test_a_mark_that_fits_nothing_harms_nothing(client: TestClient, mark: str) -> None:
    tree = page(client, REPORT, p="hjoerring-laeringer-1", m=mark)
    assert "83%" in tree.first(id="hjoerring-laeringer-1").text
    assert page(client, REPORT, p="nowhere", m="1-9").has(id="hjoerring-laeringer-1")


def test_an_unknown_report_is_a_page_that_says_so(client: TestClient) -> None:
    tree = page(client, "/rapport/<b>x", 404)
    assert tree.first("h1").text == "Den side findes ikke her"
    assert tree.first("a", cls="button-main")["href"] == "/"


def test_places_are_cited_by_short_titles(report: Report) -> None:
    found = {passage.anchor: quoting.where(passage) for passage in report.passages}
    assert found["hjoerring-laeringer-1"] == "Hjørring – Naboskab › Læringer i kommunen"
    assert found["aalborg-1"] == "Aalborg – Natteliv"
    assert found["kredsraad-lokalraad-1"] == "4 Kredsråd og lokalråd"
    assert found["laesevejledning-1"] == "Læsevejledning"
    assert found["laesevejledning-politikere-2"] == "Målgruppe 1: Politikere"
    assert found["facilitator-kraever-1"].startswith("Kommunen som facilitator › Hvad kræver")
    assert max(map(len, found.values())) <= 90


def test_a_passage_is_set_with_every_word_of_it(report: Report) -> None:
    for passage in report.passages:
        shown = [
            "".join(run.text for run in line)
            for part in quoting.parts(passage, passage.sentences[:2])
            for line in part.lines
        ]
        lines = [passage.text[block.start : block.end] for block in passage.blocks]
        assert shown == [line.removeprefix("- ") for line in lines]


def test_a_mark_covers_its_sentence_and_nothing_else(report: Report) -> None:
    for passage in report.passages:
        for span in passage.sentences:
            runs = [r for p in quoting.parts(passage, [span]) for line in p.lines for r in line]
            marked = "".join(run.text for run in runs if run.mark)
            assert marked == passage.text[slice(*span)].removeprefix("- ")


def test_an_extract_is_short_and_in_the_passage_s_own_words(report: Report) -> None:
    for passage in report.passages:
        (first, *more) = quoting.extract(passage, ())
        text = "".join(run.text for run in first.lines[0])
        assert text.removesuffix(" …") in passage.text
        assert not more or len(passage.text) <= quoting.SHORT
        assert len(text) <= max(quoting.SHORT, quoting.EXTRACT + 2)


# --- serving --------------------------------------------------------------------------------------


def test_pages_say_that_they_are_not_ready() -> None:
    with TestClient(app.create_app()) as client:
        for address in ("/", "/?q=Hvem%3F&h=x", REPORT):
            response = client.get(address)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"
            retry = Tree(response.text).root.first("a", cls="button-main")
            assert retry["href"] == address


def test_every_address_follows_the_prefix(client: TestClient) -> None:
    prefixed = TestClient(client.app, root_path="/tryghed")
    for address in (f"/tryghed/?q={BURGLARIES}", f"/tryghed{REPORT}", "/tryghed/rapport/unknown"):
        tree = Tree(prefixed.get(address).text).root
        for node in tree.every():
            for name in ("href", "src"):
                link = node.attributes.get(name) or "#"
                assert link.startswith(("/tryghed/", "#")), link
    citation = main_of(Tree(prefixed.get(f"/tryghed/?q={BURGLARIES}").text).root).first(
        "a", cls="citation"
    )
    assert prefixed.get(citation["href"]).status_code == 200


def test_files_are_kept_under_their_version_and_asked_for_anew_without(client: TestClient) -> None:
    tree = page(client, "/")
    files = [n["href"] for n in tree.every("link")] + [
        n["src"] for n in tree.every("script") if "src" in n.attributes
    ]
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for address in files:
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kinds[Path(address).suffix])
        assert "immutable" in response.headers["cache-control"]
    for version in ("", "/00000000"):
        response = client.get(f"/static{version}/ask.js")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-cache"
        etag = {"if-none-match": response.headers["etag"]}
        assert client.get(f"/static{version}/ask.js", headers=etag).status_code == 304


@pytest.mark.parametrize("path", ["unknown.js", "../templates/ask.html", "%2e%2e/__init__.py", ""])
def test_only_static_files_are_served(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404


def test_the_first_page_is_light(client: TestClient) -> None:
    tree = page(client, "/")
    addresses = ["/", *(n["href"] for n in tree.every("link"))]
    addresses += [n["src"] for n in tree.every("script") if "src" in n.attributes]
    sizes = {a: len(gzip.compress(client.get(a).content)) for a in addresses}
    assert sum(sizes.values()) < 30_000, sizes


def test_head_is_answered_like_get_without_a_body(client: TestClient) -> None:
    for address, status in (("/", 200), (REPORT, 200), ("/rapport/unknown", 404)):
        response = client.head(address)
        assert (response.status_code, response.content) == (status, b"")
