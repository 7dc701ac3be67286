"""Mixed questions from many connections while the index is swapped and clients leave.

    make soak                                       # ten minutes
    python benchmarks/soak.py --seconds 60 --connections 50 --json

Every answer is compared with the one that the same server gave to the same request when it was
asked alone, over the index that was in force. Refusals must be those that are promised: 429 to
clients that share an address, 503 when the queue is full, each with Retry-After. Ends with
status 1 if an answer was wrong, an error was another one, or memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).parents[1]
QUESTIONS = ROOT / "tests" / "questions" / "test.jsonl"
OTHER_REPORTS = ROOT / "tests" / "reports"
ABORTING = 0.06
"""Share of the requests whose client leaves before the answer."""
GREEDY = 5
"""Connections that come from one address and so run into the limit of one client."""
FIXED = ("/", "/emner", "/api/v1/meta", "/rapport/lokal-tryghed-1", "/rapport/lille-rapport")
"""Pages that need no question."""
MOST_GROWTH = 0.05
"""Of the memory in the last minute over that in the first, of a run of five minutes or more."""


@dataclass(frozen=True)
class Request:
    """One request, as it goes over the wire but for the client's address."""

    method: str
    target: str
    body: bytes = b""

    def head(self, client: str) -> bytes:
        """Request line and headers."""
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            "Host: soak",
            f"X-Forwarded-For: {client}",
        ]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join((*lines, "", "")).encode()


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def fingerprint(self) -> tuple[int, str]:
        """What an answer is compared by: status and body, but for when an index was built."""
        body = re.sub(rb'"built":"[^"]*"', b"", self.body)
        return self.status, hashlib.sha256(body).hexdigest()


class Connection:
    """HTTP/1.1 over one connection that is kept, and made anew when it has been closed."""

    def __init__(self, port: int, client: str) -> None:
        self._port = port
        self._client = client
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Response:
        """Send a request and read the response whole."""
        while True:
            fresh = self._streams is None
            reader, writer = await self._open()
            try:
                writer.write(request.head(self._client) + request.body)
                await writer.drain()
                return await self._read(reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                await self.close()
                if fresh:  # a kept one may have been closed for being idle, a new one not
                    raise

    async def leave(self, request: Request, after: float) -> None:
        """Send a request, or half of it, and close the connection."""
        _, writer = await self._open()
        sent = request.head(self._client) + request.body
        with contextlib.suppress(ConnectionError):
            writer.write(sent if after else sent[: len(sent) // 2])
            await writer.drain()
            await asyncio.sleep(after)
        await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader) -> Response:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (ln.partition(":") for ln in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        return Response(int(head[0].split()[1]), headers, body)


def requests(count: int, dice: random.Random) -> list[Request]:
    """Questions, follow-ups, filters, topics, pages and mistakes, of several kinds."""
    lines = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    texts = [line["question"] for line in lines]
    dice.shuffle(texts)
    made = []
    for number, text in enumerate(texts[:count]):
        body: dict[str, Any] = {"question": text, "limit": 1 + number % 20}
        if number % 4 == 1:
            body["history"] = [texts[-1 - number % 50]]
        if number % 10 == 3:
            body["question"] = ""  # refused with 422
        target = "/?" + urlencode({"q": text})
        if number % 5 == 2:
            made.append(Request("GET", target))
        elif number % 5 == 4:
            made.append(Request("GET", "/api/v1/sections?" + urlencode({"q": text})))
        else:
            made.append(Request("POST", "/api/v1/ask", json.dumps(body).encode()))
    return made + [Request("GET", target) for target in FIXED]


@dataclass
class Swaps:
    """Which index was in force when, by the clock of this program."""

    now: str = "A"
    unsure: list[tuple[float, float]] = field(default_factory=list)
    """From writing an index to the server's telling that it has it."""

    def possible(self, began: float, ended: float, then: str) -> set[str]:
        """The indexes that may have answered a request; ``then`` was in force when it began."""
        if any(start <= ended and end >= began for start, end in self.unsure):
            return {"A", "B"}
        return {then}


@dataclass
class Tally:
    """What happened."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    aborted: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Second of the run and resident memory in MB."""


class Soak:
    """One run against one server process."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = folder
        self.dice = random.Random(options.seed)
        self.requests = requests(options.questions, self.dice)
        self.alone: dict[tuple[int, str], tuple[int, str]] = {}
        self.swaps = Swaps()
        self.tally = Tally()
        self.port = 0

    def build(self) -> None:
        """Both indexes, A in force."""
        from tryghed_search import build, settings, store
        from tryghed_search.loading import Loader

        given = settings.load(index=self.folder / "index")
        encoder = Loader(given).encoder
        self.identity = encoder.identity
        self.contents = {}
        for name, reports in (("B", OTHER_REPORTS), ("A", ROOT / "ingest")):
            index = self.folder / "index"
            if name == "A" and self.options.built:
                shutil.rmtree(index)
                shutil.copytree(self.options.built, index)
            else:
                build.build_index(reports, index, encoder)
            self.contents[name] = store.load(index, encoder.identity)[1]

    async def swap(self, name: str) -> None:
        """Write an index and wait until the server says that it has it."""
        from tryghed_search import store

        built = f"{name} {time.time_ns()}"
        began = time.monotonic()
        self.swaps.unsure.append((began, float("inf")))
        await asyncio.to_thread(
            store.write, self.folder / "index", self.contents[name], self.identity, built
        )
        connection = Connection(self.port, "192.0.2.1")
        while (await connection.ask(Request("GET", "/readyz"))).body.find(built.encode()) < 0:
            if time.monotonic() - began > 60:
                self.tally.wrong.append(f"index {name} was not taken within 60 seconds")
                break
            await asyncio.sleep(0.05)
        await connection.close()
        self.swaps.now = name
        self.swaps.unsure[-1] = (began, time.monotonic())

    async def ask_alone(self) -> None:
        """Each request by itself over each index: what is right."""
        for name in ("B", "A"):
            await self.swap(name)
            for number, request in enumerate(self.requests):
                connection = Connection(self.port, f"192.0.2.{2 + number % 250}")
                self.alone[number, name] = (await connection.ask(request)).fingerprint
                await connection.close()

    async def user(self, number: int, end: float) -> None:
        """One connection's requests, one after the other."""
        client = "203.0.113.1" if number < GREEDY else f"198.51.100.{number}"
        connection = Connection(self.port, client)
        while time.monotonic() < end:
            # The greedy ask what costs little, so that they come to their limit on any machine.
            first = len(self.requests) - len(FIXED) if number < GREEDY else 0
            chosen = self.dice.randrange(first, len(self.requests))
            if self.dice.random() < ABORTING:
                await connection.leave(self.requests[chosen], self.dice.choice((0, 0.001, 0.03)))
                self.tally.aborted += 1
                continue
            then, began = self.swaps.now, time.monotonic()
            try:
                response = await connection.ask(self.requests[chosen])
            except (OSError, asyncio.IncompleteReadError) as error:
                self.tally.statuses[type(error).__name__] += 1
                self.tally.wrong.append(f"{self.requests[chosen].target}: {error!r}")
                continue
            ended = time.monotonic()
            self.tally.statuses[str(response.status)] += 1
            self.judge(chosen, response, self.swaps.possible(began, ended, then))
            if response.status in {429, 503}:
                await asyncio.sleep(0.2)
            else:
                self.tally.seconds.append(ended - began)
        await connection.close()

    def judge(self, number: int, response: Response, indexes: set[str]) -> None:
        """Note what is not as it was alone, and is no promised refusal."""
        if response.status in {429, 503}:
            if int(response.headers.get("retry-after", "0")) > 0:
                return
        elif response.fingerprint in {self.alone[number, name] for name in indexes}:
            return
        self.tally.wrong.append(f"{self.requests[number].target} {response.status} {indexes}")

    async def watch(self, process: int, end: float) -> None:
        """The server's memory, once a second."""
        began = time.monotonic()
        while (now := time.monotonic()) < end:
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
            resident = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
            self.tally.memory.append((now - began, resident))
            await asyncio.sleep(1)

    async def swap_on(self, end: float) -> None:
        """One index after the other."""
        while time.monotonic() + self.options.swap < end:
            await asyncio.sleep(self.options.swap)
            await self.swap("B" if self.swaps.now == "A" else "A")

    async def run(self, process: int, port: int) -> str:
        """The whole run; what the server measured of itself."""
        self.port = port
        await self.ask_alone()
        end = time.monotonic() + self.options.seconds
        users = (self.user(number, end) for number in range(self.options.connections))
        await asyncio.gather(*users, self.watch(process, end), self.swap_on(end))
        metrics = await Connection(port, "192.0.2.1").ask(Request("GET", "/metrics"))
        return metrics.body.decode()

    def summary(self, metrics: str, status: int) -> dict[str, Any]:
        """The figures, and what was wrong."""
        tally = self.tally
        minute = min(60.0, self.options.seconds / 3)
        first = [mb for second, mb in tally.memory if second <= minute]
        last = [mb for second, mb in tally.memory if second >= tally.memory[-1][0] - minute]
        growth = statistics.mean(last) / statistics.mean(first) - 1
        wrong = list(tally.wrong)
        if self.options.seconds >= 300 and growth > MOST_GROWTH:
            wrong.append(f"memory grew by {growth:.1%}")
        if status:
            wrong.append(f"the server ended with {status}")
        for kind, least in (("200", 1), ("429", 1)):
            if tally.statuses[kind] < least:
                wrong.append(f"there was no {kind}: the run tried too little")
        quantiles = statistics.quantiles(tally.seconds, n=100)
        told = ("asked_total", "limited_total", "reloads_total", "aborted_total", "in_progress ")
        return {
            "seconds": self.options.seconds,
            "connections": self.options.connections,
            "cores": os.cpu_count(),
            "answers": len(tally.seconds),
            "answers_per_second": round(len(tally.seconds) / self.options.seconds, 1),
            "statuses": dict(sorted(tally.statuses.items())),
            "aborted": tally.aborted,
            "swaps": len(self.swaps.unsure) - 2,
            "ms": {p: round(1000 * quantiles[p - 1], 1) for p in (50, 95, 99)},
            "memory_mb_each_minute": [
                round(statistics.mean(mb for second, mb in tally.memory if second // 60 == n))
                for n in range(int(tally.memory[-1][0] // 60) + 1)
            ],
            "memory_mb": {
                "first_minute": round(statistics.mean(first), 1),
                "last_minute": round(statistics.mean(last), 1),
                "most": round(max(mb for _, mb in tally.memory), 1),
            },
            "server": [
                line
                for line in metrics.splitlines()
                if not line.startswith("#") and any(word in line for word in told)
            ],
            "wrong": len(wrong),
            "first_wrong": wrong[:10],
        }


def main() -> int:
    """Run it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--swap", type=float, default=20, help="seconds from one swap to the next")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--built", type=Path, help="an index of the report, to save building it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tryghed-soak-") as folder:
        soak = Soak(Path(folder), options)
        soak.build()
        given = {
            "TRYGHED_TRUSTED_PROXIES": "127.0.0.1",
            "TRYGHED_RELOAD_SECONDS": "0.2",
            "TRYGHED_QUEUE": "40",
        }
        command = [sys.executable, "-m", "tryghed_search", "serve", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--index", str(Path(folder) / "index")],
            env=os.environ | given,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"Serving on http://127\.0\.0\.1:(\d+)", line):
                    break
                sys.stderr.write(line)
            else:
                return 1
            # Written to a file, so that a full pipe never stops the server.
            log = Path(folder) / "log"
            with log.open("w", encoding="utf-8") as file:
                copying = asyncio.to_thread(file.writelines, process.stderr)

                async def both() -> str:
                    reading = asyncio.ensure_future(copying)
                    try:
                        return await soak.run(process.pid, int(found[1]))
                    finally:
                        process.terminate()
                        await reading

                metrics = asyncio.run(both())
            status = process.wait(timeout=60)
            unexpected = [
                line
                for line in log.read_text(encoding="utf-8").splitlines()
                if " INFO " not in line
            ]
            soak.tally.wrong += [f"log: {line}" for line in unexpected]
        finally:
            process.kill()
            process.wait()
        summary = soak.summary(metrics, status)
    sys.stdout.write(json.dumps(summary, indent=None if options.json else 1) + "\n")
    return 1 if summary["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
