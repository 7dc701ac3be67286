"""The declared outline of a report, checked against the report's text.

The text has no reliable heading marks, so nothing is guessed: ``outline.toml`` names the line or
lines that open each section, in order, and everything else about the section. An outline that
does not fit its text raises :class:`~tryghed_search.errors.OutlineError` with the line and the
heading that was expected there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tryghed_search.errors import OutlineError
from tryghed_search.passages import KINDS, Kind, Section

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:-[a-z0-9]+)*)*")
ROLES = ("politiker", "leder", "udførende medarbejder")
"""Roles that a report is for, unless its outline declares others."""
OPENINGS = ("heading", "quoted-heading", "text")

_SECTION_KEYS: dict[str, type] = {
    "slug": str,
    "title": str,
    "in": str,
    "opens": list,
    "opening_is": str,
    "kind": str,
    "page": int,
    "page_is": str,
    "municipalities": list,
    "themes": list,
    "audiences": list,
    "entry": str,
    "units": list,
    "continues": list,
    "leave_out": str,
    "closes": str,
}
_INHERITED = ("kind", "page", "page_is", "municipalities", "themes", "audiences", "entry")


@dataclass(frozen=True, slots=True)
class Declared:
    """A section with what the chunking needs to know beyond it."""

    section: Section
    opening_is: Literal["heading", "quoted-heading", "text"]
    opened: int
    """Where the opening lines end in the source."""
    units: tuple[str, ...]
    continues: tuple[str, ...]
    leave_out: str | None


@dataclass(frozen=True, slots=True)
class Outline:
    """A checked outline: the report's identity and its sections in the text's order."""

    id: str
    title: str
    publisher: str
    language: str
    municipalities: Mapping[str, tuple[str, ...]]
    """Name to its other spellings."""
    declared: tuple[Declared, ...]
    examples: tuple[tuple[str, str], ...] = ()
    """Language of a page, and a question that it offers while it is empty."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    """From 1, as an editor counts."""
    start: int
    end: int
    text: str
    """White space folded, ``**`` left out."""


def fold(text: str) -> str:
    """``text`` with white space folded to single spaces and ``**`` left out."""
    return " ".join(text.replace("**", "").split())


def parse(outline_toml: str, text: str, name: str = "outline.toml") -> Outline:
    """Read an outline and place its sections in the text.

    Raises ``OutlineError`` when the file is not valid TOML, misses or misspells a key, repeats a
    slug, or names an opening line that is not there or out of order.
    """
    data = read_toml(outline_toml, name)
    report = _table(data, "report", name)
    for key in ("id", "title", "publisher", "language"):
        if not isinstance(report.get(key), str) or not report[key].strip():
            raise OutlineError(f"{name}: [report] needs {key} as a text.")
    report_id = cast("str", report["id"])
    if not SLUG.fullmatch(report_id) or "/" in report_id:
        raise OutlineError(f"{name}: the report's id {report_id!r} may hold a-z, 0-9 and '-' only.")
    raw = data.get("section")
    if not isinstance(raw, list) or not raw:
        raise OutlineError(f"{name} declares no [[section]].")
    places = _places(outline_toml, len(raw), name)
    municipalities = _municipalities(data.get("municipalities", {}), name)
    roles = report.get("roles", list(ROLES))
    if not _is_texts(roles):
        raise OutlineError(f"{name}: roles of [report] must be a list of texts.")
    sections = _complete(raw, places, municipalities, roles)
    return Outline(
        id=report_id,
        title=cast("str", report["title"]),
        publisher=cast("str", report["publisher"]),
        language=cast("str", report["language"]),
        municipalities=municipalities,
        declared=tuple(_place(report_id, sections, text, places)),
        examples=tuple(_examples(data.get("examples", {}), name)),
    )


def read_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of an editor's file; ``OutlineError``, which names the file, for no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OutlineError(
            f"{name} is not valid TOML: {error}. Correct it and ingest again."
        ) from None
    except RecursionError:
        raise OutlineError(f"{name} has brackets too deep in each other. Correct it.") from None


def _table(data: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    table = data.get(key)
    if not isinstance(table, dict):
        raise OutlineError(f"{name} needs a table [{key}].")
    return table


def _municipalities(table: object, name: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise OutlineError(f"{name}: [municipalities] must be a table of names and spellings.")
    for municipality, spellings in table.items():
        if not _is_texts(spellings):
            raise OutlineError(
                f"{name}: the spellings of {municipality!r} must be a list of texts."
            )
    return {municipality: tuple(spellings) for municipality, spellings in table.items()}


def _examples(table: object, name: str) -> Iterator[tuple[str, str]]:
    if not isinstance(table, dict) or not all(map(_is_texts, table.values())):
        raise OutlineError(f"{name}: [examples] must be a table of languages and lists of texts.")
    for language, questions in table.items():
        yield from ((language, question) for question in questions)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)


def _places(outline_toml: str, count: int, name: str) -> list[str]:
    """Where each section stands in the outline's file, for messages."""
    lines = [
        number
        for number, line in enumerate(outline_toml.split("\n"), start=1)
        if re.match(r"\s*\[\[\s*section\s*\]\]", line)
    ]
    if len(lines) != count:  # written in another way that TOML has
        return [name] * count
    return [f"{name}, line {number}" for number in lines]


def _complete(
    raw: list[Any],
    places: list[str],
    municipalities: Mapping[str, tuple[str, ...]],
    roles: list[str],
) -> list[dict[str, Any]]:
    """Every section with its keys checked and what it takes from the section it stands in."""
    complete: dict[str, dict[str, Any]] = {}
    for position, (given, place) in enumerate(zip(raw, places, strict=True), start=1):
        _check_keys(given, position, place)
        slug, parent = given["slug"], given.get("in")
        if slug in complete:
            raise OutlineError(
                f"{place}: the slug {slug!r} is declared twice: {given['title']!r} has it here, "
                f"{complete[slug]['title']!r} has it already."
            )
        if parent is not None and parent not in complete:
            raise OutlineError(
                f"{place}: section {slug!r} stands in {parent!r}, which is not declared before it."
            )
        above = complete[parent] if parent is not None else {}
        if "leave_out" in above and "leave_out" not in given:
            raise OutlineError(
                f"{place}: section {slug!r} stands in {parent!r}, which is left out; leave it out "
                "too or let it stand elsewhere."
            )
        inherited = {key: above[key] for key in _INHERITED if key in above}
        if "page" in given and "page_is" not in given and above.get("page_is") == "stated":
            inherited.pop("page_is")  # that the report states the other page says nothing of this
        section = {**inherited, **given}
        _check_values(section, municipalities, roles, place)
        complete[slug] = section
    for section, place in zip(complete.values(), places, strict=True):
        entry = section.get("entry")
        if entry is None:
            continue
        of = complete.get(entry, {})
        if of.get("entry") != entry or "leave_out" in of:
            raise OutlineError(
                f"{place}: section {section['slug']!r} belongs to the entry {entry!r}, but no "
                "section that is indexed has that slug and that entry."
            )
    return list(complete.values())


def _check_keys(given: object, position: int, place: str) -> None:
    if not isinstance(given, dict):
        raise OutlineError(f"{place}: section number {position} must be a [[section]] table.")
    label = given.get("slug", f"number {position}")
    for key in ("slug", "title", "opens"):
        if key not in given:
            raise OutlineError(f"{place}: section {label!r} needs {key!r}.")
    for key, value in given.items():
        expected = _SECTION_KEYS.get(key)
        if expected is None:
            raise OutlineError(
                f"{place}: section {label!r} has an unknown key {key!r}; known are "
                f"{', '.join(_SECTION_KEYS)}."
            )
        wrong = not isinstance(value, expected) or isinstance(value, bool)
        if wrong or (expected is list and not _is_texts(value)):
            kind = {str: "a text", int: "a whole number", list: "a list of texts"}[expected]
            raise OutlineError(f"{place}: {key!r} of section {label!r} must be {kind}.")
    if not SLUG.fullmatch(given["slug"]):
        raise OutlineError(
            f"{place}: the slug {given['slug']!r} may hold a-z, 0-9, '-' and '/' only "
            "(write æ as ae, ø as oe, å as aa)."
        )
    if not given["opens"]:
        raise OutlineError(f"{place}: section {label!r} needs at least one opening line.")


def _check_values(
    section: Mapping[str, Any],
    municipalities: Mapping[str, tuple[str, ...]],
    roles: list[str],
    place: str,
) -> None:
    slug = section["slug"]
    if "leave_out" in section:
        return
    allowed = {"kind": KINDS, "opening_is": OPENINGS, "page_is": ("stated", "inferred")}
    for key, values in allowed.items():
        if key in section and section[key] not in values:
            raise OutlineError(
                f"{place}: {key!r} of section {slug!r} is {section[key]!r}; "
                f"it must be one of {', '.join(values)}."
            )
    if "kind" not in section:
        raise OutlineError(f"{place}: section {slug!r} needs a kind: one of {', '.join(KINDS)}.")
    if ("page" in section) != ("page_is" in section):
        raise OutlineError(f"{place}: section {slug!r} needs page and page_is together.")
    for role in section.get("audiences", ()):
        if role not in roles:
            raise OutlineError(
                f"{place}: section {slug!r} names the role {role!r}; known are {', '.join(roles)}."
            )
    for municipality in section.get("municipalities", ()):
        if municipality not in municipalities:
            raise OutlineError(
                f"{place}: section {slug!r} names {municipality!r}; [municipalities] does not."
            )


def _lines(text: str) -> Iterator[_Line]:
    """The lines that hold anything, with their place in the text."""
    start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        folded = fold(line)
        if folded:
            yield _Line(number, start, start + len(line.rstrip("\r")), folded)
        start += len(line) + 1


def _place(
    report_id: str, sections: list[dict[str, Any]], text: str, places: list[str]
) -> Iterator[Declared]:
    """Find each section's opening lines, in order, and give it its extent."""
    lines = list(_lines(text))
    openings: list[tuple[int, int]] = []
    at = 0
    for section, place in zip(sections, places, strict=True):
        found = _find(section, lines, at)
        if found is None:
            raise OutlineError(_misfit(section, lines, at, place))
        if not openings and found > 0:
            raise OutlineError(
                f"{place}: line {lines[0].number} of the text ({lines[0].text[:60]!r}) stands "
                f"before the first section, {section['slug']!r}; declare it, with leave_out if "
                "need be."
            )
        openings.append((lines[found].start, lines[found + len(section["opens"]) - 1].end))
        at = _after(section, lines, found + len(section["opens"]), place)
    ends = [start for start, _ in openings[1:]] + [len(text)]
    paths: dict[str, tuple[str, ...]] = {}
    for section, (start, opened), end in zip(sections, openings, ends, strict=True):
        path = (*paths.get(section.get("in", ""), ()), section["title"])
        paths[section["slug"]] = path
        yield _declared(report_id, section, path, start, opened, end)


def _find(section: Mapping[str, Any], lines: list[_Line], at: int) -> int | None:
    """The index of the first of the lines from ``at`` on that open the section."""
    opens = [fold(line) for line in section["opens"]]
    prefix = section.get("opening_is") == "text"
    for index in range(at, len(lines) - len(opens) + 1):
        seen = [line.text for line in lines[index : index + len(opens)]]
        if seen == opens or (prefix and len(opens) == 1 and seen[0].startswith(opens[0])):
            return index
    return None


def _after(section: Mapping[str, Any], lines: list[_Line], at: int, place: str) -> int:
    """The index of the line from which the next section's opening is looked for."""
    closes = section.get("closes")
    if closes is None:
        return at
    for index in range(at, len(lines)):
        if lines[index].text == fold(closes):
            return index + 1
    raise OutlineError(
        f"{place}: section {section['slug']!r} should close with {fold(closes)!r}, but no line "
        f"from line {lines[at - 1].number} of the text on does. Correct 'closes'."
    )


def _misfit(section: Mapping[str, Any], lines: list[_Line], at: int, place: str) -> str:
    """Why a section's opening is not where the outline has it, with the line."""
    slug, expected = section["slug"], " / ".join(fold(line) for line in section["opens"])
    earlier = _find(section, lines[:at], 0)
    if earlier is not None:
        return (
            f"{place}: section {slug!r} is out of order: its opening {expected!r} stands on line "
            f"{lines[earlier].number} of the text, before the section declared above it. "
            "Put the sections in the order of the text."
        )
    number = lines[at].number if at < len(lines) else (lines[-1].number if lines else 0)
    return (
        f"{place}: section {slug!r} should open with {expected!r}, but no line from line {number} "
        "of the text on does. Correct 'opens' so that it repeats the text's line."
    )


def _declared(
    report_id: str,
    section: Mapping[str, Any],
    path: tuple[str, ...],
    start: int,
    opened: int,
    end: int,
) -> Declared:
    opening_is = section.get("opening_is", "heading")
    return Declared(
        section=Section(
            id=f"{report_id}/{section['slug']}",
            slug=section["slug"],
            title=section["title"],
            kind=cast("Kind", section.get("kind", "intro")),
            path=path,
            parent=section.get("in"),
            entry=section.get("entry"),
            page=section.get("page"),
            page_stated=section.get("page_is") == "stated",
            municipalities=tuple(section.get("municipalities", ())),
            themes=tuple(section.get("themes", ())),
            audiences=tuple(section.get("audiences", ())),
            start=start,
            body_start=opened if opening_is == "heading" else start,
            end=end,
        ),
        opening_is=opening_is,
        opened=opened,
        units=tuple(fold(unit) for unit in section.get("units", ())),
        continues=tuple(fold(beginning) for beginning in section.get("continues", ())),
        leave_out=section.get("leave_out"),
    )
