"""Connections that keep the server waiting are closed, and there are only so many of them.

uvicorn closes a connection that is idle between two requests, but waits without end for one that
sends its request bit by bit or does not take its response. Both are ended here, where the
connection itself can be cut off: what an application can do is to wait until all is sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

TELL_SECONDS = 60.0


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, with the time that clients get and the number of them."""

    def __init__(
        self,
        app: Any,
        *,
        read_seconds: float,
        write_seconds: float,
        connections: int,
        **rest: Any,
    ) -> None:
        super().__init__(app, http=TimedProtocol, **rest)
        self.read_seconds = read_seconds
        self.write_seconds = write_seconds
        self.connections = connections
        self.tell_again = 0.0
        """When, by the loop's clock, too many connections may be told of again."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a client that must be done sending, and go on taking, within a set time."""

    config: ServerConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the request's time running, or end at once if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.config.connections:
            self._tell_of_many()
            transport.abort()
            return
        self._arm_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._disarm_reading()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; the time for all of it runs from its first byte."""
        if self._reading is None and not self._has_request():
            self._arm_reading()
        super().data_received(data)
        if self._has_request():
            self._disarm_reading()

    def pause_writing(self) -> None:
        """The client does not take what it is sent: give it some time."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.config.write_seconds, self._cut)

    def resume_writing(self) -> None:
        """The client takes on."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its client has not taken the end of the response."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.config.write_seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem document, as all errors are answered."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        body = json.dumps(
            {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": msg}
        ).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self.loop.call_later(self.config.write_seconds, self.transport.abort)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: who asks for a WebSocket gets the page and fills no log."""

    def _has_request(self) -> bool:
        """Whether the request has come whole, so that it is for us to go on."""
        return self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}

    def _arm_reading(self) -> None:
        self._reading = self.loop.call_later(self.config.read_seconds, self._cut)

    def _disarm_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _cut(self) -> None:
        self.transport.abort()

    def _tell_of_many(self) -> None:
        """Log that there are too many, but not each of them: that would fill the log."""
        now = self.loop.time()
        if now >= self.config.tell_again:
            self.config.tell_again = now + TELL_SECONDS
            logger.warning(
                "%d connections are open, and no more are taken", self.config.connections
            )
