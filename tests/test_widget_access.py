"""axe-core finds nothing to complain of in any state of the widget, on a page and in a frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browsing import BURGLARIES, ORGANISED, PHONE, VIBORG
from tests.hosting import ELEMENT, Host, ask, plain_page
from tests.test_access import found

API = "**/api/v1/ask"
STATES: dict[str, Callable[[Page, Locator], None]] = {}
"""What brings about each state, given the page and the widget."""


def state(reach: Callable[[Page, Locator], None]) -> Callable[[Page, Locator], None]:
    STATES[reach.__name__.replace("_", " ")] = reach
    return reach


def send(widget: Locator) -> None:
    widget.get_by_role("searchbox").fill(BURGLARIES)
    widget.get_by_role("searchbox").press("Enter")


@state
def empty(page: Page, widget: Locator) -> None:
    pass


@state
def waiting(page: Page, widget: Locator) -> None:
    held: list[Route] = []
    page.route(API, lambda route: held.append(route))  # noqa: PLW0108 - playwright needs a Python function
    send(widget)
    expect(widget.locator(".waiting")).to_be_visible()


@state
def answered_and_gone_on(page: Page, widget: Locator) -> None:
    ask(widget, BURGLARIES)
    ask(widget, ORGANISED)
    widget.locator("summary").first.click()


@state
def no_answer(page: Page, widget: Locator) -> None:
    ask(widget, VIBORG)


@state
def server_down(page: Page, widget: Locator) -> None:
    page.route("**/widget.js", lambda route: route.abort())
    page.route(API, lambda route: route.abort())
    ask(widget, BURGLARIES)


@state
def limited(page: Page, widget: Locator) -> None:
    widget.evaluate("(e) => { e.setAttribute('kind', 'case'); e.setAttribute('level', '3'); }")
    widget.evaluate(
        "(e) => e.before(Object.assign(document.createElement('h2'), { innerText: 'x' }))"
    )
    ask(widget, BURGLARIES)


@state
def two_on_a_page(page: Page, widget: Locator) -> None:
    widget.evaluate(
        """(element) => {
            const second = element.cloneNode();
            second.setAttribute("heading", "Noget andet");
            element.after(second);
        }"""
    )
    ask(page.locator(ELEMENT).nth(1), BURGLARIES)
    ask(widget, VIBORG)


LOOKS = {
    "light": ("da", {}),
    "dark": ("da", {"color_scheme": "dark"}),
    "English": ("en", {}),
    "phone": ("da", {"viewport": PHONE}),
}


@pytest.mark.parametrize("reach", STATES.values(), ids=STATES)
@pytest.mark.parametrize(("lang", "options"), LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing_on_a_page(
    guest: Page,
    host: Host,
    widget_url: str,
    reach: Callable[[Page, Locator], None],
    lang: str,
    complaints: list[str],
) -> None:
    guest.goto(host.put("/page", plain_page(widget_url, f'lang="{lang}"')))
    widget = guest.locator(ELEMENT).first
    expect(widget.get_by_role("searchbox")).to_be_visible()
    reach(guest, widget)
    complaints.clear()  # of requests that were made to fail
    assert found(guest) == []


@pytest.mark.parametrize("path", ["/widget", "/widget/demo"])
@pytest.mark.parametrize(("lang", "options"), LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing_on_our_own(guest: Page, widget_url: str, path: str, lang: str) -> None:
    guest.goto(f"{widget_url}{path}?lang={lang}&heading=Tryghed&kind=case")
    assert found(guest) == []
    ask(guest.locator(ELEMENT), BURGLARIES)
    assert found(guest) == []


def test_axe_finds_nothing_where_the_frame_is_refused(
    guest: Page, host: Host, widget_url: str
) -> None:
    frame = f'<main><h1>x</h1><iframe src="{widget_url}/widget" title="Spørg"></iframe></main>'
    head = '<!doctype html><html lang="da"><title>x</title><link rel="icon" href="data:,">'
    host.put("/refused", head + frame)
    guest.goto(f"{host.elsewhere}/refused")
    expect(guest.frame_locator("iframe").get_by_role("link")).to_be_visible()
    assert found(guest) == []
