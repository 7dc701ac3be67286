"""Errors over HTTP: problem documents for every status, with nothing of the inside in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tryghed_search import store
from tryghed_search.app import create_app
from tryghed_search.problems import MAX_BODY
from tryghed_search.search import Searcher

ASK = "/api/v1/ask"
JSON = {"Content-Type": "application/json"}
INSIDE = re.compile(
    r"traceback|\.py\b|site-packages|pydantic|fastapi|starlette|exception|0x[0-9a-f]{6}|"
    r"/(?:work|usr|home|root|tmp|var|srv|secret)/",
    re.IGNORECASE,
)


def problem(response: Any, status: int) -> dict[str, Any]:
    """The response's problem document, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert not INSIDE.search(response.text), response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"type", "title", "status", "detail"}
    assert body["type"] == "about:blank"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["status"] == status
    assert isinstance(body["detail"], str)
    assert body["detail"].strip()
    return body


@pytest.fixture(scope="module")
def failing(loaded: tuple[store.Manifest, Searcher]) -> Iterator[TestClient]:
    """The application with one more route, in which something goes wrong."""
    app = create_app(loaded)

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("cannot open /secret/place")

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"question": "hej"',
        b"question=hej",
        b"\xff\xfe\x00",
        b'{"question": "\xff"}',
        b'{"question": "hej", "limit": ' + b"9" * 5000 + b"}",
        b"[" * 50_000,
    ],
)
def test_a_body_that_is_no_json_is_400(client: TestClient, body: bytes) -> None:
    found = problem(client.post(ASK, content=body, headers=JSON), 400)
    assert found["detail"] == "Forespørgslen er ikke gyldig JSON."


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"hej"', b"7", b"{}"])
def test_json_that_is_no_question_is_422(client: TestClient, body: bytes) -> None:
    problem(client.post(ASK, content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"]
)
def test_a_body_of_another_type_is_415(client: TestClient, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    found = problem(client.post(ASK, content=b'{"question": "hej"}', headers=headers), 415)
    assert "application/json" in found["detail"]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_taken_under_each_of_its_names(client: TestClient, kind: str) -> None:
    response = client.post(
        ASK, content=b'{"question": "Hvad er naboskab?"}', headers={"Content-Type": kind}
    )
    assert response.status_code == 200


def test_every_field_that_is_wrong_is_named_in_danish_without_what_was_sent(
    client: TestClient,
) -> None:
    sent = {"question": ["hemmelig"], "limit": 99, "history": "hemmelig", "kind": {"a": "hemmelig"}}
    response = client.post(ASK, json=sent)
    assert problem(response, 422)["detail"] == (
        "question skal være tekst; history skal være en liste; limit må højst være 20; "
        "kind skal være en liste."
    )
    assert "hemmelig" not in response.text


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ({}, "question mangler."),
        ({"question": ""}, "question må ikke være tom."),
        ({"question": "x" * 501}, "question må højst være på 500 tegn."),
        ({"question": "hej", "limit": 0}, "limit skal være mindst 1."),
        ({"question": "hej", "limit": "5"}, "limit skal være et heltal."),
        ({"question": "hej", "limit": 2.5}, "limit skal være et heltal."),
        ({"question": "hej", "history": ["a"] * 11}, "history må højst have 10 værdier."),
        ({"question": "hej", "history": ["a", ""]}, "history.1 må ikke være tom."),
        ({"question": "hej", "kind": ["x" * 101]}, "kind.0 må højst være på 100 tegn."),
        ([], "Forespørgslen skal være et JSON-objekt."),
    ],
)
def test_the_detail_says_which_rule_was_broken(client: TestClient, sent: Any, detail: str) -> None:
    assert problem(client.post(ASK, json=sent), 422)["detail"] == detail


def test_half_a_surrogate_pair_is_no_text(client: TestClient) -> None:
    for body in (b'{"question": "\\ud800"}', b'{"question": "hej", "kind": ["\\udfff"]}'):
        found = problem(client.post(ASK, content=body, headers=JSON), 422)
        assert "gyldig Unicode" in found["detail"]


# --- wrong addresses and methods ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api", "/api/v1", "/api/v1/nothing", "/api/v2/ask", "/api/v1/%00"]
)
def test_an_unknown_address_of_the_api_is_404(client: TestClient, path: str) -> None:
    problem(client.get(path), 404)
    problem(client.post(path, json={}), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", ASK, "POST"),
        ("PUT", ASK, "POST"),
        ("DELETE", ASK, "POST"),
        ("POST", "/api/v1/sections", "GET"),
        ("PATCH", "/api/v1/meta", "GET"),
        ("POST", "/healthz", "GET"),
        ("POST", "/readyz", "GET"),
        ("DELETE", "/metrics", "GET"),
    ],
)
def test_a_method_that_is_not_for_the_address_is_405_and_the_right_one_is_named(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    problem(response, 405)
    assert allowed in re.split(r",\s*", response.headers["allow"])


# --- size -----------------------------------------------------------------------------------------


def _body(size: int) -> bytes:
    empty = json.dumps({"question": "Hvad er naboskab?", "more": ""}).encode()
    return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')


def test_a_body_that_declares_too_much_is_413(client: TestClient) -> None:
    response = client.post(ASK, content=_body(MAX_BODY + 1), headers=JSON)
    assert "128 kB" in problem(response, 413)["detail"]


def test_a_body_that_is_streamed_and_grows_too_large_is_413(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        body = _body(MAX_BODY + 1)
        yield from (body[at : at + 8192] for at in range(0, len(body), 8192))

    response = client.post(ASK, content=chunks(), headers=JSON)
    assert "content-length" not in response.request.headers
    problem(response, 413)


def test_a_body_of_just_the_limit_is_taken(client: TestClient) -> None:
    body = _body(MAX_BODY)
    assert len(body) == MAX_BODY
    assert client.post(ASK, content=body, headers=JSON).status_code == 200
    assert client.post(ASK, content=iter([body]), headers=JSON).status_code == 200


def test_the_largest_question_with_all_its_history_fits_the_limit(client: TestClient) -> None:
    text = "😀" * 500
    most = {"question": text, "history": [text] * 10, "limit": 1}
    escaped = json.dumps(most).encode()
    assert len(escaped) > 11 * 500 * len(r"\ud83d\ude00")
    assert client.post(ASK, content=escaped, headers=JSON).status_code == 200


# --- trouble inside -------------------------------------------------------------------------------


def test_an_unexpected_failure_is_500_and_says_nothing_of_the_inside(failing: TestClient) -> None:
    response = failing.get("/fails")
    assert problem(response, 500)["detail"] == "Noget gik galt hos os. Prøv igen."
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text


def test_a_failure_is_logged_with_its_reason_and_counted(
    failing: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    failing.get("/fails?q=privat")
    assert "cannot open /secret/place" in caplog.text
    assert "privat" not in caplog.text, "what readers ask does not belong in a log"
    assert 'tryghed_requests_total{status="500"}' in failing.get("/metrics").text


@pytest.mark.parametrize("path", ["/api/v1/sections", "/api/v1/meta", "/readyz"])
def test_before_the_index_is_loaded_there_is_503_with_a_time_to_try_again(path: str) -> None:
    with TestClient(create_app(None)) as waiting:
        for response in (waiting.get(path), waiting.post(ASK, json={"question": "hej"})):
            problem(response, 503)
            assert int(response.headers["retry-after"]) > 0


def test_a_browser_that_goes_astray_gets_a_page_and_a_program_a_document(
    client: TestClient,
) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Den side findes ikke her" in page.text
    for path, accept in (("/nowhere", "*/*"), ("/api/v1/nowhere", "text/html")):
        document = client.get(path, headers={"Accept": accept})
        assert document.status_code == 404
        assert document.headers["content-type"] == "application/problem+json"
