"""Write what was measured into docs/performance.md and docs/growing.md, between their markers.

    python benchmarks/report.py

Reads the JSON files that the other benchmarks wrote and draws the plots. What has not been
measured keeps what stood there. Fails when a marker is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measuring
import plots

Result = dict[str, Any]
MET, MISSED = "met", "missed"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, all but the first column to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(figure: Sequence[float]) -> str:
    """A figure with its interval."""
    value, low, high = figure
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def verdict(value: float, aim: float, *, least: bool = False) -> str:
    """Whether an aim is met, with the aim."""
    reached = value >= aim if least else value <= aim
    return f"{'≥' if least else '≤'} {aim:g}: {MET if reached else f'**{MISSED}**'}"


ABOVE_OUR_OWN = 1.25
"""Load for each core that the benchmark before cannot have left behind."""


def measured_on(result: Result) -> str:
    """Machine, versions and date in one sentence."""
    on = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in on["versions"].items())
    busy = " **The machine was busy with other work: a trial.**"
    return (
        f"Measured {on['date']} on {on['processor']}, {on['cores']} cores, "
        f"{on['memory_gib']} GiB, load {on['load_before']} before; Python {on['python']}, "
        f"{versions}.{busy if on['load_before'] > ABOVE_OUR_OWN * on['cores'] else ''}"
    )


def limit(result: Result) -> str:
    """An answer against its model."""
    aims = {
        "in process": 1.15, "over HTTP": 1.25, "repeated at once, over HTTP": 0.05,
        "repeated later, over HTTP": 0.05, "repeated later, in process": 0.05,
    }  # fmt: skip
    rows = []
    for name, row in result["ways"].items():
        aim = verdict(row["ratio"][0], aims[name]) if name in aims else ""
        if name.startswith("search without encoder"):
            aim = verdict(row["median_ms"], 1.0) + " (ms)"
        rows.append(
            [
                name, f"{row['median_ms']:.2f}", f"{row['p95_ms']:.2f}", interval(row["ratio"]),
                interval(row["ratio_to_own_encoder"]), aim,
            ]
        )  # fmt: skip
    head = ["", "median ms", "p95 ms", "of `encode_query`", "of the own encoder", "aim"]
    asked = f"{result['questions']} questions, each asked in every way in turn."
    return f"{table(head, rows)}\n\n{asked} {measured_on(result)}"


def load(result: Result) -> str:
    """Under load."""
    rows = [
        [
            connections, f"{row['answers_per_second']:.1f}", f"{row['of_batches']:.2f}",
            f"{row['of_cores_over_encode']:.2f}", f"{row['p50_ms']:.0f}", f"{row['p95_ms']:.0f}",
            f"{row['p99_ms']:.0f}", f"{row['refused_share']:.0%}",
        ]
        for connections, row in result["connections"].items()
    ]  # fmt: skip
    head = [
        "connections", "answers/s", "of the model's batches", "of cores ÷ encode time", "p50 ms",
        "p95 ms", "p99 ms", "refused",
    ]  # fmt: skip
    bare, floods = result["bare"], result["ten_times_capacity"]
    best = max(row["of_batches"] for row in result["connections"].values())
    refused = sum(run["refused_share"] for run in floods) / len(floods)
    sent = sum(run["sent_per_second"] for run in floods) / len(floods)
    return "\n\n".join(
        (
            table(head, rows),
            f"The bare model: {bare['encode_ms']:.1f} ms a question alone, "
            f"{bare['best_batches_per_second']:.0f} questions a second in its best batches, "
            f"cores ÷ encode time {bare['cores_over_encode_per_second']:.0f} a second. Best share "
            f"of the batches {best:.2f} (aim {verdict(best, 0.9, least=True)}). At ten times "
            f"capacity ({sent:.0f} questions a second) {refused:.0%} were refused, and the health "
            f"route took {result['health_p50_ms']:.1f} ms (median of {len(floods)} runs; aim "
            f"{verdict(result['health_p50_ms'], 20)}). The server's peak of memory was "
            f"{result['server_peak_mb']:.0f} MB. {measured_on(result)}",
        )
    )


def start(result: Result) -> str:
    """Starting."""
    aims = {"tryghed-search --help": 3.0, "tryghed-search ask": 1.2, "tryghed-search serve": 1.2}
    rows = []
    for name, row in result["ways"].items():
        heavy = row["against"] == "bare model"
        rows.append(
            [
                f"`{name}`" if name.startswith("tryghed") else name,
                f"{row['seconds']:.2f}",
                f"{row['against']}: {interval(row['ratio'])}",
                f"{row['peak_mb']:.0f}" if heavy else "",
                interval(row["memory_ratio"]) if heavy else "",
                verdict(row["ratio"][0], aims[name]) if name in aims else "",
            ]
        )
    head = ["", "seconds", "against", "peak MB", "of the bare model's", "aim"]
    return f"{table(head, rows)}\n\nMedians of {result['runs']} runs. {measured_on(result)}"


def ingest(result: Result) -> str:
    """Ingest."""
    return (
        f"{result['texts']} texts: ingest {result['ingest_seconds']:.1f} s, the bare model "
        f"{result['model_seconds']:.1f} s, ratio {interval(result['ratio'])} (aim "
        f"{verdict(result['ratio'][0], 1.1)}). {result['runs']} runs. {measured_on(result)}"
    )


def compare(result: Result) -> str:
    """The peers: cost once, quality once for each half."""
    systems = result["systems"]
    cost = [
        [
            row["title"], str(row["lines_of_code"]), f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}", interval(row["ratio"]) if "ratio" in row else "",
            f"{row['start_seconds']:.1f}" if "start_seconds" in row else "",
            f"{row['peak_mb']:.0f}", f"{row['index_mb']:.1f}",
            f"{row['ingest_seconds']:.0f}",
        ]
        for row in systems.values()
    ]  # fmt: skip
    parts = [
        table(
            ["", "lines", "p50 ms", "p99 ms", "of the model alone", "start s", "peak MB",
             "index MB", "ingest s"],
            cost,
        )
    ]  # fmt: skip
    for half in measuring.HALVES:
        rows = [
            [row["title"], *(interval(row[half][k]) if k in row[half] else "" for k in QUALITY)]
            for row in systems.values()
            if half in row
        ]
        asked = next(row[half]["questions"] for row in systems.values() if half in row)
        about = {
            "test": "The test half, which nothing of the product was tuned on",
            "tuning": "The tuning half, on which the product's weights were chosen",
        }
        parts.append(f"{about[half]} ({asked} questions with an answer):")
        parts.append(table(["", *QUALITY], rows))
    versions = {
        name: version for row in systems.values() for name, version in row["versions"].items()
    }
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts.append(f"{result['passages']} passages; {named}. {measured_on(result)}")
    return "\n\n".join(parts)


QUALITY = ("hit@1", "hit@5", "mrr@10", "auroc near", "auroc far")


def stages(result: Result) -> str:
    """Where the time goes."""
    asked, started = result["answer"], result["start"]
    rows = [
        [name, f"{row['mean_ms']:.2f}", f"{row['share']:.1%}"]
        for name, row in asked["stages"].items()
    ]
    parts = [
        f"One answer, {asked['mean_ms']:.1f} ms in the mean of {asked['questions']} questions:",
        table(["stage", "mean ms", "share"], rows),
    ]
    if asked["gone"]:
        parts.append(f"No longer there and so not told apart: {', '.join(asked['gone'])}.")
    rows = [
        [name, f"{row['seconds']:.2f}", f"{row['share']:.1%}"]
        for name, row in started["stages"].items()
    ]
    parts += [
        f"One start, {started['seconds']:.1f} s, medians of {started['runs']} runs:",
        table(["stage", "seconds", "share"], rows),
        measured_on(result),
    ]
    return "\n\n".join(parts)


STORES = {"faiss": "FAISS, one process", "postgresql": "PostgreSQL"}
_LARGE = 1_000_000
"""Passages that the aim for the time of a search is about."""


def scale(result: Result) -> str:
    """How an index grows."""
    rows = [
        [
            f"{STORES[store]}, {int(size):,}", f"{row['build_seconds']:.1f}",
            f"{row['bytes'] / 1e6:,.0f}",
            f"{row['memory_mb']:,.0f}"
            + (f" + {row['server_mb']:,.0f}" if "server_mb" in row else ""),
            f"{row['load_seconds']:.1f}",
            verdict(row["p50_ms"], 10).replace("≤ 10", f"{row['p50_ms']:.1f}")
            if int(size) >= _LARGE else f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}", f"{row['vector_recall']:.3f}",
            verdict(row["recall"], 0.98, least=True).replace("≥ 0.98", f"{row['recall']:.3f}"),
        ]
        for store, told in result["stores"].items()
        for size, row in told["sizes"].items()
    ]  # fmt: skip
    head = [
        "store, passages", "built in s", "MB on disk", "MB of memory", "loaded in s",
        "p50 ms (aim of a million ≤ 10)", "p99 ms", "recall@10 of vectors",
        "of the answer (aim ≥ 0.98)",
    ]  # fmt: skip
    parts = [table(head, rows)]
    for store, told in result["stores"].items():
        if told["exponents"]:
            grows = ", ".join(
                f"{name.replace('_', ' ')} {power}" for name, power in told["exponents"].items()
            )
            parts.append(
                f"{STORES[store]}: grows with the number of passages to the power: {grows}."
            )
        firsts = {n: row for n, row in told["sizes"].items() if "first_p50_ms" in row}
        if firsts:
            named = ", ".join(
                f"{row['first_p50_ms']:.1f} ms of {int(n):,}" for n, row in firsts.items()
            )
            parts.append(
                f"{STORES[store]}: server on the same machine, memory of the process that asks + "
                f"of the server. Asked for the first time, the median is {named}."
            )
        if adding := told.get("adding"):
            seconds, share = adding["seconds"], adding["share"]
            parts.append(
                f"{STORES[store]}: {adding['added']} passages added to {adding['passages']:,} in "
                f"{seconds['added']:.1f} s and {100 * adding['model_seconds_each']:.1f} s of the "
                f"model, {share:.1%} of building all anew with the model (aim "
                f"{verdict(share, 0.05)}); the model's time for all is reckoned from that for 64."
            )
    parts.append(
        f"{result['questions']} questions without the model, ten passages each; recall by "
        f"{result['exact']} of them. {measured_on(result)}"
    )
    return "\n\n".join(parts)


PAPER = 100_000_000
_MACHINE_GB = 64
_FOR_INDEX = 0.75
"""Of a machine's memory; the rest is for the model and the system."""
_COPIES = {"faiss": 2, "postgresql": 3}
"""One may fail; of the database's, two must agree on what is written."""
_TOKEN_BYTES = 2 * 384 + 8
"""Of a token on disk: a vector in half precision, its number and its sentence."""


def on_paper(result: Result) -> str:
    """What a hundred million passages would need, from the largest sizes that were measured."""
    rows = []
    for store, told in result["stores"].items():
        for having in (True, False):
            sizes = [
                int(n) for n, row in told["sizes"].items() if bool(row["token_vectors"]) == having
            ]
            if sizes:
                rows.append(_shards(store, told, max(sizes)))
    head = [
        "store, figures of", "disk of one copy, TB", "memory of one copy, TB",
        f"passages in {_MACHINE_GB} GB, millions", "shards", "machines with copies",
        "p50 of a shard, ms", "a shard built in h",
    ]  # fmt: skip
    return "\n\n".join(
        (
            table(head, rows),
            f"Disk and memory are those of the largest size that was measured with and without "
            f"token vectors, times what {PAPER:,} is of it. Memory of files is what the process "
            f"holds by itself and all files but token vectors ({_TOKEN_BYTES} bytes each), which "
            f"the system reads when asked; of the database, what client and server held. A machine "
            f"gives {_FOR_INDEX:.0%} of {_MACHINE_GB} GB to its shard. Times grow with the powers "
            "above, without the network and the merging of what shards find. Copies: "
            + " and ".join(f"{count} of {STORES[store]}" for store, count in _COPIES.items())
            + ".",
        )
    )


def _shards(store: str, told: Result, size: int) -> list[str]:
    """One row of ``on_paper``."""
    row = told["sizes"][str(size)]
    if store == "faiss":
        files = row["bytes"] - _TOKEN_BYTES * row["token_vectors"]
        memory = row["memory_mb"] * 1e6 + files
    else:
        memory = (row["memory_mb"] + row["server_mb"]) * 1e6
    shard = _MACHINE_GB * 1e9 * _FOR_INDEX / memory * size
    shards = math.ceil(PAPER / shard)
    grown = {
        name: row[name] * (min(shard, PAPER) / size) ** max(0.0, told["exponents"].get(name, 1.0))
        for name in ("p50_ms", "build_seconds")
    }
    kind = "with" if row["token_vectors"] else "without"
    return [
        f"{STORES[store]}, {size:,} {kind} token vectors",
        f"{row['bytes'] / size * PAPER / 1e12:.1f}", f"{memory / size * PAPER / 1e12:.2f}",
        f"{shard / 1e6:.1f}", str(shards), str(shards * _COPIES[store]),
        f"{grown['p50_ms']:.0f}", f"{grown['build_seconds'] / 3600:.1f}",
    ]  # fmt: skip


WRITERS: dict[str, Callable[[Result], str]] = {
    "limit": limit, "load": load, "start": start, "ingest": ingest, "compare": compare,
    "stages": stages, "scale": scale, "paper": on_paper,
}  # fmt: skip


def between_markers(page: str, name: str, text: str) -> str:
    """The page with what stands between a name's markers replaced; ``ValueError`` without them."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page needs the markers of {name!r} once")
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def draw(results: dict[str, Result], folder: Path) -> None:
    """The plots of what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if "load" in results:
        rows = results["load"]["connections"]
        quantiles = {
            name: [row[f"{name}_ms"] for row in rows.values()] for name in ("p50", "p95", "p99")
        }
        drawn = plots.lines(
            "Latency against load", "connections", "ms until the answer", list(map(int, rows)),
            quantiles,
        )  # fmt: skip
        (folder / "latency-load.svg").write_text(drawn, encoding="utf-8")
    if "compare" in results:
        points = [
            (row["title"], row["p50_ms"], tuple(row["test"]["mrr@10"]), name.startswith("product"))
            for name, row in results["compare"]["systems"].items()
            if "test" in row
        ]
        drawn = plots.scatter(
            "Quality against latency", "ms until the answer, median",
            "MRR@10, test half, with 95 % interval", points,
        )  # fmt: skip
        (folder / "quality-latency.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    """Read, write, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    docs = measuring.ROOT / "docs"
    parser.add_argument("--results", type=Path, default=measuring.ROOT / "build" / "bench")
    parser.add_argument("--page", type=Path, default=docs / "performance.md")
    parser.add_argument("--growing", type=Path, default=docs / "growing.md")
    parser.add_argument("--images", type=Path, default=docs / "images")
    options = parser.parse_args()
    results = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in WRITERS
        if (path := options.results / f"{name}.json").is_file()
    }
    if not results:
        sys.exit(f"There are no results in {options.results}; run 'make bench' first.")
    if "scale" in results:
        results["paper"] = results["scale"]
    for name, result in results.items():
        page = options.growing if name in ("scale", "paper") else options.page
        written = between_markers(page.read_text(encoding="utf-8"), name, WRITERS[name](result))
        page.write_text(written, encoding="utf-8")
    draw(results, options.images)
    missing = [name for name in WRITERS if name not in results]
    told = f"Wrote {', '.join(results)} into {options.page.parent}"
    sys.stdout.write(told + (f"; not measured: {', '.join(missing)}" if missing else "") + ".\n")


if __name__ == "__main__":
    main()
