"""axe-core finds nothing to complain of in any state of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.browsing import API, BURGLARIES, ORGANISED, PHONE, VIBORG

REPORT = "/rapport/lokal-tryghed-1"
STATES: dict[str, Callable[[Page, str], None]] = {}
"""What brings about each state, given the page and the language."""


def state(reach: Callable[[Page, str], None]) -> Callable[[Page, str], None]:
    STATES[reach.__name__.replace("_", " ")] = reach
    return reach


def ask(page: Page, question: str) -> None:
    page.get_by_role("searchbox").fill(question)
    page.keyboard.press("Enter")


def waiting(page: Page, lang: str) -> None:
    page.goto(f"/?lang={lang}")
    held: list[Route] = []
    page.route(API, lambda route: held.append(route))  # noqa: PLW0108 - playwright needs a Python function
    ask(page, BURGLARIES)
    expect(page.locator(".waiting")).to_have_css("opacity", "1")


@state
def empty(page: Page, lang: str) -> None:
    page.goto(f"/?lang={lang}")


@state
def thinking(page: Page, lang: str) -> None:
    waiting(page, lang)


@state
def slow(page: Page, lang: str) -> None:
    page.clock.install()
    waiting(page, lang)
    page.clock.fast_forward("00:10")
    expect(page.locator(".slow")).to_be_visible()


@state
def answered(page: Page, lang: str) -> None:
    page.goto(f"/?lang={lang}")
    ask(page, BURGLARIES)
    expect(page.locator(".best")).to_be_visible()
    ask(page, ORGANISED)
    expect(page.locator(".best")).to_have_count(2)


@state
def answered_with_filters_and_passages_open(page: Page, lang: str) -> None:
    page.goto(f"/?q={BURGLARIES}&h={ORGANISED}&kind=case&kind=guide&lang={lang}")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")


@state
def no_answer(page: Page, lang: str) -> None:
    page.goto(f"/?lang={lang}")
    ask(page, VIBORG)
    expect(page.locator(".notice")).to_be_visible()


@state
def error(page: Page, lang: str) -> None:
    def fail(route: Route) -> None:
        route.abort()

    page.goto(f"/?lang={lang}")
    page.route(API, fail)
    ask(page, BURGLARIES)
    expect(page.locator(".trouble")).to_be_visible()


@state
def question_refused(page: Page, lang: str) -> None:
    page.goto(f"/?q=x&kind=roman&lang={lang}")


@state
def citation_beside(page: Page, lang: str) -> None:
    page.goto(f"/?q={BURGLARIES}&lang={lang}")
    page.locator(".citation").first.click()
    place = page.locator(":is(.here, :target)")
    expect(place).to_be_visible()


@state
def citation_previewed(page: Page, lang: str) -> None:
    page.goto(f"/?q={BURGLARIES}&lang={lang}")
    page.locator(".citation").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("tooltip")).to_be_visible()


@state
def report(page: Page, lang: str) -> None:
    page.goto(f"{REPORT}?p=hjoerring-laeringer-1&m=80-181&lang={lang}#hjoerring-laeringer-1")


@state
def report_searched(page: Page, lang: str) -> None:
    page.goto(f"{REPORT}?find=svindel&lang={lang}")
    page.locator("[data-step='1']").click()


@state
def report_searched_in_vain(page: Page, lang: str) -> None:
    page.goto(f"{REPORT}?find=Viborg&lang={lang}")


@state
def no_such_page(page: Page, lang: str) -> None:
    page.goto(f"/rapport/unknown?lang={lang}")


LOOKS = {
    "light": ("da", {}),
    "dark": ("da", {"color_scheme": "dark"}),
    "English": ("en", {}),
    "phone": ("da", {"viewport": PHONE}),
}


@pytest.mark.parametrize("reach", STATES.values(), ids=STATES)
@pytest.mark.parametrize(("lang", "options"), LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing(
    page: Page, reach: Callable[[Page, str], None], lang: str, complaints: list[str]
) -> None:
    reach(page, lang)
    complaints.clear()  # of requests that were made to fail
    page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
    assert found(page) == []


def found(page: Page) -> list[tuple[str, Any]]:
    response = Axe().run(page).response
    assert len(response["passes"]) > 10
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in response["violations"]
    ]
