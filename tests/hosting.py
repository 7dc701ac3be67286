"""Other people's pages, on an origin of their own, and a reverse proxy: all real, over HTTP."""

from __future__ import annotations

import base64
import http.client
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Locator, Page, expect

ELEMENT = "tryghed-search"


class Host:
    """A web server whose pages the test writes; ``elsewhere`` is the same by another name."""

    def __init__(self, server: ThreadingHTTPServer, pages: dict[str, tuple[str, str, str]]) -> None:
        self._pages = pages
        self.port = server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.elsewhere = f"http://localhost:{self.port}"

    def put(self, path: str, body: str, policy: str = "", kind: str = "text/html") -> str:
        """Give the page with that path this body and Content-Security-Policy; its address."""
        self._pages[path] = (body, policy, kind)
        return self.origin + path


@contextmanager
def hosting() -> Iterator[Host]:
    """A running :class:`Host`."""
    pages: dict[str, tuple[str, str, str]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, policy, kind = pages.get(self.path.partition("?")[0], ("", "", ""))
            sent = body.encode()
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", f"{kind or 'text/plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(sent)))
            if policy:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    with _threaded(Handler) as server:
        yield Host(server, pages)


@contextmanager
def proxying(port: int, prefix: str, *, strips: bool) -> Iterator[str]:
    """A reverse proxy that shows the server on that port below a prefix; its address with it."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            path = self.path.removeprefix(prefix) if strips else self.path
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name: value for name, value in self.headers.items() if name != "Connection"}
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request(self.command, path, self.rfile.read(length), headers)
                response = connection.getresponse()
                body = response.read()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

        do_GET = do_POST = do_HEAD = do_OPTIONS = _pass_on  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with _threaded(Handler) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of the application, served by uvicorn in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error; all else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def _threaded(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def plain_page(server: str, attributes: str = "", *, more: str = "", head: str = "") -> str:
    """An intranet page with the widget on it."""
    return f"""<!doctype html>
<html lang="da"><head><meta charset="utf-8"><title>Intranet</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<script type="module" src="{server}/widget.js"></script></head>
<body><main><h1>Intranet</h1>
<tryghed-search server="{server}" {attributes}></tryghed-search>{more}</main></body></html>"""


def ask(widget: Locator, question: str) -> Locator:
    """Ask in the widget; the exchange, once there is something in it but waiting."""
    before = widget.get_by_role("article").count()
    widget.locator(".field").fill(question)
    widget.locator(".field").press("Enter")
    exchange = widget.get_by_role("article").nth(before)
    expect(exchange.locator(".answer, .trouble")).to_be_visible(timeout=30_000)
    return exchange


def pixels_that_differ(page: Page, one: bytes, other: bytes) -> tuple[int, Mapping[str, Any]]:
    """How many pixels of two PNG images are not alike, and the images' sizes.

    Alike allows for the rounding of blended edges: 8 of 255 in every channel.
    """
    said: dict[str, Any] = page.evaluate(
        """async (images) => {
            const datas = [];
            for (const image of images) {
                const bytes = Uint8Array.from(atob(image), (c) => c.charCodeAt(0));
                const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
                const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
                const context = canvas.getContext("2d");
                context.drawImage(bitmap, 0, 0);
                datas.push(context.getImageData(0, 0, bitmap.width, bitmap.height));
            }
            const [a, b] = datas;
            const sizes = datas.map(({ width, height }) => [width, height]);
            let differ = 0;
            if (String(sizes[0]) === String(sizes[1])) {
                for (let i = 0; i < a.data.length; i += 4) {
                    const far = [0, 1, 2].some((c) => Math.abs(a.data[i + c] - b.data[i + c]) > 8);
                    if (far) differ += 1;
                }
            } else differ = Infinity;
            return { differ: differ === Infinity ? -1 : differ, sizes };
        }""",
        [base64.b64encode(image).decode() for image in (one, other)],
    )
    return int(said["differ"]), said
