"""What is told of every request: its id, how it ended and how long it took; never what it asked."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tryghed_search.logs import new_request_id, request_id
from tryghed_search.metrics import Metrics

REQUEST_ID = "X-Request-Id"

logger = logging.getLogger(__name__)


class Observed:
    """ASGI middleware: counts, times and, if wanted, logs requests; gives each response its id."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log_requests: bool) -> None:
        self.app = app
        self._metrics = metrics
        self._log = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell of it once it has ended."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        identity = new_request_id(Headers(scope=scope).get(REQUEST_ID))
        scope["request_id"] = identity  # also for the answer to an unexpected failure
        token = request_id.set(identity)
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = identity
            await send(message)

        self._metrics.in_progress.inc()
        try:
            await self.app(scope, receive, noted)
        except Exception:
            status = status or 500  # Starlette answers it outside of every middleware
            raise
        finally:
            self._metrics.in_progress.dec()
            self._tell(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        if status:
            self._metrics.requests.labels(str(status)).inc()
            self._metrics.seconds.observe(seconds)
        else:
            self._metrics.aborted.inc()
        if self._log:
            logger.info(
                "request",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status or "aborted",
                    "ms": round(1000 * seconds, 1),
                },
            )


class CancelAborted:
    """ASGI middleware: stops working on a request whose client has left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in a task of its own and cancel that if the client leaves."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        headers = Headers(scope=scope)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await exchange.read_ahead()
        work = exchange.work = asyncio.ensure_future(
            self.app(scope, exchange.receive, exchange.send)
        )
        try:
            await work
        except asyncio.CancelledError:
            if not exchange.gone:
                raise
        finally:
            exchange.close()


class _Exchange:
    """One request and its response, with somebody who asks whether the client is still there.

    A server tells that only to who asks. Somebody does once the request has been read whole, not
    before: that would tell a client which waits for "100 Continue" to send a body that may be
    refused.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._ahead: Message | None = None
        self._watcher: asyncio.Future[Message] | None = None
        self._sent = False
        self.work: asyncio.Future[None] | None = None
        self.gone = False

    async def read_ahead(self) -> None:
        """Read the one message of a request without a body, for an application that will not."""
        self._ahead = await self._receive()
        self._watch()

    async def receive(self) -> Message:
        """What the application gets when it asks for the next message."""
        if self._ahead is not None:
            message, self._ahead = self._ahead, None
            return message
        if self._watcher is not None:
            return await asyncio.shield(self._watcher)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watch()
        return message

    async def send(self, message: Message) -> None:
        """Send the response on; after its end to be told of a disconnect means nothing."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._sent = True
        await self._send(message)

    def close(self) -> None:
        """Ask no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    def _watch(self) -> None:
        self._watcher = asyncio.ensure_future(self._receive())
        self._watcher.add_done_callback(self._told)

    def _told(self, watcher: asyncio.Future[Message]) -> None:
        if watcher.cancelled() or watcher.exception() is not None or self._sent:
            return
        if watcher.result()["type"] == "http.disconnect" and self.work is not None:
            self.gone = True
            self.work.cancel()
