"""Throughput, latency and refusals under load, against batches of the bare model.

    python benchmarks/load.py --seconds 20

For each number of connections, every connection asks one distinct question after the other, so
that neither the server's memory nor company in the queue helps; one that is refused waits a
little and goes on. Then ten times as many questions a second as the server can answer are sent,
and the health route is asked all the while. The load comes from the same machine and takes its
share of it. Writes ``load.json``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import measuring
from soak import Connection, Request

PATIENCE = 0.2
"""Seconds that a client waits after a refusal."""
MOST_OPEN = 400
"""Connections at most while there is too much to do; the server's own limit is above it."""
TOO_MUCH = 10
SINGLE, BATCHES = 100, (8, 32)
"""Questions encoded alone for the ruler, and the sizes of its batches."""


def variations(seed: int) -> Iterator[str]:
    """Distinct questions without end: real ones with a turn of phrase before or after."""
    before = (
        "", "Sig mig: ", "Jeg vil gerne vide: ", "Hej. ", "Et spørgsmål: ", "Vi drøfter det her: ",
        "Til et notat: ", "Til byrådet: ", "Kort: ", "En borger spørger: ", "Fra ledelsen: ",
        "Vi er i tvivl: ", "Til et oplæg: ", "Hurtigt: ",
    )  # fmt: skip
    after = (
        "", " Tak.", " På forhånd tak.", " Gerne kort.", " Er der noget om det?", " Hvad ved I?",
        " Det haster.", " Venlig hilsen", " Mange tak.", " Ved I det?",
    )  # fmt: skip
    texts = measuring.questions(10_000)
    made = [
        f"{start}{text}{end}" for start, end in itertools.product(before, after) for text in texts
    ]
    random.Random(seed).shuffle(made)
    yield from made
    raise RuntimeError("there are not that many questions; shorten the run")


def asking(question: str) -> Request:
    """The request that asks it."""
    return Request("POST", "/api/v1/ask", json.dumps({"question": question}).encode())


def bare(texts: Sequence[str]) -> dict[str, Any]:
    """Questions a second of the bare model: alone, and in batches."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(measuring.model_folder()), device="cpu", model_kwargs={"dtype": "float32"}
    )
    model.encode_query(list(texts[:16]))
    torch.set_num_threads(1)  # a question alone on one core, a batch on all of them
    seconds = []
    for text in texts[:SINGLE]:
        began = time.perf_counter()
        model.encode_query(text)
        seconds.append(time.perf_counter() - began)
    found: dict[str, Any] = {"encode_ms": measuring.median_ms(seconds)}
    found["alone_per_second"] = round(len(seconds) / sum(seconds), 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for size in BATCHES:
        groups = [texts[at : at + size] for at in range(0, len(texts) - size + 1, size)]
        began = time.perf_counter()
        for group in groups:
            model.encode_query(list(group), batch_size=size)
        done = sum(map(len, groups)) / (time.perf_counter() - began)
        found[f"batches_of_{size}_per_second"] = round(done, 1)
    found["best_batches_per_second"] = max(found[f"batches_of_{n}_per_second"] for n in BATCHES)
    found["cores_over_encode_per_second"] = round(
        len(os.sched_getaffinity(0)) / statistics.median(seconds), 1
    )
    return found


async def closed(port: int, connections: int, seconds: float, asked: Iterator[str]) -> Any:
    """So many connections, each with one question at a time; seconds of the answers, statuses."""
    took: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    async def user() -> None:
        connection = Connection(port, "127.0.0.1")
        while time.perf_counter() < end:
            began = time.perf_counter()
            response = await connection.ask(asking(next(asked)))
            ended = time.perf_counter()
            if ended <= end:
                statuses[response.status] += 1
                if response.status == 200:
                    took.append(ended - began)
            if response.status != 200:
                await asyncio.sleep(PATIENCE)
        await connection.close()

    await asyncio.gather(*(user() for _ in range(connections)))
    return took, statuses


async def flood(port: int, rate: float, seconds: float, asked: Iterator[str]) -> dict[str, Any]:
    """``rate`` questions a second, whatever becomes of them, and how long health takes."""
    statuses: Counter[str] = Counter()
    idle: list[Connection] = []
    running: set[asyncio.Task[None]] = set()
    health: list[float] = []
    end = time.perf_counter() + seconds

    async def one(question: str) -> None:
        connection = idle.pop() if idle else Connection(port, "127.0.0.1")
        try:
            statuses[str((await connection.ask(asking(question))).status)] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            statuses[type(error).__name__] += 1
            await connection.close()
        idle.append(connection)

    async def watch() -> None:
        connection = Connection(port, "127.0.0.1")
        while time.perf_counter() < end:
            began = time.perf_counter()
            assert (await connection.ask(Request("GET", "/healthz"))).status == 200
            health.append(time.perf_counter() - began)
            await asyncio.sleep(0.05)
        await connection.close()

    watching = asyncio.ensure_future(watch())
    began, sent, unsent = time.perf_counter(), 0, 0
    while (now := time.perf_counter()) < end:
        due = int((now - began) * rate) - sent - unsent
        for _ in range(due):
            if len(running) >= MOST_OPEN:
                unsent += 1
                continue
            task = asyncio.ensure_future(one(next(asked)))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.005)
    await watching
    await asyncio.gather(*running)
    for connection in idle:
        await connection.close()
    refused = statuses["503"] + statuses["429"]
    return {
        "aimed_per_second": round(rate, 1),
        "sent_per_second": round(sent / seconds, 1),
        "statuses": dict(statuses),
        "refused_share": round(refused / max(1, sum(statuses.values())), 3),
        "health_p50_ms": measuring.median_ms(health),
        "health_p99_ms": measuring.quantile_ms(health, 0.99),
        "health_asked": len(health),
    }


def measure(
    index: Path, connections: Sequence[int], seconds: float, runs: int, encoded: int, seed: int
) -> dict[str, Any]:
    """The ruler before and after, every number of connections, and too much of it.

    The ruler is taken over ``encoded`` questions each time.
    """
    asked = variations(seed)
    before = bare([next(asked) for _ in range(encoded)])
    table = {}
    with measuring.server(index) as (port, process):
        asyncio.run(closed(port, 2, min(2.0, seconds), asked))  # warms up
        for number in connections:
            took, statuses = asyncio.run(closed(port, number, seconds, asked))
            table[str(number)] = {
                "answers_per_second": round(len(took) / seconds, 1),
                "p50_ms": measuring.quantile_ms(took, 0.5),
                "p95_ms": measuring.quantile_ms(took, 0.95),
                "p99_ms": measuring.quantile_ms(took, 0.99),
                "refused_share": round(1 - statuses[200] / max(1, statuses.total()), 3),
                "statuses": {str(status): count for status, count in statuses.items()},
            }
        capacity = max(row["answers_per_second"] for row in table.values())
        floods = [
            asyncio.run(flood(port, TOO_MUCH * capacity, seconds, asked)) for _ in range(runs)
        ]
        memory = measuring.peak_memory_mb(process)
    after = bare([next(asked) for _ in range(encoded)])
    ruler = {name: round((before[name] + after[name]) / 2, 3) for name in before}
    for row in table.values():
        row["of_batches"] = round(row["answers_per_second"] / ruler["best_batches_per_second"], 3)
        row["of_cores_over_encode"] = round(
            row["answers_per_second"] / ruler["cores_over_encode_per_second"], 3
        )
    return {
        "seconds": seconds,
        "bare": ruler,
        "bare_before_and_after": [before, after],
        "connections": table,
        "ten_times_capacity": floods,
        "health_p50_ms": statistics.median(run["health_p50_ms"] for run in floods),
        "server_peak_mb": memory,
    }


def main() -> None:
    """Measure and save."""
    parser = measuring.arguments(__doc__, seconds=20.0, runs=3, encoded=320, seed=1)
    parser.add_argument(
        "--connections", type=int, nargs="+", default=[1, 8, 32, 128], help="default 1 8 32 128"
    )
    options = parser.parse_args()
    on = measuring.machine()
    with measuring.index_folder(options.index) as index:
        result = measure(
            index,
            options.connections,
            options.seconds,
            options.runs,
            options.encoded,
            options.seed,
        )
    measuring.save(options.out, "load", on, result)


if __name__ == "__main__":
    main()
