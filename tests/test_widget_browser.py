"""The widget on a page of another origin, used as readers use it, over the real server."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.browsing import BURGLARIES, ORGANISED, VIBORG, overflow, with_options
from tests.hosting import ELEMENT, Host, ask, plain_page
from tryghed_search import pages
from tryghed_search.passages import Report

MARKUP = "<img src=x onerror=\"document.title='broken'\"><b>x</b>"
DA = pages.words("da")
EN = pages.words("en")
ASK = "**/api/v1/ask"


SHOWN = """(root) => {
    const bare = (text) => text.replace(/\\s+/g, "");
    const texts = (selector) => [...root.querySelectorAll(selector)]
        .filter((e) => getComputedStyle(e).display !== "none")
        .map((e) => bare(e.textContent));
    const citations = [...root.querySelectorAll(".citation")];
    return {
        verdict: texts(".verdict"),
        notice: texts(".notice"),
        rank: texts(".rank"),
        labels: texts(".labels > span + span"),
        quote: texts(".quote"),
        mark: texts("mark"),
        cited: citations.map((a) => bare(a.firstChild.textContent)),
        address: citations.map((a) => a.href),
        heading: texts(".others > :is(h3, h4)"),
        next: texts(".suggestions :is(li, h4, h3 > span)"),
    };
}"""
"""What a reply says, whoever shows it."""


@pytest.fixture
def widget(guest: Page, host: Host, widget_url: str) -> Locator:
    return visit(guest, host, widget_url)


def visit(page: Page, host: Host, server: str, attributes: str = "", **more: str) -> Locator:
    page.goto(host.put("/page", plain_page(server, attributes, **more)))
    widget = page.locator(ELEMENT).first
    expect(widget.get_by_role("searchbox")).to_be_visible()
    return widget


def hold(_: Route) -> None:
    """Leave a request without an answer."""


def failing(
    page: Page, status: int, body: Any = None, headers: dict[str, str] | None = None
) -> None:
    """The API answers this, readable for the page, as the server's own errors are."""

    def fulfil(route: Route) -> None:
        origin = route.request.headers.get("origin", "")
        route.fulfill(
            status=status,
            content_type="application/problem+json",
            body=json.dumps(body or {"title": "x", "status": status, "detail": "x"}),
            headers={
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": "Retry-After",
                **(headers or {}),
            },
        )

    page.route(ASK, fulfil)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [BURGLARIES, VIBORG, "gamle der bliver snydt på nettet"])
@pytest.mark.parametrize("lang", ["da", "en"])
def test_it_says_what_the_page_says(
    guest: Page, host: Host, widget_url: str, question: str, lang: str
) -> None:
    here = ask(visit(guest, host, widget_url, f'lang="{lang}"'), question).evaluate(SHOWN)
    guest.goto(f"{widget_url}/?q={question}&lang={lang}")
    assert here == guest.locator(".reply").evaluate(SHOWN)
    assert here["rank"] == ["1", "2", "3", "4", "5"]


def test_a_citation_opens_the_report_at_the_marked_place_in_a_new_tab(widget: Locator) -> None:
    exchange = ask(widget, BURGLARIES)
    with widget.page.expect_popup() as opened:
        exchange.locator(".citation").first.click()
    report = opened.value
    place = report.locator(":target")
    expect(place.locator("mark")).to_contain_text("83%")
    expect(place).to_be_in_viewport()
    assert report.evaluate("opener") is None
    assert report.evaluate("document.referrer") == ""


def test_a_suggestion_goes_on_with_the_conversation(widget: Locator) -> None:
    bodies: list[dict[str, Any]] = []
    widget.page.on(
        "request", lambda r: bodies.append(r.post_data_json) if r.method == "POST" else None
    )
    suggestion = ask(widget, BURGLARIES).locator(".suggestion").first
    text = suggestion.inner_text()
    suggestion.click()
    expect(widget.get_by_role("article").nth(1).locator(".answer")).to_be_visible()
    ask(widget, ORGANISED)
    assert [body["question"] for body in bodies] == [BURGLARIES, text, ORGANISED]
    assert [body["history"] for body in bodies] == [[], [BURGLARIES], [BURGLARIES, text]]


def test_a_new_conversation_begins_with_an_empty_field(widget: Locator) -> None:
    ask(widget, BURGLARIES)
    widget.get_by_role("button", name=DA["ask"]["restart"]).click()
    expect(widget.get_by_role("article")).to_have_count(0)
    expect(widget.get_by_role("searchbox")).to_be_focused()
    expect(widget.get_by_role("button", name=DA["ask"]["restart"])).to_be_hidden()


def test_the_whole_page_opens_with_the_conversation(widget: Locator) -> None:
    ask(widget, BURGLARIES)
    ask(widget, ORGANISED)
    with widget.page.expect_popup() as opened:
        widget.get_by_role("link", name=DA["widget"]["full"]).click()
    expect(opened.value.locator(".exchange .question")).to_contain_text(ORGANISED)
    expect(opened.value.locator(".earlier")).to_contain_text(BURGLARIES)


def test_the_form_leads_to_the_page_that_answers_without_the_widgets_help(
    guest: Page, host: Host, widget_url: str
) -> None:
    widget = visit(guest, host, widget_url, 'kind="case" lang="en"')
    widget.get_by_role("searchbox").fill(BURGLARIES)
    with guest.expect_popup() as opened:
        widget.evaluate("(element) => element.shadowRoot.querySelector('form').submit()")
    expect(opened.value.locator(".best")).to_contain_text("83%")
    expect(opened.value.locator("html")).to_have_attribute("lang", "en")
    assert "kind=case" in opened.value.url


def test_without_scripts_there_is_what_stands_between_the_tags(
    browser: Any, host: Host, widget_url: str
) -> None:
    body = plain_page(widget_url).replace(
        "></tryghed-search>", '><a href="/x">Spørg</a></tryghed-search>'
    )
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(host.put("/page", body))
    expect(page.get_by_role("link", name="Spørg")).to_be_visible()
    context.close()


# --- attributes -----------------------------------------------------------------------------------


def test_a_report_that_limits_what_is_asked_is_named_once_an_answer_has_told_its_title(
    guest: Page, host: Host, widget_url: str, report: Report
) -> None:
    widget = visit(guest, host, widget_url, f'kind="case" report="{report.id}"')
    scope = DA["filters"]["scope"]
    unnamed = f"Case · {DA['filters']['one_report']}"
    expect(widget.locator(".scope")).to_have_text(scope.format(labels=unnamed))
    ask(widget, "svindel på nettet")
    expect(widget.locator(".scope")).to_have_text(scope.format(labels=f"Case · {report.title}"))


def test_the_attributes_limit_what_is_asked(guest: Page, host: Host, widget_url: str) -> None:
    attributes = 'kind="case, trend" municipality="Esbjerg" audience="leder" limit="2"'
    widget = visit(guest, host, widget_url, attributes)
    scope = DA["filters"]["scope"].format(labels="Case · Tendens · Esbjerg · Ledere")
    expect(widget.locator(".scope")).to_have_text(scope)
    with guest.expect_request(ASK) as sent:
        exchange = ask(widget, "svindel på nettet")
    assert sent.value.post_data_json == {
        "question": "svindel på nettet",
        "history": [],
        "kind": ["case", "trend"],
        "municipality": ["Esbjerg"],
        "audience": ["leder"],
        "limit": 2,
        "report": [],
    }
    expect(exchange.locator(".place")).to_have_count(2)
    assert "Esbjerg" in exchange.locator(".labels").first.inner_text()


@pytest.mark.parametrize("limit", ["0", "21", "-1", "2.5", "mange", "1e1e1", ""])
def test_a_limit_that_cannot_be_used_is_left_out(
    guest: Page, host: Host, widget_url: str, limit: str
) -> None:
    widget = visit(guest, host, widget_url, f'limit="{limit}"')
    expect(ask(widget, BURGLARIES).locator(".place")).to_have_count(5)


def test_a_filter_that_does_not_exist_gets_words_not_an_empty_box(
    guest: Page, host: Host, widget_url: str, complaints: list[str]
) -> None:
    exchange = ask(visit(guest, host, widget_url, 'kind="roman"'), BURGLARIES)
    expect(exchange.locator(".trouble")).to_contain_text(DA["script"]["bad_question"])
    complaints.clear()


def test_attributes_that_change_take_effect_at_once(widget: Locator) -> None:
    exchange = ask(widget, BURGLARIES)
    widget.get_by_role("searchbox").fill("halvt skrevet")
    change(widget, lang="en", heading="About safety", theme="dark", level="3")
    expect(widget.get_by_role("heading", name="About safety", level=3)).to_be_visible()
    expect(exchange.locator(".verdict")).to_have_text(EN["answer"]["sure"])
    expect(widget.get_by_role("heading", level=4)).to_contain_text(BURGLARIES)
    expect(widget.get_by_role("button", name=EN["ask"]["submit"], exact=True)).to_be_visible()
    expect(widget.locator(".panel")).to_have_attribute("lang", "en")
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(24, 22, 19)")
    expect(widget.get_by_role("searchbox")).to_have_value("halvt skrevet")
    change(widget, lang=None, heading=None, theme="light", level=None)
    expect(widget.get_by_role("heading", name=DA["widget"]["heading"], level=2)).to_be_visible()
    expect(exchange.locator(".verdict")).to_have_text(DA["answer"]["sure"])
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(248, 245, 240)")


def change(widget: Locator, **attributes: str | None) -> None:
    widget.evaluate(
        """(element, attributes) => {
            for (const [name, value] of Object.entries(attributes)) {
                if (value === null) element.removeAttribute(name);
                else element.setAttribute(name, value);
            }
        }""",
        attributes,
    )


def test_another_server_begins_another_conversation(widget: Locator, widget_url: str) -> None:
    ask(widget, BURGLARIES)
    change(widget, server=f"{widget_url}/")
    expect(widget.get_by_role("article")).to_have_count(0)
    with widget.page.expect_request(ASK) as sent:
        ask(widget, ORGANISED)
    assert sent.value.post_data_json["history"] == []
    assert sent.value.url == f"{widget_url}/api/v1/ask"


def test_without_a_server_it_asks_the_one_that_it_came_from(
    guest: Page, host: Host, widget_url: str
) -> None:
    guest.goto(host.put("/page", plain_page(widget_url).replace(f'server="{widget_url}"', "")))
    expect(ask(guest.locator(ELEMENT), BURGLARIES).locator(".best")).to_contain_text("83%")


@pytest.mark.parametrize(
    "server", ["javascript:alert(1)", "data:text/html,x", "http://", "ftp://x/"]
)
def test_a_server_that_is_no_web_address_is_named_and_leads_nowhere(
    guest: Page, host: Host, widget_url: str, server: str
) -> None:
    widget = visit(guest, host, widget_url)
    change(widget, server=server)
    exchange = ask(widget, BURGLARIES)
    expect(exchange.locator(".trouble")).to_contain_text(DA["widget"]["bad_server"])
    expect(widget.get_by_role("link")).to_have_count(0)


def test_an_empty_heading_is_for_screen_readers_only(
    guest: Page, host: Host, widget_url: str
) -> None:
    widget = visit(guest, host, widget_url, 'heading=""')
    heading = widget.get_by_role("heading", name=DA["widget"]["heading"])
    assert heading.evaluate("(e) => [e.offsetWidth, e.offsetHeight]") == [1, 1]


# --- several, added, removed ----------------------------------------------------------------------


def test_two_on_a_page_do_not_know_one_another(guest: Page, host: Host, widget_url: str) -> None:
    second = f'<tryghed-search server="{widget_url}" lang="en" heading="Two"></tryghed-search>'
    first = visit(guest, host, widget_url, more=second)
    other = guest.locator(ELEMENT).nth(1)
    ask(first, BURGLARIES)
    expect(other.get_by_role("article")).to_have_count(0)
    expect(ask(other, VIBORG).locator(".notice")).to_be_visible()
    expect(first.get_by_role("article")).to_have_count(1)
    names = "performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert guest.evaluate(names).count(f"{widget_url}/widget.js") == 1


def test_one_made_by_script_works_and_one_taken_away_asks_no_more(
    guest: Page, host: Host, widget_url: str
) -> None:
    visit(guest, host, widget_url)
    guest.evaluate(
        """(server) => {
            const made = document.createElement("tryghed-search");
            made.setAttribute("server", server);
            made.setAttribute("heading", "Made");
            document.querySelector("main").append(made);
        }""",
        widget_url,
    )
    made = guest.locator(ELEMENT).nth(1)
    ask(made, BURGLARIES)
    guest.route(ASK, hold)  # held: no answer comes
    made.get_by_role("searchbox").fill(ORGANISED)
    with guest.expect_event("requestfailed"):
        made.get_by_role("searchbox").press("Enter")
        expect(made.locator(".waiting")).to_be_visible()
        guest.evaluate("document.querySelectorAll('tryghed-search')[1].remove()")
    expect(guest.locator(ELEMENT)).to_have_count(1)


def test_one_that_is_moved_keeps_its_conversation(widget: Locator) -> None:
    ask(widget, BURGLARIES)
    widget.page.evaluate("document.body.prepend(document.querySelector('tryghed-search'))")
    expect(widget.locator(".best")).to_contain_text("83%")
    widget.page.route(ASK, hold)
    widget.get_by_role("searchbox").fill(ORGANISED)
    widget.get_by_role("searchbox").press("Enter")
    expect(widget.locator(".waiting")).to_be_visible()
    widget.page.evaluate("document.body.append(document.querySelector('tryghed-search'))")
    expect(widget.locator(".trouble")).to_contain_text(DA["widget"]["cancelled"])
    widget.page.unroute(ASK)
    widget.get_by_role("button", name=DA["script"]["retry"]).click()
    expect(widget.locator(".best")).to_have_count(2)


# --- events ---------------------------------------------------------------------------------------

LISTEN = """
    window.told = [];
    for (const name of ["tryghed-answer", "tryghed-error"]) {
        document.addEventListener(name, (event) => told.push(
            [name, event.target.localName, event.composed, event.bubbles, event.detail]));
    }
"""


def test_the_host_is_told_of_an_answer(widget: Locator) -> None:
    widget.page.evaluate(LISTEN)
    with widget.page.expect_response(ASK) as response:
        ask(widget, BURGLARIES)
    told = widget.page.evaluate("told")
    assert told == [["tryghed-answer", ELEMENT, True, True, response.value.json()]]


def test_the_host_is_told_of_an_error(widget: Locator, complaints: list[str]) -> None:
    widget.page.evaluate(LISTEN)
    failing(widget.page, 503)
    ask(widget, BURGLARIES)
    complaints.clear()
    detail = {"status": 503, "message": DA["script"]["not_ready"]}
    assert widget.page.evaluate("told") == [["tryghed-error", ELEMENT, True, True, detail]]


# --- trouble --------------------------------------------------------------------------------------


def test_with_the_server_down_there_are_quiet_words_and_a_way_on(
    widget: Locator, complaints: list[str], widget_url: str
) -> None:
    widget.page.route(f"{widget_url}/**", lambda route: route.abort("connectionrefused"))
    exchange = ask(widget, BURGLARIES)
    complaints.clear()
    expect(exchange.locator(".trouble")).to_contain_text(DA["script"]["offline"])
    link = exchange.get_by_role("link", name=DA["widget"]["full_question"])
    assert "q=Hvor+meget" in (link.get_attribute("href") or "")
    widget.page.unroute(f"{widget_url}/**")
    exchange.get_by_role("button", name=DA["script"]["retry"]).click()
    expect(exchange.locator(".best")).to_contain_text("83%")
    with widget.page.expect_popup() as opened:
        widget.get_by_role("link", name=DA["widget"]["full"]).click()
    expect(opened.value.locator(".best")).to_contain_text("83%")


def test_a_slow_server_shows_life_and_can_be_given_up(
    guest: Page, host: Host, widget_url: str
) -> None:
    guest.clock.install()
    widget = visit(guest, host, widget_url)
    guest.route(ASK, hold)
    widget.get_by_role("searchbox").fill(BURGLARIES)
    widget.get_by_role("searchbox").press("Enter")
    waiting = widget.locator(".waiting")
    expect(waiting).to_contain_text(DA["script"]["thinking"])
    expect(waiting).not_to_contain_text(DA["script"]["slow"])
    guest.clock.fast_forward("00:07")
    expect(waiting).to_contain_text(DA["script"]["slow"])
    expect(widget.get_by_role("status")).to_have_text(DA["script"]["slow"])
    widget.get_by_role("button", name=DA["widget"]["cancel"]).click()
    expect(widget.get_by_role("article")).to_have_count(0)
    expect(widget.get_by_role("searchbox")).to_have_value(BURGLARIES)
    expect(widget.get_by_role("searchbox")).to_be_focused()
    guest.unroute(ASK)
    widget.get_by_role("searchbox").press("Enter")
    expect(widget.locator(".best")).to_contain_text("83%")


def test_a_question_tried_again_can_be_given_up_too(widget: Locator, complaints: list[str]) -> None:
    failing(widget.page, 503)
    ask(widget, BURGLARIES)
    widget.page.unroute(ASK)
    ask(widget, ORGANISED)
    complaints.clear()
    widget.page.route(ASK, hold)
    widget.get_by_role("button", name=DA["script"]["retry"]).click()
    widget.get_by_role("button", name=DA["widget"]["cancel"]).click()
    expect(widget.get_by_role("article")).to_have_count(1)
    expect(widget.get_by_role("article")).to_contain_text(ORGANISED)
    expect(widget.get_by_role("searchbox")).to_have_value(BURGLARIES)


def test_an_answer_names_its_source(widget: Locator) -> None:
    source = DA["site"]["source"].format(
        publisher="TrygFonden", title="Lokal Tryghed i praksis, Delrapport 1"
    )
    expect(ask(widget, BURGLARIES).locator(".credit")).to_have_text(source)


def test_after_half_a_minute_it_gives_up_by_itself(
    guest: Page, host: Host, widget_url: str
) -> None:
    guest.clock.install()
    widget = visit(guest, host, widget_url)
    guest.route(ASK, hold)
    widget.get_by_role("searchbox").fill(BURGLARIES)
    widget.get_by_role("searchbox").press("Enter")
    expect(widget.locator(".waiting")).to_be_visible()
    guest.clock.fast_forward("00:31")
    expect(widget.locator(".trouble")).to_contain_text(DA["script"]["failed"])


def test_a_busy_server_says_how_long_to_wait(widget: Locator, complaints: list[str]) -> None:
    failing(widget.page, 429, headers={"Retry-After": "17"})
    exchange = ask(widget, BURGLARIES)
    complaints.clear()
    expect(exchange.locator(".trouble")).to_contain_text(DA["widget"]["busy_for"].format(wait=17))


@pytest.mark.parametrize("after", [None, "Wed, 21 Oct 2026 07:28:00 GMT", "<b>9</b>"])
def test_a_busy_server_that_does_not_say_how_long(
    widget: Locator, complaints: list[str], after: str | None
) -> None:
    failing(widget.page, 429, headers={"Retry-After": after} if after else {})
    exchange = ask(widget, BURGLARIES)
    complaints.clear()
    expect(exchange.locator(".trouble")).to_contain_text(DA["script"]["busy"])


@pytest.mark.parametrize("body", ["null", "{}", "[]", '{"passages": 3}', "<html>"])
def test_an_answer_that_is_none_is_trouble(
    widget: Locator, complaints: list[str], body: str
) -> None:
    headers = {"Access-Control-Allow-Origin": "*"}
    widget.page.route(ASK, lambda route: route.fulfill(status=200, body=body, headers=headers))
    exchange = ask(widget, BURGLARIES)
    complaints.clear()
    expect(exchange.locator(".trouble")).to_contain_text(DA["script"]["failed"])


def test_a_page_that_may_not_ask_is_told_so(
    guest: Page, host: Host, widget_url: str, complaints: list[str]
) -> None:
    host.put("/page", plain_page(widget_url))
    guest.goto(f"{host.elsewhere}/page")
    exchange = ask(guest.locator(ELEMENT), BURGLARIES)
    assert any("CORS" in complaint for complaint in complaints)
    complaints.clear()
    words = DA["widget"]["disallowed"].format(origin=host.elsewhere)
    expect(exchange.locator(".trouble")).to_contain_text(words)
    with guest.expect_popup() as opened:
        exchange.get_by_role("link", name=DA["widget"]["full_question"]).click()
    expect(opened.value.locator(".best")).to_contain_text("83%")


# --- nothing is taken for HTML --------------------------------------------------------------------


def no_markup(widget: Locator) -> None:
    page = widget.page
    assert (
        widget.evaluate("(e) => e.shadowRoot.querySelectorAll('img, b, script, iframe').length")
        == 0
    )
    assert page.title() == "Intranet"


@pytest.mark.parametrize(
    "name", ["lang", "kind", "municipality", "audience", "limit", "heading", "theme", "level"]
)
def test_markup_in_an_attribute_is_text(
    guest: Page, host: Host, widget_url: str, name: str, complaints: list[str]
) -> None:
    widget = visit(guest, host, widget_url)
    change(widget, **{name: MARKUP})
    ask(widget, BURGLARIES)
    complaints.clear()  # the API refuses the kind
    no_markup(widget)
    if name == "heading":
        expect(widget.get_by_role("heading", level=2)).to_have_text(MARKUP)


def test_markup_in_the_server_is_no_address(guest: Page, host: Host, widget_url: str) -> None:
    widget = visit(guest, host, widget_url)
    change(widget, server=f'javascript:alert(1)//"{MARKUP}')
    ask(widget, BURGLARIES)
    no_markup(widget)


def test_markup_in_a_question_is_text(widget: Locator) -> None:
    exchange = ask(widget, MARKUP)
    expect(exchange.locator(".question")).to_contain_text(MARKUP)
    no_markup(widget)


def test_markup_in_an_answer_is_text(widget: Locator) -> None:
    def spoil(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["notice"] = MARKUP
        body["suggestions"] = [MARKUP]
        for passage in body["passages"]:
            passage["text"] = MARKUP
            passage["highlights"] = [[0, 10]]
            passage["blocks"] = [{"start": 0, "end": len(MARKUP), "role": "paragraph"}]
            passage["municipalities"] = [MARKUP]
            passage["citation"]["section"] = [MARKUP, MARKUP]
            passage["citation"]["url"] = f'/x"{MARKUP}#{MARKUP}'
        route.fulfill(response=response, json=body)

    widget.page.route(ASK, spoil)
    exchange = ask(widget, BURGLARIES)
    expect(exchange.locator(".quote").first).to_have_text(MARKUP)
    expect(exchange.locator(".citation").first).to_contain_text("<img")
    expect(exchange.locator(".suggestion")).to_have_text(MARKUP)
    no_markup(widget)
    for link in exchange.get_by_role("link").all():
        assert re.match(r"http://127\.0\.0\.1:\d+/", link.evaluate("(a) => a.href"))


def test_markup_in_a_servers_error_is_text(widget: Locator, complaints: list[str]) -> None:
    problem = {"type": MARKUP, "title": MARKUP, "status": 422, "detail": MARKUP}
    failing(widget.page, 422, problem)
    ask(widget, BURGLARIES)
    complaints.clear()
    no_markup(widget)


# --- what it leaves behind ------------------------------------------------------------------------


def test_it_loads_one_file_and_stores_nothing(
    visitor: BrowserContext, guest: Page, host: Host, widget_url: str
) -> None:
    requests: list[str] = []
    guest.on("request", lambda request: requests.append(request.url))
    widget = visit(guest, host, widget_url)
    assert [url for url in requests if not url.startswith(host.origin)] == [
        f"{widget_url}/widget.js"
    ]
    ask(widget, BURGLARIES)
    assert visitor.cookies() == []
    stored = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert guest.evaluate(stored) == [0, 0, ""]
    assert guest.evaluate("indexedDB.databases()") == []
    assert guest.evaluate("caches.keys().catch(() => [])") == []


def test_it_adds_nothing_to_the_hosts_globals(guest: Page, host: Host, widget_url: str) -> None:
    guest.goto(host.put("/bare", "<!doctype html><link rel=icon href='data:,'><title>x</title>"))
    names = "Object.getOwnPropertyNames(window).sort()"
    before = guest.evaluate(names)
    guest.evaluate(
        """(url) => new Promise((done) => {
            const script = document.createElement("script");
            Object.assign(script, { type: "module", src: url });
            script.onload = done;
            document.head.append(script);
        })""",
        f"{widget_url}/widget.js",
    )
    assert guest.evaluate("Boolean(customElements.get('tryghed-search'))")
    assert guest.evaluate(names) == before


def test_a_question_leaves_without_cookies_and_without_the_pages_address(
    visitor: BrowserContext, widget: Locator, host: Host, widget_url: str
) -> None:
    visitor.add_cookies([{"name": "secret", "value": "1", "url": widget_url}])
    with widget.page.expect_request(ASK) as sent:
        ask(widget, BURGLARIES)
    headers = sent.value.all_headers()
    assert headers["origin"] == host.origin
    assert "referer" not in headers


def test_the_layout_of_the_host_does_not_shift_while_it_loads(
    guest: Page, host: Host, widget_url: str
) -> None:
    head = "<style>tryghed-search:not(:defined){display:block;min-height:15em}</style>"
    guest.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries())"
        " shift += e.value; }).observe({ type: 'layout-shift', buffered: true });"
    )
    visit(guest, host, widget_url, head=head)
    time.sleep(0.3)
    assert guest.evaluate("shift") == 0


# --- small screens, large text, dark --------------------------------------------------------------


@with_options(viewport={"width": 320, "height": 640})
def test_at_320_pixels_nothing_runs_over(widget: Locator) -> None:
    ask(widget, BURGLARIES)
    ask(widget, VIBORG)
    assert overflow(widget.page) == 0
    inside = """(e) => [...e.shadowRoot.querySelectorAll("*:not(.hidden)")]
        .every((one) => one.getBoundingClientRect().right <= innerWidth)"""
    assert widget.evaluate(inside)


@with_options(viewport={"width": 640, "height": 480}, device_scale_factor=2)
def test_at_twice_the_zoom_nothing_runs_over(widget: Locator) -> None:
    """A window of 1280 pixels at 200 % is one of 640."""
    ask(widget, BURGLARIES)
    assert overflow(widget.page) == 0


@with_options(color_scheme="dark")
def test_it_is_dark_where_the_reader_wants_it_dark(widget: Locator) -> None:
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(24, 22, 19)")
    change(widget, theme="light")
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(248, 245, 240)")
    change(widget, theme="auto")
    expect(widget.locator(".panel")).to_have_css("background-color", "rgb(24, 22, 19)")
