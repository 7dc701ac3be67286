"""The leader of a cluster is killed while readers ask, rows are written and reports come and go.

    make soak
    python benchmarks/failover.py --rounds 3

Three PostgreSQL servers under Patroni (cluster.py), an assistant over all three. Each round kills
the leader with signal 9, Patroni and all, waits for another one, and starts the killed one again.
In the end all three are killed and started. Ends with status 1 if an acknowledged write is lost, an
answer is another one than over one of the two states of the reports, a refusal is not the one that
is promised, or ``/readyz`` and the metrics do not tell the truth.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for what the tests know of PostgreSQL

import psycopg  # noqa: E402
from cluster import TTL, Cluster, Node, cluster  # noqa: E402

from tryghed_search import settings  # noqa: E402
from tryghed_search.errors import DatabaseError  # noqa: E402
from tryghed_search.loading import Loader  # noqa: E402

STAYS = ROOT / "tests" / "reports" / "lille-rapport"
COMES = ROOT / "tests" / "small-reports" / "haven"
QUESTIONS = (
    "Hvor mange flere børn gik til skole, da stien fik lamper?",
    "Hvad gror i haven?",
    "Hvem passer på lamperne?",
    "Hvorfor føler folk sig trygge?",
    "Hvad koster det?",
    "Hvem kan man spørge om hjælp?",
)
READERS = 3


@dataclass
class Found:
    """What is seen, by several threads."""

    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    answered: list[float] = field(default_factory=list)
    """When answers came, seconds."""
    slowest: float = 0.0
    written: list[tuple[float, int]] = field(default_factory=list)
    """When rows were acknowledged, and which."""
    versions: list[str] = field(default_factory=list)
    """That ingests put in force."""
    refused_writes: int = 0
    readiness: Counter[str] = field(default_factory=Counter)


def longest(times: list[float]) -> float:
    """The longest time from one to the next, seconds."""
    ordered = sorted(times)
    return max((b - a for a, b in itertools.pairwise(ordered)), default=0.0)


class Assistant:
    """The server process, and what it may answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.expected: dict[str, set[bytes]] = {question: set() for question in QUESTIONS}

    def request(self, path: str, question: str | None = None) -> tuple[int, Any, bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            if question is None:
                connection.request("GET", path)
            else:
                body = json.dumps({"question": question})
                connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def learn(self) -> None:
        """Remember what is answered now, when nothing else goes on."""
        for question in QUESTIONS:
            status, _, body = self.request("/api/v1/ask", question)
            assert status == 200, body
            self.expected[question].add(body)

    def reports(self) -> set[str]:
        """Ids of the reports that it answers from."""
        return {r["id"] for r in json.loads(self.request("/api/v1/meta")[2])["reports"]}

    def ready(self) -> tuple[int, float, float]:
        """Status of ``/readyz``, and what the metrics say: ready, and lost."""
        status = self.request("/readyz")[0]
        lines = self.request("/metrics")[2].decode().splitlines()
        ready, lost = (
            next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
            for name in ("tryghed_ready", "tryghed_database_lost")
        )
        return status, ready, lost

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> float:
        """Seconds until the condition holds."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() < began + seconds, what
            time.sleep(0.05)
        return time.monotonic() - began


class Load:
    """Readers, a writer of rows and one of reports, until they are told to stop."""

    def __init__(self, assistant: Assistant, address: str, ingest: Callable[[], str]) -> None:
        self.found = Found()
        self._assistant = assistant
        self._address = address
        self._ingest = ingest
        self._stop = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """All of them at work; what one of them fails with counts as wrong."""
        works = [*([self._read] * READERS), self._write, self._bring_in]
        threads = [threading.Thread(target=self._noting, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _noting(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.found.wrong.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def _read(self) -> None:
        for question in itertools.cycle(QUESTIONS):
            if self._stop.is_set():
                return
            began = time.monotonic()
            status, headers, body = self._assistant.request("/api/v1/ask", question)
            now = time.monotonic()
            self.found.statuses[status] += 1
            self.found.slowest = max(self.found.slowest, now - began)
            if status == 200:
                self.found.answered.append(now)
                if body not in self._assistant.expected[question]:
                    self.found.wrong.append(f"{question}: {body.decode()[:300]}")
            elif status != 503 or not headers.get("Retry-After"):
                self.found.wrong.append(f"{question}: {status} {body.decode()[:300]}")
            else:
                time.sleep(0.05)

    def _write(self) -> None:
        numbers = itertools.count(1)
        number = next(numbers)
        while not self._stop.is_set():
            with (
                suppress(psycopg.Error),
                psycopg.connect(
                    self._address,
                    autocommit=True,
                    target_session_attrs="read-write",
                    connect_timeout=2,
                    options="-c statement_timeout=5s",
                ) as connection,
            ):
                while not self._stop.is_set():
                    # One whose fate is not known is left behind: it may be there or not.
                    number = next(numbers)
                    connection.execute("INSERT INTO proof VALUES (%s)", (number,))
                    self.found.written.append((time.monotonic(), number))
                    time.sleep(0.002)
            time.sleep(0.05)

    def _bring_in(self) -> None:
        while not self._stop.is_set():
            try:
                self.found.versions.append(self._ingest())
            except DatabaseError:
                self.found.refused_writes += 1
            time.sleep(0.2)


def lost(address: str, found: Found) -> tuple[list[int], bool]:
    """Acknowledged rows that the leader does not have, and whether the last version is lost."""
    end = time.monotonic() + 60
    written = [number for _, number in list(found.written)]
    versions = list(found.versions)
    while True:
        try:
            with psycopg.connect(
                address, target_session_attrs="read-write", connect_timeout=2
            ) as connection:
                there = {int(n) for (n,) in connection.execute("SELECT number FROM proof")}
                row = connection.execute("SELECT max(version) FROM versions").fetchone()
        except psycopg.OperationalError:
            assert time.monotonic() < end, "nobody leads"
            time.sleep(0.1)
            continue
        newest = int(row[0]) if row else 0
        last = max((int(v.rpartition("-")[2]) for v in versions), default=0)
        return [number for number in written if number not in there], newest < last


def rounds(
    servers: Cluster, load: Load, assistant: Assistant, address: str, count: int
) -> list[dict[str, Any]]:
    """Kill the leader so many times; what was seen each time."""
    told = []
    for number in range(1, count + 1):
        time.sleep(5)
        killed = servers.leader()
        began = time.monotonic()
        killed.kill()
        other = servers.leader(but=killed)
        seconds = time.monotonic() - began
        missing, older = lost(address, load.found)
        if missing or older:
            load.found.wrong.append(f"round {number}: lost {missing[:5]}, older: {older}")
        time.sleep(3)
        began = time.monotonic()
        servers.start(killed)
        servers.whole()
        told.append(
            {
                "killed": killed.name,
                "then_led": other.name,
                "until_another_led_s": round(seconds, 1),
                "until_it_followed_s": round(time.monotonic() - began, 1),
            }
        )
        ready = assistant.ready()
        if ready != (200, 1.0, 0.0):
            load.found.wrong.append(f"round {number}: not ready although it is: {ready}")
    return told


def outage(servers: Cluster, assistant: Assistant, found: Found) -> dict[str, float]:
    """Kill all three, see what is told of it, and start them again."""
    nodes: list[Node] = list(servers.nodes)
    for node in nodes:
        node.kill()
    told = assistant.until(
        lambda: assistant.ready() == (503, 0.0, 1.0), "the loss of all is not told"
    )
    status, headers, body = assistant.request("/api/v1/ask", QUESTIONS[0])
    if status != 503 or not headers.get("Retry-After"):
        found.wrong.append(f"without any server: {status} {body.decode()[:200]}")
    for node in nodes:
        servers.start(node)
    servers.whole()
    back = assistant.until(
        lambda: assistant.ready() == (200, 1.0, 0.0), "that they are back is not told"
    )
    for question in QUESTIONS:
        status, _, body = assistant.request("/api/v1/ask", question)
        if status != 200 or body not in assistant.expected[question]:
            found.wrong.append(f"after the loss of all: {question}: {status} {body.decode()[:200]}")
    return {"until_told_s": round(told, 2), "until_ready_once_whole_s": round(back, 2)}


@contextmanager
def served(folder: Path, address: str, reports: Path) -> Iterator[Assistant]:
    """An assistant over the cluster, which remembers no answers."""
    given = {
        "TRYGHED_STORE": address,
        "TRYGHED_REPORTS": str(reports),
        "TRYGHED_RELOAD_SECONDS": "0.5",
        "TRYGHED_ANSWERS": "0",
        "TRYGHED_RATE": "0",
    }
    command = [sys.executable, "-m", "tryghed_search", "serve", "--port", "0"]
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, "--index", str(folder / "index")], env=os.environ | given, stderr=log
        )
    try:
        end = time.monotonic() + 180
        while not (
            found := re.search(
                r"Serving on http://127\.0\.0\.1:(\d+)", (folder / "log").read_text("utf-8")
            )
        ):
            assert process.poll() is None, (folder / "log").read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.2)
        assistant = Assistant(int(found[1]))
        assistant.until(lambda: _answers(assistant), "the assistant does not begin", 120)
        yield assistant
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(assistant: Assistant) -> bool:
    try:
        return assistant.request("/readyz")[0] == 200
    except OSError:
        return False


def main() -> int:
    """Run it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tryghed-failover-") as name, cluster() as servers:
        folder = Path(name)
        reports = folder / "reports"
        shutil.copytree(STAYS, reports / STAYS.name)
        with psycopg.connect(
            servers.address("postgres"), autocommit=True, target_session_attrs="read-write"
        ) as connection:
            connection.execute("CREATE DATABASE rapporter")
        address = servers.address("rapporter")
        with psycopg.connect(address, target_session_attrs="read-write") as connection:
            connection.execute("CREATE TABLE proof (number bigint PRIMARY KEY)")
        loader = Loader(settings.load(store=address, index=folder / "index"))
        encoder = loader.encoder

        def ingest() -> str:
            """The other of the two states of the reports."""
            if (reports / COMES.name).exists():
                shutil.rmtree(reports / COMES.name)
            else:
                shutil.copytree(COMES, reports / COMES.name)
            return loader.store.ingest(reports, lambda: encoder).folder

        loader.store.ingest(reports, lambda: encoder)
        with served(folder, address, reports) as assistant:
            for _ in range(2):
                assistant.learn()
                ingest()
                assistant.until(
                    lambda: assistant.reports() == {path.name for path in reports.iterdir()},
                    "the new version is not taken",
                )
            load = Load(assistant, address, ingest)
            with load.going_on():
                told = rounds(servers, load, assistant, address, options.rounds)
            missing, older = lost(address, load.found)
            load.found.wrong += [f"lost {missing[:5]}"] if missing else []
            load.found.wrong += ["a version that was put in force is gone"] if older else []
            loss_of_all = outage(servers, assistant, load.found)
        found = load.found
        summary = {
            "ttl_s": TTL,
            "rounds": told,
            "acknowledged_rows": len(found.written),
            "lost_rows": len(missing),
            "acknowledged_ingests": len(found.versions),
            "refused_ingests": found.refused_writes,
            "longest_without_writes_s": round(longest([at for at, _ in found.written]), 2),
            "answers": len(found.answered),
            "statuses": dict(sorted(found.statuses.items())),
            "longest_without_an_answer_s": round(longest(found.answered), 3),
            "slowest_answer_s": round(found.slowest, 3),
            "loss_of_all": loss_of_all,
            "wrong": len(found.wrong),
            "first_wrong": found.wrong[:5],
        }
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
