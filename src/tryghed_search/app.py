"""The web application: pages, API, health and errors put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.gzip import GZipMiddleware

from tryghed_search import api, pages, problems, sharing, topic_pages, widget
from tryghed_search.engine import Engine
from tryghed_search.errors import BusyError
from tryghed_search.feedback import Book
from tryghed_search.headers import SecurityHeaders
from tryghed_search.limits import BUSY_SECONDS, Limits, Rate
from tryghed_search.metrics import Metrics
from tryghed_search.observing import CancelAborted, Observed
from tryghed_search.postgres.search import LOST
from tryghed_search.search import Searcher
from tryghed_search.serving import IndexHolder
from tryghed_search.settings import Settings
from tryghed_search.store import Manifest

Watch = Callable[[IndexHolder], Awaitable[None]]
"""Keeps the index that a holder has up to date, until cancelled."""


def create_app(
    loaded: tuple[Manifest, Searcher] | None = None,
    book: Book | None = None,
    settings: Settings | None = None,
    watch: Watch | None = None,
    lost: Callable[[], bool] | None = None,
) -> FastAPI:
    """The application over a loaded index; without one, what needs it answers 503.

    With a book, readers are asked for feedback, which is kept in it. Without settings, no client
    is refused for asking much. ``watch`` runs as long as the application does; ``lost`` tells
    whether the store of the reports has stopped answering.
    """
    given = settings or Settings.model_construct(rate=0.0)
    metrics = Metrics()
    engine = Engine(
        metrics,
        threads=len(os.sched_getaffinity(0)),
        queue=given.queue,
        seconds=given.answer_seconds,
        answers=given.answers,
    )
    holder = IndexHolder(engine, metrics, given.log_questions, lost)
    if loaded is not None:
        holder.take(*loaded)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.ensure_future(watch(holder)) if watch else None
        yield
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        holder.close()

    app = FastAPI(
        title="tryghed-search",
        summary="Søgning i rapporter, med rapporternes egne ord.",
        version=version("tryghed-search"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.holder = holder
    app.state.book = book
    app.state.settings = given
    problems.install(app)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(404, _missing)
    app.include_router(api.router)
    if book is not None:
        app.include_router(api.feedback_router)
    app.include_router(pages.router)
    app.include_router(topic_pages.router)
    app.include_router(widget.router)
    app.mount("/static", pages.static_files(), name="static")
    _add_health(app, holder)
    # The last one added is the first to see a request.
    app.add_middleware(
        Limits,
        refuse=_refused,
        metrics=metrics,
        rate=Rate(given.rate, given.rate_burst) if given.rate else None,
        requests=given.requests,
    )
    # Outside whatever may refuse a request, so that the widget can read why.
    app.add_middleware(sharing.Sharing, allowed_origins=given.allowed_origins)
    app.add_middleware(SecurityHeaders, hsts_days=given.hsts_days)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    if given.root_path:
        app.add_middleware(sharing.Prefixed, prefix=given.root_path)
    app.add_middleware(CancelAborted)
    app.add_middleware(Observed, metrics=metrics, log_requests=given.log_requests)
    return app


async def _missing(request: Request, error: Exception) -> Response:
    return (
        pages.missing(request) if pages.wants_page(request) else await problems.http(request, error)
    )


async def _busy(request: Request, error: Exception) -> Response:
    return _refused(request, 503, str(error), BUSY_SECONDS)


def _refused(request: Request, status: int, detail: str, seconds: int) -> Response:
    """A page for a reader and a problem document for a program, with when to come back."""
    if pages.wants_page(request):
        return pages.refused(request, status, seconds)
    return problems.problem(status, detail, {"Retry-After": str(seconds)})


def _add_health(app: FastAPI, holder: IndexHolder) -> None:
    @app.get("/healthz", summary="Alive", tags=["health"], response_class=PlainTextResponse)
    async def healthz() -> str:
        """The process answers."""
        return "ok"

    @app.get(
        "/readyz",
        summary="Model and index loaded",
        tags=["health"],
        responses=problems.responses(503),
    )
    async def readyz() -> Response:
        """Whether questions can be answered now, and whether a newer index was refused."""
        built = holder.serving().manifest.built
        if holder.lost():
            raise BusyError(LOST)
        return JSONResponse({"status": "ready", "built": built, "refused": holder.refused})

    @app.get(
        "/metrics",
        summary="Prometheus metrics",
        tags=["health"],
        response_class=PlainTextResponse,
    )
    async def metrics() -> Response:
        """Counters and gauges as Prometheus reads them."""
        holder.tell_age()
        return Response(holder.metrics.text(), media_type=CONTENT_TYPE_LATEST)
