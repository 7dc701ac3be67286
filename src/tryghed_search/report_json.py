"""Reports as JSON, one after another, so that there are never two of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tryghed_search.passages import Block, Passage, Report, Section

_FIRST = '{"reports": ['
_BETWEEN, _LAST = ", ", "]"
_COMMON = frozenset(
    "report section entry path kind parent municipalities themes audiences role".split()
)
"""Fields that many passages of a report have alike."""


def parts(reports: Sequence[Report], **others: object) -> Iterator[str]:
    """One JSON object in parts: the ``reports``, and after them the ``others`` by their names."""
    yield _FIRST
    for number, report in enumerate(reports):
        yield f"{_BETWEEN if number else ''}{text(report)}"
    yield _LAST
    for name, value in others.items():
        yield f", {text(name)}: {text(value)}"
    yield "}"


def text(value: object) -> str:
    """A value as JSON, also of dataclasses: their fields by name."""
    return json.dumps(value, ensure_ascii=False, default=_named)


def _named(value: Any) -> dict[str, Any]:
    """As ``dataclasses.asdict``, without a copy of all that is in the fields."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def read(written: str) -> tuple[tuple[Report, ...], dict[str, Any]]:
    """The reports and the others of what ``parts`` wrote.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else.
    """
    if not written.startswith(_FIRST):
        raise ValueError("there are no reports in it")
    decoder = json.JSONDecoder()
    reports: list[Report] = []
    at = len(_FIRST)
    while not written.startswith(_LAST, at):
        data, at = decoder.raw_decode(written, at + len(_BETWEEN) if reports else at)
        reports.append(report_from(data))
    others = json.loads(f"{{{written[at + len(_LAST) :].removeprefix(_BETWEEN)}")
    return tuple(reports), others


def report_from(data: Mapping[str, Any]) -> Report:
    """The report that ``text`` and JSON have made plain."""
    common: dict[Any, Any] = {}

    def fields_of(value: Mapping[str, Any]) -> dict[str, Any]:
        """With one object for what many have alike: passages then take a third less memory."""
        return {
            name: common.setdefault(item, item) if name in _COMMON else item
            for name, item in _tuples(value).items()
        }

    sections = tuple(Section(**fields_of(section)) for section in data["sections"])
    passages = tuple(
        Passage(
            **{
                **fields_of(passage),
                "blocks": tuple(Block(**fields_of(block)) for block in passage["blocks"]),
            }
        )
        for passage in data["passages"]
    )
    examples = tuple((language, question) for language, question in data.get("examples", ()))
    return Report(**{**data, "sections": sections, "passages": passages, "examples": examples})


def _tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that the dataclasses hold."""
    return {
        key: tuple(tuple(v) if isinstance(v, list) else v for v in item)
        if isinstance(item, list)
        else item
        for key, item in value.items()
    }
