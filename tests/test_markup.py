"""Markup stays text, wherever it comes from: questions, filters, addresses, reports themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests import hosting
from tests.conftest import configured
from tryghed_search import build, store
from tryghed_search.app import create_app
from tryghed_search.embedding import Encoder
from tryghed_search.search import Searcher

ATTACK = "\"'><img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
OUTLINE = """
[report]
id = "fjendtlig"
title = {attack}
publisher = {attack}
language = "da"

[municipalities]
"Hjørring" = []

[[section]]
slug = "haven"
title = {title}
opens = ["Haven begynder"]
kind = "case"
page = 3
page_is = "stated"
municipalities = ["Hjørring"]
themes = [{attack}]
audiences = ["leder"]
entry = "haven"

[[section]]
slug = "baalet"
title = {title}
opens = ["Bålet begynder"]
kind = "case"
page = 4
page_is = "stated"
municipalities = ["Hjørring"]
themes = [{attack}]
audiences = ["leder"]
entry = "baalet"
"""
TEXT = f"""Haven begynder

Naboerne i Hjørring passer haven sammen. {ATTACK} Det kostede 4.000 kr. at komme i gang.

Bålet begynder

Om aftenen tænder naboerne et bål. {ATTACK} Se også side 3 om haven.
"""
QUESTIONS = f"""
["haven/1"]
suggest = '''Hvad koster haven {ATTACK[-40:]}?'''
questions = ["Hvem passer haven?"]
"""


def quoted(text: str) -> str:
    return f"'''{text}'''"


@pytest.fixture(scope="module")
def hostile(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over a report that is full of markup."""
    folder = tmp_path_factory.mktemp("hostile")
    report = folder / "reports" / "fjendtlig"
    report.mkdir(parents=True)
    outline = OUTLINE.format(attack=quoted(ATTACK), title=quoted(f"Haven: {ATTACK}"))
    (report / "outline.toml").write_text(outline, encoding="utf-8")
    (report / "report.txt").write_text(TEXT, encoding="utf-8")
    (report / "questions.toml").write_text(QUESTIONS, encoding="utf-8")
    build.build_index(folder / "reports", folder / "index", encoder)
    manifest, contents = store.load(folder / "index", encoder.identity)
    app = create_app((manifest, Searcher(contents, encoder)), settings=configured())
    with hosting.serving(app) as url:
        yield url


def page_of(browser: Browser, url: str) -> Page:
    return browser.new_context(base_url=url, locale="da-DK").new_page()


def harmless(page: Page) -> None:
    """Nothing ran and no element was made of a text."""
    assert page.title() != "taken"
    made = "document.querySelectorAll('img, script:not([src]):not([type=\"application/json\"])')"
    assert page.evaluate(f"{made}.length") == 0


@pytest.mark.parametrize(
    "address",
    [
        "/?" + urlencode({"q": "Hvem passer haven?"}),
        "/?" + urlencode([("q", "Hvem passer haven?"), ("h", ATTACK), ("lang", ATTACK)]),
        "/?" + urlencode([("q", ATTACK), ("kind", ATTACK), ("municipality", ATTACK)]),
        "/?" + urlencode([("q", "haven"), ("r", ATTACK), ("p", ATTACK), ("m", ATTACK)]),
        "/rapport/fjendtlig?" + urlencode({"find": ATTACK, "p": ATTACK, "m": ATTACK}),
        "/rapport/fjendtlig?find=onerror",
        "/rapport/fjendtlig?p=haven-1&m=0-60#haven-1",
        "/rapport/" + urlencode({"": ATTACK})[1:],
        "/emner",
        "/emner?" + urlencode([("q", ATTACK), ("theme", ATTACK), ("audience", ATTACK)]),
        "/emner/sammenlign?case=haven&case=baalet",
        "/emner/sammenlign?" + urlencode({"case": ATTACK}),
        "/widget?" + urlencode({"heading": ATTACK, "kind": ATTACK, "theme": ATTACK}),
        "/widget/demo?" + urlencode({"heading": ATTACK, "in_language": ATTACK}),
    ],
)
def test_no_address_brings_markup_to_life(browser: Browser, hostile: str, address: str) -> None:
    page = page_of(browser, hostile)
    page.goto(address, wait_until="networkidle")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    harmless(page)
    page.context.close()


def test_a_hostile_report_is_asked_previewed_opened_and_copied_as_text(
    browser: Browser, hostile: str
) -> None:
    page = page_of(browser, hostile)
    page.goto("/")
    for question in ("Hvem passer haven?", ATTACK, "Hvad med bålet?"):
        page.get_by_role("searchbox").fill(question)
        page.keyboard.press("Enter")
        page.locator(".exchange").last.locator(".reply").wait_for(state="attached")
        harmless(page)
    citation = page.locator(".citation").first
    citation.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.get_by_role("tooltip").wait_for()
    harmless(page)
    citation.click()
    page.locator(".beside .here").wait_for()
    harmless(page)
    assert ATTACK in page.locator(".beside .here").inner_text()
    page.get_by_role("button", name="Kopiér samtalen").click()
    harmless(page)
    page.context.close()


def test_the_widget_shows_a_hostile_report_as_text(browser: Browser, hostile: str) -> None:
    page = page_of(browser, hostile)
    page.goto("/widget")
    page.get_by_role("searchbox").fill("Hvem passer haven?")
    page.keyboard.press("Enter")
    page.locator("tryghed-search .quote").first.wait_for()
    harmless(page)
    assert page.locator("tryghed-search img").count() == 0
    page.context.close()


def test_the_attack_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "open.html"
    path.write_text(f"<!doctype html><title>x</title><p>{ATTACK}", encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri(), wait_until="networkidle")
    assert page.title() == "taken"
    with pytest.raises(AssertionError):
        harmless(page)
    page.close()
