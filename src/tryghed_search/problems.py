"""Errors over HTTP: ``application/problem+json`` (RFC 9457), with nothing of the inside in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tryghed_search.errors import BadQuestionError, NotReadyError
from tryghed_search.headers import secure

MAX_BODY = 128 * 1024
"""Bytes of a body at most: a question with ten earlier ones fits, however it is escaped."""

logger = logging.getLogger(__name__)

_DETAIL = {
    400: "Forespørgslen er ikke gyldig JSON.",
    404: "Der er ikke noget på denne adresse.",
    405: "Denne adresse kan ikke bruges på den måde.",
    413: f"Forespørgslen er for stor; den må højst fylde {MAX_BODY // 1024} kB.",
    415: "Forespørgslen skal være JSON med Content-Type: application/json.",
    500: "Noget gik galt hos os. Prøv igen.",
}


_SAID = {
    "missing": "mangler",
    "string_type": "skal være tekst",
    "string_unicode": "skal være gyldig Unicode",
    "string_too_short": "må ikke være tom",
    "string_too_long": "må højst være på {max_length} tegn",
    "list_type": "skal være en liste",
    "too_long": "må højst have {max_length} værdier",
    "int_type": "skal være et heltal",
    "int_from_float": "skal være et heltal",
    "greater_than_equal": "skal være mindst {ge}",
    "less_than_equal": "må højst være {le}",
    "model_attributes_type": "skal være et JSON-objekt",
    "model_type": "skal være et JSON-objekt",
}
"""What pydantic's kinds of error are called towards the asker."""


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is to say of these statuses of an operation."""
    fields = {"type": "string", "title": "string", "status": "integer", "detail": "string"}
    schema = {
        "type": "object",
        "title": "Problem",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": list(fields),
    }
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }


def said(errors: Iterable[Mapping[str, Any]]) -> str:
    """What pydantic found wrong, field by field, without repeating what was sent."""
    return "; ".join(f"{_field(item['loc'])} {_wrong(item)}" for item in errors)[:1000] + "."


def _field(place: tuple[int | str, ...]) -> str:
    """The field's name, without where in the request it stands."""
    names = place[1:] if place and place[0] in {"body", "query", "path"} else place
    return ".".join(str(name) for name in names) or "Forespørgslen"


def _wrong(item: Mapping[str, Any]) -> str:
    known = _SAID.get(item["type"])
    return known.format(**item.get("ctx", {})) if known else str(item["msg"])


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
        HTTPException: http,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(BodyLimit)


async def _bad_question(_: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _not_ready(_: Request, error: Exception) -> Response:
    return problem(503, str(error), {"Retry-After": "5"})


async def http(_: Request, error: Exception) -> Response:
    """The problem document of an error that has a status."""
    status = cast("HTTPException", error)
    return problem(status.status_code, headers=dict(status.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    identity = request.scope.get("request_id")
    known = {"X-Request-Id": identity} if identity else {}
    # Starlette answers it outside of every middleware.
    always = secure(request.url.scheme, request.app.state.settings.hsts_days)
    return problem(500, headers={**always, **known, **readable(request)})


def readable(request: Request) -> dict[str, str]:
    """What lets a page of another origin read an answer, if that origin is allowed."""
    allowed: tuple[str, ...] = request.app.state.settings.allowed_origins
    origin = request.headers.get("origin", "")
    if origin and (origin in allowed or allowed == ("*",)):
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {}


async def _invalid(request: Request, error: Exception) -> Response:
    """A body that is no JSON, or fields that do not keep the rules."""
    errors = cast("RequestValidationError", error).errors()
    if request.method == "POST" and not _is_json(request):
        return problem(415)
    if any(item["type"] == "json_invalid" for item in errors):
        return problem(400)
    return problem(422, said(errors))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


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
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                # FastAPI makes a 400 of any other exception while it reads a body.
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)
