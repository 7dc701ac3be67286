"""What Prometheus reads: an age that no clock can spoil, and each figure from the start."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.test_structure import modules
from tryghed_search.metrics import age

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_the_age_of_an_index_is_from_its_building_to_now() -> None:
    assert age("2026-01-31T11:00:00+00:00", NOW) == 3600
    assert age("2026-01-31T12:00:00+01:00", NOW) == 3600
    assert age("2026-01-31T11:00:00", NOW) == 3600, "times are UTC where they do not say"


def test_a_clock_that_has_been_put_back_makes_no_negative_age() -> None:
    assert age((NOW + timedelta(days=400)).isoformat(), NOW) == 0


@given(st.text(max_size=40) | st.datetimes().map(datetime.isoformat))
def test_any_time_in_a_manifest_gives_an_age(built: str) -> None:
    assert age(built, NOW) >= 0


def test_nothing_that_waits_or_limits_looks_at_the_clock_on_the_wall() -> None:
    """It can jump; what measures a span takes ``monotonic`` or the event loop's own."""
    for name in ("engine", "limits", "connections", "observing", "reloading", "serving"):
        called = {ast.unparse(n.func) for n in ast.walk(modules()[name]) if isinstance(n, ast.Call)}
        assert called.isdisjoint({"time.time", "datetime.now", "datetime.datetime.now"}), name


def test_the_figures_of_the_manual_are_those_that_there_are(client: TestClient) -> None:
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    names = {f.name for f in families if not f.name.endswith("_created")}
    assert all(family.documentation for family in families)
    manual = (Path(__file__).parents[1] / "docs/operating.md").read_text(encoding="utf-8")
    told = {
        line.split("`")[1].removesuffix("_total")
        for line in manual.splitlines()
        if line.startswith("| `tryghed_")
    }
    assert told == names
