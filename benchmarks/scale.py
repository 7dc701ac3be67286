"""How an index grows: time to build, room, memory, time of a search and what it finds.

    python benchmarks/scale.py --sizes 1000 10000 100000

Synthetic reports (see ``synthetic.py``) of each size are indexed; real questions are asked of them
in a process of its own, without the model, and the ten best passages compared with those that are
found when every passage is scored. First one report is added to an index of as many passages as
``--adding`` names. Writes ``scale.json``; every store has its place under ``stores``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import scale_postgres
from synthetic import PER_REPORT, Synthetic, SyntheticEncoder

STORES = ("faiss", "postgresql")
FITTED = ("build_seconds", "bytes", "memory_mb", "p50_ms")
"""What grows with the number of passages, each as its power."""
_BUILT = "built.json"
"""What was told of building a size, in its folder."""
ROUNDS = 3
_MODEL_TEXTS = 64


# --- questions ------------------------------------------------------------------------------------


def keep_questions(path: Path, texts: Sequence[str], encoder: Any) -> None:
    """Write questions with what the model makes of them."""
    encoded = encoder.encode_questions(list(texts))
    np.savez(
        path,
        allow_pickle=False,
        texts=np.array(texts),
        pooled=np.stack([e.pooled for e in encoded]),
        tokens=np.concatenate([e.tokens for e in encoded]),
        ids=np.concatenate([e.ids for e in encoded]),
        ends=np.cumsum([len(e.ids) for e in encoded]),
    )


class Recalled:
    """An encoder that gives one question what the model made of it before, however it is spelt."""

    def __init__(self, path: Path, identity: Any) -> None:
        from tryghed_search.embedding import Encoded

        self.identity = identity
        with np.load(path, allow_pickle=False) as kept:
            self.texts = kept["texts"].tolist()
            ends = kept["ends"].tolist()
            stretches = list(zip([0, *ends], ends, strict=False))
            self._encoded = [
                Encoded(pooled, tokens, ids, np.zeros((len(ids), 2), np.int32))
                for pooled, tokens, ids in zip(
                    kept["pooled"],
                    [kept["tokens"][a:b] for a, b in stretches],
                    [kept["ids"][a:b] for a, b in stretches],
                    strict=True,
                )
            ]
        self._current = 0

    def each(self, count: int | None = None) -> Iterator[str]:
        """The first questions, one at a time: what is encoded meanwhile is the one given."""
        for number, text in enumerate(self.texts[:count]):
            self._current = number
            yield text

    def encode_questions(self, texts: Sequence[str]) -> list[Any]:
        """What was made of the current question."""
        return [self._encoded[self._current] for _ in texts]


def resident_mb(kind: str) -> float:
    """What this process has resident of its own (``RssAnon``) or of files (``RssFile``), in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(re.findall(rf"{kind}:\s+(\d+)", status)[0]) / 1024, 1)


# --- in processes of their own --------------------------------------------------------------------


@contextmanager
def clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Adds what passes inside to ``seconds``."""
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 3)


def real_contents(index: Path) -> Any:
    """The real report's index, whatever model made it."""
    from tryghed_search import store

    return store.load(index, store.read_manifest(index).model)[1]


def build(given: argparse.Namespace) -> dict[str, Any]:
    """Index ``size`` passages, and find with every passage scored what the search should find."""
    from tryghed_search import build as ingest
    from tryghed_search import danish, store
    from tryghed_search.lexical import LexicalIndex
    from tryghed_search.memory import AllPassages
    from tryghed_search.search import Searcher
    from tryghed_search.vectors import VectorIndex

    made = Synthetic(real_contents(given.index), given.size, given.tokens)
    reports = tuple(made.reports())
    passages = [p for report in reports for p in report.passages]
    tokens = made.token_vectors()
    rows = np.zeros((len(passages), 3), np.int32)
    rows[:, 0] = np.arange(len(passages))
    seconds: dict[str, float] = {}
    vectors = made.vectors()
    with clock(seconds, "vectors"):
        index = VectorIndex.build(vectors)
    del vectors  # the index has them
    with clock(seconds, "words"):
        vocabulary = ingest.vocabulary(passages)
        words = LexicalIndex.build(ingest.word_terms(passages, vocabulary))
    with clock(seconds, "grams"):
        grams = LexicalIndex.build(danish.grams(ingest.with_headings(p)) for p in passages)
    contents = store.Contents(
        reports=reports,
        municipalities={
            town: () for report in reports for town in report.passages[0].municipalities
        },
        reader_questions={},
        vectors=index,
        rows=rows,
        tokens=tokens,
        words=words,
        grams=grams,
        vocabulary=vocabulary,
    )
    with clock(seconds, "write"):
        manifest = store.write(given.folder, contents, made.identity, "2026-01-01T00:00:00+00:00")
    recalled = Recalled(given.questions_file, made.identity)
    flat = replace(contents, vectors=VectorIndex.build(index.vectors(), flat_up_to=given.size))
    exact = Searcher(AllPassages(flat), recalled)
    best, nearest = [], []
    for text in recalled.each(given.exact):
        best.append([p.id for p in exact.rank(text, 10)])
        question = recalled.encode_questions([text])[0].pooled
        expected = flat.vectors.search(question, 10)[0]
        nearest.append(len(np.intersect1d(expected, index.search(question, 10)[0])) / 10)
    (given.folder / "exact.json").write_text(json.dumps(best), encoding="utf-8")
    return {
        "vectors": dict(manifest.vectors),
        "token_vectors": len(tokens.ids),
        "words": len(vocabulary),
        "bytes": sum(int(file["bytes"]) for file in manifest.files.values()),
        "build_seconds": round(sum(seconds.values()), 3),
        "seconds": seconds,
        "vector_recall": round(float(np.mean(nearest)), 4),
    }


def ask(given: argparse.Namespace) -> dict[str, Any]:
    """Load what was built, and ask."""
    import torch

    from tryghed_search import store
    from tryghed_search.passages import Question
    from tryghed_search.search import Searcher

    torch.set_num_threads(1)  # as where there is a model
    seconds: dict[str, float] = {}
    with clock(seconds, "load"):
        manifest, contents = store.load(given.folder, store.read_manifest(given.folder).model)
    recalled = Recalled(given.questions_file, manifest.model)
    with clock(seconds, "ready"):
        searcher = Searcher(contents, recalled)
    spent = []
    for number in range(ROUNDS):
        for text in recalled.each():
            began = time.perf_counter()
            searcher.ask(Question(text, limit=10))
            if number:  # the first round warms up
                spent.append(time.perf_counter() - began)
    best = json.loads((given.folder / "exact.json").read_text(encoding="utf-8"))
    found = []
    for text, expected in zip(recalled.each(len(best)), best, strict=True):
        ids = {p.id for p in searcher.rank(text, 10)}
        found.append(len(ids.intersection(expected)) / len(expected))
    return {
        "load_seconds": round(sum(seconds.values()), 3),
        "memory_mb": resident_mb("RssAnon"),
        "mapped_mb": resident_mb("RssFile"),
        "peak_mb": measuring.peak_memory_mb(),
        "p50_ms": measuring.median_ms(spent),
        "p99_ms": measuring.quantile_ms(spent, 0.99),
        "recall": round(float(np.mean(found)), 4),
    }


def add(given: argparse.Namespace) -> dict[str, Any]:
    """Index ``size`` passages from what is kept of all, then one report more, which is new."""
    from tryghed_search import build as ingest
    from tryghed_search.locking import writing

    size = given.size + PER_REPORT
    made = Synthetic(real_contents(given.index), size, given.tokens)
    sources = [ingest.Source(report, {}, {}) for report in made.reports()]
    encoder: Any = SyntheticEncoder(made)
    seconds: dict[str, float] = {}

    for name, some in (("first", sources[:-1]), ("added", sources)):
        with clock(seconds, name), writing(given.folder):
            ingest.write(some, given.folder, encoder)
    return {
        "passages": given.size,
        "added": PER_REPORT,
        "seconds": seconds,
        "peak_mb": measuring.peak_memory_mb(),
    }


STAGES = {"build": build, "ask": ask, "add": add, **scale_postgres.STAGES}


def stage(name: str, **given: object) -> dict[str, Any]:
    """What one of ``STAGES`` tells, done in a process of its own."""
    words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    done = subprocess.run(
        [sys.executable, __file__, "--stage", name, *words], stdout=subprocess.PIPE, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


# --- all of it ------------------------------------------------------------------------------------


def exponents(sizes: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The power of the number of passages that each figure grows with: least squares on logs.

    Over the sizes with token vectors, where there are some: those without are another thing.
    """
    having = {size: row for size, row in sizes.items() if row["token_vectors"]}
    sizes = having if len(having) > 1 else sizes
    if len(sizes) < 2:
        return {}
    passages = np.log([int(size) for size in sizes])
    return {
        name: round(float(np.polyfit(passages, np.log([s[name] for s in sizes.values()]), 1)[0]), 2)
        for name in FITTED
    }


def model_seconds(encoder: Any, made: Synthetic) -> float:
    """Seconds that the model takes for one synthetic passage: with headings, and its sentence."""
    from tryghed_search import build as ingest

    passages = [p for report in made.reports() for p in report.passages][:_MODEL_TEXTS]
    encoder.encode_documents([passages[0].text])
    began = time.perf_counter()
    encoder.encode_documents([ingest.embedded_text(p) for p in passages])
    encoder.encode_documents([p.text for p in passages])
    return (time.perf_counter() - began) / len(passages)


def measure(
    options: argparse.Namespace, index: Path, folder: Path, server: Any
) -> Iterator[dict[str, Any]]:
    """What is known after the adding and after each size in each store.

    ``server`` is PostgreSQL's, or None. What it is compared with comes from the other store.
    """
    from tryghed_search import settings
    from tryghed_search.loading import Loader

    encoder = Loader(settings.load(index=index)).encoder
    questions = folder / "questions.npz"
    keep_questions(questions, measuring.questions(options.questions), encoder)
    stores: dict[str, Any] = {name: {"sizes": {}, "exponents": {}} for name in options.stores}
    result = {"questions": options.questions, "exact": options.exact, "stores": stores}
    common = {"index": index, "folder": folder / "index"}
    if options.adding and "faiss" in stores:
        adding = stage("add", size=options.adding, tokens=1, **common)
        made = Synthetic(real_contents(index), _MODEL_TEXTS, tokens=False)
        one = model_seconds(encoder, made)
        adding["model_seconds_each"] = round(one, 4)
        seconds = adding["seconds"]
        whole = seconds["first"] + one * adding["passages"]
        adding["share"] = round((seconds["added"] + one * adding["added"]) / whole, 4)
        stores["faiss"]["adding"] = adding
        shutil.rmtree(common["folder"])
        yield result
    for size in options.sizes:
        given = common | {"size": size, "questions-file": questions}
        given["tokens"] = int(size <= options.tokens)
        given["folder"] = (options.keep or folder) / f"{size}-passages"
        kept = given["folder"] / _BUILT
        if not kept.is_file():
            built = stage("build", exact=options.exact, **given)
            kept.write_text(json.dumps(built), encoding="utf-8")
        built = json.loads(kept.read_text(encoding="utf-8"))
        if "faiss" in stores:
            stores["faiss"]["sizes"][str(size)] = built | stage("ask", **given)
            yield fitted(result)
        if server is not None and size <= options.database:
            with scale_postgres.database(server, size) as address:
                given |= {"address": address, "pid": server.pid}
                built = stage("postgres-build", exact=options.exact, **given)
                stores["postgresql"]["sizes"][str(size)] = built | stage("postgres-ask", **given)
                yield fitted(result)
        if not options.keep:
            shutil.rmtree(given["folder"])


def fitted(result: dict[str, Any]) -> dict[str, Any]:
    """The result with how the figures of each store grow."""
    for told in result["stores"].values():
        told["exponents"] = exponents(told["sizes"])
    return result


def main() -> None:
    """Measure and save, or do one stage."""
    parser = measuring.arguments(__doc__, questions=100, exact=50)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument(
        "--tokens", type=int, default=100_000, help="up to this size with token vectors"
    )
    parser.add_argument(
        "--database", type=int, default=100_000, help="up to this size in PostgreSQL too"
    )
    parser.add_argument("--adding", type=int, default=10_000, help="passages to add a report to")
    parser.add_argument(
        "--questions-file", dest="questions_file", type=Path, help=argparse.SUPPRESS
    )
    parser.add_argument("--folder", type=Path, help="where there is room, default a temporary one")
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder to leave indexes in, and to take those that are there from",
    )
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--stage", choices=list(STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        sys.stdout.write(json.dumps(STAGES[options.stage](options)))
        return
    on = measuring.machine()
    with (
        measuring.index_folder(options.index) as index,
        tempfile.TemporaryDirectory(prefix="tryghed-scale-", dir=options.folder) as folder,
        scale_postgres.server(options.folder, "postgresql" in options.stores) as server,
    ):
        # What is finished is kept.
        for result in measure(options, index, Path(folder), server):
            measuring.save(options.out, "scale", on, result)


if __name__ == "__main__":
    main()
