"""What the template of the topics is given: facets, cards, and the cases in a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tryghed_search import case_views, danish, topics
from tryghed_search.case_views import FACETS, Map
from tryghed_search.outline import ROLES
from tryghed_search.passages import ENTRY_KINDS, Filters, Hit, Report, SectionHit
from tryghed_search.quoting import Part, cited_place, extract, parts, set_below, where
from tryghed_search.topics import Case
from tryghed_search.views import Link, Page, Site

_MANY = ("municipalities", "themes")
"""Facets of so many values that they are folded away and sorted."""


@dataclass(frozen=True, slots=True)
class FacetChoice:
    """A value, how many it would leave, and the address with it chosen, or no longer chosen."""

    label: str
    count: int
    href: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """What can be chosen by."""

    legend: str
    folds: bool
    opened: bool
    choices: tuple[FacetChoice, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme of a card; a link where some others share it, but not most."""

    text: str
    href: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """A case, type or trend: its title, some of its own words, and whom and what it concerns."""

    kind: str | None
    """Left out where the heading above says it."""
    title: Link
    subtitle: str
    page: str | None
    """Left out where the citation says it."""
    shown: tuple[Part, ...]
    citation: Link | None
    """Where the shown words stand, if they were searched for."""
    mentions: str | None
    """The municipalities that a type or trend names."""
    relevant: str | None
    themes: tuple[Theme, ...]
    compare: Link | None


@dataclass(frozen=True, slots=True)
class Group:
    """Cards under a heading."""

    heading: str
    has_cases: bool
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case in the list below the map."""

    name: str
    link: Link
    page: str | None
    choose: str
    """What its check box is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsPage(Page):
    """Cases, types and trends by topic, role, kind, municipality and theme."""

    template: ClassVar[str] = "topics.html"
    quote_lang: str
    topic: str
    most: int
    problem: str | None
    action: str
    hidden: tuple[tuple[str, str], ...]
    """What the form for the topic sends along."""
    facets: tuple[Facet, ...]
    count: str
    scope: str | None
    notice: str | None
    guides: tuple[Link, ...]
    clear: Link | None
    ask: Link | None
    groups: tuple[Group, ...]
    rest: Group | None
    """Those that are further from the topic."""
    map: Map | None
    case_lines: tuple[CaseLine, ...]
    compare_action: str
    compare_hidden: tuple[tuple[str, str], ...]


# --- choosing -------------------------------------------------------------------------------------


def facets(
    site: Site, reports: Sequence[Report], topic: str, filters: Filters
) -> tuple[Facet, ...]:
    """What can be chosen by; values that would leave nothing are left out."""
    found = []
    for facet, key in FACETS.items():
        if facet == "reports" and len(reports) < 2:
            continue
        left = topics.counts(reports, filters, facet)
        taken: tuple[str, ...] = getattr(filters, facet)
        choices = tuple(
            FacetChoice(
                label=label(site, reports, facet, value),
                count=left.get(value, 0),
                href=case_views.overview(site, topic, topics.toggled(filters, facet, value)),
                chosen=value in taken,
            )
            for value in _ordered(reports, facet, topics.counts(reports, Filters(), facet))
            if value in left or value in taken
        )
        found.append(Facet(site.words["facets"][key], facet in _MANY, bool(taken), choices))
    return tuple(facet for facet in found if facet.choices)


def _ordered(reports: Sequence[Report], facet: str, values: Iterable[str]) -> list[str]:
    if facet == "reports":
        return [report.id for report in reports if report.id in values]
    if facet in _MANY:
        return sorted(values, key=danish.order)
    return [v for v in dict.fromkeys((*ROLES, *ENTRY_KINDS, *values)) if v in values]


def label(site: Site, reports: Sequence[Report], facet: str, value: str) -> str:
    """What a value is called."""
    if facet == "reports":
        return next(report.title for report in reports if report.id == value)
    said: str = site.words.get(f"{FACETS[facet]}s", {}).get(value, value)
    return said


def scope(site: Site, reports: Sequence[Report], filters: Filters) -> str | None:
    """What the overview is limited to, in words."""
    labels = [
        label(site, reports, facet, value) for facet in FACETS for value in getattr(filters, facet)
    ]
    said: str = site.words["filters"]["scope"]
    return said.format(labels=" · ".join(labels)) if labels else None


def count(site: Site, topic: str, found: int, left: int, every: int) -> str:
    """How many of ``every`` case, type and trend were found, in words.

    None, because none of those ``left`` is near the topic or because no choice left any.
    """
    name = "all" if found == every else "some" if found else "far" if left else "none"
    said: str = site.words["topics"][name]
    return said.format(count=found, every=every, topic=topic)


def notice(site: Site, reports: Sequence[Report], topic: str) -> str | None:
    """Which municipality of the topic the reports do not name."""
    names = topics.unreported(reports, topic) if topic else ()
    said: str = site.words["topics"]["unreported"]
    return said.format(names=case_views.listed(site, names)) if names else None


def guides(site: Site, reports: Sequence[Report], filters: Filters) -> tuple[Link, ...]:
    """The reading guides of the chosen roles."""
    said = site.words["topics"]["guide"]
    found = ((audience, topics.guide(reports, audience)) for audience in filters.audiences)
    return tuple(
        Link(said.format(role=case_views.role(site, role)), case_views.opened(site, *guide))
        for role, guide in found
        if guide
    )


# --- cards ----------------------------------------------------------------------------------------


def groups(
    site: Site, reports: Sequence[Report], topic: str, hits: Sequence[SectionHit], near: int
) -> tuple[tuple[Group, ...], Group | None]:
    """The cards by kind; or for a topic those near it, best first, and those further from it."""
    if topic:
        said = site.words["topics"]
        cards = _cards(site, reports, hits, searched=True)
        best = Group(said["nearest"].format(topic=topic), True, cards[:near])
        rest = Group(said["further"].format(count=len(hits) - near), False, cards[near:])
        return ((best,) if best.cards else ()), (rest if rest.cards else None)
    of_kind = [(kind, [hit for hit in hits if hit.section.kind == kind]) for kind in ENTRY_KINDS]
    return tuple(
        Group(
            site.words["groups"][kind],
            kind == "case",
            _cards(site, reports, found, searched=False),
        )
        for kind, found in of_kind
        if found
    ), None


def _cards(
    site: Site, reports: Sequence[Report], hits: Sequence[SectionHit], *, searched: bool
) -> tuple[Card, ...]:
    by_id = {report.id: report for report in reports}
    themes = topics.counts(reports, Filters(), "themes")
    entries = sum(len(report.entries) for report in reports)
    shared = {theme for theme, count in themes.items() if 1 < count <= entries / 2}
    every = topics.cases(reports)
    return tuple(
        _card(site, by_id[hit.report], hit, shared, every, searched=searched) for hit in hits
    )


def _card(
    site: Site,
    report: Report,
    hit: SectionHit,
    shared: set[str],
    every: Sequence[Case],
    *,
    searched: bool,
) -> Card:
    section = hit.section
    title, _, subtitle = section.title.partition(": ")
    case = Case(report, section) if section.kind == "case" else None
    named = [] if case else topics.municipalities(report, section)
    said = site.words["topics"]
    return Card(
        kind=site.words["kinds"][section.kind] if searched else None,
        title=Link(title, case_views.opened(site, report, section)),
        subtitle=subtitle,
        page=None if searched else site.page_label(section.page, section.page_stated),
        shown=_shown(report, hit.hits[0]),
        citation=_citation(site, hit.hits[0]) if searched else None,
        mentions=said["mentions"].format(names=case_views.listed(site, named)) if named else None,
        relevant=case_views.relevant(site, section),
        themes=tuple(
            Theme(
                theme,
                case_views.overview(site, "", Filters(themes=(theme,)))
                if theme in shared
                else None,
            )
            for theme in section.themes
        ),
        compare=Link(said["compare"], case_views.comparison(site, [topics.name(case, every)]))
        if case and len(every) > 1
        else None,
    )


def _shown(report: Report, hit: Hit) -> tuple[Part, ...]:
    """The hit's best sentence, or how its passage begins, without a heading that says the title."""
    passage, marks = hit.passage, hit.highlights[:1]
    found = extract(passage, marks)
    if found != parts(passage, marks):
        return found
    return set_below(report.section(passage.section), passage, marks)


def _citation(site: Site, hit: Hit) -> Link:
    passage, marks = hit.passage, hit.highlights[:1]
    page = site.page_label(passage.page, passage.page_stated)
    marked = [("p", passage.anchor), ("m", "{}-{}".format(*marks[0]))] if marks else []
    address = site.address(f"/rapport/{passage.report}", marked, passage.anchor)
    return Link(cited_place(where(passage), page), address)


def case_lines(site: Site, every: Sequence[Case]) -> tuple[CaseLine, ...]:
    """Every case, in the reports' order."""
    return tuple(
        CaseLine(
            name=topics.name(case, every),
            link=Link(case_views.short(case), case_views.opened(site, case.report, case.section)),
            page=site.page_label(case.section.page, case.section.page_stated),
            choose=site.words["topics"]["choose"].format(case=case_views.short(case)),
        )
        for case in every
    )
