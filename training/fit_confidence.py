"""Fit the confidence: a logistic model over the signals of the labelled tuning questions.

    python training/fit_confidence.py tests/questions/tuning.jsonl

Prints the weights for ``confidence.py``, what ten-fold cross-validation says of them and of each
signal left out, and where the working point would be. Needs an index (``tryghed-search ingest``).
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import asking
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tryghed_search.passages import Question

NAMES = ("unreported", "met", "wordless", "unasked", "unanswered", "read", "read_best")


def guessed(
    values: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Each question's probability from a model that was fitted without it."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=10_000))
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    found: npt.NDArray[np.float64] = cross_val_predict(
        model, values, right, cv=folds, method="predict_proba"
    )[:, 1]
    return found


def main() -> None:
    """Ask, fit, cross-validate and print."""
    searcher, asked = asking.searcher(), asking.questions(Path(sys.argv[1]))
    signals = [asdict(searcher.signals(Question(q.question, q.history))) for q in asked]
    right = np.array([q.answerable for q in asked])
    kinds = np.array([q.kind for q in asked])
    values = np.array([[s[name] for name in NAMES] for s in signals])

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=10_000))
    model.fit(values, right)
    scaler, logistic = model[0], model[1]
    weights = logistic.coef_[0] / scaler.scale_
    bias = float(logistic.intercept_[0] - weights @ scaler.mean_)
    print({"bias": round(bias, 3)} | dict(zip(NAMES, weights.round(3).tolist(), strict=True)))

    def areas(probabilities: npt.NDArray[np.float64]) -> str:
        chosen = {kind: right | (kinds == kind) for kind in ("near", "far")}
        return " ".join(
            f"{kind} {roc_auc_score(right[c], probabilities[c]):.3f}" for kind, c in chosen.items()
        )

    everything = guessed(values, right)
    print(f"  AUROC of all: {areas(everything)}")
    for n, name in enumerate(NAMES):
        print(f"  without {name}: {areas(guessed(np.delete(values, n, 1), right))}")
    for share in (0.02, 0.03, 0.04, 0.06, 0.08):
        at = np.quantile(everything[right], share)
        near, far = (everything[kinds == kind] > at for kind in ("near", "far"))
        print(f"  {share:.2f} refused at {at:.3f}: near {near.mean():.2f} far {far.mean():.2f}")


if __name__ == "__main__":
    main()
