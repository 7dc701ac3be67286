"""Response headers that tell browsers what a page may do: load from here, be framed by none."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
"""Content Security Policy of every page: nothing inline, nothing from elsewhere, no HTML out of
a text (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/)."""

ALWAYS: Final = {
    "Content-Security-Policy": "; ".join((*POLICY, "frame-ancestors 'none'")),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""The headers of every response, by name, whatever it goes over."""


def secure(scheme: str, hsts_days: int) -> dict[str, str]:
    """The security headers of a response that goes over ``scheme``.

    No response names who referred to it, so a question in an address never leaves with a link.
    One that goes over TLS has browsers keep to TLS for ``hsts_days``, if that is not 0 (RFC 6797
    forbids to say so without TLS).
    """
    if not hsts_days or scheme != "https":
        return dict(ALWAYS)
    return {**ALWAYS, "Strict-Transport-Security": f"max-age={hsts_days * 86_400}"}


class SecurityHeaders:
    """ASGI middleware: every response gets these headers, save those that it has set itself."""

    def __init__(self, app: ASGIApp, hsts_days: int = 0) -> None:
        self.app = app
        self._hsts_days = hsts_days

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers when its response starts."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in secure(scope["scheme"], self._hsts_days).items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, secured if scope["type"] == "http" else send)
