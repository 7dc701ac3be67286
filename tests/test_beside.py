"""A citation followed beside the conversation, and a look at it before, in a real browser."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browsing import (
    BURGLARIES,
    ORGANISED,
    PHONE,
    VIBORG,
    ask,
    overflow,
    settled,
    with_options,
)

FIRST = "Hjørring – Naboskab › Læringer i kommunen, s. 11"
GUIDE = (
    "/?q=fællesskab%20til%20udførende%20medarbejdere&kind=guide&audience=udførende%20medarbejder"
)


def beside(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Lokal Tryghed i praksis, Delrapport 1")


def top(locator: Locator) -> float:
    value: float = locator.evaluate("element => element.getBoundingClientRect().top")
    return value


def open_first(page: Page) -> Locator:
    page.get_by_role("link", name=FIRST).first.click()
    place = beside(page).locator(".here")
    expect(place).to_be_in_viewport(ratio=1)
    return place


def test_a_citation_opens_beside_the_answer_at_its_marked_sentence(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    settled(page)
    link = exchange.get_by_role("link", name=FIRST)
    before = top(link)
    place = open_first(page)
    expect(place.get_by_role("mark")).to_have_text(exchange.get_by_role("mark").first.inner_text())
    expect(place).to_be_focused()
    expect(link).to_have_attribute("aria-current", "true")
    expect(exchange.get_by_role("mark").first).to_be_in_viewport()
    assert abs(top(link) - before) < 2
    assert overflow(page) <= 0
    neighbours = beside(page).get_by_role("heading", name="2) Borgerdrevne løsninger virker")
    expect(neighbours).to_be_in_viewport()


def test_back_returns_to_the_answer_and_forward_to_the_place(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    open_first(page)
    page.go_back()
    expect(page.get_by_role("complementary")).to_have_count(0)
    link = exchange.get_by_role("link", name=FIRST)
    expect(link).to_be_focused()
    expect(link).not_to_have_attribute("aria-current", "true")
    expect(page.get_by_role("article")).to_have_count(1)
    page.go_forward()
    expect(beside(page).locator(".here")).to_be_in_viewport(ratio=1)
    page.go_back()
    page.go_back()
    expect(page.get_by_role("article")).to_have_count(0)


@pytest.mark.parametrize("way", ["button", "escape"])
def test_closing_is_going_back(page: Page, way: str) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    address = page.url
    open_first(page)
    assert page.url != address
    if way == "button":
        page.get_by_role("button", name="Luk").click()
    else:
        page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)
    expect(page.get_by_role("link", name=FIRST).first).to_be_focused()
    assert page.url == address
    page.go_back()
    expect(page.get_by_role("article")).to_have_count(0)


def test_the_place_is_in_the_address_with_the_question(page: Page, context: BrowserContext) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    open_first(page)
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["q"] == [BURGLARIES]
    assert (asked["r"], asked["p"]) == (["lokal-tryghed-1"], ["hjoerring-laeringer-1"])
    page.reload()
    expect(beside(page).locator(".here")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("article")).to_contain_text("83%")
    shared = context.new_page()
    shared.goto(page.url)
    expect(beside(shared).locator(".here")).to_be_in_viewport(ratio=1)
    shared.get_by_role("button", name="Luk").click()
    assert "p" not in parse_qs(urlsplit(shared.url).query)
    expect(shared.get_by_role("article")).to_contain_text("83%")


def test_the_place_stays_while_more_is_asked_and_goes_with_a_new_conversation(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    place = open_first(page)
    exchange = ask(page, ORGANISED)
    expect(place).to_be_visible()
    page.go_back()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(place).to_be_visible()
    page.go_forward()
    other = exchange.locator(".citation").last
    other.click()
    expect(other).to_have_attribute("aria-current", "true")
    there = page.locator(f".citation[href='{other.get_attribute('href')}']")
    expect(page.locator(".citation[aria-current]")).to_have_count(there.count())
    page.get_by_role("button", name="Luk").click()
    expect(page.get_by_role("article")).to_have_count(2)
    open_first(page)
    page.get_by_role("link", name="Ny samtale").click()
    expect(page.get_by_role("complementary")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert urlsplit(page.url).query == ""


def test_a_page_that_the_text_refers_to_opens_beside_too(page: Page) -> None:
    page.goto(GUIDE)
    page.locator(".citation").first.click()
    expect(beside(page).locator(".here")).to_be_visible()
    reference = beside(page).get_by_role("link", name="side 8")
    reference.scroll_into_view_if_needed()
    reference.click()
    expect(beside(page).locator(".here")).to_have_attribute("id", "gentofte")
    expect(beside(page).get_by_role("heading", name="Gentofte – Beredskab")).to_be_in_viewport()
    page.go_back()
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_the_whole_report_is_one_click_away_at_the_same_place(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    open_first(page)
    page.get_by_role("link", name="Hele rapporten").click()
    expect(page.locator(":target").get_by_role("mark")).to_be_in_viewport()
    page.go_back()
    expect(beside(page).locator(".here")).to_be_in_viewport(ratio=1)


@with_options(viewport=PHONE)
def test_in_a_narrow_window_an_address_with_a_place_shows_the_answer(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}&r=lokal-tryghed-1&p=hjoerring-laeringer-1&m=80-181")
    expect(page.get_by_role("article")).to_be_visible()
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_a_window_that_becomes_narrow_keeps_the_place_and_the_way_back(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    place = open_first(page)
    page.set_viewport_size({"width": 640, "height": 450})  # as at 200 % zoom
    expect(place).to_be_in_viewport()
    assert overflow(page) <= 0
    page.get_by_role("button", name="Luk").click()
    expect(page.get_by_role("article")).to_be_visible()


def test_a_place_that_cannot_be_fetched_is_told_and_can_be_tried_again(
    page: Page, complaints: list[str]
) -> None:
    page.goto(f"/?q={BURGLARIES}")
    page.route("**/rapport/**", lambda route: route.abort(), times=1)
    page.get_by_role("link", name=FIRST).first.click()
    panel = page.get_by_role("complementary")
    expect(panel.get_by_text("Stedet kunne ikke hentes")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Stedet kunne ikke hentes")
    assert complaints
    complaints.clear()
    open_first(page)  # without closing it first


def test_on_paper_the_answer_stands_also_with_the_report_open_beside(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    open_first(page)
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print")
    expect(page.get_by_role("mark").first).to_be_visible()
    expect(page.get_by_role("complementary")).to_be_hidden()


def test_a_shared_place_leaves_reading_at_the_answer(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    open_first(page)
    page.reload()
    expect(beside(page).locator(".here")).to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Gå til indholdet")).to_be_focused()


@pytest.mark.parametrize("query", ["r=../x&p=y", "r=nowhere&p=y", "r=lokal-tryghed-1&p=%22%3E"])
def test_an_address_with_a_place_that_is_none_does_no_harm(
    page: Page, complaints: list[str], query: str
) -> None:
    page.goto(f"/?q={BURGLARIES}&{query}")
    expect(page.get_by_role("article")).to_contain_text("83%")
    page.get_by_role("button", name="Luk").click()
    expect(page.get_by_role("complementary")).to_have_count(0)
    open_first(page)
    complaints.clear()


def test_ctrl_and_a_click_open_the_report_in_another_tab(
    page: Page, context: BrowserContext
) -> None:
    page.goto(f"/?q={BURGLARIES}")
    with context.expect_page() as opened:
        page.get_by_role("link", name=FIRST).first.click(modifiers=["ControlOrMeta"])
    expect(opened.value.locator(":target").get_by_role("mark")).to_be_visible()
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_the_report_s_anchors_are_none_of_the_conversation_s(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}&h={VIBORG}")
    open_first(page)
    doubled = page.evaluate(
        """() => {
            const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
            return ids.filter((id, n) => ids.indexOf(id) !== n);
        }"""
    )
    assert doubled == []


# --- a look before --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["pointer", "keyboard"])
def test_a_citation_is_previewed_at_its_marked_sentence(page: Page, way: str) -> None:
    page.goto(f"/?q={BURGLARIES}")
    place = page.locator(".others figure").first
    link = place.locator(".citation")
    if way == "pointer":
        link.hover()
    else:
        place.locator("xpath=preceding::button[contains(@class, 'copy')][1]").focus()
        page.keyboard.press("Tab")
        expect(link).to_be_focused()
    preview = page.get_by_role("tooltip")
    expect(preview).to_be_in_viewport(ratio=1)
    expect(preview.get_by_role("mark")).to_have_text(place.get_by_role("mark").first.inner_text())
    expect(preview.get_by_role("mark")).to_be_in_viewport()
    expect(link).to_have_attribute("aria-describedby", "preview")


def test_a_preview_stays_under_the_pointer_and_goes_with_escape(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    link = page.get_by_role("link", name=FIRST).first
    link.hover()
    preview = page.get_by_role("tooltip")
    preview.hover()
    page.clock.install()
    page.clock.run_for(2000)
    expect(preview).to_be_visible()
    page.keyboard.press("Escape")
    expect(preview).to_have_count(0)
    link.hover()
    page.clock.run_for(1000)
    expect(preview).to_be_visible()
    page.get_by_role("heading", level=2).first.hover()
    page.clock.run_for(1000)
    expect(preview).to_have_count(0)


def test_what_stands_beside_already_is_not_previewed(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    open_first(page)
    page.clock.install()
    page.get_by_role("link", name=FIRST).first.hover()
    page.clock.run_for(2000)
    expect(page.get_by_role("tooltip")).to_have_count(0)


def test_a_preview_that_cannot_be_fetched_is_none(page: Page, complaints: list[str]) -> None:
    page.goto(f"/?q={BURGLARIES}")
    page.route("**/rapport/**", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.get_by_role("link", name=FIRST).first.hover()
    expect(page.get_by_role("tooltip")).to_have_count(0)
    complaints.clear()


def test_a_page_that_the_report_refers_to_is_previewed_and_followed(page: Page) -> None:
    page.goto("/rapport/lokal-tryghed-1")
    reference = page.get_by_role("link", name="side 17")
    reference.hover()
    preview = page.get_by_role("tooltip")
    expect(preview).to_contain_text("2 Indsatsbaserede faste partnerskaber")
    expect(preview.get_by_role("heading")).to_have_count(0)
    reference.click()
    expect(preview).to_have_count(0)
    expect(page.locator(":target")).to_have_attribute("id", "faste-partnerskaber")
    expect(page.locator(":target").get_by_role("heading").first).to_be_in_viewport()


# --- search in the report -------------------------------------------------------------------------


def test_finds_are_stepped_through_and_told(page: Page) -> None:
    page.goto("/rapport/lokal-tryghed-1")
    page.get_by_role("searchbox", name="Søg i rapportens tekst").fill("svindel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="»svindel« står 5 steder.")).to_be_visible()
    page.get_by_role("button", name="Næste").click()
    find = page.locator(".found.current")
    expect(find).to_be_in_viewport()
    expect(page.get_by_role("status")).to_have_text("1 af 5: Målgruppe 2: Ledere")
    page.get_by_role("button", name="Forrige").click()
    expect(page.get_by_role("status")).to_contain_text("5 af 5: ")
    expect(find).to_have_attribute("id", "fund.5")
    page.get_by_role("link", name="Spørg rapporten om »svindel«").click()
    expect(page.get_by_role("article")).to_contain_text("Esbjerg")


@with_options(java_script_enabled=False)
def test_without_scripts_the_report_is_searched_too(page: Page) -> None:
    page.goto("/rapport/lokal-tryghed-1?lang=en")
    page.get_by_role("searchbox", name="Search the report").fill("skærmbesøg")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("button", name="Next")).to_have_count(0)
    page.get_by_role("link", name="Nordfyn – Sundhed").first.click()
    expect(page.locator(":target")).to_be_in_viewport()
    expect(page.locator("html")).to_have_attribute("lang", "en")
