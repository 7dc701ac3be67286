"""A real server process: from an empty folder to an answer, many at once, and to its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import command
from tryghed_search.problems import MAX_BODY

REPORTS = Path(__file__).parent / "reports"
Reply = tuple[http.client.HTTPResponse, bytes]
LAMPS = "Hvor mange flere børn gik til skole, da stien fik lamper?"


@dataclass
class Server:
    """A process of ``serve`` and what it has written on standard error."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that the pattern finds something in."""
        end = time.monotonic() + 180
        while True:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < end, self.lines
            time.sleep(0.05)

    def ended(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def serving(index: Path, *arguments: str, **settings: str) -> Iterator[Server]:
    """A server on a port that the system chooses."""
    process = subprocess.Popen(
        [*command(), "serve", "--port", "0", "--index", index, *arguments],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    server = Server(process)
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: server.lines.extend(process.stderr or ()))
    reader.start()
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
        process.wait()
        reader.join()
        process.stderr.close()


def request(address: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """One request over a connection of its own, tried again until the server listens."""
    end = time.monotonic() + 60
    while True:
        with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            try:
                connection.connect()
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.05)
                continue
            connection.request(
                method, path, body, {name.replace("_", "-"): v for name, v in headers.items()}
            )
            response = connection.getresponse()
            return response, response.read()


def asking(address: str, question: str) -> Reply:
    body = json.dumps({"question": question})
    return request(address, "POST", "/api/v1/ask", body, Content_Type="application/json")


def asked(address: str, question: str) -> Any:
    response, content = asking(address, question)
    assert response.status == 200
    return json.loads(content)


# --- from beginning to end ------------------------------------------------------------------------


def test_serve_builds_the_index_when_there_is_none_answers_and_ends_with_0(tmp_path: Path) -> None:
    with serving(tmp_path / "index", TRYGHED_REPORTS=str(REPORTS)) as server:
        address = server.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        assert server.lines[0] == "No index yet; building it first.\n"
        assert (tmp_path / "index/manifest.json").is_file()
        assert request(address, "GET", "/readyz")[0].status == 200
        first = asked(address, LAMPS)["passages"][0]
        assert first["id"] == "lille-rapport/lys/1"
        assert "47 flere børn" in first["text"]

        # A question that is under way when the server is told to stop is still answered.
        host, _, port = address.partition(":")
        body = json.dumps({"question": LAMPS}).encode()
        head = (
            f"POST /api/v1/ask HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")
            server.process.send_signal(signal.SIGTERM)
            _wait_until_refused(host, int(port))
            connection.sendall(body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"47 flere" in answer
        assert server.ended() == 0
    assert len(server.lines) == 2, "it says what it does, but not what readers ask"


def _wait_until_refused(host: str, port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    pytest.fail("the server still takes connections")


def test_serve_can_be_stopped_while_it_builds(tmp_path: Path) -> None:
    with serving(tmp_path / "index") as server:
        server.wait_for("No index yet")
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0
    assert len(server.lines) == 1
    assert not list(tmp_path.glob("index/unfinished-*"))


def test_an_interrupted_server_ends_quietly(index_folder: Path) -> None:
    with serving(index_folder) as server:
        address = server.wait_for(r"Serving on http://(\S+)")[1]
        assert request(address, "GET", "/healthz")[0].status == 200
        server.process.send_signal(signal.SIGINT)
        assert server.ended() == 0
    assert len(server.lines) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.1"])
def test_an_address_that_cannot_be_had_is_one_line(tmp_path: Path, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = subprocess.run(
            [*command(), "serve", "--host", host, "--port", port, "--index", tmp_path / "none"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    why = "Address already in use" if host == "127.0.0.1" else "Cannot assign requested address"
    assert ran.stderr == (
        f"tryghed-search: Cannot listen on {host}, port {port}: {why}. Name another address with "
        "--host and --port, or stop the program that has it.\n"
    )
    assert ran.stdout == ""
    assert not (tmp_path / "none").exists(), "nothing is built for a server that cannot be"


# --- while it runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(server_url: str) -> str:
    return urlsplit(server_url).netloc


def test_no_response_tells_what_program_answers(address: str) -> None:
    for method, path in (
        ("GET", "/healthz"),
        ("GET", "/api/v1/meta"),
        ("GET", "/api/v1/nothing"),
        ("DELETE", "/api/v1/ask"),
    ):
        response, _ = request(address, method, path)
        assert response.getheader("Server") is None
        assert response.getheader("X-Powered-By") is None


def test_many_who_ask_at_once_get_the_answers_that_one_gets(address: str) -> None:
    questions = [
        "Hvor meget faldt antallet af indbrud i Hjørring?",
        "Hvad er en prepper-middag?",
        "What has Aalborg done about nightlife?",
        "Hvad gør Viborg mod indbrud?",
    ]
    alone = [asked(address, question) for question in questions]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda n: asked(address, questions[n % 4]), range(32)))
    assert together == alone * 8


def test_the_server_is_alive_while_it_thinks(address: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        thinking = [pool.submit(asked, address, f"{'indbrud ' * 60}{n}") for n in range(8)]
        statuses = []
        while not all(question.done() for question in thinking):
            statuses.append(request(address, "GET", "/healthz")[0].status)
        assert all(question.result()["passages"] for question in thinking)
    assert len(statuses) > 1
    assert set(statuses) == {200}


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(address: str) -> None:
    host, _, port = address.partition(":")
    head = (
        f"POST /api/v1/ask HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {MAX_BODY + 1}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_streamed_body_that_grows_too_large_is_413(address: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"question": "'
        for _ in range(MAX_BODY // 1024):
            yield b"x" * 1024

    response, content = request(
        address, "POST", "/api/v1/ask", chunks(), Content_Type="application/json"
    )
    assert response.status == 413
    assert response.getheader("Content-Type") == "application/problem+json"
    assert json.loads(content)["status"] == 413
    assert request(address, "GET", "/healthz")[0].status == 200


def test_a_reader_who_leaves_in_the_middle_does_no_harm(address: str) -> None:
    host, _, port = address.partition(":")
    body = json.dumps({"question": "Hvad er naboskab?"}).encode()
    head = (
        f"POST /api/v1/ask HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    for sent in (head, head + body[:10], head + body):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(sent)
    assert asked(address, "Hvad er naboskab?")["passages"]
    status = request(address, "GET", "/metrics")[1].decode()
    assert 'tryghed_requests_total{status="500"}' not in status


def test_serve_takes_the_origins_and_the_prefix_of_the_operator(index_folder: Path) -> None:
    origins = "https://a.dk https://b.dk"
    with serving(
        index_folder, "--root-path", "/tryghed", TRYGHED_ALLOWED_ORIGINS=origins
    ) as server:
        address = server.wait_for(r"http://(\S+)")[1]
        for path in ("/widget", "/tryghed/widget"):
            response, body = request(address, "GET", path)
            assert (
                f"frame-ancestors 'self' {origins}" in response.headers["content-security-policy"]
            )
            assert b'<tryghed-search server="/tryghed/"' in body


@pytest.mark.parametrize(
    ("setting", "value"), [("ALLOWED_ORIGINS", "intranet.dk"), ("ROOT_PATH", "tryghed")]
)
def test_a_wrong_setting_is_named_before_the_work_begins(
    index_folder: Path, setting: str, value: str
) -> None:
    with serving(index_folder, **{f"TRYGHED_{setting}": value}) as server:
        assert server.ended() == 1
        said = server.wait_for("tryghed-search: ").string
    assert f"TRYGHED_{setting} cannot be used: '{value}' is no" in said
    assert "/" in said
