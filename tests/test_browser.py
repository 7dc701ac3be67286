"""A reader's ways through the pages, in a real browser on the real server.

Every test also holds that nothing is asked of another origin and that the console stays silent.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browsing import (
    API,
    BURGLARIES,
    ORGANISED,
    PHONE,
    VIBORG,
    ask,
    overflow,
    settled,
    with_options,
)

MARKUP = "<img src=x onerror=\"document.title='taken'\"> & <b>fed</b>"


# --- asking ---------------------------------------------------------------------------------------


def test_a_question_is_answered_without_a_reload(page: Page) -> None:
    page.goto("/")
    page.evaluate("window.same = true")
    exchange = ask(page, BURGLARIES)
    assert "reducerede indbrud med 83%" in exchange.get_by_role("mark").first.inner_text()
    expect(exchange.get_by_role("heading", level=2)).to_have_text(f"Du spurgte: {BURGLARIES}")
    expect(page).to_have_title(f"{BURGLARIES} – Lokal tryghed")
    assert parse_qs(urlsplit(page.url).query) == {"q": [BURGLARIES]}
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert page.evaluate("window.same")
    settled(page)
    expect(exchange.get_by_role("heading", level=2)).to_be_in_viewport()
    expect(exchange.get_by_role("mark").first).to_be_in_viewport()


def test_an_example_question_is_answered_at_a_click(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="gamle der bliver snydt på nettet").click()
    expect(page.get_by_role("article")).to_contain_text("Esbjerg")


@pytest.mark.parametrize(
    "query",
    [
        f"q={BURGLARIES}",
        f"q={VIBORG}",
        f"q={ORGANISED}&h={BURGLARIES}",
        "q=fællesskab&kind=case&kind=guide&municipality=Gentofte",
        f"q={BURGLARIES}&lang=en",
        "q=Hvilke målgrupper er der?",
    ],
)
def test_the_script_makes_the_markup_that_the_server_makes(page: Page, query: str) -> None:
    def markup() -> str:
        html: str = page.get_by_role("article").last.evaluate("article => article.outerHTML")
        html = html.replace(' class="exchange fresh"', ' class="exchange"')
        return re.sub(r"\s*(<[^>]*>)\s*", r"\1", html)

    page.goto(f"/?{query}")
    by_server = markup()
    asked = parse_qs(query)
    page.goto("/?lang=en" if "lang" in asked else "/")
    for name in ("kind", "municipality"):
        for value in asked.get(name, []):
            page.locator(f"input[name={name}][value={value}]").evaluate("box => box.click()")
    for question in (*asked.get("h", []), *asked["q"]):
        page.get_by_role("searchbox").fill(question)
        page.keyboard.press("Enter")
        expect(page.locator(".reply").nth(page.get_by_role("article").count() - 1)).to_be_attached()
    assert markup() == by_server
    assert parse_qs(urlsplit(page.url).query) == asked


@with_options(viewport=PHONE)
def test_on_a_phone_a_citation_opens_the_report_at_the_marked_sentence(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    marked = exchange.get_by_role("mark").first.inner_text()
    exchange.get_by_role("link", name="Hjørring – Naboskab › Læringer i kommunen, s. 11").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Lokal Tryghed i praksis, Delrapport 1"
    )
    passage = page.locator(":target")
    expect(passage).to_be_in_viewport(ratio=1)
    expect(passage.get_by_role("mark")).to_have_text(marked)
    assert passage.get_attribute("id") == "hjoerring-laeringer-1"
    page.go_back()
    expect(page.get_by_role("article")).to_contain_text("83%")


def test_a_follow_up_is_sent_with_what_was_asked_before(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    with page.expect_request(API) as sent:
        exchange = ask(page, ORGANISED)
    assert sent.value.post_data_json["history"] == [BURGLARIES]
    expect(exchange).to_contain_text("Hjørring")
    expect(page.get_by_role("article")).to_have_count(2)
    assert parse_qs(urlsplit(page.url).query) == {"q": [ORGANISED], "h": [BURGLARIES]}
    suggestion = (
        exchange.get_by_role("region").or_(exchange.locator(".suggestions")).get_by_role("link")
    )
    with page.expect_request(API) as sent:
        suggestion.first.click()
    assert sent.value.post_data_json["history"] == [BURGLARIES, ORGANISED]


def test_filters_are_sent_shown_and_counted(page: Page) -> None:
    page.goto("/")
    page.get_by_text("Afgræns søgningen").click()
    page.get_by_role("group", name="Kommune").get_by_label("Gentofte").check()
    page.get_by_role("group", name="Type").get_by_label("Case").check()
    expect(page.get_by_text("2 valgt")).to_be_visible()
    with page.expect_request(API) as sent:
        exchange = ask(page, "fællesskab")
    assert sent.value.post_data_json["municipality"] == ["Gentofte"]
    expect(exchange.get_by_text("Afgrænset til Case · Gentofte")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Afgrænset til Case · Gentofte")).to_be_visible()
    expect(page.get_by_text("2 valgt")).to_be_visible()


def test_a_limited_search_claims_nothing_of_the_rest_of_the_report(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}&municipality=Esbjerg")
    expect(page.get_by_text("Svaret står ikke i det, du har afgrænset til.")).to_be_visible()
    page.get_by_text("Afgræns søgningen").click()
    page.get_by_role("link", name="Søg i hele rapporten").click()
    exchange = page.get_by_role("article").nth(1)
    expect(exchange.locator("mark").first).to_contain_text("83%")
    expect(page.get_by_role("group", name="Kommune")).to_be_hidden()
    assert "municipality" not in page.url


def test_what_fails_is_said_beside_its_button(page: Page, complaints: list[str]) -> None:
    page.add_init_script("document.execCommand = () => false; Clipboard.prototype.write = null")
    page.goto(f"/?q={BURGLARIES}&h={ORGANISED}")
    page.get_by_role("button", name="Kopiér citat").first.click()
    told = page.locator("figcaption .failed")
    expect(told).to_contain_text("Det kunne ikke kopieres.")
    expect(page.get_by_role("status")).to_contain_text("Det kunne ikke kopieres.")
    page.route(API, lambda route: route.abort())
    button = page.get_by_role("button", name="Vis svarene igen")
    button.click()
    expect(page.locator(".earlier .failed")).to_contain_text("ingen forbindelse")
    expect(button).to_be_focused()
    complaints.clear()


def test_markup_in_the_question_is_shown_as_text(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, MARKUP)
    expect(exchange.get_by_role("heading", level=2)).to_have_text(f"Du spurgte: {MARKUP}")
    expect(page).to_have_title(f"{MARKUP} – Lokal tryghed")
    assert page.locator("article img, article b").count() == 0


def test_markup_in_an_answer_is_shown_as_text(page: Page) -> None:
    def poisoned(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["suggestions"] = [MARKUP]
        for passage in body["passages"]:
            passage["text"] = MARKUP
            passage["municipalities"] = passage["citation"]["section"] = [MARKUP]
            passage["highlights"] = [[0, 5]]
            passage["blocks"] = [{"start": 0, "end": len(MARKUP), "role": "paragraph"}]
        route.fulfill(response=response, json=body)

    page.goto("/")
    page.route(API, poisoned)
    exchange = ask(page, BURGLARIES)
    expect(exchange.locator("blockquote").first).to_have_text(MARKUP)
    assert page.locator("article img, article b").count() == 0
    assert page.title() != "taken"


# --- history --------------------------------------------------------------------------------------


def test_back_and_forward_restore_the_thread(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    ask(page, ORGANISED)
    settled(page)
    top = page.evaluate("scrollY")
    assert top > 0
    articles = page.get_by_role("article")
    page.go_back()
    expect(articles).to_have_count(1)
    expect(articles).to_contain_text(BURGLARIES)
    expect(page).to_have_title(f"{BURGLARIES} – Lokal tryghed")
    page.go_back()
    expect(articles).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    page.go_forward()
    expect(articles).to_have_count(1)
    page.go_forward()
    expect(articles).to_have_count(2)
    assert page.evaluate("scrollY") == top
    with page.expect_request(API) as sent:
        ask(page, "Hvem?")
    assert sent.value.post_data_json["history"] == [BURGLARIES, ORGANISED]


def test_the_address_can_be_shared_and_reloaded(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    ask(page, ORGANISED)
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("link", name=BURGLARIES)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("article")).to_contain_text("83%")
    page.evaluate("setTimeout(() => history.forward())")  # not before this is answered
    expect(page.get_by_role("link", name=BURGLARIES)).to_be_visible()
    settled(page)
    with page.expect_request(API) as sent:
        ask(page, "Hvem?")
    assert sent.value.post_data_json["history"] == [BURGLARIES, ORGANISED]


def test_a_link_inside_the_page_keeps_the_thread(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    page.evaluate("location.hash = 'question'")
    expect(page.get_by_role("article")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("article")).to_have_count(1)


def test_the_earlier_answers_of_a_reloaded_thread_can_be_shown_again(
    page: Page, complaints: list[str]
) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    ask(page, ORGANISED)
    before = [article.inner_text() for article in page.get_by_role("article").all()]
    page.reload()
    page.route(API, lambda route: route.fulfill(status=503), times=1)
    again = page.get_by_role("button", name="Vis svarene igen")
    again.click()
    expect(page.get_by_role("status")).to_contain_text("Søgningen er ikke klar")
    complaints.clear()
    again.click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(again).to_have_count(0)
    assert [article.inner_text() for article in page.get_by_role("article").all()] == before


def test_a_new_conversation_starts_empty(page: Page) -> None:
    page.goto("/?kind=case")
    ask(page, BURGLARIES)
    page.get_by_role("link", name="Ny samtale").click()
    expect(page.get_by_role("article")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert urlsplit(page.url).query == ""
    with page.expect_request(API) as sent:
        ask(page, VIBORG)
    assert sent.value.post_data_json["history"] == []
    assert sent.value.post_data_json["kind"] == []


def test_nothing_is_stored(page: Page, context: BrowserContext) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    stored = page.evaluate(
        "async () => [localStorage.length, sessionStorage.length, history.state,"
        " (await indexedDB.databases()).length, (await caches.keys()).length]"
    )
    assert stored == [0, 0, None, 0, 0]
    assert context.cookies() == []


# --- waiting and trouble --------------------------------------------------------------------------


def test_waiting_is_shown_and_a_second_question_waits(page: Page) -> None:
    page.goto("/")
    held: list[Route] = []
    page.route(API, lambda route: held.append(route))  # noqa: PLW0108 - playwright needs a Python function
    field = page.get_by_role("searchbox")
    field.fill(BURGLARIES)
    field.press("Enter")
    expect(page.locator(".waiting")).to_have_css("opacity", "1")
    expect(page.get_by_text("Leder i rapporten …")).to_be_visible()
    field.fill(ORGANISED)
    field.press("Enter")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(field).to_have_value(ORGANISED)
    expect(page.locator(".failed")).to_have_text("Vent, til svaret er kommet.")
    (route,) = held
    route.continue_()
    expect(page.locator(".reply")).to_be_attached()
    expect(page.get_by_role("article")).to_have_count(1)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "Der er ingen forbindelse til serveren"),
        (503, "Søgningen er ikke klar"),
        (429, "Der er mange, der spørger"),
        (422, "Spørgsmålet eller afgrænsningen kan ikke bruges"),
        (500, "Noget gik galt"),
    ],
)
def test_trouble_is_told_and_can_be_tried_again(
    page: Page, complaints: list[str], status: int | None, words: str
) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    page.route(API, lambda r: r.fulfill(status=status) if status else r.abort(), times=1)
    page.get_by_role("searchbox").fill(ORGANISED)
    page.keyboard.press("Enter")
    second = page.get_by_role("article").nth(1)
    expect(second.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text(words)
    assert all(text.startswith("Failed to load resource") for text in complaints)
    complaints.clear()
    with page.expect_request(API) as sent:
        second.get_by_role("button", name="Prøv igen").click()
    assert sent.value.post_data_json["history"] == [BURGLARIES]
    expect(second.locator("mark").first).to_be_visible()
    expect(second.get_by_text(words)).to_have_count(0)
    expect(page.get_by_role("article")).to_have_count(2)


@pytest.mark.parametrize(
    "options",
    [{"viewport": {"width": 1280, "height": 900}}, {"viewport": {"width": 360, "height": 740}}],
)
def test_nothing_jumps_when_the_answer_appears(page: Page) -> None:
    page.add_init_script(
        """window.shift = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries())
                if (!entry.hadRecentInput) window.shift += entry.value;
        }).observe({ type: "layout-shift", buffered: true });"""
    )
    page.goto("/")
    held: list[Route] = []
    page.route(API, lambda route: held.append(route))  # noqa: PLW0108 - playwright needs a Python function
    page.get_by_role("searchbox").fill(BURGLARIES)
    page.get_by_role("button", name="Spørg", exact=True).click()
    page.wait_for_timeout(1000)  # beyond the half second in which shifts are excused
    held[0].continue_()
    expect(page.locator(".reply")).to_be_attached()
    settled(page)
    assert page.evaluate("window.shift") < 0.01


def test_a_slow_answer_can_be_asked_for_again(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    page.clock.install()
    held: list[Route] = []
    page.route(API, lambda route: route.continue_() if held else held.append(route))
    page.get_by_role("searchbox").fill(ORGANISED)
    page.keyboard.press("Enter")
    second = page.get_by_role("article").nth(1)
    expect(second.get_by_text("Leder i rapporten …")).to_be_visible()
    again = second.get_by_role("button", name="Prøv igen")
    expect(again).to_be_hidden()
    page.clock.fast_forward("00:10")
    expect(page.get_by_role("status")).to_have_text("Det tager længere tid, end det plejer.")
    again.press("Enter")
    expect(second.locator(".reply")).to_be_attached()
    expect(second.locator(".waiting")).to_have_count(0)
    expect(page.get_by_role("article")).to_have_count(2)


# --- everyone -------------------------------------------------------------------------------------


@with_options(java_script_enabled=False)
def test_without_scripts_the_conversation_works(page: Page) -> None:
    page.goto("/")
    page.get_by_role("searchbox", name="Dit spørgsmål").fill(BURGLARIES)
    page.get_by_role("button", name="Spørg", exact=True).click()
    assert "83%" in page.get_by_role("mark").first.inner_text()
    expect(page.get_by_role("button", name="Kopiér citat")).to_have_count(0)
    page.get_by_role("searchbox").fill(ORGANISED)
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("article")).to_contain_text("Hjørring")
    expect(page.get_by_role("link", name=BURGLARIES)).to_be_visible()
    page.get_by_role("link", name="Ny samtale").click()
    page.get_by_role("link", name="Hvordan fik Aalborg fat i de unge?").click()
    page.get_by_role("article").get_by_role("link", name="s. 10").first.click()
    expect(page.locator(":target").get_by_role("mark")).to_be_in_viewport()


def test_a_question_can_be_asked_and_checked_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "question":
            break
    outline = page.evaluate(
        "(({outlineStyle, outlineWidth, outlineOffset}) =>"
        " [outlineStyle, outlineWidth, outlineOffset])(getComputedStyle(document.activeElement))"
    )
    assert outline == ["solid", "3px", "1px"]
    page.keyboard.type(BURGLARIES)
    page.keyboard.press("Enter")
    expect(page.locator(".reply")).to_be_attached()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Hjørring – Naboskab › Læringer")).to_be_focused()
    page.keyboard.press("Enter")
    place = page.get_by_role("complementary").locator(".here")
    expect(place).to_be_in_viewport()
    expect(place).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Hjørring – Naboskab › Læringer")).to_be_focused()


def test_skip_links_lead_to_the_content_and_to_the_field(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Gå til indholdet")).to_be_in_viewport()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (BURGLARIES, r"^\d+ steder fundet\. Bedste svar fra Hjørring, side 11\.$"),
        (VIBORG, r"^Rapporten nævner ikke Viborg\..* \d+ steder er måske relateret\.$"),
    ],
)
def test_the_outcome_is_announced_once(page: Page, question: str, words: str) -> None:
    page.goto("/")
    page.evaluate(
        """() => {
            window.said = [];
            const status = document.querySelector("[role=status]");
            new MutationObserver(() => {
                if (status.textContent) window.said.push(status.textContent);
            }).observe(status, { childList: true, characterData: true, subtree: true });
        }"""
    )
    ask(page, question)
    expect(page.get_by_role("status")).to_have_text(re.compile(words))
    assert len(page.evaluate("window.said")) == 1
    assert page.locator("[aria-live], [role=status], [role=alert], [role=log]").count() == 1


def test_the_interface_speaks_english_and_quotes_danish(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="English").click()
    page.get_by_role("searchbox", name="Your question").fill(BURGLARIES)
    page.get_by_role("button", name="Ask", exact=True).click()
    exchange = page.get_by_role("article")
    expect(exchange.get_by_text("The report answers")).to_be_visible()
    expect(exchange.locator("blockquote").first).to_have_attribute("lang", "da")
    expect(page.get_by_role("status")).to_contain_text("Best answer from Hjørring, page 11.")
    page.get_by_role("link", name="Dansk").click()
    expect(page.get_by_role("article").get_by_text("Rapporten svarer")).to_be_visible()


@with_options(permissions=["clipboard-read", "clipboard-write"])
def test_a_quotation_is_copied_with_its_reference(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    exchange.locator(".copy").first.click()
    expect(exchange.get_by_role("button", name="Citatet er kopieret")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    quotation = (
        "»Det Gode Naboskab udsprang af projektet 'Hjørring – Fri for Indbrud', der reducerede "
        "indbrud med 83%.«\n"
        "TrygFonden: Lokal Tryghed i praksis, Delrapport 1, s. 11, »Læringer i kommunen«."
    )
    address = exchange.locator(".citation").first.evaluate("link => link.href")
    assert copied == f"{quotation}\n{address}"
    rich = pasted(page)
    assert [rich["text"], rich["links"]] == [quotation.replace("\n", ""), [address]]
    expect(exchange.get_by_role("button", name="Citatet er kopieret")).to_have_count(0)


def pasted(page: Page) -> dict[str, Any]:
    """What pasting into a document gives: the text, and where its links lead."""
    html = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            return (await item.getType("text/html")).text();
        }"""
    )
    document = page.context.new_page()  # the conversation's policy forbids parsing
    document.set_content(html)
    text = document.evaluate("document.body.textContent")
    links = document.locator("a").evaluate_all("links => links.map((a) => a.href)")
    document.close()
    return {"text": text, "links": links}


@with_options(permissions=["clipboard-read", "clipboard-write"])
@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "without"])
def test_the_conversation_is_copied_whole_with_its_citations(page: Page, clipboard: bool) -> None:
    if not clipboard:  # as on a page that came over HTTP
        page.add_init_script("Clipboard.prototype.write = undefined")
    page.goto("/")
    first, second = ask(page, BURGLARIES), ask(page, VIBORG)
    page.get_by_role("button", name="Kopiér samtalen").click()
    expect(page.get_by_role("status")).to_have_text("Samtalen er kopieret")
    copied = page.evaluate("navigator.clipboard.readText()")
    rich = pasted(page)
    lines = copied.splitlines()
    shown = [line for line in lines if not line.startswith("http")]  # there, they are the links
    assert "".join("".join(shown).split()) == "".join(rich["text"].split())
    assert [line for line in lines if line.startswith("http")] == rich["links"]
    assert lines[:2] == [BURGLARIES, "Rapporten svarer"]
    assert lines[lines.index(VIBORG) + 1].startswith("Rapporten nævner ikke Viborg.")
    for exchange in (first, second):
        places = exchange.locator(".citation")
        references = exchange.locator("figcaption")
        for place, reference in zip(places.all(), references.all(), strict=True):
            assert place.evaluate("link => link.href") in rich["links"]
            assert reference.get_attribute("data-reference") in lines
    ranks = [line.split(" ")[0] for line in lines if line[1:4] == ". »"]
    assert ranks == [f"{n}." for n in (1, 2, 3, 4, 5, 1, 2, 3, 4, 5)]
    assert lines.index("Andre steder i rapporten") < lines.index("Måske relateret")


# --- looks ----------------------------------------------------------------------------------------

PLACES = ("/", f"/?q={BURGLARIES}&h={ORGANISED}", f"/?q={VIBORG}", "/rapport/lokal-tryghed-1")


@pytest.mark.parametrize(
    "options",
    [{"viewport": {"width": width, "height": 640}} for width in (320, 360, 640, 768, 2560)],
    ids=lambda options: str(options["viewport"]["width"]),
)
def test_nothing_is_wider_than_the_window(page: Page) -> None:
    for place in PLACES:
        page.goto(place)
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert overflow(page) <= 0, place
    page.goto("/")
    ask(page, "Speciallægepraksisplanlægningsstabiliseringsperiode" * 5)
    assert overflow(page) <= 0


@with_options(viewport={"width": 360, "height": 740})
def test_text_can_be_twice_as_large(page: Page) -> None:
    for place in PLACES:
        page.goto(place)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert overflow(page) <= 0, place


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark"}])
def test_all_text_has_contrast(page: Page, options: dict[str, str]) -> None:
    for place in (*PLACES, "/rapport/lokal-tryghed-1?p=aalborg-1&m=0-79#aalborg-1"):
        page.goto(place)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        is_dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < 200
        assert is_dark == (options["color_scheme"] == "dark")
        assert page.evaluate(LOW_CONTRAST) == []


LOW_CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const blend = (colours) => {
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => rgb
        .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const grounds = [];
        for (let e = element; e; e = e.parentElement)
            grounds.unshift(getComputedStyle(e).backgroundColor);
        const ground = blend(["white", ...grounds]);
        const ink = blend([`rgb(${ground})`, getComputedStyle(element).color]);
        const [a, b] = [light(ground), light(ink)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) low.push([walker.currentNode.data.trim().slice(0, 40), ratio]);
    }
    return low;
}"""


@with_options(reduced_motion="reduce")
def test_nothing_moves_for_those_who_asked_for_stillness(page: Page) -> None:
    page.goto("/")
    ask(page, BURGLARIES)
    assert page.evaluate("document.getAnimations().length") == 0
    top = page.get_by_role("article").evaluate("a => a.getBoundingClientRect().top")
    assert 0 <= top <= 40


@with_options(forced_colors="active")
def test_marks_and_borders_remain_in_forced_colours(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    ground, mark = (
        exchange.locator(selector).first.evaluate("e => getComputedStyle(e).backgroundColor")
        for selector in ("figure", "mark")
    )
    assert mark != ground
    expect(page.get_by_role("button", name="Spørg", exact=True)).to_have_css("border-width", "1px")


def test_on_paper_the_answer_stands_with_its_reference_and_no_controls(page: Page) -> None:
    page.goto(f"/?q={BURGLARIES}")
    page.emulate_media(media="print")
    expect(page.get_by_role("search")).to_be_hidden()
    expect(page.get_by_role("mark").first).to_be_visible()
    reference = page.locator("figcaption").first.evaluate(
        "e => getComputedStyle(e, '::after').content"
    )
    assert "s. 11" in reference


def test_everything_works_under_the_content_security_policy(page: Page) -> None:
    page.goto("/")
    exchange = ask(page, BURGLARIES)
    exchange.get_by_role("link", name="s. 11").nth(1).hover()
    expect(page.get_by_role("tooltip")).to_contain_text("Fra idé til handling")
    exchange.get_by_role("link", name="s. 11").first.click()
    expect(page.locator(".here")).to_be_in_viewport()
    page.get_by_role("link", name="Hele rapporten").click()
    expect(page.locator(":target")).to_be_in_viewport()
