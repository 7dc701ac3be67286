"""What all benchmarks share: questions, the machine, ratios with their intervals, a real server.

Light on purpose: nothing heavy is imported at the top, so that what a child process is said to
have used is its own.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# As the command does: threads that wait do not spin. Read when numpy and torch are loaded, so set
# before, and inherited by every process that is measured, the product's and the others'.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Nothing is fetched: whatever is missing fails at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "ingest"
QUESTIONS = ROOT / "tests" / "questions"
HALVES = ("tuning", "test")
VERSIONS = (
    "tryghed-search", "sentence-transformers", "transformers", "torch", "faiss-cpu", "numpy",
)  # fmt: skip
_RESAMPLES = 2000
_SEED = 7


def arguments(
    about: str | None, index: bool = True, **defaults: int | float
) -> argparse.ArgumentParser:
    """A parser with the options that benchmarks share, and a number for each of ``defaults``."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "bench", help="folder for the result"
    )
    if index:
        parser.add_argument(
            "--index", type=Path, help="an index of the report, to save building it"
        )
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default {value}")
    return parser


def labelled(half: str) -> list[dict[str, Any]]:
    """One half of the labelled questions, as they stand in their file."""
    text = (QUESTIONS / f"{half}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def questions(count: int) -> list[str]:
    """Distinct questions of both halves that stand alone, evenly from all kinds, ``count`` at most.

    A file has its questions by kind, so every n-th is taken.
    """
    texts = dict.fromkeys(
        line["question"]
        for half in HALVES
        for line in labelled(half)
        if not line.get("history") and not line.get("sections")
    )
    step = max(1, len(texts) // count)
    return list(texts)[::step][:count]


def machine() -> dict[str, Any]:
    """What was measured on, when, and with which versions."""
    processor = "unknown"
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
        processor = found[1] if found else platform.processor() or processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }


def save(folder: Path, name: str, on: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Write ``name.json`` into ``folder``, and the same to standard output."""
    text = json.dumps({"machine": on, **result}, ensure_ascii=False, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


# --- figures --------------------------------------------------------------------------------------


def median_ms(seconds: Sequence[float]) -> float:
    """The median in milliseconds."""
    return round(1000 * statistics.median(seconds), 3)


def quantile_ms(seconds: Sequence[float], share: float) -> float:
    """A quantile in milliseconds, by linear interpolation between neighbours."""
    import numpy as np

    return round(1000 * float(np.quantile(np.asarray(seconds), share)), 3)


def ratio(ours: Sequence[float], ruler: Sequence[float]) -> list[float]:
    """Ratio of the medians with its 95 % interval: [value, low, high].

    The percentile bootstrap over the pairs, which were measured one after the other, so that what
    slows the machine for a while slows both.
    """
    import numpy as np

    above, below = np.asarray(ours), np.asarray(ruler)
    if len(above) != len(below):
        raise ValueError("ratios are of pairs")
    picks = np.random.default_rng(_SEED).integers(0, len(above), (_RESAMPLES, len(above)))
    resampled = np.median(above[picks], axis=1) / np.median(below[picks], axis=1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    value = float(np.median(above) / np.median(below))
    return [round(value, 3), round(float(low), 3), round(float(high), 3)]


# --- the product ----------------------------------------------------------------------------------


@contextlib.contextmanager
def index_folder(given: Path | None) -> Iterator[Path]:
    """The index that is given, or one that is built now and removed afterwards."""
    if given is not None:
        yield given.resolve()
        return
    from tryghed_search import build, settings
    from tryghed_search.loading import Loader

    with tempfile.TemporaryDirectory(prefix="tryghed-bench-") as folder:
        index = Path(folder) / "index"
        build.build_index(REPORTS, index, Loader(settings.load(index=index)).encoder)
        yield index


def model_folder(plain: bool = False) -> Path:
    """The bundled model as a folder that sentence-transformers loads; ``plain`` without adapter."""
    from tryghed_search import bundled, settings

    cache = settings.load().cache or Path.home() / ".cache" / "tryghed-search"
    return bundled.model_folder(cache, adapted=not plain)


def as_published(plain: Path, folder: Path) -> Path:
    """A copy of an unpacked model in fp32, as the model is published.

    It is unpacked in fp16 to save room, and the product asks for fp32 when it loads it. Others
    would compute in fp16, which takes a processor ten times as long.
    """
    from safetensors.numpy import load_file, save_file

    shutil.copytree(plain, folder)
    weights = load_file(folder / "model.safetensors")
    full = {name: value.astype("float32") for name, value in weights.items()}
    save_file(full, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float32"}), "utf-8")
    return folder


@contextlib.contextmanager
def server(index: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """A server process as an operator starts it; its port and its process id.

    Without a limit for one client, because a benchmark is one.
    """
    command = [sys.executable, "-m", "tryghed_search", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--index", str(index)],
        env=os.environ | {"TRYGHED_RATE": "0"} | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if found := re.search(r"Serving on http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            raise RuntimeError(f"the server did not start: {''.join(told)}")
        port = int(found[1])
        # Read on, so that a full pipe never stops the server.
        threading.Thread(target=told.extend, args=(process.stderr,), daemon=True).start()
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(port: int) -> None:
    """Until somebody listens: the address is told when it is known, which is a little before."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return


def peak_memory_mb(process: int | str = "self") -> float:
    """The most memory that a process has had resident since it began its program, in MB.

    From the kernel's own record; ``ru_maxrss`` would count what its parent had before it.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return round(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024, 1)
