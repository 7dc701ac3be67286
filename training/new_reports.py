"""What an operator may expect of a new report without reader questions: held-out documents.

    python training/new_reports.py --data training/data/*.jsonl --hold-out 15

Each document that nothing was trained on is added and ingested as an operator would do it, alone,
and asked what it answers, what it does not, and what other documents answer.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import material
import numpy as np
from sklearn.metrics import roc_auc_score

from tryghed_search import adding, build, confidence, store
from tryghed_search.embedding import Encoder
from tryghed_search.passages import Question
from tryghed_search.search import Searcher

FAR = 40
"""Questions of other documents that each one is asked."""


def markdown(document: material.Document) -> str:
    """A document with its heading paths as headings."""
    lines, open_path = [], []
    for passage in document:
        path = passage.heading.split(" › ")
        same = 0
        while same < min(len(path), len(open_path)) and path[same] == open_path[same]:
            same += 1
        for level in range(same, len(path)):
            lines += ["#" * (level + 1) + " " + path[level], ""]
        open_path = path
        lines += [passage.text, ""]
    return "\n".join(lines)


def searcher_over(document: material.Document, encoder: Encoder, folder: Path) -> Searcher:
    """The assistant over one document, added and ingested."""
    source = folder / "document.md"
    source.write_text(markdown(document), encoding="utf-8")
    adding.add(source, folder / "reports", report="document", publisher="Ingen")
    build.build_index(folder / "reports", folder / "index", encoder)
    return Searcher(store.load(folder / "index", encoder.identity)[1], encoder)


def main() -> None:
    """Add, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--hold-out", type=int, default=15)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    documents = material.own(options.data)
    held_out = [d for n, d in enumerate(documents, 1) if n % options.hold_out == 0]
    encoder = Encoder(cache=options.cache)
    rng = np.random.default_rng(0)
    likely: dict[str, list[float]] = {"answered": [], "near": [], "far": []}
    for document in held_out:
        with tempfile.TemporaryDirectory() as folder:
            searcher = searcher_over(document, encoder, Path(folder))
        others = [q for d in documents if d is not document for p in d for q, _ in p.answered]
        asked = [(q, "answered") for p in document for q, _ in p.answered]
        asked += [(q, "near") for p in document for q in p.unanswered]
        asked += [(others[n], "far") for n in rng.integers(0, len(others), FAR)]
        for question, kind in asked:
            likely[kind].append(confidence.probability(searcher.signals(Question(question))))
    answered = np.array(likely["answered"])
    refused = (answered < confidence.ANSWERED_FROM).mean()
    print(f"{len(held_out)} documents")
    print(f"{len(answered)} questions with an answer: {refused:.2f} refused")
    for kind in ("near", "far"):
        others_likely = np.array(likely[kind])
        false = (others_likely >= confidence.ANSWERED_FROM).mean()
        labels = np.repeat([True, False], [len(answered), len(others_likely)])
        area = roc_auc_score(labels, np.concatenate([answered, others_likely]))
        print(f"{len(others_likely)} {kind}: {false:.2f} answered, AUROC {area:.2f}")


if __name__ == "__main__":
    main()
