"""The product next to what a user would otherwise pick: same machine, passages, model, questions.

    make bench-peers
    python benchmarks/compare.py --only product faiss_plain --questions 40

Each system is a file in ``peers/`` and runs in processes of its own; all but the product in the
environment ``build/peers``. To be timed they are all asked each question, one after the other, in
an order that changes. What is right is decided as ``tryghed-search evaluate`` does. Topics and
follow-ups are left out: they are not what the others are made for. Writes ``compare.json``.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import measuring

PEERS = Path(__file__).with_name("peers")
RULER = "bare_model"
COUNT = 10
"""Passages asked for; no figure looks further."""
WARM_UP = 5
QUIET = {
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
"""Nobody phones home, and nothing is fetched."""


@dataclass(frozen=True)
class System:
    """One way to search, a file in ``peers/``."""

    file: str
    title: str
    packages: tuple[str, ...] = ()
    """Whose versions are told; without any it runs where the product is installed."""


SYSTEMS = (
    System(RULER, "the model alone", ("sentence-transformers", "torch")),
    System("product", "tryghed-search"),
    System("product_unaided", "tryghed-search, unaided"),
    System("faiss_plain", "sentence-transformers + FAISS", ("faiss-cpu",)),
    System("txtai_dense", "txtai, dense", ("txtai",)),
    System("txtai_hybrid", "txtai, hybrid", ("txtai",)),
    System("haystack_hybrid", "Haystack, hybrid", ("haystack-ai",)),
    System(
        "llamaindex_hybrid", "LlamaIndex, hybrid",
        ("llama-index-core", "llama-index-retrievers-bm25"),
    ),
)  # fmt: skip


def lines_of_code(source: str) -> int:
    """Lines that hold code: not blank, not comment, not docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            first = node.body[0]
            docstrings |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    idle = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in idle:
            held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - docstrings)


class Child:
    """One system's process that answers a line with a line."""

    def __init__(self, python: str, system: System, model: Path, folder: Path) -> None:
        self._process = subprocess.Popen(
            [python, str(PEERS / "child.py"), "serve", system.file, str(model), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )

    def ask(self, question: str) -> dict[str, Any]:
        """Seconds that the search took, and the ids and scores that it found."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([question, COUNT]) + "\n")
        self._process.stdin.flush()
        return self._line()

    def end(self) -> float:
        """End it; the most memory that it had resident, in MB."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        peak = float(self._line()["peak_mb"])
        self._process.wait(timeout=60)
        return peak

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def environment() -> dict[str, str]:
    """What the processes see: no settings of the machine's but where the model is unpacked."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRYGHED_") or name == "TRYGHED_CACHE"
    }
    return kept | QUIET


class Comparison:
    """One run over some systems."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.systems = [s for s in SYSTEMS if not options.only or s.file in options.only]
        self.passages: dict[str, str] = {}
        self.result: dict[str, dict[str, Any]] = {}

    def python(self, system: System) -> str:
        """The interpreter of a system's environment."""
        return str(self.options.peers) if system.packages else sys.executable

    def export(self, index: Path) -> Path:
        """The product's passages as JSON lines, headings in front, as all are given them."""
        from tryghed_search import build, store

        _, contents = store.load(index, store.read_manifest(index).model)
        self.passages = {p.id: p.text for p in contents.passages}
        path = self.folder / "passages.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for passage in contents.passages:
                line = {"id": passage.id, "text": build.embedded_text(passage)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return path

    def build(self, system: System, model: Path, passages: Path) -> None:
        """Build a system's index in a process that ends."""
        place = self.folder / system.file
        place.mkdir()
        command = [
            self.python(system), str(PEERS / "child.py"), "build", system.file, str(model),
            str(place), str(passages),
        ]  # fmt: skip
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{system.title} could not be built:\n{done.stderr[-3000:]}")
        told = json.loads(done.stdout)
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        self.result[system.file] = {
            "title": system.title,
            "versions": self.versions(system),
            "lines_of_code": lines_of_code(
                (PEERS / f"{system.file}.py").read_text(encoding="utf-8")
            ),
            "ingest_seconds": round(told["seconds"], 1),
            "ingest_peak_mb": told["peak_mb"],
            "index_mb": round(size / 1e6, 2),
        }

    def versions(self, system: System) -> dict[str, str]:
        """The versions of a system's packages where it runs."""
        if not system.packages:
            return {"tryghed-search": importlib.metadata.version("tryghed-search")}
        code = (
            "import importlib.metadata as m, json, sys;"
            "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        )
        done = subprocess.run(
            [self.python(system), "-c", code, *system.packages],
            capture_output=True,
            text=True,
            check=True,
        )
        told: dict[str, str] = json.loads(done.stdout)
        return told

    def start(self, model: Path, question: str) -> None:
        """From nothing to the first answer, several times, the systems one after the other."""
        seconds: dict[str, list[float]] = {system.file: [] for system in self.systems}
        for number in range(self.options.warmups + self.options.starts):
            for system in self.systems:
                began = time.perf_counter()
                with self.child(system, model) as child:
                    child.ask(question)
                    if number >= self.options.warmups:
                        seconds[system.file].append(time.perf_counter() - began)
        for name, values in seconds.items():
            self.result[name]["start_seconds"] = round(statistics.median(values), 2)
            if RULER in seconds:
                self.result[name]["start_ratio"] = measuring.ratio(values, seconds[RULER])

    def child(self, system: System, model: Path) -> Child:
        """A process of a system over the index that it built."""
        return Child(self.python(system), system, model, self.folder / system.file)

    def ask(self, model: Path, halves: dict[str, list[dict[str, Any]]]) -> None:
        """Every question of every system, in turn; then the figures of each."""
        children = {system.file: self.child(system, model) for system in self.systems}
        lines = [line for half in halves.values() for line in half]
        told: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in children}
        try:
            names = list(children)
            for line in lines[:WARM_UP]:
                for name in names:
                    children[name].ask(line["question"])
            for number, line in enumerate(lines):
                turn = number % len(names)
                for name in (*names[turn:], *names[:turn]):
                    told[name][line["id"]] = children[name].ask(line["question"])
            for name, child in children.items():
                self.result[name]["peak_mb"] = child.end()
        finally:
            for child in children.values():
                child.__exit__(None, None, None)
        seconds = {n: [a["seconds"] for a in answers.values()] for n, answers in told.items()}
        for name, values in seconds.items():
            self.result[name] |= {
                "p50_ms": measuring.median_ms(values),
                "p99_ms": measuring.quantile_ms(values, 0.99),
            }
            if RULER in seconds:
                self.result[name]["ratio"] = measuring.ratio(values, seconds[RULER])
            if name != RULER:
                self.result[name] |= {
                    half: self.figures(half_lines, told[name])
                    for half, half_lines in halves.items()
                }

    def figures(
        self, lines: Sequence[dict[str, Any]], answers: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """What ``evaluate`` would say of these answers: a passage that holds the evidence is right.

        Confidence is the score of the first passage, whatever its scale.
        """
        from tryghed_search import evaluation
        from tryghed_search.outline import fold

        outcomes = []
        for line in lines:
            found = answers[line["id"]]["found"]
            snippets = [fold(snippet) for snippet in line.get("evidence", [])]
            texts = [self.passages[key] for key, _ in found]
            rank = next(
                (n for n, text in enumerate(texts, 1) if any(s in text for s in snippets)), None
            )
            outcomes.append(
                evaluation.Outcome(
                    labelled=evaluation.Labelled(
                        line["id"], line["kind"], line["question"], (), tuple(snippets), ()
                    ),
                    rank=rank,
                    sentence_right=False,
                    confidence=found[0][1] if found else 0.0,
                    answered=True,
                    found=tuple(key for key, _ in found[:3]),
                )
            )
        table = evaluation.as_json(evaluation.figures(outcomes))
        kept = {key: table["all"][key] for key in ("questions", "hit@1", "hit@5", "mrr@10")}
        return kept | {k: v for k, v in table["no-answer"].items() if k.startswith("auroc")}


def chosen(half: str, most: int) -> list[dict[str, Any]]:
    """Questions of one half that stand alone and want passages or an honest no."""
    lines = [
        line for line in measuring.labelled(half)
        if not line.get("history") and not line.get("sections")
    ]  # fmt: skip
    return lines[:: max(1, len(lines) // most)][:most] if most else lines


def main() -> None:
    """Build, start, ask, save."""
    parser = measuring.arguments(__doc__, starts=3, warmups=1)
    parser.add_argument("--questions", type=int, default=0, help="of each half; default all")
    parser.add_argument("--only", nargs="*", choices=[s.file for s in SYSTEMS], default=[])
    parser.add_argument(
        "--peers", type=Path, default=measuring.ROOT / "build" / "peers" / "bin" / "python",
        help="the interpreter of the peers' environment",
    )  # fmt: skip
    options = parser.parse_args()
    on = measuring.machine()
    with (
        tempfile.TemporaryDirectory(prefix="tryghed-compare-") as folder,
        measuring.index_folder(options.index) as index,
    ):
        plain = measuring.model_folder(plain=True)
        model = measuring.as_published(plain, Path(folder) / "multilingual-e5-small")
        comparison = Comparison(options, Path(folder))
        passages = comparison.export(index)
        for system in comparison.systems:
            comparison.build(system, model, passages)
            sys.stderr.write(f"built {system.title}\n")
        halves = {half: chosen(half, options.questions) for half in measuring.HALVES}
        comparison.start(model, halves["test"][0]["question"])
        comparison.ask(model, halves)
    result = {
        "passages": len(comparison.passages),
        "starts": options.starts,
        "asked": {half: len(lines) for half, lines in halves.items()},
        "systems": comparison.result,
    }
    measuring.save(options.out, "compare", on, result)


if __name__ == "__main__":
    main()
