"""A server as an operator runs it: short patience, a proxy before it, JSON logs, new indexes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command
from tests.test_serve import LAMPS, Reply, Server, asked, asking, request, serving
from tryghed_search import build, store
from tryghed_search.embedding import Encoder

PATIENCE = 1.0
MOST = 40
REPORTS = Path(__file__).parent / "reports"


@pytest.fixture(scope="module")
def index(index_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that the server looks at, to be replaced and damaged."""
    return Path(shutil.copytree(index_folder, tmp_path_factory.mktemp("operated") / "index"))


@pytest.fixture(scope="module")
def server(index: Path) -> Iterator[Server]:
    settings = {
        "TRYGHED_READ_SECONDS": str(PATIENCE),
        "TRYGHED_WRITE_SECONDS": str(PATIENCE),
        "TRYGHED_CONNECTIONS": str(MOST),
        "TRYGHED_RELOAD_SECONDS": "0.1",
        "TRYGHED_TRUSTED_PROXIES": "127.0.0.1",
        "TRYGHED_LOG_FORMAT": "json",
        "TRYGHED_LOG_REQUESTS": "true",
    }
    with serving(index, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    found = server.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)")[1]
    assert request(found, "GET", "/healthz")[0].status == 200
    return found


@contextlib.contextmanager
def connected(address: str, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    host, _, port = address.partition(":")
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(60)
        connection.connect((host, int(port)))
        yield connection


def rest(connection: socket.socket) -> bytes:
    """What still comes until the server ends the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := connection.recv(65536):
            got += piece
    return got


def metric(address: str, name: str) -> float:
    text = request(address, "GET", "/metrics")[1].decode()
    return float(next(li.rpartition(" ")[2] for li in text.splitlines() if li.startswith(name)))


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def until_allowed(attempt: Callable[[], Reply]) -> Reply:
    end = time.monotonic() + 60
    while (reply := attempt())[0].status == 429:
        assert time.monotonic() < end
        time.sleep(0.2)
    return reply


def ready(address: str) -> dict[str, Any]:
    response, content = request(address, "GET", "/readyz")
    assert response.status == 200
    body: dict[str, Any] = json.loads(content)
    return body


# --- slow clients ---------------------------------------------------------------------------------

HEAD = b"POST /api/v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_client_that_says_nothing_is_dropped(address: str) -> None:
    with connected(address) as connection:
        began = time.monotonic()
        assert rest(connection) == b""
        assert time.monotonic() - began >= 0.8 * PATIENCE


@pytest.mark.parametrize(
    "sent",
    [HEAD, HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"],
    ids=["head", "body", "chunks"],
)
def test_a_client_that_sends_bit_by_bit_is_dropped(address: str, sent: bytes) -> None:
    """However regularly the bits come."""
    with connected(address) as connection:
        connection.sendall(sent)
        dripped = 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while dripped < 600:
                connection.sendall(b"1\r\n\x20\r\n" if b"chunked" in sent else b"x")
                dripped += 1
                time.sleep(0.05)
        assert 0 < dripped < 600, "it was cut off"
    eventually(lambda: metric(address, "tryghed_requests_in_progress") == 1)


def test_the_second_request_of_a_connection_gets_no_more_time(address: str) -> None:
    with connected(address) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal")
        assert rest(connection).count(b"HTTP/1.1 200") == 1


def test_a_client_that_takes_nothing_is_dropped(address: str) -> None:
    with connected(address, receive_buffer=4096) as connection:
        page = b"GET /rapport/lokal-tryghed-1 HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(page * 400)  # more than the kernel keeps on both sides
        eventually(lambda: metric(address, "tryghed_requests_in_progress") == 2)
        eventually(lambda: metric(address, "tryghed_requests_in_progress") == 1)
        assert rest(connection).count(b"HTTP/1.1 200") < 400


def test_a_client_that_is_slow_but_within_its_time_is_answered(address: str) -> None:
    body = json.dumps({"question": "Hvad er naboskab?"}).encode()
    with connected(address) as connection:
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\nConnection: close\r\n".encode())
        time.sleep(PATIENCE / 4)
        connection.sendall(b"\r\n" + body[:10])
        time.sleep(PATIENCE / 4)
        connection.sendall(body[10:])
        assert rest(connection).startswith(b"HTTP/1.1 200")


def test_what_is_no_http_gets_a_problem_document(address: str) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"GET / HTTP/9\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
                 b"GET /%00\x00 HTTP/1.1\r\n\r\n", b"A" * 100_000):  # fmt: skip
        with connected(address) as connection:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(sent)
            head, _, body = rest(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in head
        assert b"server:" not in head.lower()
        assert json.loads(body)["status"] == 400


def test_an_upgrade_is_not_taken_and_fills_no_log(address: str, server: Server) -> None:
    before = len(server.lines)
    response, _ = request(
        address, "GET", "/healthz", Connection="Upgrade", Upgrade="websocket",
        Sec_WebSocket_Key="x", Sec_WebSocket_Version="13",
    )  # fmt: skip
    assert response.status == 200
    assert not any("pgrade" in line for line in server.lines[before:])


# --- too many -------------------------------------------------------------------------------------


def test_more_connections_than_there_may_be_are_closed_at_once(address: str) -> None:
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(connected(address)) for _ in range(2 * MOST)]
        began = time.monotonic()
        assert rest(many[-1]) == b""
        assert time.monotonic() - began < PATIENCE / 2, "long before its time was up"
    eventually(lambda: request(address, "GET", "/healthz")[0].status == 200)


def test_without_file_descriptors_the_server_waits_and_goes_on(
    address: str, server: Server
) -> None:
    process = server.process.pid
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{process}/fd"))
    resource.prlimit(process, resource.RLIMIT_NOFILE, (used + 5, before[1]))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connected(address))
            server.wait_for("out of system resource|Too many open files")
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
    assert asked(address, "Hvad er naboskab?")["passages"]


def test_those_who_leave_free_their_places(address: str) -> None:
    before = metric(address, "tryghed_requests_aborted_total")
    worked = metric(address, "tryghed_model_seconds_count")
    count = MOST // 2
    for n in range(count):
        body = json.dumps({"question": f"{'indbrud ' * 50}{n}"}).encode()
        with connected(address) as connection:
            connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    eventually(lambda: metric(address, "tryghed_queue_length") == 0)
    eventually(lambda: metric(address, "tryghed_requests_in_progress") == 1)
    assert metric(address, "tryghed_requests_aborted_total") > before
    assert metric(address, "tryghed_model_seconds_count") - worked < count


# --- behind a proxy -------------------------------------------------------------------------------


def test_a_client_behind_the_proxy_cannot_choose_who_it_is(address: str) -> None:
    """The proxy adds the address that it sees; what a client wrote before that says nothing."""

    def statuses(forwarded: Callable[[int], str]) -> list[int]:
        return [
            request(address, "GET", "/api/v1/nothing", X_Forwarded_For=forwarded(n))[0].status
            for n in range(150)
        ]

    assert 429 in statuses(lambda n: f"203.0.113.{n}, 198.51.100.7")
    assert 429 not in statuses(lambda n: f"198.51.100.7, 203.0.113.{n}")


def test_browsers_are_held_to_tls_only_where_there_is_tls(address: str) -> None:
    def told(**headers: str) -> str | None:
        return request(address, "GET", "/healthz", **headers)[0].getheader(
            "Strict-Transport-Security"
        )

    assert told(X_Forwarded_Proto="https") == "max-age=31536000"
    assert told(X_Forwarded_Proto="http") is None
    assert told() is None


# --- a new index ----------------------------------------------------------------------------------


@pytest.fixture
def whole(index: Path, address: str, encoder: Encoder) -> Iterator[store.Contents]:
    """The contents of the index, which is in force whole before and after."""
    _, contents = store.load(index, encoder.identity)
    yield contents
    built = f"2026-01-01T00:00:00+00:00 after {time.monotonic_ns()}"
    store.write(index, contents, encoder.identity, built)
    eventually(lambda: ready(address) == {"status": "ready", "built": built, "refused": None})


def test_a_new_index_is_taken_and_old_answers_are_forgotten(
    address: str, index: Path, encoder: Encoder, whole: store.Contents
) -> None:
    assert asked(address, LAMPS)["passages"][0]["id"].startswith("lokal-tryghed-1/")
    taken = metric(address, 'tryghed_index_reloads_total{outcome="taken"}')
    build.build_index(REPORTS, index, encoder)
    eventually(lambda: metric(address, 'tryghed_index_reloads_total{outcome="taken"}') > taken)
    assert asked(address, LAMPS)["passages"][0]["id"] == "lille-rapport/lys/1"
    assert metric(address, "tryghed_index_age_seconds") < 3600


def _truncated(index: Path) -> None:
    path = index / store.read_manifest(index).folder / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-1])
    os.utime(index / "manifest.json")


def _flipped(index: Path) -> None:
    path = index / store.read_manifest(index).folder / "rows.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _swapped(index: Path) -> None:
    folder = index / store.read_manifest(index).folder
    one, other = folder / "words/data.csc.index.npy", folder / "grams/data.csc.index.npy"
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])


def _garbage(index: Path) -> None:
    (index / "manifest.json").write_bytes(b"{")


def _gone(index: Path) -> None:
    (index / "manifest.json").unlink()


def _of_another_model(index: Path) -> None:
    manifest = json.loads((index / "manifest.json").read_text(encoding="utf-8"))
    manifest["model"]["sha256"] = "0" * 64
    (index / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_truncated, "damaged"),
        (_flipped, "damaged"),
        (_swapped, "damaged"),
        (_garbage, "damaged"),
        (_gone, "missing"),
        (_of_another_model, "other model"),
    ],
)
def test_a_broken_index_is_refused_told_of_and_the_old_one_goes_on(
    address: str,
    index: Path,
    tmp_path: Path,
    encoder: Encoder,
    whole: store.Contents,
    server: Server,
    damage: Callable[[Path], None],
    why: str,
) -> None:
    before = asked(address, LAMPS)
    # Made and damaged elsewhere: here the server might take it before it is damaged.
    made = shutil.copytree(index, tmp_path / "made")
    store.write(made, whole, encoder.identity, f"new {time.monotonic_ns()}")
    damage(made)
    for generation in made.glob("generation-*"):
        if not (index / generation.name).exists():
            shutil.copytree(generation, index / generation.name)
    if (made / "manifest.json").exists():
        (made / "manifest.json").replace(index / "manifest.json")
    else:
        (index / "manifest.json").unlink()
    eventually(lambda: ready(address)["refused"] == why)
    assert asked(address, LAMPS) == before
    assert metric(address, "tryghed_index_refused") == 1
    assert metric(address, 'tryghed_index_reloads_total{outcome="refused"}') >= 1
    told = [json.loads(line) for line in server.lines if "is refused" in line][-1]
    assert told["level"] == "ERROR"
    assert "the old one goes on" in told["message"]
    answer = request(address, "GET", "/readyz")[1].decode()
    assert str(index) not in answer


# --- the log --------------------------------------------------------------------------------------


def test_every_line_is_json_and_none_holds_a_question(address: str, server: Server) -> None:
    asked(address, "Hvad er et hemmeligt ord?")
    request(address, "GET", "/?q=hemmeligt%0aWARNING+forged")
    lines = [json.loads(line) for line in server.lines]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    assert sum(line["message"] == "request" for line in lines) > 100
    assert "hemmelig" not in "".join(server.lines)


# --- several processes ----------------------------------------------------------------------------


def children(process: int) -> set[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return {int(pid) for pid in listed.split()}


def test_two_processes_serve_add_up_replace_the_dead_and_end_with_0(index_folder: Path) -> None:
    with serving(index_folder, "--workers", "2") as server:
        address = server.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        eventually(lambda: metric(address, "tryghed_ready") == 1)
        alone = asked(address, "Hvad er naboskab?")
        with contextlib.ExitStack() as stack:  # both processes get some of them
            pool = [threading.Thread(target=asked, args=(address, f"Hvad? {n}")) for n in range(30)]
            for thread in pool:
                thread.start()
                stack.callback(thread.join)
        assert metric(address, 'tryghed_asked_total{source="model"}') == 31
        # No proxy is believed unless it is named.
        statuses = {
            request(address, "GET", "/api/v1/nothing", X_Forwarded_For=f"203.0.113.{n}")[0].status
            for n in range(2 * 150)
        }
        assert statuses == {404, 429}
        header = request(address, "GET", "/healthz", X_Forwarded_Proto="https")[0]
        assert header.getheader("Strict-Transport-Security") is None

        workers = {
            pid for pid in children(server.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        }  # fmt: skip
        assert len(workers) == 2
        victim = workers.pop()
        os.kill(victim, 9)
        eventually(lambda: len(children(server.process.pid) - {victim} - workers) > 0)
        # This client has used up what it may ask; nothing but that may be in the way.
        response, content = until_allowed(lambda: asking(address, "Hvad er naboskab?"))
        assert response.status == 200
        assert json.loads(content) == alone
        server.process.terminate()
        assert server.ended() == 0
        assert not any("Traceback" in line for line in server.lines)


def test_processes_that_cannot_begin_end_with_1_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    ran = subprocess.run(
        [*command(), "serve", "--port", "0", "--workers", "2", "--index", tmp_path],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "is not a manifest of an index" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_feedback_has_one_writer(tmp_path: Path, index_folder: Path) -> None:
    ran = subprocess.run(
        [*command(), "serve", "--port", "0", "--workers", "2", "--index", index_folder],
        env=os.environ | {"TRYGHED_FEEDBACK": str(tmp_path / "said.jsonl")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 1
    assert re.fullmatch(r"tryghed-search: TRYGHED_FEEDBACK needs one process.*\n", ran.stderr)
