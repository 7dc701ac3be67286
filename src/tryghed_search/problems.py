"""Errors over HTTP: ``application/problem+json`` (RFC 9457), with nothing of the inside in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tryghed_search.errors import BadQuestionError, NotReadyError

MAX_BODY = 64 * 1024
"""Bytes of a request's body at most: a question with ten earlier ones is far below it."""

logger = logging.getLogger(__name__)

_DETAIL = {
    404: "Der er ikke noget på denne adresse.",
    405: "Denne adresse kan ikke bruges på den måde.",
    413: f"Forespørgslen er for stor; den må højst fylde {MAX_BODY // 1024} kB.",
    415: "Forespørgslen skal være JSON med Content-Type: application/json.",
    500: "Noget gik galt hos os. Prøv igen.",
}


def problem(
    status: int, detail: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem document with the status' own title."""
    title = HTTPStatus(status).phrase
    return JSONResponse(
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail or _DETAIL.get(status, title),
        },
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Turn every error of the application into a problem document."""
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        BadQuestionError: _bad_question,
        NotReadyError: _not_ready,
        RequestValidationError: _invalid,
        HTTPException: _http,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(BodyLimit)


async def _bad_question(_: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _not_ready(_: Request, error: Exception) -> Response:
    return problem(503, str(error), {"Retry-After": "5"})


async def _http(_: Request, error: Exception) -> Response:
    status = cast("HTTPException", error)
    return problem(status.status_code, headers=dict(status.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500)


async def _invalid(request: Request, error: Exception) -> Response:
    """What is wrong with a request, field by field, without repeating what was sent."""
    errors = cast("RequestValidationError", error).errors()
    if request.method == "POST" and not _is_json(request):
        return problem(415)
    if any(item["type"] == "json_invalid" for item in errors):
        return problem(400, "Forespørgslen er ikke gyldig JSON.")
    details = (
        f"{'.'.join(str(part) for part in item['loc'][1:]) or item['loc'][0]}: {item['msg']}"
        for item in errors
    )
    return problem(422, "; ".join(details)[:1000])


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


class _TooLargeError(Exception):
    """A body longer than ``MAX_BODY``."""


class BodyLimit:
    """ASGI middleware: refuses a body over ``MAX_BODY`` bytes, declared or streamed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            await problem(413)(scope, receive, send)
            return
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise _TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _TooLargeError:
            if not started:
                await problem(413)(scope, receive, send)
