"""The widget's page in an iframe, below a reverse proxy, and the page where editors try it out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import BrowserContext, Page, expect

from tests.browsing import BURGLARIES, PHONE, overflow, with_options
from tests.conftest import configured
from tests.hosting import ELEMENT, Host, ask, plain_page, proxying, serving
from tryghed_search import pages
from tryghed_search.app import create_app
from tryghed_search.search import Searcher
from tryghed_search.store import Manifest

DA = pages.words("da")
LISTEN = """<script>
    window.told = [];
    addEventListener("message", ({ origin, data }) => told.push({ origin, ...data }));
</script>"""


def framing(server: str, query: str = "", *, more: str = "") -> str:
    """A page with the widget's page in a frame, which keeps what it is told."""
    return f"""<!doctype html><html lang="da"><head><meta charset="utf-8"><title>Intranet</title>
<link rel="icon" href="data:,">{more}{LISTEN}</head><body><main><h1>Intranet</h1>
<iframe src="{server}/widget?{query}" title="Spørg" width="100%" height="300"></iframe>
</main></body></html>"""


# --- the frame ------------------------------------------------------------------------------------


def test_it_answers_in_a_frame_on_an_allowed_page(guest: Page, host: Host, widget_url: str) -> None:
    guest.goto(
        host.put("/framing", framing(widget_url, "lang=en&kind=case&theme=dark&heading=Ask"))
    )
    widget = guest.frame_locator("iframe").locator(ELEMENT)
    expect(widget.get_by_role("heading", name="Ask", level=1)).to_be_visible()
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(24, 22, 19)")
    exchange = ask(widget, BURGLARIES)
    expect(exchange.locator(".best")).to_contain_text("83%")
    with guest.expect_popup() as opened:
        exchange.locator(".citation").first.click()
    expect(opened.value.locator(":target mark")).to_contain_text("83%")


def test_it_tells_the_page_around_it_how_high_it_is(
    guest: Page, host: Host, widget_url: str
) -> None:
    guest.goto(host.put("/framing", framing(widget_url)))
    frame = guest.frame_locator("iframe")
    ask(frame.locator(ELEMENT), BURGLARIES)
    height = frame.locator("body").evaluate(
        "(body) => Math.ceil(body.getBoundingClientRect().height)"
    )
    guest.wait_for_function("(height) => told.at(-1)?.height === height", arg=height)
    told = guest.evaluate("told")
    assert {(one["origin"], one["type"]) for one in told} == {(widget_url, "tryghed-height")}
    assert all(set(one) == {"origin", "type", "height"} for one in told)
    assert told[0]["height"] < height


@pytest.mark.parametrize("referrer", ["no-referrer", "origin", "unsafe-url"])
def test_it_tells_so_whatever_the_page_says_of_itself(
    guest: Page, host: Host, widget_url: str, referrer: str
) -> None:
    meta = f'<meta name="referrer" content="{referrer}">'
    guest.goto(host.put("/framing", framing(widget_url, more=meta)))
    guest.wait_for_function("told.length > 0")


def test_on_a_page_that_is_not_allowed_there_are_words_instead(
    guest: Page, host: Host, widget_url: str
) -> None:
    host.put("/framing", framing(widget_url))
    guest.goto(f"{host.elsewhere}/framing")
    body = guest.frame_locator("iframe").locator("body")
    expect(body).to_contain_text(DA["widget"]["refused"].format(origin=host.elsewhere))
    expect(body.locator(ELEMENT)).to_have_count(0)
    with guest.expect_popup() as opened:
        body.get_by_role("link").click()
    expect(opened.value.get_by_role("searchbox")).to_be_visible()
    assert guest.evaluate("told") == []


def test_a_page_that_is_not_allowed_and_hides_itself_gets_nothing(
    guest: Page, host: Host, widget_url: str, complaints: list[str]
) -> None:
    meta = '<meta name="referrer" content="no-referrer">'
    host.put("/framing", framing(widget_url, more=meta))
    guest.goto(f"{host.elsewhere}/framing")
    guest.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in complaint for complaint in complaints)
    complaints.clear()
    assert guest.evaluate("told") == []
    assert ELEMENT not in guest.frames[1].content()


def test_a_frame_inside_another_pages_frame_is_not_told_on(
    guest: Page, host: Host, widget_url: str, complaints: list[str]
) -> None:
    """Every page around the frame must be allowed, not only the nearest."""
    host.put("/framing", framing(widget_url))
    inner = f'<iframe src="{host.origin}/framing" title="x"></iframe>'
    host.put("/outer", f"<!doctype html><title>x</title>{LISTEN}{inner}")
    guest.goto(f"{host.elsewhere}/outer")
    guest.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in complaint for complaint in complaints)
    complaints.clear()
    assert guest.evaluate("told") == []


def test_alone_it_is_a_page_with_a_heading(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget")
    expect(guest.get_by_role("heading", level=1)).to_have_text(DA["widget"]["heading"])
    expect(ask(guest.locator(ELEMENT), BURGLARIES).locator(".best")).to_contain_text("83%")


@with_options(viewport={"width": 320, "height": 600})
def test_it_fits_a_narrow_frame(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget")
    ask(guest.locator(ELEMENT), BURGLARIES)
    assert overflow(guest) == 0


@with_options(java_script_enabled=False)
def test_without_scripts_the_frame_still_asks(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget?kind=case")
    guest.get_by_role("searchbox").fill(BURGLARIES)
    with guest.expect_popup() as opened:
        guest.get_by_role("button").click()
    expect(opened.value.locator(".best")).to_contain_text("83%")
    assert "kind=case" in opened.value.url


# --- below a prefix -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False], ids=["stripped", "left"])
def below(
    request: pytest.FixtureRequest, loaded: tuple[Manifest, Searcher], host: Host
) -> Iterator[str]:
    """The address of a server behind a proxy that shows it below /tryghed."""
    app = create_app(
        loaded, settings=configured(allowed_origins=(host.origin,), root_path="/tryghed")
    )
    with (
        serving(app) as server,
        proxying(urlsplit(server).port or 0, "/tryghed", strips=request.param) as address,
    ):
        yield address


@pytest.mark.parametrize("end", ["", "/"])
def test_below_a_prefix_it_answers_and_its_links_lead_on(
    visitor: BrowserContext, host: Host, below: str, end: str, known: list[str]
) -> None:
    known.append(f"{below}/")
    page = visitor.new_page()
    page.goto(
        host.put("/below", plain_page(below).replace(f'server="{below}"', f'server="{below}{end}"'))
    )
    exchange = ask(page.locator(ELEMENT), BURGLARIES)
    address = exchange.locator(".citation").first.get_attribute("href") or ""
    assert address.startswith(f"{below}/rapport/lokal-tryghed-1?p=")
    with page.expect_popup() as opened:
        exchange.locator(".citation").first.click()
    expect(opened.value.locator(":target mark")).to_contain_text("83%")
    with page.expect_popup() as whole:
        page.locator(ELEMENT).get_by_role("link", name=DA["widget"]["full"]).click()
    expect(whole.value.locator(".best")).to_contain_text("83%")


def test_below_a_prefix_the_frame_answers(
    visitor: BrowserContext, host: Host, below: str, known: list[str]
) -> None:
    known.append(f"{below}/")
    page = visitor.new_page()
    page.goto(host.put("/framing", framing(below)))
    exchange = ask(page.frame_locator("iframe").locator(ELEMENT), BURGLARIES)
    expect(exchange.locator(".best")).to_contain_text("83%")
    page.wait_for_function("told.length > 1")


# --- the page for editors -------------------------------------------------------------------------


def test_an_editor_sees_at_once_what_an_option_does(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget/demo")
    preview = guest.locator(ELEMENT)
    ask(preview, BURGLARIES)
    guest.get_by_label(DA["demo"]["title"]).fill('Om <tryghed> & "ro"')
    expect(preview.locator(".heading").first).to_have_text('Om <tryghed> & "ro"')
    guest.get_by_label(DA["demo"]["dark"]).check()
    expect(preview.locator(".panel")).to_have_attribute("data-theme", "dark")
    guest.get_by_text(DA["demo"]["choose"]).click()
    guest.get_by_label("Esbjerg").check()
    expect(preview.locator(".scope")).to_contain_text("Esbjerg")
    expect(guest.locator("#element")).to_contain_text('municipality="Esbjerg"')
    expect(guest.locator("#element")).to_contain_text('heading="Om &lt;tryghed&gt; &amp;')
    expect(guest.locator("#frame")).to_contain_text("municipality=Esbjerg")
    guest.get_by_label("Esbjerg").uncheck()
    expect(preview.locator(".scope")).to_be_hidden()
    expect(preview.get_by_role("searchbox")).to_have_accessible_description(
        DA["ask"]["follow_hint"]
    )
    guest.get_by_label("English").check()
    expect(preview.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    expect(preview.locator(".best")).to_contain_text("83%")  # the conversation goes on
    before = guest.locator("#element").inner_text()
    guest.reload()
    assert guest.locator("#element").inner_text() == before


def test_what_an_editor_copies_works_on_a_page(
    guest: Page, visitor: BrowserContext, host: Host, widget_url: str
) -> None:
    visitor.grant_permissions(["clipboard-read", "clipboard-write"])
    guest.goto(f"{widget_url}/widget/demo?kind=case&heading=Vores+søgning&theme=dark")
    copied = {}
    for name in ("element", "frame"):
        guest.locator(f"[data-copy={name}]").click()
        expect(guest.locator(f"[data-copy={name}]")).to_have_text(DA["demo"]["copied"])
        expect(guest.locator("#status")).to_have_text(DA["demo"]["copied"])
        copied[name] = guest.evaluate("navigator.clipboard.readText()")
        assert copied[name].strip() == guest.locator(f"#{name}").inner_text().strip()
    head = '<!doctype html><html lang="da"><meta charset="utf-8"><link rel="icon" href="data:,">'
    page = visitor.new_page()
    page.goto(host.put("/copied", f"{head}<title>x</title>{copied['element']}"))
    expect(page.get_by_role("heading", name="Vores søgning")).to_be_visible()
    expect(ask(page.locator(ELEMENT), BURGLARIES).locator(".best")).to_contain_text("83%")
    page.goto(host.put("/copied", f"{head}<title>x</title>{copied['frame']}"))
    widget = page.frame_locator("iframe").locator(ELEMENT)
    expect(widget.get_by_role("heading", name="Vores søgning")).to_be_visible()
    expect(ask(widget, BURGLARIES).locator(".best")).to_contain_text("83%")


@with_options(java_script_enabled=False)
def test_without_scripts_an_editor_gets_the_html_too(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget/demo?lang=en")
    guest.get_by_label("Dark").check()
    guest.get_by_role("button", name="Show").click()
    expect(guest.locator("#element")).to_contain_text('theme="dark"')
    expect(guest.locator("html")).to_have_attribute("lang", "en")


@with_options(viewport=PHONE)
def test_the_editors_page_fits_a_phone(guest: Page, widget_url: str) -> None:
    guest.goto(f"{widget_url}/widget/demo")
    assert overflow(guest) == 0


def test_the_editors_page_is_reached_from_nowhere_that_readers_look(client: TestClient) -> None:
    assert "/widget/demo" not in client.get("/").text
