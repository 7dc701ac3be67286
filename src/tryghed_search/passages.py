"""The vocabulary of the program: what a report, a section, a passage and an answer are.

Everything here is a frozen, slotted dataclass without behaviour beyond small derived
properties, so that every other module can share it without importing one another.
Offsets named ``start``/``end`` in :class:`Section` and :class:`Passage` count Unicode
characters in the report's source file; offsets inside :class:`Block`, ``sentences`` and
``highlights`` count characters in the passage's own ``text``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["case", "typology", "trend", "guide", "intro", "chapter"]
KINDS: tuple[Kind, ...] = ("case", "typology", "trend", "guide", "intro", "chapter")
ENTRY_KINDS: tuple[Kind, ...] = ("case", "typology", "trend")
"""Kinds whose top sections are the report's entries: whole cases, types and trends."""

Role = Literal["heading", "paragraph", "item"]
Status = Literal["answered", "not_in_report"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of the outline and what stands under it, before its subsections."""

    id: str
    """Report id and slug: ``lokal-tryghed-1/hjoerring/laeringer``."""
    slug: str
    title: str
    kind: Kind
    path: tuple[str, ...]
    """Titles from the top of the report down to this section."""
    parent: str | None
    """Slug of the section that this one stands in."""
    entry: str | None
    """Slug of the case, type or trend that this section speaks of, if it speaks of one."""
    page: int | None
    page_stated: bool
    municipalities: tuple[str, ...]
    themes: tuple[str, ...]
    audiences: tuple[str, ...]
    start: int
    """Where the section's opening line begins in the source."""
    body_start: int
    """Where its own text begins: after the opening lines, or at them if they are quoted."""
    end: int
    """Where its own text ends: the next section's ``start``."""

    @property
    def anchor(self) -> str:
        """The section's anchor in the reading view."""
        return self.slug.replace("/", "-")


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph or list item inside a passage's text."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit that is retrieved and quoted: a slice of one section, at most 1,000 characters."""

    id: str
    """Section id and running number: ``lokal-tryghed-1/hjoerring/laeringer/1``."""
    report: str
    section: str
    """Slug of the section that the passage is a slice of."""
    entry: str | None
    path: tuple[str, ...]
    """The section's path and, where the passage has one, its own heading."""
    kind: Kind
    page: int | None
    page_stated: bool
    municipalities: tuple[str, ...]
    themes: tuple[str, ...]
    audiences: tuple[str, ...]
    start: int
    end: int
    text: str
    """``source[start:end]`` with white space folded to single spaces and ``**`` left out."""
    blocks: tuple[Block, ...]
    sentences: tuple[Span, ...]
    """Whole sentences, headings and list items of ``text``, in order, without overlap."""

    @property
    def anchor(self) -> str:
        """The passage's anchor in the reading view."""
        return self.id.split("/", 1)[1].replace("/", "-")

    @property
    def url(self) -> str:
        """The passage's address in the reading view, from the server's root."""
        return f"/rapport/{self.report}#{self.anchor}"


@dataclass(frozen=True, slots=True)
class Report:
    """One publication with its text, sections and passages, all in the text's order."""

    id: str
    title: str
    publisher: str
    language: str
    text: str
    sections: tuple[Section, ...]
    passages: tuple[Passage, ...]
    examples: tuple[tuple[str, str], ...] = ()
    """Language of a page, and a question that it offers while it is empty."""

    def section(self, slug: str) -> Section:
        """The section with that slug; ``KeyError`` if the report has none."""
        for section in self.sections:
            if section.slug == slug:
                return section
        raise KeyError(slug)

    @property
    def entries(self) -> tuple[Section, ...]:
        """The whole cases, types and trends, in the report's order."""
        return tuple(s for s in self.sections if s.entry == s.slug)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which passages may be found: any of the values in each list, all lists together."""

    kinds: tuple[str, ...] = ()
    municipalities: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    """Ids of reports."""

    @property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each of ``FILTERS`` that has values, with these."""
        values = (self.kinds, self.municipalities, self.audiences, self.themes, self.reports)
        return tuple((name, given) for name, given in zip(FILTERS, values, strict=True) if given)


FILTERS = ("kind", "municipality", "audience", "theme", "report")
"""What passages can be filtered by, as readers are told of it."""


def filter_values(passage: Passage, name: str) -> tuple[str, ...]:
    """What a passage has of one of ``FILTERS``."""
    if name == "kind":
        return (passage.kind,)
    if name == "report":
        return (passage.report,)
    of = {"municipality": "municipalities", "audience": "audiences", "theme": "themes"}[name]
    values: tuple[str, ...] = getattr(passage, of)
    return values


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader asks."""

    text: str
    history: tuple[str, ...] = ()
    """Earlier questions of the conversation, oldest first."""
    limit: int = 5
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for one question."""

    passage: Passage
    rank: int
    score: float
    """From 0 to 1, higher is better; comparable within one answer only."""
    highlights: tuple[Span, ...]
    """Whole sentences of the passage's text, best first; empty when none stands out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader gets: hits, the chosen sentence, status and confidence."""

    question: str
    status: Status
    confidence: float
    """Estimated probability, 0 to 1, that the report answers the question."""
    notice: str | None
    sentence: str | None
    """The answering sentence: a slice of the first hit's text; None without an answer."""
    hits: tuple[Hit, ...]
    suggestions: tuple[str, ...]
    language: Literal["da", "en"]
    """The language that ``notice`` is written in."""


@dataclass(frozen=True, slots=True)
class SectionHit:
    """A whole case, type or trend found for a topic, with its best passages."""

    section: Section
    report: str
    score: float
    hits: tuple[Hit, ...]


def page_label(page: int | None, stated: bool) -> str | None:
    """How a page is cited: "s. 11" when the report states it, "ca. s. 12" when inferred."""
    if page is None:
        return None
    return f"s. {page}" if stated else f"ca. s. {page}"


def reference(report: Report, passage: Passage) -> str:
    """The citation as a reader pastes it into a memo."""
    section = report.section(passage.section)
    label = page_label(passage.page, passage.page_stated)
    place = f"{label}, " if label else ""
    return f"{report.publisher}: {report.title}, {place}»{section.title}«."
