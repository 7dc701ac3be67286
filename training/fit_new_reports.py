"""Fit the confidence for reports without reader questions, on documents that the reader never saw.

    python training/fit_new_reports.py --data training/data/*.jsonl --hold-out 15

Each held-out document is added and ingested as an operator would do it, alone, and asked what it
answers, what it does not, and what other documents answer. Prints the weights for
``confidence.py``, and what is refused and wrongly answered: as it is, and by cross-validation over
the documents.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import material
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tryghed_search import adding, build, confidence, store
from tryghed_search.embedding import Encoder
from tryghed_search.passages import Question
from tryghed_search.search import Searcher

NAMES = ("unreported", "met", "wordless", "read", "read_best")
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
    """Add, ask, fit, cross-validate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--hold-out", type=int, default=15)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    documents = material.own(options.data)
    held_out = [d for n, d in enumerate(documents, 1) if n % options.hold_out == 0]
    encoder = Encoder(cache=options.cache)
    rng = np.random.default_rng(0)
    rows: list[tuple[int, str, confidence.Signals]] = []
    for number, document in enumerate(held_out):
        with tempfile.TemporaryDirectory() as folder:
            searcher = searcher_over(document, encoder, Path(folder))
        others = [q for d in documents if d is not document for p in d for q, _ in p.answered]
        asked = [(q, "answered") for p in document for q, _ in p.answered]
        asked += [(q, "near") for p in document for q in p.unanswered]
        asked += [(others[n], "far") for n in rng.integers(0, len(others), FAR)]
        rows += [(number, kind, searcher.signals(Question(q))) for q, kind in asked]
    groups = np.array([number for number, _, _ in rows])
    kinds = np.array([kind for _, kind, _ in rows])
    right = kinds == "answered"
    values = np.array([[asdict(s)[name] for name in NAMES] for _, _, s in rows], dtype=float)
    print(len(held_out), "documents;", {str(k): int((kinds == k).sum()) for k in set(kinds)})

    def told(name: str, found: npt.NDArray[np.float64], at: float) -> None:
        areas = {
            kind: round(float(roc_auc_score(right[chosen], found[chosen])), 3)
            for kind in ("near", "far")
            for chosen in [right | (kinds == kind)]
        }
        shares = {k: round(float((found[kinds == k] >= at).mean()), 3) for k in ("near", "far")}
        print(f"{name}: AUROC {areas}, at {at:.3f} refused {(found[right] < at).mean():.3f}, "
              f"false answers {shares}")  # fmt: skip

    now = np.array([confidence.probability(signals) for _, _, signals in rows])
    told("as it is", now, confidence.ANSWERED_FROM)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=10_000))
    model.fit(values, right)
    scaler, logistic = model[0], model[1]
    weights = logistic.coef_[0] / scaler.scale_
    bias = float(logistic.intercept_[0] - weights @ scaler.mean_)
    print({"bias": round(bias, 3)} | dict(zip(NAMES, weights.round(3).tolist(), strict=True)))
    guessed = cross_val_predict(
        model, values, right, cv=LeaveOneGroupOut(), groups=groups, method="predict_proba"
    )[:, 1]
    for share in (0.04, 0.06, 0.08, 0.10, 0.15):
        told(f"{share:.2f} refused", guessed, float(np.quantile(guessed[right], share)))
    told("at the same point", guessed, confidence.ANSWERED_FROM)


if __name__ == "__main__":
    main()
