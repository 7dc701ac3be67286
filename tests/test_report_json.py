"""Reports become JSON and come back, one after another."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tryghed_search import build, report_json
from tryghed_search.passages import Report

HERE = Path(__file__).parent
OTHERS = {"municipalities": {"Aarhus": ("Århus",)}, "reader_questions": {}}


@pytest.fixture(scope="module")
def reports() -> tuple[Report, ...]:
    (one,) = (source.report for source in build.read_reports(HERE / "small-reports"))
    return one, replace(one, id="anden", examples=(("da", "Hvad så?"),))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_parts_are_one_object_as_json_writes_it(
    reports: tuple[Report, ...], count: int
) -> None:
    some = reports[:count]
    whole = {"reports": [asdict(report) for report in some]} | OTHERS
    written = "".join(report_json.parts(some, **OTHERS))
    assert written == json.dumps(whole, ensure_ascii=False)
    read, others = report_json.read(written)
    assert read == some
    assert others == json.loads(json.dumps(OTHERS))


def test_what_passages_have_alike_is_one_object(reports: tuple[Report, ...]) -> None:
    (read,), _ = report_json.read("".join(report_json.parts(reports[:1])))
    assert len(read.passages) > 2
    for name in ("report", "entry", "path", "municipalities"):
        values = [getattr(passage, name) for passage in read.passages]
        assert len({id(value) for value in values}) == len(set(values)), name


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"sections"', '"chapters"'),
        lambda text: text.replace('{"reports": [', '{"texts": ['),
        lambda _: "",
        lambda _: "[]",
    ],
)
def test_anything_else_is_refused(reports: tuple[Report, ...], change: object) -> None:
    assert callable(change)
    written = "".join(report_json.parts(reports, **OTHERS))
    with pytest.raises((ValueError, KeyError, TypeError)):
        report_json.read(change(written))
