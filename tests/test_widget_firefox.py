"""The widget in Firefox: on a plain page, on hostile ones, below a strict policy, in a frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browsing import BURGLARIES, VIBORG
from tests.firefox import ENTER, TAB, Firefox, firefox
from tests.hosting import Host, plain_page
from tests.test_widget_frame import framing
from tests.test_widget_hosts import BARE, QUIRKS, RULES, alike, hostile
from tryghed_search import pages

DA = pages.words("da")
SHADOW = "document.querySelector('tryghed-search').shadowRoot"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with firefox(tmp_path_factory.mktemp("firefox")) as window:
        window.resize(1000, 800)
        yield window


def visit(window: Firefox, host: Host, body: str, policy: str = "") -> None:
    window.visit(host.put("/firefox", body, policy))
    window.wait("document.querySelector('tryghed-search').shadowRoot")


def ask(window: Firefox, question: str) -> None:
    window.run(f"{SHADOW}.querySelector('.field').focus()")
    window.press(question + ENTER)
    window.wait(f"{SHADOW}.querySelector('.answer, .trouble')")


def text(window: Firefox, selector: str) -> str:
    return str(window.run(f"return {SHADOW}.querySelector(arguments[0]).textContent", selector))


def test_it_answers_and_tells_the_host(window: Firefox, host: Host, widget_url: str) -> None:
    visit(window, host, plain_page(widget_url, "lang='en'"))
    window.run(
        "window.told = [];"
        "document.addEventListener('tryghed-answer', (event) => told.push(event.detail.status));"
        "document.addEventListener('keydown', (event) => told.push(event.key));"
    )
    ask(window, BURGLARIES)
    assert "83%" in text(window, ".best mark")
    assert text(window, "[role=status]") == "5 passages found. Best answer from Hjørring, page 11."
    assert window.run("return told") == ["answered"]
    window.press(TAB)
    assert window.run(f"return {SHADOW}.activeElement.className") == "citation"
    outline = f"getComputedStyle({SHADOW}.activeElement)"
    assert window.run(f"return {outline}.outlineStyle + {outline}.outlineWidth") == "solid3px"


def test_it_says_when_the_report_does_not_answer(
    window: Firefox, host: Host, widget_url: str
) -> None:
    visit(window, host, plain_page(widget_url))
    ask(window, VIBORG)
    assert text(window, ".notice").startswith("Rapporten nævner ikke Viborg")


def test_it_runs_below_a_strict_policy(window: Firefox, host: Host, widget_url: str) -> None:
    policy = f"default-src 'none'; script-src {widget_url}; connect-src {widget_url}"
    visit(window, host, plain_page(widget_url), policy)
    ask(window, BURGLARIES)
    assert "83%" in text(window, ".best mark")
    styles = f"getComputedStyle({SHADOW}.querySelector('.panel'))"
    assert window.run(f"return {styles}.backgroundColor") == "rgb(248, 245, 240)"


def test_a_page_that_may_not_ask_is_told_so(window: Firefox, host: Host, widget_url: str) -> None:
    host.put("/firefox", plain_page(widget_url))
    window.visit(f"{host.elsewhere}/firefox")
    window.wait("document.querySelector('tryghed-search').shadowRoot")
    ask(window, BURGLARIES)
    assert DA["widget"]["disallowed"].format(origin=host.elsewhere) in text(window, ".trouble")


def picture(window: Firefox, host: Host, body: str) -> bytes:
    visit(window, host, body)
    ask(window, BURGLARIES)
    window.run(f"{SHADOW}.activeElement?.blur(); scrollTo(0, 0)")
    return window.picture("tryghed-search")


@pytest.fixture(scope="module")
def plain(window: Firefox, host: Host, widget_url: str) -> bytes:
    return picture(window, host, plain_page(widget_url, head=BARE))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_it_looks_the_same_whatever_the_hosts_rules(
    window: Firefox, host: Host, widget_url: str, plain: bytes, rules: str, guest: Page
) -> None:
    other = picture(window, host, hostile(plain_page(widget_url, head=BARE), rules))
    alike(guest, plain, other)


def test_it_looks_the_same_below_an_old_doctype_from_right_to_left(
    window: Firefox, host: Host, widget_url: str, plain: bytes, guest: Page
) -> None:
    body = plain_page(widget_url, head=BARE).replace("<!doctype html>", QUIRKS)
    other = picture(window, host, body.replace("<body>", '<body dir="rtl">'))
    assert window.run("return document.compatMode") == "BackCompat"
    alike(guest, plain, other)


def test_the_frame_tells_its_height_to_an_allowed_page(
    window: Firefox, host: Host, widget_url: str
) -> None:
    window.visit(host.put("/firefox", framing(widget_url)))
    window.wait("window.told.length > 0")
    told = window.run("return told[0]")
    assert (told["origin"], told["type"]) == (widget_url, "tryghed-height")
