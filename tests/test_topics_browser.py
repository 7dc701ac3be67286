"""A reader's ways through the topics, in a real browser on the real server.

Every test also holds that nothing is asked of another origin and that the console stays silent
(see ``context`` in conftest).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsing import PHONE, overflow, with_options
from tests.test_browser import LOW_CONTRAST

EMNER, COMPARE = "/emner", "/emner/sammenlign"
PLACES = (
    EMNER,
    f"{EMNER}?q=unge i nattelivet&audience=leder",
    f"{EMNER}?kind=trend&municipality=Esbjerg",
    f"{EMNER}?theme=roman",
    COMPARE,
    f"{COMPARE}?case=aalborg&case=hjoerring&case=esbjerg",
)
"""Every state: all, a topic with a choice, nothing found, a bad choice, choosing, comparing."""


def cards(page: Page) -> Locator:
    return page.locator(".card:visible")


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("not reached with Tab")


def forgive_refusals(complaints: list[str]) -> None:
    """Chromium writes every page with status 422 to the console; that is no fault of the page."""
    complaints[:] = [text for text in complaints if "422" not in text]


def lefts(boxes: Locator) -> list[float]:
    return [float(box.evaluate("e => e.getBoundingClientRect().left")) for box in boxes.all()]


# --- ways -----------------------------------------------------------------------------------------


def test_from_the_front_page_to_a_case_in_the_report_and_back(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Se cases, organisationsformer").click()
    page.get_by_role("searchbox", name="Emne").fill("svindel på nettet")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_title("svindel på nettet – Lokal tryghed")
    first = cards(page).first
    marked = first.get_by_role("mark").inner_text()
    first.get_by_role("link", name="s. 14").click()
    expect(page.locator(":target")).to_be_in_viewport()
    expect(page.locator(":target").get_by_role("mark")).to_have_text(marked)
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("svindel på nettet")
    expect(cards(page).first).to_contain_text("Esbjerg")


def test_choices_stand_in_the_address_and_back_takes_them_back(page: Page) -> None:
    page.goto("/rapport/lokal-tryghed-1")
    page.get_by_role("navigation", name="Sider").get_by_role("link", name="Emner").click()
    choices = page.get_by_role("navigation", name="Afgræns")
    choices.get_by_role("link", name="Politikere").click()
    choices.get_by_text("Kommune", exact=True).click()
    choices.get_by_role("link", name="Albertslund").click()
    assert parse_qs(urlsplit(page.url).query) == {
        "audience": ["politiker"],
        "municipality": ["Albertslund"],
    }
    expect(cards(page)).to_have_count(3)
    expect(choices.get_by_role("link", name="Albertslund – valgt, vælg fra")).to_be_visible()
    page.reload()
    expect(cards(page)).to_have_count(3)
    page.go_back()
    expect(cards(page)).to_have_count(14)
    page.go_forward()
    page.get_by_role("link", name="Ryd alle valg").click()
    expect(cards(page)).to_have_count(17)


def test_a_topic_keeps_the_choices(page: Page) -> None:
    page.goto(f"{EMNER}?kind=case&lang=en")
    page.get_by_role("searchbox", name="Topic").fill("home care")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nearest to “home care”")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {
        "q": ["home care"],
        "kind": ["case"],
        "lang": ["en"],
    }


def test_a_point_on_the_map_opens_its_case(page: Page) -> None:
    page.goto(EMNER)
    country = page.get_by_role("group", name="Kort over Danmark")
    expect(country.get_by_role("link")).to_have_count(6)
    country.get_by_role("link", name="Hjørring – Naboskab").click()
    assert urlsplit(page.url).fragment == "hjoerring"
    expect(page.locator(":target")).to_be_in_viewport()


@pytest.mark.parametrize(
    "options",
    [{"viewport": {"width": 1280, "height": 900}}, {"viewport": PHONE}],
    ids=["desktop", "phone"],
)
def test_two_cases_are_chosen_compared_and_one_exchanged(page: Page) -> None:
    page.goto(EMNER)
    page.get_by_role("checkbox", name="Sammenlign Aalborg – Natteliv").check()
    page.get_by_role("checkbox", name="Sammenlign Esbjerg – Digital svindel").check()
    page.get_by_role("button", name="Sammenlign de valgte").click()
    assert parse_qs(urlsplit(page.url).query) == {"case": ["aalborg", "esbjerg"]}
    expect(page.locator(".column")).to_have_count(2)
    page.get_by_text("Vælg andre cases").click()
    page.get_by_role("checkbox", name="Aalborg – Natteliv").uncheck()
    page.get_by_role("checkbox", name="Nordfyn – Sundhed").check()
    page.get_by_role("button", name="Sammenlign").click()
    expect(page.locator(".column").first).to_contain_text("Esbjerg")
    expect(page.locator(".column").last).to_contain_text("Nordfyn")
    page.locator(".cell").first.get_by_role("link", name="Indsatsen kort fortalt, s. 14").click()
    assert urlsplit(page.url).fragment == "esbjerg-kort-fortalt"


def test_too_few_or_too_many_are_met_with_the_choice(page: Page, complaints: list[str]) -> None:
    page.goto(EMNER)
    page.get_by_role("button", name="Sammenlign de valgte").click()
    expect(page.get_by_role("group", name="Vælg to eller tre cases")).to_be_visible()
    for box in page.get_by_role("checkbox").all():
        box.check()
    with page.expect_response(re.compile("sammenlign")) as answered:
        page.get_by_role("button", name="Sammenlign").click()
    assert answered.value.status == 422
    expect(page.get_by_text("Der kan højst stå 3 cases side om side.")).to_be_visible()
    for name in ("Hjørring", "Albertslund", "Nordfyn"):
        page.get_by_role("checkbox", name=name).uncheck()
    page.get_by_role("button", name="Sammenlign").click()
    expect(page.locator(".column")).to_have_count(3)
    forgive_refusals(complaints)


# --- looks ----------------------------------------------------------------------------------------


@with_options(viewport={"width": 1280, "height": 900})
def test_on_a_wide_screen_three_cases_stand_side_by_side(page: Page) -> None:
    page.goto(PLACES[-1])
    columns = lefts(page.locator(".column"))
    assert columns == sorted(set(columns))
    for row in page.locator(".aspect").all():
        assert lefts(row.locator(".cell")) == columns


@with_options(viewport=PHONE)
def test_on_a_phone_they_stand_below_one_another_with_their_names(page: Page) -> None:
    page.goto(PLACES[-1])
    assert len(set(lefts(page.locator(".cell")))) == 1
    for row in page.locator(".aspect").all():
        names = row.get_by_role("heading", level=3).all_inner_texts()
        assert [name.split(" ")[0] for name in names] == ["Aalborg", "Hjørring", "Esbjerg"]


@with_options(viewport=PHONE)
def test_on_a_phone_a_link_leads_to_the_map(page: Page) -> None:
    page.goto(EMNER)
    page.get_by_role("link", name="Se casene på kortet").click()
    expect(page.get_by_role("group", name="Kort over Danmark")).to_be_in_viewport()


@pytest.mark.parametrize(
    "options",
    [{"viewport": {"width": width, "height": 640}} for width in (320, 360, 640, 768, 1024, 2560)],
    ids=lambda options: str(options["viewport"]["width"]),
)
def test_nothing_is_wider_than_the_window(page: Page, complaints: list[str]) -> None:
    for place in (*PLACES, f"{EMNER}?q={'Speciallægepraksisplanlægning' * 9}&lang=en"):
        page.goto(place)
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert overflow(page) <= 0, place
        cut = page.locator(".map text").evaluate_all(
            "texts => texts.filter(t => t.getBoundingClientRect().right > innerWidth).length"
        )
        assert cut == 0, place
    forgive_refusals(complaints)


@with_options(viewport=PHONE)
def test_text_can_be_twice_as_large(page: Page, complaints: list[str]) -> None:
    for place in PLACES:
        page.goto(place)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert overflow(page) <= 0, place
    forgive_refusals(complaints)


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark"}])
def test_all_text_has_contrast(page: Page, complaints: list[str]) -> None:
    for place in PLACES:
        page.goto(place)
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert page.evaluate(LOW_CONTRAST) == [], place
    forgive_refusals(complaints)


@with_options(viewport=PHONE)
def test_what_is_pressed_is_large_enough_for_a_finger(page: Page) -> None:
    """At least 24 by 24 CSS pixels, except links in running text and points listed below."""
    for place in (EMNER, PLACES[-1]):
        page.goto(place)
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        small = page.locator(
            ".chip, .case-list a, .case-list input, .choice, .button, summary, .ways a"
        ).evaluate_all(
            "all => all.filter(e => { const { width, height } = e.getBoundingClientRect();"
            " return width && (width < 24 || height < 24); }).map(e => e.outerHTML)"
        )
        assert small == []


@with_options(forced_colors="active")
def test_what_is_chosen_and_found_is_seen_in_forced_colours(page: Page) -> None:
    page.goto(f"{EMNER}?municipality=Esbjerg")
    chosen, other = (
        page.locator(f".chip{which}").first.evaluate("e => getComputedStyle(e).borderWidth")
        for which in ("[aria-current]", ":not([aria-current])")
    )
    assert chosen != other
    fills = page.locator(".point .dot").evaluate_all(
        "all => all.map(e => getComputedStyle(e).fill)"
    )
    assert len(set(fills)) == 2


def test_on_paper_the_cards_stand_without_controls(page: Page) -> None:
    page.goto(EMNER)
    page.emulate_media(media="print")
    expect(page.get_by_role("search")).to_be_hidden()
    expect(page.get_by_role("navigation", name="Afgræns")).to_be_hidden()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(cards(page)).to_have_count(17)


# --- everyone -------------------------------------------------------------------------------------


@with_options(java_script_enabled=False)
def test_without_scripts_everything_works(page: Page) -> None:
    page.goto(EMNER)
    page.get_by_role("searchbox", name="Emne").fill("hjemmepleje")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="Udførende medarbejdere").click()
    page.get_by_text("Længere fra emnet").click()
    expect(cards(page)).to_have_count(7)
    page.get_by_role("checkbox", name="Sammenlign Nordfyn").check()
    page.get_by_role("checkbox", name="Sammenlign Esbjerg").check()
    page.get_by_role("button", name="Sammenlign de valgte").click()
    expect(page.get_by_role("heading", name="Læringer i kommunen")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare cases")


def test_the_pages_run_no_script(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))
    page.goto(EMNER)
    page.goto(PLACES[-1])
    assert "script" not in asked
    assert "fetch" not in asked


def test_the_keyboard_alone_chooses_opens_and_compares(page: Page) -> None:
    page.goto(EMNER)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Gå til resultaterne")).to_be_in_viewport()
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type("unge i nattelivet")
    page.keyboard.press("Enter")
    expect(page).to_have_title(re.compile("^unge i nattelivet"))
    point = page.get_by_role("link", name="Aalborg – Natteliv").and_(page.locator(".point"))
    tab_to(page, point)
    expect(point.locator(".reach")).to_have_css("stroke-width", "3px")
    for name in ("Aalborg", "Gentofte"):
        box = page.get_by_role("checkbox", name=f"Sammenlign {name}")
        tab_to(page, box)
        outline = box.evaluate("e => getComputedStyle(e).outlineWidth")
        assert outline == "3px"
        page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Sammenlign de valgte"))
    page.keyboard.press("Enter")
    expect(page.locator(".column")).to_have_count(2)
    tab_to(page, page.get_by_text("Vælg andre cases"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Vælg to eller tre cases")).to_be_visible()


def test_the_skip_link_leads_past_the_choices(page: Page) -> None:
    page.goto(EMNER)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(cards(page).first.get_by_role("link").first).to_be_focused()


def test_everything_works_under_the_content_security_policy(page: Page) -> None:
    page.goto(EMNER)
    fill = page.locator(".land").evaluate("e => getComputedStyle(e).fill")
    assert fill != "rgb(0, 0, 0)"
    page.get_by_role("checkbox", name="Sammenlign Hjørring").check()
    page.get_by_role("checkbox", name="Sammenlign Gentofte").check()
    page.get_by_role("button", name="Sammenlign de valgte").click()
    expect(page.locator(".column")).to_have_count(2)
