"""Fit the confidence: a logistic model over the signals of the labelled tuning questions.

    python training/fit_confidence.py tests/questions/tuning.jsonl

Prints the weights for ``confidence.py`` and what ten-fold cross-validation says of them. Needs an
index (``tryghed-search ingest``).
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from tryghed_search import evaluation, store
from tryghed_search.embedding import Encoder
from tryghed_search.passages import Question
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings


def main() -> None:
    settings = Settings()
    encoder = Encoder(settings.model, settings.cache)
    _, contents = store.load(settings.index_folder(), encoder.identity)
    searcher = Searcher(contents, encoder)
    asked = [q for q in evaluation.read_questions(Path(sys.argv[1])) if not q.sections]
    signals = [asdict(searcher.signals(Question(q.question, q.history))) for q in asked]
    right = np.array([q.answerable for q in asked])
    kinds = np.array([q.kind for q in asked])
    names = ("sentence", "unreported", "wordless", "unasked", "read")
    values = np.array([[s[name] for name in names] for s in signals])
    model = LogisticRegression(C=10.0, max_iter=10_000)
    guessed = cross_val_predict(model, values, right, cv=10, method="predict_proba")[:, 1]
    model.fit(values, right)
    print(
        {"bias": round(float(model.intercept_[0]), 3)}
        | {
            name: round(float(weight), 3)
            for name, weight in zip(names, model.coef_[0], strict=True)
        }
    )
    for kind in ("near", "far"):
        chosen = right | (kinds == kind)
        print(f"  AUROC {kind}: {roc_auc_score(right[chosen], guessed[chosen]):.3f}", end="")
    for share in (0.02, 0.04, 0.08):
        at = np.quantile(guessed[right], share)
        near, far = (guessed[kinds == kind] > at for kind in ("near", "far"))
        print(
            f"\n  {share:.2f} refused at {at:.3f}: near {near.mean():.2f} far {far.mean():.2f}",
            end="",
        )
    print()


if __name__ == "__main__":
    main()
