"""The report as a page to read: contents, chapters, references as links, a reader's words found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from tryghed_search.finding import MOST, chosen, finder, finds, references
from tryghed_search.passages import Filters, Passage, Report, Section, Span
from tryghed_search.quoting import Part, Run, cited_place, set_below, short_title, where
from tryghed_search.views import Link, Page, Site

Wrap = Literal["mark", "link", "found"]
"""What a stretch of text can be: the marked sentence, a way on, words that were looked for."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A stretch of a line inside one of these."""

    wrap: Wrap
    inside: Line
    href: str | None = None
    number: int | None = None
    """Of the find that begins here, from 1 through the whole report."""


Line = tuple["str | Wrapped", ...]


@dataclass(frozen=True, slots=True)
class TextPart:
    """As :class:`~tryghed_search.quoting.Part`, ready to be read."""

    role: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line in the report's list of contents, and the lines under it."""

    link: Link
    page: str | None
    under: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section of the report as it is read."""

    anchor: str
    level: int
    title: Line
    label: str | None
    """Its kind, where it opens a case, type or trend."""
    page: str | None
    """Its page, where that is another than the page before."""
    passages: tuple[tuple[str, tuple[TextPart, ...]], ...]
    """Anchors and texts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A section in which the words stand."""

    link: Link
    """Leads to the first of them."""
    times: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What was looked for in the report, and where it stands."""

    words: str
    summary: str
    sections: tuple[Finding, ...]
    total: int
    ask: Link
    """The same words as a question to the assistant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage(Page):
    """The whole report."""

    template: ClassVar[str] = "report.html"
    report_title: str
    publisher: str
    quote_lang: str
    contents: tuple[Entry, ...]
    chapters: tuple[Chapter, ...]
    findings: Findings | None
    hidden: tuple[tuple[str, str], ...]
    """Form fields that a search in the report sends along."""
    most: int


def contents(site: Site, report: Report) -> tuple[Entry, ...]:
    """The chapters, and the main sections, cases, types and trends under them."""

    def under(parent: str | None) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                Link(short_title(s.title, s.kind, top=s.parent is None), f"#{s.anchor}"),
                site.page_label(s.page, s.page_stated),
                under(s.slug),
            )
            for s in report.sections
            if s.parent == parent and (len(s.path) <= 2 or s.entry == s.slug)
        )

    return under(None)


def body(
    site: Site, report: Report, mark: tuple[str, Span] | None = None, words: str = ""
) -> tuple[tuple[Chapter, ...], Findings | None]:
    """Every section with its text, and where ``words`` stand in it.

    ``mark`` is the anchor of a passage and the span to be marked in it.
    """
    pattern = chosen(finder(words), _texts(report))
    setter = _Setter(report.sections, pattern)
    chapters: list[Chapter] = []
    sections: list[Finding] = []
    page_before = None
    for section in report.sections:
        first = setter.found + 1
        passages = [p for p in report.passages if p.section == section.slug]
        page = site.page_label(section.page, section.page_stated)
        title = setter.line((Run(section.title, False),))
        shown = tuple((p.anchor, setter.parts(section, p, mark)) for p in passages)
        chapters.append(
            Chapter(
                anchor=section.anchor,
                level=min(len(section.path) + 1, 5),
                title=title,
                label=site.words["kinds"][section.kind] if section.entry == section.slug else None,
                page=page if page != page_before else None,
                passages=shown,
            )
        )
        page_before = page
        if setter.found >= first:
            place = _place(section, passages)
            link = Link(cited_place(place, page), f"#{anchor_of(first)}")
            sections.append(Finding(link, setter.found - first + 1))
    return tuple(chapters), _findings(site, words, tuple(sections), setter.found)


def anchor_of(number: int) -> str:
    """The anchor of a find; the dot keeps it apart from every section's."""
    return f"fund.{number}"


def _texts(report: Report) -> Iterable[str]:
    yield from (passage.text for passage in report.passages)
    yield from (section.title for section in report.sections)


def _place(section: Section, passages: Sequence[Passage]) -> str:
    if passages:
        return where(passages[0])
    return short_title(section.title, section.kind, top=section.parent is None)


def _findings(site: Site, words: str, sections: tuple[Finding, ...], total: int) -> Findings | None:
    words = " ".join(words.split())
    if not words:
        return None
    said = site.words["report"]
    name = "found_none" if not total else "found_one" if total == 1 else "found_many"
    summary = said[name] if finder(words) else said["unfit"]
    return Findings(
        words=words,
        summary=summary.format(words=words, count=total, most=MOST),
        sections=sections,
        total=total,
        ask=Link(said["ask"].format(words=words), site.ask(words, (), Filters())),
    )


class _Setter:
    """Sets lines with their references as links and the finds numbered in the page's order."""

    def __init__(self, sections: Sequence[Section], pattern: re.Pattern[str] | None) -> None:
        self._sections = sections
        self._pattern = pattern
        self.found = 0

    def parts(
        self, section: Section, passage: Passage, mark: tuple[str, Span] | None
    ) -> tuple[TextPart, ...]:
        marks = [mark[1]] if mark and mark[0] == passage.anchor else []
        return tuple(self._part(part) for part in set_below(section, passage, marks))

    def _part(self, part: Part) -> TextPart:
        return TextPart(part.role, tuple(self.line(runs) for runs in part.lines))

    def line(self, runs: Sequence[Run]) -> Line:
        text = "".join(run.text for run in runs)
        marks, at = [], 0
        for run in runs:
            if run.mark:
                marks.append((at, at + len(run.text)))
            at += len(run.text)
        links = dict(references(text, self._sections))
        layers: list[tuple[Wrap, Sequence[Span]]] = [
            ("mark", marks),
            ("link", list(links)),
            ("found", finds(self._pattern, text)),
        ]
        return self._nested(text, (0, len(text)), layers, links)

    def _nested(
        self,
        text: str,
        within: Span,
        layers: Sequence[tuple[Wrap, Sequence[Span]]],
        links: Mapping[Span, str],
    ) -> Line:
        """The text of a span, each layer's stretches around those of the layers after it."""
        start, end = within
        if not layers:
            return (text[start:end],)
        (wrap, spans), *deeper = layers
        line: list[str | Wrapped] = []
        edges = {e for span in spans for e in span if start < e < end}
        for a, b in pairwise(sorted({start, end, *edges})):
            around = next(((s, e) for s, e in spans if s <= a and b <= e), None)
            number = self._next() if wrap == "found" and around and around[0] == a else None
            inside = self._nested(text, (a, b), deeper, links)
            if around is None:
                line += inside
            else:
                href = f"#{links[around]}" if wrap == "link" else None
                line.append(Wrapped(wrap, inside, href, number))
        return tuple(line)

    def _next(self) -> int:
        self.found += 1
        return self.found
