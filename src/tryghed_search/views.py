"""Values that are ready to show: what the pages' templates are given.

A template is given one frozen context object and decides nothing but markup. The conversation's
script makes the same values from the API's answer (``web/static/reply.js``); a browser test holds
the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from tryghed_search import danish
from tryghed_search.passages import (
    KINDS,
    Answer,
    Filters,
    Hit,
    Question,
    Report,
    reference,
)
from tryghed_search.quoting import (
    Part,
    Run,
    cited_place,
    extract,
    parts,
    where,
)
from tryghed_search.search import MAX_HISTORY

SURE = 0.55
"""Confidence from which the page says that the report answers."""


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to an address."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the report that was found, with its citation."""

    rank: int
    labels: tuple[str, ...]
    """Its kind and municipalities."""
    shown: tuple[Part, ...]
    whole: tuple[Part, ...] | None
    """The whole passage where ``shown`` is only a part of it."""
    citation: Link
    copy: str
    """Quotation and reference as a reader pastes them."""
    reference: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the report says to a question."""

    state: str
    """``sure``, ``unsure`` or ``absent``."""
    verdict: str | None
    """The state in words, where the notice does not already say it."""
    notice: str | None
    lang: str
    """The language of the notice."""
    everywhere: Link | None
    """The same question to the whole report, where a limited search found no answer."""
    best: Place | None
    others_heading: str
    others: tuple[Place, ...]
    suggestions: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its reply."""

    question: str
    scope: str | None
    reply: Reply | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A check box."""

    value: str
    label: str
    checked: bool


@dataclass(frozen=True, slots=True)
class ChoiceGroup:
    """The check boxes of one filter."""

    name: str
    legend: str
    choices: tuple[Choice, ...]


# --- one context for each template ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every page needs."""

    template: ClassVar[str] = "base.html"
    lang: str
    words: Mapping[str, Any]
    static: str
    """Address of the folder of static files."""
    theme_sheet: str | None
    """Address of the style sheet of the operator's theme, where it is not the default."""
    title: str
    home: str
    topics: Link | None
    read: Link | None
    other: Link
    """This page in the other language."""
    other_lang: str
    source: str | None
    sources: tuple[Link, ...]
    """The reports to read, where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPage(Page):
    """The conversation: empty, or with the reply to the question in the address."""

    template: ClassVar[str] = "ask.html"
    lead: str
    quote_lang: str
    examples: tuple[Link, ...]
    earlier: tuple[Link, ...]
    exchange: Exchange | None
    blank: Exchange
    """An exchange with one of everything, which the script clones and fills."""
    groups: tuple[ChoiceGroup, ...]
    chosen: str
    """How many choices are checked, in words; empty for none."""
    hidden: tuple[tuple[str, str], ...]
    """Form fields that carry the conversation on without scripts."""
    typed: str
    problem: str | None
    most: int
    feedback: bool
    """Whether readers are asked what they think of an answer."""
    settings: Mapping[str, Any]
    """What the script needs to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPage(Page):
    """Why there is nothing to show, and where to go."""

    template: ClassVar[str] = "problem.html"
    heading: str
    message: str
    way_on: Link


# --- from reports and answers to what is shown ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Site:
    """Where this request's pages live, and their words."""

    root: str
    """What stands before every path: empty, or "/prefix"."""
    lang: str
    words: Mapping[str, Any]

    def address(self, path: str, pairs: Iterable[tuple[str, str]] = (), anchor: str = "") -> str:
        """An address on this site, in this language."""
        language = [] if self.lang == "da" else [("lang", self.lang)]
        query = urlencode([*pairs, *language])
        return f"{self.root}{path}{'?' + query if query else ''}{'#' + anchor if anchor else ''}"

    def ask(self, text: str, history: Sequence[str], filters: Filters) -> str:
        """The address that answers a question, with as much history as may be sent."""
        pairs = [("q", text)]
        pairs += [("kind", value) for value in filters.kinds]
        pairs += [("municipality", value) for value in filters.municipalities]
        pairs += [("audience", value) for value in filters.audiences]
        pairs += [("report", value) for value in filters.reports]
        return self.address("/", [*pairs, *(("h", earlier) for earlier in history[-MAX_HISTORY:])])

    def page_label(self, page: int | None, stated: bool) -> str | None:
        """How the page is cited in this language."""
        if page is None:
            return None
        label: str = self.words["answer"]["page" if stated else "page_inferred"]
        return label.format(page=page)

    def reply(self, reports: Sequence[Report], question: Question, answer: Answer) -> Reply:
        """An answer: its first place as the quotation, the others as a list."""
        said = self.words["answer"]
        titles = {report.id: report for report in reports}
        answered = answer.status == "answered"
        state = "absent" if not answered else "sure" if answer.confidence >= SURE else "unsure"
        places = tuple(
            self._place(
                titles[hit.passage.report],
                hit,
                is_answer=answered,
                is_best=answered and hit is answer.hits[0],
                is_one_of_several=len(reports) > 1,
            )
            for hit in answer.hits
        )
        history = (*question.history, question.text)
        return Reply(
            state=state,
            verdict=None if answer.notice else said[state],
            notice=answer.notice,
            lang=answer.language,
            everywhere=Link(
                said["everywhere"], self.ask(question.text, question.history, Filters())
            )
            if not answered and question.filters != Filters()
            else None,
            best=places[0] if answered and places else None,
            others_heading=said["others" if answered else "related"],
            others=places[1:] if answered else places,
            suggestions=tuple(
                Link(text, self.ask(text, history, question.filters)) for text in answer.suggestions
            ),
        )

    def _place(
        self, report: Report, hit: Hit, *, is_answer: bool, is_best: bool, is_one_of_several: bool
    ) -> Place:
        """A hit, its best sentence marked where it is offered as an answer.

        Of several reports its own is named.
        """
        passage = hit.passage
        marks = hit.highlights[:1] if is_answer else ()
        whole = parts(passage, marks)
        shown = whole if is_best else extract(passage, marks)
        page = self.page_label(passage.page, passage.page_stated)
        cited = reference(report, passage)
        quotation = (
            passage.text[slice(*marks[0])]
            if marks
            else "\n".join(passage.text[block.start : block.end] for block in passage.blocks)
        )
        return Place(
            rank=hit.rank,
            labels=(
                *((report.title,) if is_one_of_several else ()),
                self.words["kinds"][passage.kind],
                *passage.municipalities,
            ),
            shown=shown,
            whole=None if shown == whole else whole,
            citation=Link(
                cited_place(where(passage), page),
                self.address(
                    f"/rapport/{passage.report}",
                    [("p", passage.anchor), ("m", "{}-{}".format(*marks[0]))] if marks else [],
                    passage.anchor,
                ),
            ),
            copy=f"»{quotation}«\n{cited}",
            reference=cited,
        )

    def scope(self, reports: Sequence[Report], filters: Filters) -> str | None:
        """What the search is limited to, in words."""
        titles = {report.id: report.title for report in reports}
        labels = [
            *(self.words["kinds"].get(value, value) for value in filters.kinds),
            *filters.municipalities,
            *(self.words["audiences"].get(value, value) for value in filters.audiences),
            *(titles.get(value, value) for value in filters.reports),
        ]
        scope: str = self.words["filters"]["scope"]
        return scope.format(labels=" · ".join(labels)) if labels else None

    def chosen(self, filters: Filters) -> str:
        """How many choices are made, in words; empty for none."""
        given = (filters.kinds, filters.municipalities, filters.audiences, filters.reports)
        count = sum(map(len, given))
        chosen: str = self.words["filters"]["chosen"]
        return chosen.format(count=count) if count else ""

    def groups(self, reports: Sequence[Report], filters: Filters) -> tuple[ChoiceGroup, ...]:
        """The filters that the reports allow: kinds, the cases' municipalities, roles.

        Where there are several, also which of them.
        """
        sections = [section for report in reports for section in report.sections]
        kinds = {section.kind for section in sections}
        places = {m for s in sections if s.kind == "case" for m in s.municipalities}
        roles = dict.fromkeys(audience for s in sections for audience in s.audiences)
        said = self.words

        def group(name: str, values: Iterable[str], chosen: Sequence[str]) -> ChoiceGroup:
            labels = said.get(f"{name}s", {})
            choices = (Choice(v, labels.get(v, v), v in chosen) for v in values)
            return ChoiceGroup(name, said["filters"][name], tuple(choices))

        groups = (
            group("kind", (k for k in KINDS if k in kinds), filters.kinds),
            group("municipality", sorted(places, key=danish.order), filters.municipalities),
            group("audience", roles, filters.audiences),
        )
        if len(reports) < 2:
            return groups
        of_them = (Choice(r.id, r.title, r.id in filters.reports) for r in reports)
        return (*groups, ChoiceGroup("report", said["filters"]["report"], tuple(of_them)))


_BLANK_PLACE = Place(
    rank=1,
    labels=("",),
    shown=(Part("paragraph", ((Run("", False),),)),),
    whole=(),
    citation=Link("", ""),
    copy="",
    reference="",
)
BLANK = Exchange(
    question="",
    scope="",
    reply=Reply(
        state="",
        verdict="",
        notice="",
        lang="",
        everywhere=Link("", ""),
        best=_BLANK_PLACE,
        others_heading="",
        others=(_BLANK_PLACE,),
        suggestions=(Link("", ""),),
    ),
)
"""An exchange with one of everything, which the conversation's script clones and fills."""
