"""Cases, types and trends by choice, and cases point by point: what the report's structure gives.

Nothing is written here: facets come from what the outline says of each section, and cases are
compared along the headings that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

from tryghed_search.passages import (
    ENTRY_KINDS,
    Filters,
    Passage,
    Report,
    Section,
    SectionHit,
)
from tryghed_search.places import Gazetteer

MOST_COMPARED = 3
"""Cases that stand side by side at most."""
NEAR = 0.6
"""Share of the best score from which a case, type or trend counts as near the topic.

On the 49 topics of the tuning questions, 99 % of what belongs to a topic is at least that near, and
5.6 of the 17 entries are on average.
"""

ABOUT_FROM = 0.05
"""Confidence in an answer to the topic itself from which anything is near it at all.

Below it lie 2 of the 50 topics of the tuning questions, and 18 of 20 words that the report has
nothing on.
"""

_VALUES: dict[str, Callable[[Passage], tuple[str, ...]]] = {
    "kinds": lambda passage: (passage.kind,),
    "audiences": lambda passage: passage.audiences,
    "municipalities": lambda passage: passage.municipalities,
    "themes": lambda passage: passage.themes,
    "reports": lambda passage: (passage.report,),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A whole case of one report."""

    report: Report
    section: Section

    @property
    def parts(self) -> tuple[Section, ...]:
        """The sections that stand directly in it, in the report's order."""
        return tuple(s for s in self.report.sections if s.parent == self.section.slug)

    def passages(self, section: Section) -> tuple[Passage, ...]:
        """The passages of one of its sections."""
        return tuple(p for p in self.report.passages if p.section == section.slug)


@dataclass(frozen=True, slots=True)
class Aspect:
    """A heading that cases have in common, and what stands under it in each."""

    title: str
    """What the cases' headings begin with alike."""
    sections: tuple[Section | None, ...]
    """One for each case; None where the case has no such heading."""


def cases(reports: Sequence[Report]) -> tuple[Case, ...]:
    """Every case of every report, in the reports' order."""
    return tuple(Case(r, entry) for r in reports for entry in r.entries if entry.kind == "case")


def name(case: Case, among: Sequence[Case]) -> str:
    """What a case is called in addresses: its slug, or its whole id where two share the slug."""
    alike = sum(other.section.slug == case.section.slug for other in among)
    return case.section.slug if alike == 1 else case.section.id


def municipalities(report: Report, entry: Section) -> tuple[str, ...]:
    """The municipalities that a case, type or trend speaks of, in its order."""
    own = (s for s in report.sections if s.entry == entry.slug)
    return tuple(dict.fromkeys(name for section in own for name in section.municipalities))


# --- choosing -------------------------------------------------------------------------------------


def known(reports: Sequence[Report], filters: Filters) -> tuple[Filters, tuple[str, ...]]:
    """The values that some case, type or trend has, as it writes them; and the values none has."""
    kept: dict[str, tuple[str, ...]] = {}
    unknown: list[str] = []
    for facet in _VALUES:
        written = {value.casefold(): value for value in counts(reports, Filters(), facet)}
        asked = dict.fromkeys(getattr(filters, facet))
        unknown += [value for value in asked if value.casefold() not in written]
        found = (written[value.casefold()] for value in asked if value.casefold() in written)
        kept[facet] = tuple(dict.fromkeys(found))
    return Filters(**kept), tuple(unknown)


def counts(reports: Sequence[Report], filters: Filters, facet: str) -> dict[str, int]:
    """How many cases, types and trends each value of a facet would leave, chosen alone there."""
    others = replace(filters, **{facet: ()})
    found: dict[str, set[tuple[str, str]]] = {}
    for report in reports:
        for passage in report.passages:
            if passage.entry and passage.kind in ENTRY_KINDS and _fits(passage, others):
                for value in _VALUES[facet](passage):
                    found.setdefault(value, set()).add((report.id, passage.entry))
    return {value: len(entries) for value, entries in found.items()}


def toggled(filters: Filters, facet: str, value: str) -> Filters:
    """The filters with one value more, or without it where it was chosen."""
    values: tuple[str, ...] = getattr(filters, facet)
    kept = tuple(v for v in values if v != value)
    return replace(filters, **{facet: kept if value in values else (*values, value)})


def _fits(passage: Passage, filters: Filters) -> bool:
    """Whether the passage has any of the chosen values in each facet where one is chosen."""
    return all(
        not getattr(filters, facet) or set(getattr(filters, facet)) & set(values(passage))
        for facet, values in _VALUES.items()
    )


def guide(reports: Sequence[Report], audience: str) -> tuple[Report, Section] | None:
    """The reading guide that is for this role alone."""
    for report in reports:
        for section in report.sections:
            if section.kind == "guide" and section.audiences == (audience,):
                return report, section
    return None


# --- a topic --------------------------------------------------------------------------------------


def near(hits: Sequence[SectionHit], confidence: float) -> int:
    """How many of the hits, best first, are near the topic.

    Scores compare the hits with one another; whether the best is near says the confidence.
    """
    if confidence < ABOUT_FROM:
        return 0
    least = NEAR * hits[0].score if hits else 0.0
    return len(list(takewhile(lambda hit: hit.score >= least, hits)))


def unreported(reports: Sequence[Report], topic: str) -> tuple[str, ...]:
    """Danish municipalities in the topic that no report names."""
    named = {name for report in reports for s in report.sections for name in s.municipalities}
    found = _gazetteer(tuple(sorted(named))).unreported(topic)
    return tuple(name for name in found if name not in named)


@lru_cache(maxsize=1)
def _gazetteer(named: tuple[str, ...]) -> Gazetteer:
    return Gazetteer(dict.fromkeys(named, ()))


# --- comparing ------------------------------------------------------------------------------------


def aspects(compared: Sequence[Case]) -> tuple[Aspect, ...]:
    """The headings of the cases, each once, in an order that keeps every case's own.

    Headings are alike when their slugs end alike: ``esbjerg/laeringer``, ``gentofte/laeringer``.
    """
    order: list[str] = []
    for case in compared:
        at = 0
        for section in case.parts:
            key = _key(section)
            if key not in order:
                order.insert(at, key)
            at = order.index(key) + 1
    found = []
    for key in order:
        alike = tuple(next((s for s in case.parts if _key(s) == key), None) for case in compared)
        found.append(Aspect(_beginning([s.title for s in alike if s]), alike))
    return tuple(found)


def _key(section: Section) -> str:
    return section.slug.rsplit("/", maxsplit=1)[-1]


def _beginning(titles: Sequence[str]) -> str:
    """The words that all titles begin with, or else the first title."""
    words = zip(*(title.split() for title in titles), strict=False)
    shared = [word for word, *_ in takewhile(lambda w: len(set(w)) == 1, words)]
    return " ".join(shared) or titles[0]
