"""Hostile host pages: the widget looks and works as on a plain one, and the host is untouched."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browsing import BURGLARIES, ORGANISED, overflow, with_options
from tests.conftest import FLAGS
from tests.hosting import ELEMENT, Host, ask, pixels_that_differ, plain_page

QUIRKS = '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">'
BARE = "<style>body, main { margin: 0; display: block } h1 { margin: 0 }</style>"
RULES = {
    "unset": "* { all: unset !important } body, main { display: block !important }",
    "initial": "* { all: initial !important } body, main { display: block !important }",
    "loud": """
        *, *::before, *::after {
            color: lime !important; background: magenta !important; font: 40px/3 fantasy !important;
            text-transform: uppercase !important; letter-spacing: 9px !important;
            text-align: right !important; direction: rtl !important; text-indent: 5em !important;
            border: 7px dotted red !important; padding: 11px !important; opacity: 0.4 !important;
            float: left !important; visibility: hidden !important; zoom: 1.4 !important;
            transform: rotate(9deg) !important; filter: invert(1) !important;
            cursor: wait !important; pointer-events: none !important; user-select: none !important;
            position: relative !important; left: 30px !important; height: 20px !important;
            width: 50px !important; max-height: 9px !important; overflow: hidden !important;
            box-sizing: content-box !important; word-spacing: 1em !important;
            writing-mode: vertical-rl !important; animation: none !important;
            content: "!" !important;
        }
        html, body, main { all: initial !important; display: block !important }
        html::before, html::after, body::before, body::after, main::before, main::after, h1 {
            display: none !important
        }
    """,
    "resets": """
        html { font-size: 62.5% } body { font-size: 1.6rem; line-height: 1; color: red }
        tryghed-search { font-size: 0.5rem; color: lime; margin: 9px; padding: 9px; display: flex }
        button { background: red; border-radius: 0; font-size: 3rem; text-transform: uppercase }
        input { border: 0; background: blue; width: 40px; height: 10px; appearance: auto }
        h1, h2, h3, h4, h5 { font-size: 4rem; color: blue; margin: 3rem; text-transform: uppercase }
        p, li, a, figure, blockquote { margin: 5rem; color: aqua; text-decoration: line-through }
        main > * { margin: 4rem; max-width: 9rem }
        h1 { display: none }
    """,
    "parts": "main * { --ink: red; --ground: lime; --accent: red; --quiet: red; --radius: 9px }",
}
"""What a theme may do to everything; the widget then stands where it stands on a plain page."""


def visit(page: Page, host: Host, body: str) -> Locator:
    page.goto(host.put("/host", body))
    widget = page.locator(ELEMENT).first
    expect(widget.locator(".field")).to_be_visible()
    return widget


def answered(page: Page, host: Host, body: str) -> bytes:
    """What the widget looks like with a question answered, nothing focused, nothing pointed at."""
    widget = visit(page, host, body)
    ask(widget, BURGLARIES)
    page.evaluate("document.querySelector('tryghed-search').shadowRoot.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    return widget.screenshot(animations="disabled", caret="hide")


def hostile(body: str, rules: str) -> str:
    return body.replace("</head>", f"<style>{rules}</style></head>")


@pytest.fixture
def plain(guest: Page, host: Host, widget_url: str) -> bytes:
    return answered(guest, host, plain_page(widget_url, head=BARE))


def alike(page: Page, one: bytes, other: bytes) -> None:
    differ, said = pixels_that_differ(page, one, other)
    width, height = said["sizes"][0]
    assert width > 600
    assert height > 600
    assert said["sizes"][0] == said["sizes"][1]
    assert differ <= width * height / 10_000, said


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_it_looks_the_same_whatever_the_hosts_rules(
    guest: Page, host: Host, widget_url: str, plain: bytes, rules: str
) -> None:
    other = answered(guest, host, hostile(plain_page(widget_url, head=BARE), rules))
    alike(guest, plain, other)


def test_the_hostile_rules_do_change_what_they_reach(
    guest: Page, host: Host, widget_url: str, plain: bytes
) -> None:
    """That the comparison can fail: a property that is meant to come through."""
    rules = "tryghed-search { --tryghed-accent: blue }"
    other = answered(guest, host, hostile(plain_page(widget_url, head=BARE), rules))
    with pytest.raises(AssertionError):
        alike(guest, plain, other)


def test_it_looks_the_same_in_a_page_from_right_to_left(
    guest: Page, host: Host, widget_url: str, plain: bytes
) -> None:
    body = plain_page(widget_url, head=BARE).replace(
        "<body>", '<body dir="rtl" style="direction: rtl">'
    )
    alike(guest, plain, answered(guest, host, body))


def test_it_looks_the_same_below_an_old_doctype(
    guest: Page, host: Host, widget_url: str, plain: bytes
) -> None:
    body = plain_page(widget_url, head=BARE).replace("<!doctype html>", QUIRKS)
    other = answered(guest, host, body)
    assert guest.evaluate("document.compatMode") == "BackCompat"
    alike(guest, plain, other)


def test_it_can_be_hidden_and_placed_by_the_host(guest: Page, host: Host, widget_url: str) -> None:
    rules = "tryghed-search { --tryghed-max-width: 20em; --tryghed-margin: 0 0 0 50px }"
    widget = visit(guest, host, hostile(plain_page(widget_url, head=BARE), rules))
    box = widget.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (50, 320)
    widget.evaluate("(element) => { element.hidden = true }")
    expect(widget).to_be_hidden()


# --- the host is untouched ------------------------------------------------------------------------

OTHERS = """
<header class="top"><a href="#x">Link</a> <img alt="" width="10" height="10"></header>
<h2>Heading</h2><h3>Heading</h3><p class="verdict hidden">Text <mark>mark</mark> <b>bold</b></p>
<form class="form"><label for="question">Name</label><input id="question" class="field" name="q">
<button class="button">Send</button><select><option>1</option></select><textarea></textarea></form>
<ul class="labels"><li>One</li><li>Two</li></ul><table><tr><th>A</th><td>B</td></tr></table>
<blockquote class="quote">Quotation</blockquote><details><summary>More</summary>x</details>
"""
STYLES = """() => {
    const sizes = /^(block-size|height|perspective-origin|transform-origin)$/;
    const around = new Set();
    const widget = document.querySelector("tryghed-search");
    for (let up = widget.parentElement; up; up = up.parentElement) around.add(up);
    const found = [];
    for (const element of document.querySelectorAll("*")) {
        if (element === widget) continue;
        for (const pseudo of [null, "::before", "::after"]) {
            const style = getComputedStyle(element, pseudo);
            const kept = [...style].filter((name) => !(around.has(element) && sizes.test(name)));
            found.push([element.tagName + (pseudo ?? ""),
                ...kept.map((name) => name + ": " + style.getPropertyValue(name))].join("\\n"));
        }
    }
    return found;
}"""


def test_the_host_is_untouched(guest: Page, host: Host, widget_url: str) -> None:
    """Computed styles of every other element, before the widget is defined and after an answer.

    Only the height of what stands around the widget may change.
    """
    body = plain_page(widget_url, more=OTHERS).replace(
        f'<script type="module" src="{widget_url}/widget.js"></script>', ""
    )
    head = "<style>tryghed-search { display: block; height: 0 }</style>"
    guest.goto(host.put("/host", body.replace("</head>", f"{head}</head>")))
    before = guest.evaluate(STYLES)
    nodes = "document.querySelectorAll('*').length"
    count = guest.evaluate(nodes)
    assert len(before) > 60
    assert guest.evaluate("customElements.get('tryghed-search')") is None
    guest.evaluate("(url) => import(url)", f"{widget_url}/widget.js")
    ask(guest.locator(ELEMENT), BURGLARIES)
    assert guest.evaluate(STYLES) == before
    assert guest.evaluate(nodes) == count
    assert guest.evaluate("document.adoptedStyleSheets.length") == 0


# --- keys -----------------------------------------------------------------------------------------

SHORTCUTS = """
    window.stolen = [];
    document.addEventListener("keydown", (event) => {
        stolen.push(event.key);
        if (event.key === "/" || event.key === "Enter") {
            event.preventDefault();
            document.title = "stolen";
        }
    });
    document.addEventListener("submit", (event) => stolen.push("submit"));
"""


def test_a_hosts_shortcuts_do_not_take_what_is_written(
    guest: Page, host: Host, widget_url: str
) -> None:
    widget = visit(guest, host, plain_page(widget_url))
    guest.evaluate(SHORTCUTS)
    field = widget.get_by_role("searchbox")
    field.press_sequentially("Unge og/eller ældre?")
    expect(field).to_have_value("Unge og/eller ældre?")
    field.press("Enter")
    expect(widget.locator(".answer")).to_be_visible()
    widget.locator("summary").first.press("Enter")
    expect(widget.locator("details[open]").first).to_be_visible()
    widget.get_by_role("button", name="Ny samtale").press("Enter")
    expect(widget.get_by_role("article")).to_have_count(0)
    assert guest.evaluate("stolen") == []
    assert guest.title() == "Intranet"


def test_the_host_still_gets_its_own_keys(guest: Page, host: Host, widget_url: str) -> None:
    widget = visit(guest, host, plain_page(widget_url))
    guest.evaluate(SHORTCUTS)
    field = widget.get_by_role("searchbox")
    for key in ("Escape", "Control+b", "Tab"):
        field.press(key)
    assert guest.evaluate("stolen") == ["Escape", "Control", "b", "Tab"]
    guest.keyboard.press("F2")
    guest.locator("h1").click()
    guest.keyboard.press("/")
    assert guest.evaluate("stolen.slice(-2)") == ["F2", "/"]


def test_it_has_no_shortcuts_of_its_own(guest: Page, host: Host, widget_url: str) -> None:
    more = '<label>Andet <textarea id="own"></textarea></label>'
    widget = visit(guest, host, plain_page(widget_url, more=more))
    guest.locator("#own").press_sequentially("/ k ? s")
    guest.keyboard.press("Control+k")
    guest.locator("#own").press("Enter")
    expect(guest.locator("#own")).to_be_focused()
    expect(guest.locator("#own")).to_have_value("/ k ? s\n")
    expect(widget.get_by_role("searchbox")).to_have_value("")


def test_in_a_form_of_the_hosts_it_sends_only_its_own(
    guest: Page, host: Host, widget_url: str
) -> None:
    body = plain_page(widget_url).replace("<main>", '<main><form id="all" action="/gone">')
    widget = visit(guest, host, body)
    guest.evaluate(SHORTCUTS)
    ask(widget, BURGLARIES)
    assert guest.evaluate("[...new FormData(document.getElementById('all')).keys()]") == []
    assert guest.evaluate("stolen") == []
    assert guest.url.endswith("/host")


# --- the keyboard alone ---------------------------------------------------------------------------


def test_the_keyboard_reaches_everything_in_order(guest: Page, host: Host, widget_url: str) -> None:
    widget = visit(guest, host, plain_page(widget_url))
    guest.keyboard.press("Tab")
    expect(widget.get_by_role("searchbox")).to_be_focused()
    guest.keyboard.type(BURGLARIES)
    guest.keyboard.press("Enter")
    expect(widget.locator(".best")).to_be_visible()
    expect(widget.locator(".question")).to_be_focused()
    reached: list[str] = []
    focused = "document.activeElement.shadowRoot?.activeElement"
    while True:
        guest.keyboard.press("Tab")
        if guest.evaluate(f"!{focused}"):
            break
        reached.append(guest.evaluate(f"{focused}.className || {focused}.localName"))
        styles = f"getComputedStyle({focused})"
        outline = guest.evaluate(f"{styles}.outlineStyle + {styles}.outlineWidth")
        assert outline == "solid3px", reached[-1]
    interactive = widget.evaluate(
        """(e) => [...e.shadowRoot.querySelectorAll("a, button, input:not([type=hidden]), summary")]
            .map((one) => one.className || one.localName)"""
    )
    assert reached == interactive
    assert len(reached) > 10


def test_an_answer_is_announced_once(guest: Page, host: Host, widget_url: str) -> None:
    widget = visit(guest, host, plain_page(widget_url))
    widget.evaluate(
        """(element) => {
            window.said = [];
            const regions = element.shadowRoot.querySelectorAll(
                "[role=status], [role=alert], [aria-live]");
            window.regions = regions.length;
            new MutationObserver(() => said.push(regions[0].textContent))
                .observe(regions[0], { childList: true, characterData: true, subtree: true });
        }"""
    )
    ask(widget, BURGLARIES)
    assert guest.evaluate("regions") == 1
    said = [text for text in guest.evaluate("said") if text]
    assert said == ["5 steder fundet. Bedste svar fra Hjørring, side 11."]
    ask(widget, ORGANISED)
    assert len([text for text in guest.evaluate("said") if text]) == 2


# --- text of another size -------------------------------------------------------------------------


@with_options(viewport={"width": 1000, "height": 700})
def test_it_does_not_shrink_with_the_hosts_root(guest: Page, host: Host, widget_url: str) -> None:
    rules = "html { font-size: 62.5% } tryghed-search { font-size: 0.5rem }"
    widget = visit(guest, host, hostile(plain_page(widget_url), rules))
    expect(widget.locator(".label")).to_have_css("font-size", "16px")


def test_it_grows_with_the_readers_own_size_of_text(
    browser: Browser, host: Host, widget_url: str
) -> None:
    large = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=[*FLAGS.split(), "--blink-settings=defaultFontSize=32"],
    )
    page = large.new_page(viewport={"width": 640, "height": 700})
    page.goto(host.put("/host", hostile(plain_page(widget_url), "html { font-size: 62.5% }")))
    widget = page.locator(ELEMENT)
    expect(widget.locator(".label")).to_have_css("font-size", "32px")
    expect(widget.locator(".button")).to_have_css("min-height", "96px")
    ask(widget, BURGLARIES)
    assert overflow(page) == 0
    large.close()
