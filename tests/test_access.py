"""axe-core finds nothing to complain of in any state of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

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
def topics(page: Page, lang: str) -> None:
    page.goto(f"/emner?lang={lang}")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")


@state
def topics_found(page: Page, lang: str) -> None:
    page.goto(f"/emner?q=unge i nattelivet&audience=leder&lang={lang}")
    page.get_by_role("checkbox").last.check()


@state
def topics_with_nothing(page: Page, lang: str) -> None:
    page.goto(f"/emner?kind=trend&municipality=Esbjerg&lang={lang}")


@state
def cases_compared(page: Page, lang: str) -> None:
    page.goto(f"/emner/sammenlign?case=hjoerring&case=gentofte&case=esbjerg&lang={lang}")


@state
def too_few_cases_to_compare(page: Page, lang: str) -> None:
    page.goto(f"/emner/sammenlign?case=hjoerring&lang={lang}")


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


@pytest.fixture
def operated_page(browser: Browser, operated_url: str, options: dict[str, Any]) -> Iterator[Page]:
    context = browser.new_context(base_url=operated_url, locale="da-DK", **options)
    yield context.new_page()
    context.close()


def judging(page: Page, lang: str) -> None:
    page.goto(f"/?lang={lang}")
    ask(page, BURGLARIES)
    page.locator("[data-verdict='wrong-passage']").click()
    expect(page.locator("[data-right]").first).to_be_visible()


def judged(page: Page, lang: str) -> None:
    answered(page, lang)
    page.locator("[data-verdict='helpful']").last.click()
    expect(page.locator(".asking:focus")).to_be_visible()


@pytest.mark.parametrize("reach", [*STATES.values(), judging, judged], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("lang", "options"), [LOOKS["light"], LOOKS["dark"]], ids=["light", "dark"]
)
def test_nor_in_the_theme_of_the_common_design_system(
    operated_page: Page, reach: Callable[[Page, str], None], lang: str
) -> None:
    reach(operated_page, lang)
    operated_page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
    family = operated_page.evaluate("getComputedStyle(document.body).fontFamily")
    assert family.startswith('"IBM Plex Sans"')
    assert found(operated_page) == []


def found(page: Page) -> list[tuple[str, Any]]:
    response = Axe().run(page).response
    assert len(response["passes"]) > 10
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in response["violations"]
    ]
