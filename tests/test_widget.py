"""The widget as the server gives it: one small file, who may ask, who may frame, below a prefix."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.browsing import BURGLARIES
from tests.conftest import ROOT, configured
from tryghed_search import pages, widget
from tryghed_search.app import create_app
from tryghed_search.headers import ALWAYS
from tryghed_search.search import Searcher
from tryghed_search.store import Manifest

INTRANET = "https://intranet.example.dk"
OTHER = "https://elsewhere.example.dk"
QUESTION = {"question": BURGLARIES}
MARKUP = "\"><img src=x onerror='alert(1)'>&lt;"
FRAMED = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
SOURCES = sorted((ROOT / "web" / "widget").iterdir())

Loaded = tuple[Manifest, Searcher]
Serve = Callable[..., TestClient]


@pytest.fixture
def serve(loaded: Loaded) -> Iterator[Serve]:
    """A client of a server with these settings."""
    clients: list[TestClient] = []

    def serve(**settings: object) -> TestClient:
        app = create_app(loaded, settings=configured(**settings))
        clients.append(TestClient(app, raise_server_exceptions=False).__enter__())
        return clients[-1]

    yield serve
    for client in clients:
        client.__exit__()


@pytest.fixture
def open_server(serve: Serve) -> TestClient:
    return serve(allowed_origins=(INTRANET,))


def policy(response: Response) -> dict[str, list[str]]:
    parts = (part.split() for part in response.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in parts}


# --- one file -------------------------------------------------------------------------------------


def test_the_script_has_at_most_12_kb_and_its_style_sheet_4_compressed(client: TestClient) -> None:
    text = client.get("/widget.js").text
    sheet = json.loads(re.search(r"^const CSS = (.*);$", text, re.MULTILINE)[1])  # type: ignore[index]
    assert sheet == widget.styles()
    assert (
        len(gzip.compress(text.replace(json.dumps(sheet, ensure_ascii=False), "").encode()))
        <= 12_000
    )
    assert len(gzip.compress(sheet.encode())) <= 4_000


def test_it_is_sent_compressed_as_a_module_that_imports_nothing(client: TestClient) -> None:
    response = client.get("/widget.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["content-encoding"] == "gzip"
    assert not re.search(r"^\s*(?:import|export)\b|\bimport\(", response.text, re.MULTILINE)
    assert "customElements.define" in response.text


def test_it_holds_every_word_that_it_shows_in_both_languages(client: TestClient) -> None:
    text = client.get("/widget.js").text
    words = json.loads(re.search(r"^const WORDS = (.*);$", text, re.MULTILINE)[1])  # type: ignore[index]
    source = (ROOT / "web/widget/widget.js").read_text(encoding="utf-8")
    body = source.partition("class TryghedSearch")[2].partition("async function reach")[0]
    named = set(re.findall(r"\b(ask|answer|script|widget)\.([a-z_]+)\b(?!\()", body))
    assert len(named) > 12
    for lang in ("da", "en"):
        said = pages.words(lang)
        assert words[lang]["lang"] == lang
        for section, name in named:
            assert words[lang][section][name] == said[section][name]
        for kind in ("bad_question", "busy", "not_ready", "failed", "offline"):
            assert words[lang]["script"][kind] == said["script"][kind]


def test_a_browser_that_has_it_is_told_so(client: TestClient) -> None:
    first = client.get("/widget.js")
    assert first.headers["cache-control"] == "public, max-age=600"
    again = client.get("/widget.js", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/widget.js", headers={"If-None-Match": '"x"'}).status_code == 200
    assert client.head("/widget.js").status_code == 200


def test_any_page_may_load_it(client: TestClient) -> None:
    response = client.get("/widget.js", headers={"Origin": OTHER})
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_its_source_makes_no_html_stores_nothing_and_measures_nothing_by_the_hosts_root(
    path: object,
) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    for unwanted in (
        r"innerHTML|outerHTML|insertAdjacent|DOMParser|setHTML|document\.write",
        r"\d(?:rem|vh|vw)\b",
        r"\.style\b|\"style\"",
        r"localStorage|sessionStorage|indexedDB|document\.cookie",
        r"\bwindow\b|globalThis|\bself\b",
        r"https?://(?!www\.w3\.org)",
    ):
        assert not re.search(unwanted, text), unwanted


def test_its_colours_are_those_of_the_pages() -> None:
    tokens = (ROOT / "web/static/tokens.css").read_text(encoding="utf-8")
    light, dark, *_ = (
        dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in tokens.split(":root {")[1:]
    )
    found = re.findall(
        r"--([\w-]+): var\(--tryghed-[\w-]+, light-dark\((#\w+), (#\w+)\)\)", widget.styles()
    )
    assert len(found) == 12
    names = {"ground": "ground"}
    for name, in_light, in_dark in found:
        assert (in_light, in_dark) == (light[names.get(name, name)], dark[names.get(name, name)])


# --- who may ask ----------------------------------------------------------------------------------


def test_a_page_of_an_allowed_origin_may_ask(open_server: TestClient) -> None:
    response = open_server.post("/api/v1/ask", json=QUESTION, headers={"Origin": INTRANET})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == INTRANET
    assert response.headers["access-control-expose-headers"] == "Retry-After"
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers


def test_so_may_it_before_it_asks(open_server: TestClient) -> None:
    response = preflight(open_server, INTRANET)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == INTRANET
    assert response.headers["access-control-allow-methods"] == "GET, POST"
    assert "Content-Type" in response.headers["access-control-allow-headers"]


def preflight(client: TestClient, origin: str, method: str = "POST") -> Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type",
    }
    return client.options("/api/v1/ask", headers=headers)


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", "http://intranet.example.dk", f"{INTRANET}:8443", f"{INTRANET}.evil.dk", "*"],
)
def test_a_page_of_another_origin_may_not(open_server: TestClient, origin: str) -> None:
    response = open_server.post("/api/v1/ask", json=QUESTION, headers={"Origin": origin})
    assert "access-control-allow-origin" not in response.headers
    refusal = preflight(open_server, origin)
    assert refusal.status_code == 403
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["status"] == 403
    assert "access-control-allow-origin" not in refusal.headers
    assert refusal.headers["x-content-type-options"] == "nosniff"


def test_no_page_may_change_anything_by_another_method(open_server: TestClient) -> None:
    assert preflight(open_server, INTRANET, "DELETE").status_code == 403


def test_without_the_setting_no_other_origin_may_ask(client: TestClient) -> None:
    assert preflight(client, INTRANET).status_code == 403


def test_an_asterisk_allows_any(serve: Serve) -> None:
    client = serve(allowed_origins=("*",))
    assert preflight(client, OTHER).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path", ["/", "/emner", "/rapport/lokal-tryghed-1", "/widget", "/healthz", "/metrics"]
)
def test_only_the_api_is_shared(open_server: TestClient, path: str) -> None:
    response = open_server.get(path, headers={"Origin": INTRANET})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("send", "status"),
    [
        ({"json": {"question": ""}}, 422),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"x" * 200_000, "headers": {"Content-Type": "application/json"}}, 413),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
    ],
)
def test_the_page_can_read_why_it_was_refused(
    open_server: TestClient, send: dict[str, dict[str, str]], status: int
) -> None:
    headers = {"Origin": INTRANET, **send.pop("headers", {})}
    response = open_server.post("/api/v1/ask", headers=headers, **send)  # type: ignore[arg-type]
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == INTRANET


def test_so_it_can_while_the_server_is_not_ready() -> None:
    with TestClient(create_app(None, settings=configured(allowed_origins=(INTRANET,)))) as client:
        response = client.post("/api/v1/ask", json=QUESTION, headers={"Origin": INTRANET})
    assert response.status_code == 503
    assert response.headers["access-control-allow-origin"] == INTRANET


@pytest.mark.parametrize(
    ("allowed", "origin", "readable"),
    [
        ((INTRANET,), INTRANET, True),
        ((INTRANET,), OTHER, False),
        (("*",), OTHER, True),
        ((), OTHER, False),
    ],
)
def test_so_it_can_when_something_went_wrong(
    allowed: tuple[str, ...], origin: str, readable: bool
) -> None:
    app: FastAPI = create_app(None, settings=configured(allowed_origins=allowed))

    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise RuntimeError

    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/api/v1/broken", headers={"Origin": origin})
        plain = client.get("/api/v1/broken")
    assert response.status_code == 500
    assert response.headers.get("access-control-allow-origin") == (origin if readable else None)
    assert "access-control-allow-origin" not in plain.headers


# --- who may frame --------------------------------------------------------------------------------


def test_an_allowed_origin_may_frame_the_widget_and_nothing_else(open_server: TestClient) -> None:
    assert policy(open_server.get("/widget"))["frame-ancestors"] == ["'self'", INTRANET]
    for path in (
        "/",
        "/emner",
        "/rapport/lokal-tryghed-1",
        "/widget/demo",
        "/widget.js",
        "/nothing",
    ):
        assert policy(open_server.get(path))["frame-ancestors"] == ["'none'"], path


def test_without_the_setting_only_the_server_itself_may(client: TestClient) -> None:
    assert policy(client.get("/widget"))["frame-ancestors"] == ["'self'"]


def test_the_policy_is_else_that_of_every_page(open_server: TestClient) -> None:
    page, framed = policy(open_server.get("/")), policy(open_server.get("/widget"))
    assert {**page, "frame-ancestors": framed["frame-ancestors"]} == framed
    response = open_server.get("/widget")
    for name, value in ALWAYS.items():
        if name != "Content-Security-Policy":
            assert response.headers[name] == value


def test_a_page_that_may_not_frame_it_gets_words_and_a_link(open_server: TestClient) -> None:
    response = open_server.get("/widget", headers={**FRAMED, "Referer": f"{OTHER}/a/page"})
    assert policy(response)["frame-ancestors"] == ["*"]
    assert pages.words("da")["widget"]["refused"].format(origin=OTHER) in response.text
    for active in ("<script", "<form", "<input", "tryghed-search"):
        assert active not in response.text.replace("tryghed-search/", "")
    assert "Referer" in response.headers["vary"]


@pytest.mark.parametrize(
    "headers",
    [
        {**FRAMED, "Referer": f"{INTRANET}/a/page"},
        {**FRAMED},
        {"Referer": f"{OTHER}/a/page"},
        {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin", "Referer": f"{OTHER}/"},
    ],
    ids=["allowed", "does not say", "no frame", "its own page"],
)
def test_the_widget_itself_is_never_for_any_page(
    open_server: TestClient, headers: dict[str, str]
) -> None:
    response = open_server.get("/widget", headers=headers)
    assert "<tryghed-search" in response.text
    assert policy(response)["frame-ancestors"] == ["'self'", INTRANET]


def test_where_any_page_may_none_is_refused(serve: Serve) -> None:
    client = serve(allowed_origins=("*",))
    response = client.get("/widget", headers={**FRAMED, "Referer": f"{OTHER}/"})
    assert "<tryghed-search" in response.text
    assert policy(response)["frame-ancestors"] == ["'self'", "*"]


class _Elements(HTMLParser):
    """The attributes of every element of a page, by its name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str | None]]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(tag, []).append(dict(attrs))


def test_the_pages_address_becomes_attributes_and_nothing_else(client: TestClient) -> None:
    values = {name: f"{MARKUP}{name}" for name in ("heading", "theme", "limit", "kind")}
    response = client.get("/widget", params={**values, "municipality": ["Esbjerg", "Hjørring"]})
    found = _Elements(response.text).found
    assert "img" not in found
    (element,) = found["tryghed-search"]
    assert element == {
        **values,
        "server": "/",
        "level": "1",
        "lang": "da",
        "municipality": "Esbjerg,Hjørring",
    }


def test_without_scripts_the_frame_holds_a_form_that_asks(client: TestClient) -> None:
    text = client.get("/widget?lang=en&kind=case,trend").text
    found = _Elements(text).found
    assert found["form"] == [{"action": "/", "target": "_blank"}]
    fields = {(field["name"], field.get("value")) for field in found["input"]}
    assert fields == {("q", None), ("kind", "case"), ("kind", "trend"), ("lang", "en")}


# --- below a prefix -------------------------------------------------------------------------------


@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "left"])
def test_below_a_prefix_every_address_has_it(serve: Serve, strips: bool) -> None:
    client = serve(root_path="/tryghed", allowed_origins=(INTRANET,))
    before = "" if strips else "/tryghed"
    for path in ("/", "/emner", "/rapport/lokal-tryghed-1", "/widget", "/widget/demo"):
        response = client.get(f"{before}{path}?q=indbrud")
        assert response.status_code == 200, path
        found = _Elements(response.text).found
        addresses = [
            e.get("href") or e.get("src") or ""
            for t in ("a", "link", "script")
            for e in found.get(t, [])
        ]
        inner = [a for a in addresses if a and not a.startswith(("#", "http"))]
        assert inner, path
        assert [a for a in inner if not a.startswith("/tryghed/")] == [], path
        for address in inner:
            if "/static/" in address or address.endswith("widget.js"):
                asked = address.removeprefix("/tryghed") if strips else address
                assert client.get(asked).status_code == 200, address
    answer = client.post(f"{before}/api/v1/ask", json=QUESTION, headers={"Origin": INTRANET})
    assert answer.headers["access-control-allow-origin"] == INTRANET
    assert client.get(f"{before}/healthz").text == "ok"


def test_a_path_that_only_begins_like_the_prefix_is_not_below_it(serve: Serve) -> None:
    client = serve(root_path="/emn")
    assert client.get("/emner").status_code == 200


# --- the page for editors -------------------------------------------------------------------------


def test_the_editors_page_writes_the_contracts_two_lines(client: TestClient) -> None:
    text = shown(client.get("/widget/demo?kind=case"), "element")
    assert '<script type="module" src="http://testserver/widget.js"></script>' in text
    assert '<tryghed-search server="http://testserver" lang="da" kind="case">' in text
    assert '<a href="http://testserver/?kind=case">' in text


def shown(response: Response, name: str) -> str:
    """What stands in the element with that id, as a reader copies it."""

    class Text(HTMLParser):
        inside = False
        text = ""

        def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = self.inside or ("id", name) in attrs

        def handle_endtag(self, tag: str) -> None:
            self.inside = tag != "code" and self.inside

        def handle_data(self, data: str) -> None:
            self.text += data if self.inside else ""

    parser = Text()
    parser.feed(response.text)
    return parser.text


def test_what_an_editor_chooses_is_in_the_html(client: TestClient) -> None:
    query = {
        "heading": MARKUP,
        "in_language": "en",
        "theme": "dark",
        "limit": "3",
        "kind": ["case", "trend"],
        "municipality": ["Esbjerg", "Atlantis"],
        "audience": "leder",
    }
    response = client.get("/widget/demo", params=query)
    assert "<img" not in response.text
    (element,) = _Elements(shown(response, "element")).found["tryghed-search"]
    chosen = {
        "lang": "en",
        "heading": MARKUP,
        "theme": "dark",
        "limit": "3",
        "kind": "case,trend",
        "municipality": "Esbjerg",
        "audience": "leder",
    }
    assert element == {"server": "http://testserver", **chosen}
    (frame,) = _Elements(shown(response, "frame")).found["iframe"]
    address = urlsplit(str(frame["src"]))
    assert parse_qs(address.query) == {name: [value] for name, value in chosen.items()}
    assert frame["title"] == MARKUP
    (preview,) = _Elements(client.get(f"/widget?{address.query}").text).found["tryghed-search"]
    assert preview == {"server": "/", "level": "1", **chosen}


@pytest.mark.parametrize("limit", ["0", "21", "x", "²", "-1", "5", "05", "1" * 5000])
def test_a_limit_that_cannot_be_or_is_anyway_is_left_out(client: TestClient, limit: str) -> None:
    response = client.get("/widget/demo", params={"limit": limit})
    assert response.status_code == 200
    assert "limit=" not in shown(response, "element")


def test_the_editors_page_says_who_may_show_the_search(
    client: TestClient, open_server: TestClient, serve: Serve
) -> None:
    said = pages.words("da")["demo"]
    assert said["allowed_none"] in client.get("/widget/demo").text
    assert INTRANET in open_server.get("/widget/demo").text
    assert said["allowed_any"] in serve(allowed_origins=("*",)).get("/widget/demo").text


def test_while_the_server_starts_the_editors_page_says_so() -> None:
    with TestClient(create_app(None)) as client:
        assert client.get("/widget/demo").status_code == 503
        assert client.get("/widget").status_code == 200
        assert client.get("/widget.js").status_code == 200
