"""Where the time of one answer and of one start goes, as wall time of each stage.

    python benchmarks/stages.py --questions 100

Functions are timed from outside while real questions are answered; what one spends in another
that is timed counts for the inner one. A function that has gone since this was written is told
under ``gone``, and its time counts for what called it. Writes ``stages.json``.
"""

from __future__ import annotations

import functools
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import measuring

REST = "the rest of ask"
STAGES = (
    ("encoder", "tryghed_search.embedding:Encoder.encode_questions"),
    ("reader over the best passages", "tryghed_search.scoring:Scorer.judge"),
    ("spelling", "tryghed_search.wording:Corrector.correct"),
    ("unknown names", "tryghed_search.scoring:Scorer.names_unknown"),
    ("vectors (FAISS)", "tryghed_search.vectors:VectorIndex.cosines"),
    ("token similarities", "tryghed_search.tokens:LateInteraction.similarities"),
    ("late interaction", "tryghed_search.tokens:LateInteraction.passages"),
    ("BM25 and n-grams", "tryghed_search.lexical:LexicalIndex.scores"),
    ("best of each passage", "tryghed_search.ranking:best_per_group"),
    ("best two of each passage", "tryghed_search.ranking:best_two_per_group"),
    ("fusion", "tryghed_search.ranking:fuse"),
    ("terms and stems", "tryghed_search.danish:terms"),
    ("n-grams of the question", "tryghed_search.danish:grams"),
    ("coverage of keywords", "tryghed_search.scoring:Scorer.coverage"),
    ("municipalities in the question", "tryghed_search.places:Gazetteer.reported"),
    ("municipalities that are not there", "tryghed_search.places:Gazetteer.unreported"),
    ("marked sentences", "tryghed_search.scoring:Scorer.highlights"),
    ("confidence", "tryghed_search.confidence:probability"),
    ("order", "tryghed_search.ranking:order"),
    (REST, "tryghed_search.search:Searcher.ask"),
)
"""What is told of each function that is timed; they may call one another."""

START = """
import json, sys, time
seconds, began = {}, time.perf_counter()
def told(name):
    global began
    seconds[name] = time.perf_counter() - began
    began = time.perf_counter()
import torch; told("import torch")
import faiss, bm25s; told("import FAISS and bm25s")
from tryghed_search import bundled, settings, store
from tryghed_search.loading import Loader
from tryghed_search.passages import Question
from tryghed_search.search import Searcher
told("import the program")
given = settings.load(index=sys.argv[1]); told("read settings")
from pathlib import Path
bundled.model_folder(given.cache or Path.home() / ".cache" / "tryghed-search")
told("check the model's files")
encoder = Loader(given).encoder; told("load the model, and check its files again")
_, contents = store.load(given.index_folder(), encoder.identity); told("check and read the index")
searcher = Searcher(contents, encoder); told("get the searcher ready")
searcher.ask(Question("Hvor meget faldt antallet af indbrud?")); told("first answer")
searcher.ask(Question("Hvem bestemmer i Tryk Aalborg?")); told("second answer, for comparison")
print(json.dumps(seconds))
"""


class Clock:
    """Exclusive seconds of each stage, by what is innermost."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose own time is added to ``name``."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - began
                self.seconds[name] += whole - self._inner.pop()
                if self._inner:
                    self._inner[-1] += whole

        return wrapper


@contextmanager
def watching(clock: Clock) -> Iterator[list[str]]:
    """Every stage timed by ``clock``; the places that there are no more."""
    gone = []
    with ExitStack() as stack:
        for name, place in STAGES:
            module, _, path = place.partition(":")
            holder: Any = importlib.import_module(module)
            *parents, last = path.split(".")
            for parent in parents:
                holder = getattr(holder, parent, None)
            if not callable(getattr(holder, last, None)):
                gone.append(place)
                continue
            timed = clock.timed(name, getattr(holder, last))
            stack.enter_context(mock.patch.object(holder, last, timed))
        yield gone


def answer(index: Path, count: int) -> dict[str, Any]:
    """The stages of an answer, in milliseconds a question, most first."""
    from tryghed_search import settings
    from tryghed_search.loading import Loader
    from tryghed_search.passages import Question

    _, searcher = Loader(settings.load(index=index)).load()
    texts = measuring.questions(count)
    for text in texts[:5]:
        searcher.ask(Question(text))
    rows: dict[str, list[float]] = defaultdict(list)
    whole = []
    for text in texts:
        clock = Clock()
        with watching(clock) as gone:
            began = time.perf_counter()
            searcher.ask(Question(text))
            whole.append(time.perf_counter() - began)
        for name, _ in STAGES:
            rows[name].append(clock.seconds.get(name, 0.0))
    means = {name: statistics.fmean(values) for name, values in rows.items()}
    total = statistics.fmean(whole)
    return {
        "questions": len(texts),
        "mean_ms": round(1000 * total, 3),
        "gone": gone,
        "stages": {
            name: {"mean_ms": round(1000 * mean, 3), "share": round(mean / total, 4)}
            for name, mean in sorted(means.items(), key=lambda item: -item[1])
            if mean > 0
        },
    }


def start(index: Path, runs: int, warmups: int) -> dict[str, Any]:
    """The stages of a start, in seconds, in order; ``warmups`` fill the machine's caches."""
    told = []
    for number in range(warmups + runs):
        done = subprocess.run(
            [sys.executable, "-c", START, str(index)], capture_output=True, text=True, check=True
        )
        if number >= warmups:
            told.append(json.loads(done.stdout))
    medians = {name: statistics.median(run[name] for run in told) for name in told[0]}
    total = sum(medians.values())
    return {
        "runs": runs,
        "seconds": round(total, 3),
        "stages": {
            name: {"seconds": round(value, 3), "share": round(value / total, 4)}
            for name, value in medians.items()
        },
    }


def main() -> None:
    """Measure and save."""
    options = measuring.arguments(__doc__, questions=100, runs=3, warmups=1).parse_args()
    on = measuring.machine()
    with measuring.index_folder(options.index) as index:
        result = {
            "answer": answer(index, options.questions),
            "start": start(index, options.runs, options.warmups),
        }
    measuring.save(options.out, "stages", on, result)


if __name__ == "__main__":
    main()
