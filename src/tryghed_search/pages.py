"""The pages that readers see: the conversation and the report itself, complete without scripts."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib.resources import files
from itertools import islice, zip_longest
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.types import Scope

from tryghed_search.errors import BadQuestionError, NotReadyError
from tryghed_search.finding import MOST
from tryghed_search.passages import Filters, Question, Report, Span
from tryghed_search.reading import ReportPage, body, contents
from tryghed_search.search import MAX_HISTORY, MAX_QUESTION
from tryghed_search.serving import Serving, current_serving, serving_of
from tryghed_search.views import BLANK, AskPage, Exchange, Link, Page, ProblemPage, Site

LANGUAGES = {"da": "Dansk", "en": "English"}

_WEB = Path(str(files("tryghed_search.web")))
_STATIC = _WEB / "static"
_MOST_EXAMPLES = 5
_YEAR = "public, max-age=31536000, immutable"

Loaded = Annotated[Serving, Depends(current_serving)]
Values = Annotated[list[str], Query(default_factory=list)]

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def conversation(
    *,
    request: Request,
    serving: Loaded,
    kind: Values,
    municipality: Values,
    audience: Values,
    report: Values,
    h: Values,
    q: str | None = None,
) -> HTMLResponse:
    """The conversation; with a question, the answer stands in it."""
    site = site_of(request)
    filters = Filters(tuple(kind), tuple(municipality), tuple(audience), reports=tuple(report))
    history = tuple(text for text in (t.strip() for t in h) if text)[-MAX_HISTORY:]
    question = Question((q or "").strip(), history, filters=filters)
    problem = _misfit(site, question) if q is not None else None
    exchange = None
    try:
        reports = serving.reports
        if q is not None and problem is None:
            answer = await serving.ask(question)
            reply = site.reply(reports, question, answer)
            exchange = Exchange(question.text, site.scope(reports, filters), reply)
    except NotReadyError:
        return waiting(request, site)
    except BadQuestionError:
        problem = site.words["problem"]["bad_question"]
    page = _ask_page(request, site, reports, question, exchange=exchange, problem=problem)
    return render(page, 422 if problem else 200)


@router.api_route("/rapport/{report}", methods=["GET", "HEAD"])
async def reading(
    request: Request, serving: Loaded, report: str, p: str = "", m: str = "", find: str = ""
) -> HTMLResponse:
    """The whole report; ``m``, as "44-168", is marked in the passage with the anchor ``p``.

    The words in ``find`` are marked wherever they stand.
    """
    site = site_of(request)
    try:
        reports = serving.reports
    except NotReadyError:
        return waiting(request, site)
    found = next((r for r in reports if r.id == report), None)
    if found is None:
        return missing(request)
    span = _span(m)
    chapters, findings = body(site, found, (p, span) if span else None, find)
    title = f"{findings.summary} {found.title}" if findings else found.title
    shared = common(request, site, title, reports)
    shared["read"] = Link(site.words["site"]["read"], site.address(f"/rapport/{found.id}"))
    page = ReportPage(
        **shared,
        report_title=found.title,
        publisher=found.publisher,
        quote_lang=found.language,
        contents=contents(site, found),
        chapters=chapters,
        findings=findings,
        hidden=() if site.lang == "da" else (("lang", site.lang),),
        most=MOST,
    )
    return render(page)


def static_files() -> StaticFiles:
    """The static files of the pages, to be mounted under ``/static``."""
    return _Static(directory=_STATIC)


class _Static(StaticFiles):
    """Files that a browser keeps for a year when asked for below their version.

    The version stands in the path, so that modules that import one another by relative address
    stay of one version. Without it, or with an old one, a browser asks anew each time.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        first, _, rest = path.partition(os.sep)
        versioned = rest and re.fullmatch("[0-9a-f]{8}", first)
        response = await super().get_response(rest if versioned else path, scope)
        response.headers["Cache-Control"] = _YEAR if first == _version() else "no-cache"
        if path.endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


# --- words, addresses and files -------------------------------------------------------------------


@cache
def words(lang: str) -> Mapping[str, Any]:
    """Every word of the interface in one language."""
    return tomllib.loads((_WEB / "strings" / f"{lang}.toml").read_text(encoding="utf-8"))


@cache
def templates() -> Environment:
    """The templates, which escape everything and refuse names that they are not given."""
    return Environment(
        loader=FileSystemLoader(_WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _version() -> str:
    """Eight hexadecimal digits that change whenever a static file does."""
    digest = hashlib.sha256()
    for path in sorted(_STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(_STATIC).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def site_of(request: Request) -> Site:
    """Where the request's pages live, in the language it asks for, Danish if it asks for none."""
    wanted = request.query_params.get("lang", "da")
    lang = wanted if wanted in LANGUAGES else "da"
    return Site(request.scope.get("root_path", ""), lang, words(lang))


def common(request: Request, site: Site, title: str, reports: Sequence[Report]) -> dict[str, Any]:
    """The fields that all pages share."""
    said = site.words["site"]
    other = next(lang for lang in LANGUAGES if lang != site.lang)
    there = Site(site.root, other, words(other))
    path = request.scope["path"].removeprefix(site.root)
    pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    first = reports[0] if reports else None
    static = f"{site.root}/static/{_version()}"
    theme = request.app.state.settings.theme
    return {
        "lang": site.lang,
        "words": site.words,
        "static": static,
        "theme_sheet": None if theme == "calm" else f"{static}/theme-{theme}.css",
        "title": title,
        "home": site.address("/"),
        "read": Link(said["read"], site.address(f"/rapport/{first.id}")) if first else None,
        "topics": Link(said["topics"], site.address("/emner")) if first else None,
        "other": Link(LANGUAGES[other], there.address(path, pairs)),
        "other_lang": other,
        "source": said["source"].format(publisher=first.publisher, title=first.title)
        if len(reports) == 1 and first
        else None,
        "sources": tuple(Link(_source(r), site.address(f"/rapport/{r.id}")) for r in reports)
        if len(reports) > 1
        else (),
    }


def _source(report: Report) -> str:
    return f"{report.publisher}: »{report.title}«"


def _examples(site: Site, reports: Sequence[Report]) -> tuple[str, ...]:
    """Questions that the reports' editors offer in this language, each report's in turn."""
    of_each = ([q for lang, q in report.examples if lang == site.lang] for report in reports)
    in_turn = (question for row in zip_longest(*of_each) for question in row if question)
    return tuple(islice(in_turn, _MOST_EXAMPLES))


# --- making pages ---------------------------------------------------------------------------------


def render(page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """The page through its template."""
    context = {field.name: getattr(page, field.name) for field in fields(page)}
    html = templates().get_template(page.template).render(context)
    return HTMLResponse(html, status, {"Cache-Control": "no-cache", **(headers or {})})


def _ask_page(
    request: Request,
    site: Site,
    reports: Sequence[Report],
    question: Question,
    *,
    exchange: Exchange | None,
    problem: str | None,
) -> AskPage:
    said, filters, history = site.words["ask"], question.filters, question.history
    asked = (*history, question.text)[-MAX_HISTORY:] if exchange else history
    examples = _examples(site, reports)
    first = reports[0]
    return AskPage(
        **common(request, site, exchange.question if exchange else said["heading"], reports),
        lead=said["lead"].format(publisher=first.publisher, title=first.title)
        if len(reports) == 1
        else said["lead_many"].format(sources=", ".join(map(_source, reports))),
        quote_lang=first.language,
        examples=tuple(Link(text, site.ask(text, (), Filters())) for text in examples),
        earlier=tuple(
            Link(text, site.ask(text, history[:position], filters))
            for position, text in enumerate(history)
        ),
        exchange=exchange,
        blank=BLANK,
        groups=site.groups(reports, filters),
        chosen=site.chosen(filters),
        hidden=tuple(_carried(site, asked)),
        typed=question.text if problem else "",
        problem=problem,
        most=MAX_QUESTION,
        feedback=request.app.state.book is not None,
        settings={
            "root": site.root,
            "lang": site.lang,
            "name": site.words["site"]["name"],
            "home": said["heading"],
            "mostHistory": MAX_HISTORY,
            "several": len(reports) > 1,
            "words": {
                name: site.words[name]
                for name in ("kinds", "answer", "filters", "script", "feedback")
            },
        },
    )


def _carried(site: Site, asked: Iterable[str]) -> Iterable[tuple[str, str]]:
    """What a form without scripts sends along: the questions asked, and the language."""
    yield from (("h", text) for text in asked)
    if site.lang != "da":
        yield "lang", site.lang


def _misfit(site: Site, question: Question) -> str | None:
    """Why a question cannot be asked, in words for the reader."""
    said = site.words["problem"]
    if not question.text:
        return str(said["blank"])
    if max(map(len, (question.text, *question.history))) > MAX_QUESTION:
        return str(said["too_long"]).format(most=MAX_QUESTION)
    return None


def _span(text: str) -> Span | None:
    """The span that "44-168" stands for; None for anything else."""
    match = re.fullmatch(r"(\d{1,4})-(\d{1,4})", text, re.ASCII)
    return (int(match[1]), int(match[2])) if match else None


def missing(request: Request) -> HTMLResponse:
    """The page that says that there is nothing at this address."""
    site = site_of(request)
    serving = serving_of(request)
    reports = serving.reports if serving.ready else ()
    said = site.words["problem"]
    page = ProblemPage(
        **common(request, site, said["missing_heading"], reports),
        heading=said["missing_heading"],
        message=said["missing"],
        way_on=Link(said["missing_link"], site.address("/")),
    )
    return render(page, 404)


def waiting(request: Request, site: Site) -> HTMLResponse:
    """The page that says that the model is not loaded yet."""
    said = site.words["problem"]
    return _later(request, site, said["waiting_heading"], said["waiting"], 503, 5)


def wants_page(request: Request) -> bool:
    """Whether this is a browser that goes to a page, rather than a program that asks the API."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return (
        request.method in {"GET", "HEAD"}
        and not path.startswith("/api/")
        and "text/html" in request.headers.get("accept", "")
    )


def refused(request: Request, status: int, seconds: int) -> HTMLResponse:
    """The page that says that this reader (429), or all of them (503), ask too much."""
    site = site_of(request)
    said = site.words["problem"]
    if status == 429:
        return _later(request, site, said["limited_heading"], said["limited"], 429, seconds)
    return _later(request, site, said["busy_heading"], said["busy"], 503, seconds)


def _later(
    request: Request, site: Site, heading: str, message: str, status: int, seconds: int
) -> HTMLResponse:
    """A page that asks the reader to come back in some seconds."""
    path = request.scope["path"].removeprefix(site.root)
    pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    page = ProblemPage(
        **common(request, site, heading, ()),
        heading=heading,
        message=message,
        way_on=Link(site.words["problem"]["waiting_link"], site.address(path, pairs)),
    )
    return render(page, status, {"Retry-After": str(seconds)})
