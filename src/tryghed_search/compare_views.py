"""What the template of the comparison is given: two or three cases, point by point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tryghed_search import case_views, topics
from tryghed_search.passages import Section
from tryghed_search.quoting import Part, cited_place, set_below
from tryghed_search.topics import Case
from tryghed_search.views import Choice, Link, Page, Site


@dataclass(frozen=True, slots=True)
class Column:
    """A case that is compared, and how the report opens it."""

    name: str
    title: Link
    subtitle: str
    page: str | None
    relevant: str | None
    parts: tuple[Part, ...]
    without: Link | None
    """The comparison of the others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands under a heading in one of the cases."""

    name: str
    heading: str | None
    """The case's own heading, where it is another."""
    parts: tuple[Part, ...]
    citation: Link | None
    missing: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A heading that the cases share, and what each has under it."""

    anchor: str
    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage(Page):
    """Two or three cases side by side; or the choice of them."""

    template: ClassVar[str] = "compare.html"
    quote_lang: str
    overview: Link
    problem: str | None
    action: str
    hidden: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def choices(every: Mapping[str, Case], taken: Sequence[str]) -> tuple[Choice, ...]:
    """Every case as a check box."""
    return tuple(Choice(name, case_views.short(c), name in taken) for name, c in every.items())


def columns(site: Site, compared: Mapping[str, Case]) -> tuple[Column, ...]:
    """The cases that are compared, each with the words that it opens with."""
    return tuple(_column(site, compared, name) for name in compared)


def _column(site: Site, compared: Mapping[str, Case], name: str) -> Column:
    case, others = compared[name], [other for other in compared if other != name]
    section = case.section
    title, _, subtitle = section.title.partition(": ")
    without = site.words["compare"]["without"].format(case=case_views.short(case))
    return Column(
        name=case_views.short(case),
        title=Link(title, case_views.opened(site, case.report, section)),
        subtitle=subtitle,
        page=site.page_label(section.page, section.page_stated),
        relevant=case_views.relevant(site, section),
        parts=_whole(case, section),
        without=Link(without, case_views.comparison(site, others)) if len(others) > 1 else None,
    )


def rows(site: Site, compared: Sequence[Case]) -> tuple[Row, ...]:
    """What the cases say under each of their headings."""
    return tuple(
        Row(
            anchor=f"punkt-{number}",
            title=aspect.title,
            cells=tuple(
                _cell(site, case, section, aspect.title)
                for case, section in zip(compared, aspect.sections, strict=True)
            ),
        )
        for number, aspect in enumerate(topics.aspects(compared), start=1)
    )


def _cell(site: Site, case: Case, section: Section | None, title: str) -> Cell:
    name = case_views.short(case)
    if section is None:
        return Cell(name, None, (), None, site.words["compare"]["missing"])
    page = site.page_label(section.page, section.page_stated)
    return Cell(
        name=name,
        heading=section.title if section.title != title else None,
        parts=_whole(case, section),
        citation=Link(
            cited_place(section.title, page), case_views.opened(site, case.report, section)
        ),
        missing=None,
    )


def _whole(case: Case, section: Section) -> tuple[Part, ...]:
    """Every word of a section."""
    return tuple(part for p in case.passages(section) for part in set_below(section, p, ()))
