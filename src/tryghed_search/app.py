"""The web application: pages, API, health and errors put together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tryghed_search import api, pages, problems, sharing, topic_pages, widget
from tryghed_search.feedback import Book
from tryghed_search.headers import SecurityHeaders
from tryghed_search.search import Searcher
from tryghed_search.serving import Serving, current_serving
from tryghed_search.settings import Theme
from tryghed_search.store import Manifest


def create_app(
    loaded: tuple[Manifest, Searcher] | None = None,
    book: Book | None = None,
    *,
    theme: Theme = "calm",
    allowed_origins: tuple[str, ...] = (),
    root_path: str = "",
) -> FastAPI:
    """The application over a loaded index; without one, what needs it answers 503.

    With a book, readers are asked for feedback, which is kept in it. Pages of the allowed origins
    may ask the API and frame the widget. The root path is what a reverse proxy shows the server
    under; it may strip it or leave it.
    """
    serving = Serving()
    if loaded is not None:
        serving.take(*loaded)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        serving.close()

    app = FastAPI(
        title="tryghed-search",
        summary="Søgning i TrygFondens rapport Lokal Tryghed i praksis, med rapportens egne ord.",
        version=version("tryghed-search"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.serving = serving
    app.state.book = book
    app.state.theme = theme
    app.state.allowed_origins = allowed_origins
    problems.install(app)
    app.include_router(api.router)
    if book is not None:
        app.include_router(api.feedback_router)
    app.include_router(pages.router)
    app.include_router(topic_pages.router)
    app.include_router(widget.router)
    app.mount("/static", pages.static_files(), name="static")
    _add_health(app)
    # Outside whatever may refuse a request, so that the widget can read why.
    app.add_middleware(sharing.Sharing, allowed_origins=allowed_origins)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    if root_path:
        app.add_middleware(sharing.Prefixed, prefix=root_path)
    return app


def _add_health(app: FastAPI) -> None:
    registry = CollectorRegistry()
    ready = Gauge("tryghed_ready", "1 when model and index are loaded", registry=registry)
    passages = Gauge("tryghed_passages", "Passages in the loaded index", registry=registry)
    requests = Counter(
        "tryghed_requests_total", "Requests by status", ["status"], registry=registry
    )
    app.add_middleware(_Counted, counter=requests)

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
    async def readyz(request: Request) -> Response:
        """Whether questions can be answered now."""
        serving = current_serving(request)
        return JSONResponse({"status": "ready", "built": serving.manifest.built})

    @app.get(
        "/metrics",
        summary="Prometheus metrics",
        tags=["health"],
        response_class=PlainTextResponse,
    )
    async def metrics(request: Request) -> Response:
        """Counters and gauges as Prometheus reads them."""
        serving = current_serving(request)
        ready.set(float(serving.ready))
        passages.set(serving.manifest.counts["passages"] if serving.ready else 0)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Counted:
    """ASGI middleware: counts responses by status."""

    def __init__(self, app: ASGIApp, counter: Counter) -> None:
        self.app = app
        self.counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self.counter.labels(str(message["status"])).inc()
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, noted)
        except Exception:
            if not started:  # Starlette answers 500 outside of every middleware
                self.counter.labels("500").inc()
            raise
