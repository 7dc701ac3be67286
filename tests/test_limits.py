"""What one client and all of them may ask: token buckets, and the requests in progress."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.test_problems import problem
from tryghed_search import limits, store
from tryghed_search.app import create_app
from tryghed_search.limits import Rate, client_of
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings

ASK = "/api/v1/ask"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- the bucket -----------------------------------------------------------------------------------


def test_a_burst_is_taken_at_once_and_then_one_for_each_interval() -> None:
    clock = Clock()
    rate = Rate(per_minute=30, burst=3, clock=clock)
    assert [rate.take("a") for _ in range(3)] == [0, 0, 0]
    assert rate.take("a") == pytest.approx(2.0)
    assert rate.take("b") == 0, "another client has a bucket of its own"
    clock.now += 1.0
    assert rate.take("a") == pytest.approx(1.0), "to be refused costs nothing"
    clock.now += 1.0
    assert rate.take("a") == 0
    clock.now += 3600
    assert [rate.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(2.0)]


@given(
    per_minute=st.floats(1, 1000),
    burst=st.integers(1, 20),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=100),
)
def test_no_client_ever_gets_more_than_burst_and_rate_allow(
    per_minute: float, burst: int, steps: list[float]
) -> None:
    clock = Clock()
    rate = Rate(per_minute, burst, clock)
    start, taken = clock.now, 0
    for step in steps:
        clock.now += step
        wait = rate.take("a")
        taken += wait == 0
        assert taken <= burst + (clock.now - start) * per_minute / 60 + 1e-6
        assert math.isfinite(wait)
        if wait:
            clock.now += wait + 1e-6
            assert rate.take("a") == 0, "who waits as long as told gets through"
            taken += 1


def test_only_so_many_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CLIENTS", 100)
    rate = Rate(60, 1, Clock())
    for n in range(10_000):
        rate.take(str(n))
    assert len(rate._buckets) == 100
    assert rate.take("9999") > 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
        ("x" * 5000, "x" * 100),
    ],
)
def test_who_an_address_belongs_to(address: str, client: str) -> None:
    assert client_of(address) == client


# --- over HTTP ------------------------------------------------------------------------------------


@contextmanager
def limited(loaded: tuple[store.Manifest, Searcher], **given: object) -> Iterator[TestClient]:
    app = create_app(loaded, settings=Settings.model_validate(given))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_program_that_asks_too_much_gets_a_problem_document(
    loaded: tuple[store.Manifest, Searcher],
) -> None:
    with limited(loaded, rate=1, rate_burst=2) as client:
        for _ in range(2):
            assert client.get("/api/v1/meta").status_code == 200
        for response in (client.get("/api/v1/meta"), client.post(ASK, json={"question": "hej"})):
            problem(response, 429)
            assert 0 < int(response.headers["retry-after"]) <= 60
            assert response.headers["x-content-type-options"] == "nosniff"
        assert client.get("/static/base.css").status_code == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        assert 'limited_total{limit="rate"} 2.0' in client.get("/metrics").text


def test_a_reader_who_asks_too_much_gets_a_page_with_a_way_on(
    loaded: tuple[store.Manifest, Searcher],
) -> None:
    with limited(loaded, rate=1, rate_burst=1) as client:
        client.get("/")
        danish = client.get("/?q=Hvem%3F", headers=BROWSER)
        assert danish.status_code == 429
        assert danish.headers["content-type"] == "text/html; charset=utf-8"
        assert "Vent et øjeblik" in danish.text
        assert 'href="/?q=Hvem%3F"' in danish.text
        assert 0 < int(danish.headers["retry-after"]) <= 60
        assert "Wait a moment" in client.get("/?lang=en", headers=BROWSER).text
        problem(client.get("/api/v1/meta", headers=BROWSER), 429)
        problem(client.post(ASK, json={}, headers=BROWSER), 429)


def test_the_limit_holds_below_a_path_prefix_too(loaded: tuple[store.Manifest, Searcher]) -> None:
    app = create_app(loaded, settings=Settings(rate=1, rate_burst=1))
    with TestClient(app, root_path="/tryghed") as client:
        assert client.get("/api/v1/meta").status_code == 200
        assert client.get("/api/v1/meta").status_code == 429
        assert client.get("/healthz").status_code == 200
        page = client.get("/?q=Hvem", headers=BROWSER)
        assert page.status_code == 429
        assert 'href="/tryghed/?q=Hvem"' in page.text


def test_without_a_rate_nobody_is_refused(loaded: tuple[store.Manifest, Searcher]) -> None:
    with limited(loaded, rate=0, rate_burst=1) as client:
        assert {client.get("/api/v1/meta").status_code for _ in range(50)} == {200}
