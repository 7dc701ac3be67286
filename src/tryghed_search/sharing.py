"""Who else may use the server: pages of allowed origins (CORS), and proxies with a path prefix."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tryghed_search.problems import problem

API: Final = "/api/v1/"
"""Only addresses below this one are shared; ``/widget.js`` shares itself with everyone."""


class Sharing(CORSMiddleware):
    """ASGI middleware: lets pages of the allowed origins ask the API, without credentials."""

    def __init__(self, app: ASGIApp, allowed_origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Content-Type",),
            expose_headers=("Retry-After",),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, through CORS if it is one for the API."""
        shared = scope["type"] == "http" and _path(scope).startswith(API)
        await (super().__call__ if shared else self.app)(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's answer; a refusal is a problem document, as every other error."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        return problem(
            403,
            "Siden har ikke lov til at spørge denne server.",
            {"Vary": response.headers["Vary"]},
        )


class Prefixed:
    """ASGI middleware: the server as seen below a path prefix, whether or not the proxy strips it.

    uvicorn's own ``root_path`` puts the prefix before every path, also before one that has it.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole path and what of it is the prefix."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path != self.prefix and not path.startswith(f"{self.prefix}/"):
                path = self.prefix + path
            scope = {**scope, "root_path": self.prefix, "path": path}
        await self.app(scope, receive, send)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
