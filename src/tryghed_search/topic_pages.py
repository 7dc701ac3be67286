"""The pages of the topics: the overview and cases side by side, complete without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tryghed_search import case_views, compare_views, pages, topic_views, topics
from tryghed_search.errors import NotReadyError
from tryghed_search.passages import Filters, Question, Report, SectionHit
from tryghed_search.search import MAX_QUESTION
from tryghed_search.serving import Serving, current_serving
from tryghed_search.views import Link, Site

Loaded = Annotated[Serving, Depends(current_serving)]
Values = Annotated[list[str], Query(default_factory=list)]

router = APIRouter(include_in_schema=False)


@router.api_route("/emner", methods=["GET", "HEAD"])
async def overview(
    *,
    request: Request,
    serving: Loaded,
    kind: Values,
    municipality: Values,
    audience: Values,
    theme: Values,
    report: Values,
    q: str = "",
) -> HTMLResponse:
    """Cases, types and trends, in the report's order or ranked for the topic ``q``.

    Choices that cannot be used are left out, and the page says so with status 422.
    """
    site = pages.site_of(request)
    typed = " ".join(q.split())
    asked = Filters(tuple(kind), tuple(municipality), tuple(audience), tuple(theme), tuple(report))
    try:
        reports = serving.reports
        filters, unknown = topics.known(reports, asked)
        problem = _misfit(site, typed, unknown)
        topic = typed if len(typed) <= MAX_QUESTION else ""
        found = await serving.sections(topic or None, filters)
        likely = (await serving.ask(Question(topic))).confidence if topic else 1.0
    except NotReadyError:
        return pages.waiting(request, site)
    hits = tuple(hit for hit in found if hit.section.entry == hit.section.slug)
    page = _overview(
        request,
        site,
        reports,
        typed=typed,
        topic=topic,
        filters=filters,
        hits=hits,
        near=topics.near(hits, likely) if topic else len(hits),
        problem=problem,
    )
    return pages.render(page, 422 if problem else 200)


@router.api_route("/emner/sammenlign", methods=["GET", "HEAD"])
async def comparison(request: Request, serving: Loaded, case: Values) -> HTMLResponse:
    """Two or three cases side by side; with fewer, the choice of them."""
    site = pages.site_of(request)
    try:
        reports = serving.reports
    except NotReadyError:
        return pages.waiting(request, site)
    cases = topics.cases(reports)
    every = {topics.name(c, cases): c for c in cases}
    taken = list(dict.fromkeys(case))
    said = site.words["compare"]
    problem = None
    if any(name not in every for name in taken):
        problem = said["unknown"]
    elif len(taken) > topics.MOST_COMPARED:
        problem = said["too_many"].format(most=topics.MOST_COMPARED)
    compared = {name: every[name] for name in taken} if len(taken) > 1 and not problem else {}
    names = [case_views.short(c) for c in compared.values()]
    page = compare_views.ComparePage(
        **pages.common(
            request, site, case_views.listed(site, names) if names else said["heading"], reports
        ),
        quote_lang=reports[0].language,
        overview=Link(site.words["site"]["topics"], site.address("/emner")),
        problem=problem,
        action=f"{site.root}/emner/sammenlign",
        hidden=_language(site),
        choices=compare_views.choices(every, taken),
        columns=compare_views.columns(site, compared),
        rows=compare_views.rows(site, list(compared.values())),
    )
    return pages.render(page, 422 if problem else 200)


def _overview(
    request: Request,
    site: Site,
    reports: Sequence[Report],
    *,
    typed: str,
    topic: str,
    filters: Filters,
    hits: Sequence[SectionHit],
    near: int,
    problem: str | None,
) -> topic_views.TopicsPage:
    said = site.words["topics"]
    every = topics.cases(reports)
    groups, rest = topic_views.groups(site, reports, topic, hits, near)
    has_cases = any(hit.section.kind == "case" for hit in hits)
    limited = bool(topic or case_views.chosen(filters))
    return topic_views.TopicsPage(
        **pages.common(request, site, topic or said["heading"], reports),
        quote_lang=reports[0].language,
        topic=typed,
        most=MAX_QUESTION,
        problem=problem,
        action=f"{site.root}/emner",
        hidden=(*case_views.chosen(filters), *_language(site)),
        facets=topic_views.facets(site, reports, topic, filters),
        count=topic_views.count(
            site, topic, near, len(hits), sum(len(report.entries) for report in reports)
        ),
        scope=topic_views.scope(site, reports, filters),
        notice=topic_views.notice(site, reports, topic),
        guides=topic_views.guides(site, reports, filters),
        clear=Link(said["start_over"], site.address("/emner")) if limited else None,
        ask=Link(said["ask"].format(topic=topic), site.ask(topic, (), Filters()))
        if topic
        else None,
        groups=groups,
        rest=rest,
        map=case_views.country(site, every, {hit.section.id for hit in hits[:near]})
        if has_cases
        else None,
        case_lines=topic_views.case_lines(site, every) if has_cases else (),
        compare_action=f"{site.root}/emner/sammenlign",
        compare_hidden=_language(site),
    )


def _language(site: Site) -> tuple[tuple[str, str], ...]:
    """What a form sends along to stay in this language."""
    return () if site.lang == "da" else (("lang", site.lang),)


def _misfit(site: Site, topic: str, unknown: Sequence[str]) -> str | None:
    """Why the choices cannot be used, in words for the reader."""
    said = site.words["topics"]
    if len(topic) > MAX_QUESTION:
        return str(said["too_long"]).format(most=MAX_QUESTION)
    return (
        str(said["unknown"]).format(names=", ".join(value[:60] for value in unknown[:5]))
        if unknown
        else None
    )
