"""The JSON API: ``POST /api/v1/ask``, ``GET /api/v1/sections``, ``GET /api/v1/meta``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from tryghed_search import problems
from tryghed_search.errors import BadQuestionError, FeedbackError
from tryghed_search.feedback import Book, Verdict, entry
from tryghed_search.passages import (
    Answer,
    Filters,
    Hit,
    Kind,
    Question,
    Report,
    Role,
    SectionHit,
    Status,
    reference,
)
from tryghed_search.search import MAX_HISTORY, MAX_LIMIT, MAX_QUESTION
from tryghed_search.serving import Serving, current_serving

router = APIRouter(prefix="/api/v1", tags=["api"])
feedback_router = APIRouter(prefix="/api/v1", tags=["feedback"])
"""Only where the operator has named a file for it."""

logger = logging.getLogger(__name__)

Current = Annotated[Serving, Depends(current_serving)]
QuestionText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION)
]
FilterValue = Annotated[str, StringConstraints(max_length=100)]
Whole = Annotated[
    int,
    # JSON has one kind of number, so 5.0 is an integer to JSON Schema and to our description.
    BeforeValidator(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v),
    Field(strict=True),
]
FilterValues = Annotated[list[FilterValue], Field(max_length=50)]


class AskRequest(BaseModel):
    """A question with its conversation and filters."""

    model_config = ConfigDict(extra="ignore")

    question: QuestionText = Field(description="In everyday language, 1 to 500 characters.")
    history: list[QuestionText] = Field(
        default_factory=list,
        max_length=MAX_HISTORY,
        description="Earlier questions of this conversation, oldest first.",
    )
    limit: Whole = Field(default=5, ge=1, le=MAX_LIMIT, description="How many passages.")
    kind: FilterValues = Field(default_factory=list)
    municipality: FilterValues = Field(default_factory=list)
    audience: FilterValues = Field(default_factory=list)
    report: FilterValues = Field(default_factory=list, description="Ids of reports.")


class FeedbackRequest(AskRequest):
    """A question as it was asked, and what the reader says of the answer."""

    verdict: Verdict
    right: Whole | None = Field(
        default=None, ge=1, le=MAX_LIMIT, description="Rank of the right passage."
    )


class BlockModel(BaseModel):
    """A heading, paragraph or list item in a passage's text."""

    start: int
    end: int
    role: Role


class CitationModel(BaseModel):
    """Where a passage stands."""

    report: str
    publisher: str
    language: str = Field(description="Of the report's text, as da.")
    section: list[str] = Field(description="Titles from the top of the report down.")
    page: int | None
    page_stated: bool = Field(description="False: the order of the sections gives the page.")
    start: int = Field(description="Characters into the report's source text.")
    end: int
    url: str = Field(description="The place in the reading view, from the server's root.")
    reference: str = Field(description="As it is pasted into a memo.")


class PassageModel(BaseModel):
    """A passage that was found."""

    id: str
    rank: int
    score: float = Field(description="0 to 1; comparable within one response only.")
    text: str
    highlights: list[tuple[int, int]] = Field(description="Sentences in text, best first.")
    kind: Kind
    municipalities: list[str]
    themes: list[str]
    audiences: list[str]
    blocks: list[BlockModel]
    citation: CitationModel


class AnswerText(BaseModel):
    """The answering sentence."""

    text: str
    passage_id: str


class AskResponse(BaseModel):
    """The answer to one question."""

    question: str
    status: Status
    confidence: float = Field(description="Estimated probability that the report answers.")
    notice: str | None
    answer: AnswerText | None
    passages: list[PassageModel]
    suggestions: list[str]
    language: Literal["da", "en"] = Field(description="Of the notice.")


class SectionModel(BaseModel):
    """A whole case, type or trend."""

    id: str
    kind: Kind
    title: str
    section: list[str]
    municipalities: list[str]
    themes: list[str]
    audiences: list[str]
    page: int | None
    page_stated: bool
    url: str
    score: float
    passages: list[PassageModel]


class SectionsResponse(BaseModel):
    """Whole cases, types and trends, best first."""

    query: str | None
    sections: list[SectionModel]


class ReportMeta(BaseModel):
    """A report in the index."""

    id: str
    title: str
    publisher: str
    language: str
    sections: int
    passages: int
    url: str


class FacetValue(BaseModel):
    """A value to filter by."""

    value: str
    count: int = Field(description="How many passages have it.")


class ModelMeta(BaseModel):
    """The model that made the index."""

    name: str
    version: str
    sha256: str
    dimension: int


class IndexMeta(BaseModel):
    """The index in force."""

    format: int
    built: str = Field(description="UTC, ISO 8601.")


class MetaResponse(BaseModel):
    """What is in the index, and what made it."""

    reports: list[ReportMeta]
    counts: dict[str, int]
    facets: dict[str, list[FacetValue]] = Field(description="Most frequent value first.")
    model: ModelMeta
    index: IndexMeta


def question_of(request: AskRequest) -> Question:
    """A question as it came over the wire or from the command line."""
    filters = Filters(
        tuple(request.kind),
        tuple(request.municipality),
        tuple(request.audience),
        reports=tuple(request.report),
    )
    return Question(request.question, tuple(request.history), request.limit, filters)


def answer_model(answer: Answer, reports: tuple[Report, ...]) -> AskResponse:
    """An answer as it goes over the wire."""
    return AskResponse(
        question=answer.question,
        status=answer.status,
        confidence=answer.confidence,
        notice=answer.notice,
        answer=AnswerText(text=answer.sentence, passage_id=answer.hits[0].passage.id)
        if answer.sentence is not None
        else None,
        passages=[_passage_model(hit, reports) for hit in answer.hits],
        suggestions=list(answer.suggestions),
        language=answer.language,
    )


def _report(reports: tuple[Report, ...], report_id: str) -> Report:
    return next(report for report in reports if report.id == report_id)


def _passage_model(hit: Hit, reports: tuple[Report, ...]) -> PassageModel:
    passage = hit.passage
    report = _report(reports, passage.report)
    return PassageModel(
        id=passage.id,
        rank=hit.rank,
        score=hit.score,
        text=passage.text,
        highlights=list(hit.highlights),
        kind=passage.kind,
        municipalities=list(passage.municipalities),
        themes=list(passage.themes),
        audiences=list(passage.audiences),
        blocks=[BlockModel(start=b.start, end=b.end, role=b.role) for b in passage.blocks],
        citation=CitationModel(
            report=report.title,
            publisher=report.publisher,
            language=report.language,
            section=list(passage.path),
            page=passage.page,
            page_stated=passage.page_stated,
            start=passage.start,
            end=passage.end,
            url=passage.url,
            reference=reference(report, passage),
        ),
    )


def _section_model(hit: SectionHit, reports: tuple[Report, ...]) -> SectionModel:
    section = hit.section
    return SectionModel(
        id=section.id,
        kind=section.kind,
        title=section.title,
        section=list(section.path),
        municipalities=list(section.municipalities),
        themes=list(section.themes),
        audiences=list(section.audiences),
        page=section.page,
        page_stated=section.page_stated,
        url=f"/rapport/{hit.report}#{section.anchor}",
        score=hit.score,
        passages=[_passage_model(found, reports) for found in hit.hits],
    )


@router.post(
    "/ask",
    summary="Answer a question in the report's own words",
    response_model=AskResponse,
    responses=problems.responses(400, 413, 415, 422, 429, 503),
)
async def ask(request: AskRequest, serving: Current) -> Response:
    """Ranked passages, the answering sentence, and a citation for each; or an honest no."""
    asked = await serving.asked(question_of(request))
    if asked.written is None:
        # Written here: it is made of our own values, which need no second look on the way out.
        asked.written = answer_model(asked.answer, serving.reports).model_dump_json()
    return Response(asked.written, media_type="application/json")


@feedback_router.post(
    "/feedback",
    summary="Say whether an answer was right",
    status_code=204,
    response_class=Response,
    responses=problems.responses(400, 413, 415, 422, 429, 503),
)
async def feedback(said: FeedbackRequest, serving: Current, request: Request) -> Response:
    """Keeps the question, the answer's places and the verdict; nothing about who sent it."""
    book: Book = request.app.state.book
    question = question_of(said)
    answer = await serving.ask(question)
    if said.right is not None and said.right > len(answer.hits):
        raise BadQuestionError(f"Der er kun {len(answer.hits)} steder i svaret.")
    line = entry(question, answer, said.verdict, said.right, datetime.now(UTC).date())
    try:
        await run_in_threadpool(book.keep, line)
    except FeedbackError as error:
        logger.error("%s", error)
        return problems.problem(503, "Vurderingen kunne ikke gemmes. Prøv igen senere.")
    return Response(status_code=204)


@router.get(
    "/sections",
    summary="Whole cases, types and trends for a topic",
    responses=problems.responses(422, 429, 503),
)
async def sections(
    serving: Current,
    q: Annotated[str | None, Query(max_length=MAX_QUESTION)] = None,
    kind: Annotated[FilterValues | None, Query()] = None,
    municipality: Annotated[FilterValues | None, Query()] = None,
    audience: Annotated[FilterValues | None, Query()] = None,
    report: Annotated[FilterValues | None, Query()] = None,
) -> SectionsResponse:
    """Ranked by what all of their passages say; without ``q`` all of them in report order."""
    filters = Filters(
        tuple(kind or ()),
        tuple(municipality or ()),
        tuple(audience or ()),
        reports=tuple(report or ()),
    )
    hits = await serving.sections(q, filters)
    return SectionsResponse(
        query=q, sections=[_section_model(hit, serving.reports) for hit in hits]
    )


@router.get(
    "/meta",
    summary="What is in the index, and what made it",
    responses=problems.responses(429, 503),
)
async def meta(serving: Current) -> MetaResponse:
    """Reports, counts, facets with counts, model, index format and build time."""
    reports, manifest = serving.reports, serving.manifest
    passages = [passage for report in reports for passage in report.passages]
    model = manifest.model
    return MetaResponse(
        reports=[
            ReportMeta(
                id=report.id,
                title=report.title,
                publisher=report.publisher,
                language=report.language,
                sections=len(report.sections),
                passages=len(report.passages),
                url=f"/rapport/{report.id}",
            )
            for report in reports
        ],
        counts=dict(manifest.counts),
        facets={
            "kind": _counted(p.kind for p in passages),
            "municipality": _counted(value for p in passages for value in p.municipalities),
            "audience": _counted(value for p in passages for value in p.audiences),
            "theme": _counted(value for p in passages for value in p.themes),
            "report": _counted(p.report for p in passages),
        },
        model=ModelMeta(
            name=model.name, version=model.version, sha256=model.sha256, dimension=model.dimension
        ),
        index=IndexMeta(format=manifest.format, built=manifest.built),
    )


def _counted(values: Iterable[str]) -> list[FacetValue]:
    """Facet values with how many passages have them, most frequent first."""
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return [FacetValue(value=value, count=count) for value, count in ranked]
