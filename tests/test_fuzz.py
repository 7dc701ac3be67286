"""The running server against its own description, and against what no description allows."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.test_serve import request, serving


@pytest.fixture(scope="module")
def address(index_folder: Path) -> Iterator[str]:
    """A server that refuses nobody for asking much."""
    with serving(index_folder, TRYGHED_RATE="0") as server:
        found = server.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        assert request(found, "GET", "/healthz")[0].status == 200
        yield found
        assert "Traceback" not in "".join(server.lines)


@pytest.fixture(scope="module")
def described(address: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"http://{address}/openapi.json")


KNOWN = re.compile(r"^Ukendt værdi i filteret |må ikke være tom")
OPERATIONS = [
    ("/api/v1/ask", "POST"),
    ("/api/v1/sections", "GET"),
    ("/api/v1/meta", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
]


def test_every_operation_is_tried(described: BaseSchema) -> None:
    found = (result.ok() for result in described.get_all_operations())
    assert {(operation.path, operation.method.upper()) for operation in found} == set(OPERATIONS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_answers_as_it_is_described(
    described: BaseSchema, path: str, method: str, mode: GenerationMode
) -> None:
    """All of schemathesis' checks, on requests that the description allows and that it does not."""
    operation = described[path][method]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Case) -> None:
        response = case.call()
        # Which filter values there are depends on the index, and "not only white space" is no
        # part of a length: what a description allows can be refused for these two reasons.
        known = response.status_code == 422 and KNOWN.search(response.json()["detail"])
        excluded = [positive_data_acceptance] if known else []
        case.validate_response(response, excluded_checks=excluded)

    with contextlib.suppress(Unsatisfiable):  # nothing about a health check can be wrong
        answers()


# --- what no description allows -------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
FIELDS = st.sampled_from(["question", "history", "limit", "kind", "municipality", "audience", "x"])
EVERY_PLANE = st.text(st.characters(), max_size=520)
WITHOUT_HALVES = st.text(st.characters(codec="utf-8"), max_size=520)
MARKS = st.text(st.sampled_from("\u0301\u0308\u20e3\u202e\u2066\u200d\ufeff\0a"), max_size=520)


@pytest.fixture(scope="module")
def connection(address: str) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        yield connection


def told(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"",
         **headers: str) -> int:  # fmt: skip
    """The status, after a look at the form of every refusal."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, named)
    response = connection.getresponse()
    content = response.read()
    if response.status >= 400 and path.startswith("/api/"):
        assert response.getheader("Content-Type") == "application/problem+json"
        assert json.loads(content)["status"] == response.status
    assert response.status < 500, content
    assert b"Traceback" not in content
    return response.status


@settings(max_examples=150, deadline=None)
@given(body=st.dictionaries(FIELDS, JSON_VALUES | EVERY_PLANE | MARKS) | JSON_VALUES)
def test_any_json_is_answered_or_refused(
    connection: http.client.HTTPConnection, body: object
) -> None:
    """Characters of every plane, lone surrogates (as JSON escapes them), NUL, marks, directions."""
    sent = json.dumps(body).encode()
    status = told(connection, "POST", "/api/v1/ask", sent, Content_Type="application/json")
    assert status in {200, 400, 422}


@settings(max_examples=40, deadline=None)
@given(text=WITHOUT_HALVES | MARKS)
def test_any_question_in_an_address_is_answered_or_refused(
    connection: http.client.HTTPConnection, text: str
) -> None:
    q = quote(text)
    find = f"/rapport/lokal-tryghed-1?find={q}&m={quote(text[:9])}"
    for path in (f"/?q={q}", f"/api/v1/sections?q={q}", f"/emner?q={q}", find):
        assert told(connection, "GET", path) in {200, 422}


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=300), kind=st.sampled_from(["application/json", "text/plain", "x"]))
def test_any_bytes_are_answered_or_refused(
    connection: http.client.HTTPConnection, body: bytes, kind: str
) -> None:
    assert told(connection, "POST", "/api/v1/ask", body, Content_Type=kind) in {400, 415, 422}


QUESTION = b'{"question": "Hvad er naboskab?"}'
BOMB = gzip.compress(b'{"question": "' + b"x" * 50_000_000 + b'"}')


@pytest.mark.parametrize(
    ("body", "headers", "statuses"),
    [
        (b"[" * 100_000, {}, {400}),
        (b'{"question":' * 10_000, {}, {400}),
        (b'{"question": "x", "history": ' + b"[" * 9000 + b"]" * 9000 + b"}", {}, {400, 422}),
        (b'{"question": "x", "limit": 1' + b"0" * 4000 + b"}", {}, {400, 422}),
        (b'{"question": "x", "limit": NaN}', {}, {400, 422}),
        (BOMB, {"Content_Encoding": "gzip"}, {400}),
        (QUESTION, {"Content_Type": "multipart/form-data; boundary=x"}, {415}),
        (QUESTION, {"Content_Type": "application/json; charset=utf-7"}, {200}),
        (QUESTION.decode().encode("utf-16"), {}, {200, 400}),
        (QUESTION, {"Accept": "image/*", "Accept_Encoding": "br;q=nan, *;q=-1"}, {200}),
        (QUESTION, {"X_Forwarded_For": "' OR 1=1", "X_Request_Id": "\x7f" * 40}, {200}),
        (QUESTION, {"Range": "bytes=0-0,-1", "If_None_Match": "*"}, {200}),
    ],
)
def test_hostile_bodies_and_headers_are_answered_or_refused(
    connection: http.client.HTTPConnection,
    body: bytes,
    headers: dict[str, str],
    statuses: set[int],
) -> None:
    headers = {"Content_Type": "application/json"} | headers
    assert told(connection, "POST", "/api/v1/ask", body, **headers) in statuses


def test_ten_megabytes_are_refused_before_they_are_read(address: str) -> None:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.putrequest("POST", "/api/v1/ask")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(10 * 1024**2))
        connection.endheaders()
        with contextlib.suppress(ConnectionError):
            connection.send(b"x" * 10 * 1024**2)
        assert connection.getresponse().status == 413


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../pyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/..%2f..%2fstrings/da.toml",
        "/static//etc/passwd",
        "/static/%00",
        "/rapport/..%2f..%2fetc%2fpasswd",
        "/rapport/%F0%9F%98%80",
        "//evil.example/",
        "/api/v1/../../healthz",
        "/" + "a" * 10_000,
        "/?" + "&".join(f"h={n}" for n in range(3000)),
        "/?lang=../../etc/passwd&q=hej",
    ],
)
def test_addresses_lead_nowhere_else(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    assert response.status in {200, 404, 422}
    assert b"root:" not in content
    assert b"[problem]" not in content
    assert b"[project]" not in content
    assert response.getheader("Location") is None
