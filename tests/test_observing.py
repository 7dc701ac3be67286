"""Clients that leave: what they asked for is given up, and nothing else is."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.coroutines import run
from tryghed_search.metrics import Metrics
from tryghed_search.observing import CancelAborted, Observed

GET: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http"}
POST: Scope = GET | {"method": "POST", "headers": [(b"content-length", b"4")]}
EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}
LEFT: Message = {"type": "http.disconnect"}


class Client:
    """Sends its messages one by one, each when it is told to, and keeps what it gets."""

    def __init__(self, *messages: Message) -> None:
        self.coming: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.coming.put_nowait(message)
        self.asked = 0
        self.got: list[Message] = []

    async def receive(self) -> Message:
        self.asked += 1
        return await self.coming.get()

    async def send(self, message: Message) -> None:
        self.got.append(message)


async def answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done", "more_body": False})


def waits_for(event: asyncio.Event, ended: list[str]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "POST":
                while (await receive()).get("more_body"):
                    pass
            await event.wait()
            await answer(send)
            ended.append("answered")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    return app


def test_work_for_a_client_that_has_left_is_cancelled() -> None:
    async def test() -> None:
        for scope in (GET, POST):
            ended: list[str] = []
            client = Client(EMPTY, LEFT)
            metrics = Metrics()
            app = Observed(
                CancelAborted(waits_for(asyncio.Event(), ended)),
                metrics=metrics,
                log_requests=False,
            )
            await app(dict(scope), client.receive, client.send)
            assert ended == ["cancelled"]
            assert client.got == []
            assert "tryghed_requests_aborted_total 1.0" in metrics.text().decode()
            assert "tryghed_requests_in_progress 0.0" in metrics.text().decode()

    run(test)


def test_a_client_that_leaves_after_its_answer_disturbs_nothing() -> None:
    async def test() -> None:
        go, ended = asyncio.Event(), list[str]()
        go.set()

        async def goes_on(scope: Scope, receive: Receive, send: Send) -> None:
            await waits_for(go, ended)(scope, receive, send)
            client.coming.put_nowait(LEFT)
            await asyncio.sleep(0.05)
            ended.append("tidied")

        client = Client(EMPTY)
        await CancelAborted(goes_on)(dict(GET), client.receive, client.send)
        assert ended == ["answered", "tidied"]
        assert len(client.got) == 2

    run(test)


def test_a_body_is_not_asked_for_before_the_application_asks() -> None:
    """To ask sends "100 Continue" to a client that waits for it."""

    async def test() -> None:
        async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.02)
            await answer(send)

        client = Client()
        await CancelAborted(refuses)(dict(POST), client.receive, client.send)
        assert client.asked == 0

    run(test)


def test_an_application_gets_each_message_once_and_in_order() -> None:
    async def test() -> None:
        got: list[Message] = []

        async def reads(scope: Scope, receive: Receive, send: Send) -> None:
            got.extend([await receive(), await receive()])
            await answer(send)
            got.append(await receive())

        parts: list[Message] = [
            {"type": "http.request", "body": b"ab", "more_body": True},
            {"type": "http.request", "body": b"cd", "more_body": False},
        ]
        client = Client(*parts)
        asyncio.get_running_loop().call_later(0.05, client.coming.put_nowait, LEFT)
        await CancelAborted(reads)(dict(POST), client.receive, client.send)
        assert got == [*parts, LEFT]

    run(test)


def test_a_server_that_stops_cancels_the_work_and_says_so() -> None:
    async def test() -> None:
        ended: list[str] = []
        client = Client(EMPTY)
        app = CancelAborted(waits_for(asyncio.Event(), ended))
        serving = asyncio.ensure_future(app(dict(GET), client.receive, client.send))
        await asyncio.sleep(0.02)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert serving.cancelled()
        assert ended == ["cancelled"]

    run(test)
