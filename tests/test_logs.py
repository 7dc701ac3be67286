"""The log: one line a record whatever is in it, request ids, and no question by default."""

from __future__ import annotations

import io
import json
import logging
import re
import unicodedata
from collections.abc import Iterator
from typing import TextIO

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tryghed_search import logs, store
from tryghed_search.app import create_app
from tryghed_search.observing import REQUEST_ID
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings

ANY_TEXT = st.text(st.characters(), max_size=60)  # surrogates, controls, everything
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+: .*")


def harmless(line: str) -> bool:
    """Whether a line has no character that ends it, steers a terminal or turns text round."""
    return all(unicodedata.category(c)[0] != "C" for c in line) and len(line.splitlines()) == 1


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("test", logging.WARNING, "x.py", 1, "%s", (message,), None)
    vars(made).update(extra)
    return made


@given(message=ANY_TEXT, extra=ANY_TEXT)
def test_nothing_in_a_record_can_end_its_line_or_steer_a_terminal(message: str, extra: str) -> None:
    for formatter in (logs.TextFormatter(), logs.JsonFormatter()):
        line = formatter.format(record(message, path=extra))
        assert harmless(line)
        line.encode("utf-8")
    assert LINE.fullmatch(logs.TextFormatter().format(record(message, path=extra)))


@given(message=ANY_TEXT, extra=ANY_TEXT)
def test_a_line_of_json_says_what_the_record_says(message: str, extra: str) -> None:
    told = json.loads(logs.JsonFormatter().format(record(message, path=extra)))
    assert told["message"] == message
    assert told["path"] == extra
    assert told["level"] == "WARNING"


@given(message=ANY_TEXT)
def test_no_line_of_a_traceback_looks_like_a_record(message: str) -> None:
    try:
        raise RuntimeError(message)
    except RuntimeError as error:
        failed = record("failed")
        failed.exc_info = (type(error), error, error.__traceback__)
    first, *rest = logs.TextFormatter().format(failed).splitlines()
    assert LINE.fullmatch(first)
    assert all(line.startswith("  | ") and harmless(line) for line in rest)
    assert len(logs.JsonFormatter().format(failed).splitlines()) == 1


def test_danish_is_written_as_it_is() -> None:
    assert logs.escaped("Ærø på 5 €\n\x1b[31m\u202e\U000e0001") == (
        "Ærø på 5 €\\x0a\\x1b[31m\\u202e\\U000e0001"
    )


@pytest.mark.parametrize("given_id", ["abcdefgh", "0" * 64, "A.b_c-12345"])
def test_a_well_formed_id_is_kept(client: TestClient, given_id: str) -> None:
    response = client.get("/healthz", headers={REQUEST_ID: given_id})
    assert response.headers[REQUEST_ID] == given_id


@pytest.mark.parametrize(
    "given_id", ["", "short", "x" * 65, "with space", "with\ttab1", "æøåæøåæø"]
)
def test_any_other_id_is_replaced(client: TestClient, given_id: str) -> None:
    response = client.get("/healthz", headers={REQUEST_ID: given_id.encode("latin1")})
    assert re.fullmatch("[0-9a-f]{16}", response.headers[REQUEST_ID])


def test_each_response_has_an_id_of_its_own_also_refusals(client: TestClient) -> None:
    paths = ("/", "/nothing", "/api/v1/meta", "/static/base.css", "/?q=") * 3
    ids = [client.get(path).headers[REQUEST_ID] for path in paths]
    assert len(set(ids)) == len(paths)


# --- what an application writes -------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[TextIO]:
    """All that is logged, as the server writes it."""
    root, ours = logging.getLogger(), logging.getLogger("tryghed_search")
    handlers, level = list(root.handlers), ours.level
    stream = io.StringIO()
    logs.configure("json", stream)
    yield stream
    root.handlers[:] = handlers
    ours.setLevel(level)


def lines(log: TextIO) -> list[dict[str, object]]:
    assert isinstance(log, io.StringIO)
    return [json.loads(line) for line in log.getvalue().splitlines()]


CPR = "Min nabo med CPR 010190-1234 og anna@example.dk er bange for indbrud"


def test_by_default_nothing_is_told_of_a_request(
    loaded: tuple[store.Manifest, Searcher], log: TextIO
) -> None:
    with TestClient(create_app(loaded, settings=Settings())) as client:
        client.get(f"/?q={CPR}")
        client.post("/api/v1/ask", json={"question": CPR, "history": [CPR]})
    assert lines(log) == []


def test_requests_are_told_without_what_was_asked(
    loaded: tuple[store.Manifest, Searcher], log: TextIO
) -> None:
    with TestClient(create_app(loaded, settings=Settings(log_requests=True))) as client:
        client.get(f"/?q={CPR}", headers={REQUEST_ID: "the-first-one"})
        client.post("/api/v1/ask", json={"question": CPR, "history": [CPR]})
        client.get("/nothing%0aWARNING%20forged")
    told = lines(log)
    assert [(t["method"], t["path"], t["status"]) for t in told] == [
        ("GET", "/", 200),
        ("POST", "/api/v1/ask", 200),
        ("GET", "/nothing\nWARNING forged", 404),
    ]
    assert told[0]["request_id"] == "the-first-one"
    assert all(isinstance(t["ms"], float) for t in told)
    text = json.dumps(told)
    assert "nabo" not in text
    assert "1234" not in text


def test_questions_are_told_masked_where_the_operator_wants_it(
    loaded: tuple[store.Manifest, Searcher], log: TextIO
) -> None:
    with TestClient(create_app(loaded, settings=Settings(log_questions=True))) as client:
        client.post("/api/v1/ask", json={"question": CPR}, headers={REQUEST_ID: "the-first-one"})
        client.get("/", params={"q": "0101901234?"})
    first, second = lines(log)
    assert first["question"] == "Min nabo med CPR […] og […] er bange for indbrud"
    assert first["status"] in {"answered", "not_in_report"}
    assert first["request_id"] == "the-first-one"
    assert second["question"] == "[…]?"
