"""How much one client, and all of them together, may ask for at once."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tryghed_search.metrics import Metrics

MOST_CLIENTS = 20_000
"""Clients whose use is remembered; the one not seen for longest is forgotten first."""

HEALTH = ("/healthz", "/readyz", "/metrics")
"""Told also when the server has more to do than it can: how else would its operator know?"""
FILES = ("/static/", "/widget.js")
"""What a browser fetches of itself; one page has a dozen."""

BUSY_SECONDS = 5
"""After which a client may try again when the server has had too much to do."""

_MANY = "Du har spurgt mange gange på kort tid. Prøv igen om lidt."
_BUSY = "Der er mange brugere lige nu. Prøv igen om lidt."

Refuse = Callable[[Request, int, str, int], Response]
"""The response to a refused request: status, what to say, seconds to wait."""


class Rate:
    """A token bucket for each client: ``burst`` at once, ``per_minute`` in the long run.

    ``clock`` gives seconds and never goes back.
    """

    def __init__(
        self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one token; 0 if there was one, else how many seconds until there is."""
        now = self._clock()
        tokens, at = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._per_second
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return wait


def client_of(address: str) -> str:
    """Who an address belongs to: itself, or the network of 64 bits that a host with IPv6 has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Limits:
    """ASGI middleware: refuses what is too much for one client (429) or for the server (503)."""

    def __init__(
        self, app: ASGIApp, *, refuse: Refuse, metrics: Metrics, rate: Rate | None, requests: int
    ) -> None:
        self.app = app
        self._refuse = refuse
        self._metrics = metrics
        self._rate = rate
        self._most = requests
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that it is too much."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in HEALTH:
            await self.app(scope, receive, send)
            return
        if self._rate is not None and not path.startswith(FILES):
            wait = self._rate.take(client_of((scope.get("client") or ("", 0))[0]))
            if wait:
                await self._refused("rate", Request(scope), 429, _MANY, wait)(scope, receive, send)
                return
        if self._now >= self._most:
            refused = self._refused("requests", Request(scope), 503, _BUSY, BUSY_SECONDS)
            await refused(scope, receive, send)
            return
        self._now += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._now -= 1

    def _refused(
        self, limit: str, request: Request, status: int, detail: str, seconds: float
    ) -> Response:
        self._metrics.limited.labels(limit).inc()
        return self._refuse(request, status, detail, math.ceil(seconds))
