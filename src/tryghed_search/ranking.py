"""From scores to an order: pure functions over arrays.

Scores of different kinds are put on one scale and added with weights; on Danish texts that beats
rank fusion (docs/decisions.md). All arrays have one number for each passage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of score counts; they need not add up to one."""

    dense: float = 0.10
    """Cosine of the question and the passage with its heading path."""
    sentence: float = 0.10
    """Best cosine of the question and one of the passage's sentences."""
    late: float = 0.16
    """Late interaction between the question's tokens and the passage's."""
    words: float = 0.04
    """BM25 over stems and compound parts of the text."""
    grams: float = 0.08
    """BM25 over character n-grams of heading path, themes and text."""
    asked: float = 0.53
    """Weighted mean of the two best cosines of the question and the passage's reader questions."""


DENSE_ALONE = Weights(dense=1, sentence=0, late=0, words=0, grams=0, asked=0)
BM25_ALONE = Weights(dense=0, sentence=0, late=0, words=1, grams=0, asked=0)
ALONE: Mapping[str, Weights] = {"dense": DENSE_ALONE, "bm25": BM25_ALONE}
"""What the product is measured against, on the same index."""
PARTS_LEFT_OUT: Mapping[str, Weights] = {
    "passage vectors": Weights(dense=0),
    "best sentence": Weights(sentence=0),
    "late interaction": Weights(late=0),
    "BM25 and n-grams": Weights(words=0, grams=0),
    "reader questions": Weights(asked=0),
}
"""The product without one part of its scores."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One question's scores of every passage, each (n,) float32, each kind on its own scale.

    NaN where a kind has nothing on a passage: one without reader questions.
    """

    dense: npt.NDArray[np.float32]
    sentence: npt.NDArray[np.float32]
    late: npt.NDArray[np.float32]
    words: npt.NDArray[np.float32]
    grams: npt.NDArray[np.float32]
    asked: npt.NDArray[np.float32]


def idf(
    passages: int, counts: npt.NDArray[np.float32] | npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Inverse document frequency of terms that stand in ``counts`` (t,) of all passages, (t,).

    BM25's, in Lucene's form: log(1 + (n - df + 0.5) / (df + 0.5)).
    """
    return np.log1p((passages - counts + 0.5) / (counts + 0.5)).astype(np.float32)


def min_max(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores moved and stretched to run from 0 to 1; all 0 when they are all alike."""
    low, high = float(scores.min()), float(scores.max())
    if high - low < 1e-9:
        return np.zeros_like(scores)
    return (scores - low) / np.float32(high - low)


def fuse(scores: Scores, weights: Weights) -> npt.NDArray[np.float32]:
    """The weighted mean of the min-max scores, (n,) float32 from 0 to 1.

    A kind that says nothing about a question (a model without token vectors, no known word) is left
    out of the mean, so it draws no passage down; so is one that is NaN for a passage.
    """
    total = np.zeros_like(scores.dense)
    used = np.zeros_like(scores.dense)
    for kind, weight in zip(
        (scores.dense, scores.sentence, scores.late, scores.words, scores.grams, scores.asked),
        astuple(weights),
        strict=True,
    ):
        known = np.isfinite(kind)
        if weight > 0 and known.any() and float(np.ptp(kind[known])) >= 1e-9:
            total[known] += np.float32(weight) * min_max(kind[known])
            used[known] += np.float32(weight)
    return np.divide(total, used, out=np.zeros_like(total), where=used > 0)


def raised(
    fused: npt.NDArray[np.float32], chosen: npt.NDArray[np.bool_], by: float
) -> npt.NDArray[np.float32]:
    """Scores with ``by`` added where ``chosen``, (n,) float32, brought back to 0 to 1."""
    return np.asarray((fused + np.float32(by) * chosen) / np.float32(1 + by), dtype=np.float32)


def best_per_group(
    values: npt.NDArray[np.float32], groups: npt.NDArray[np.int64], count: int, floor: float
) -> npt.NDArray[np.float32]:
    """The greatest value of each of ``count`` groups, (count,) float32; ``floor`` where empty."""
    best = np.full(count, floor, dtype=np.float32)
    np.fmax.at(best, groups, values)  # a floor may be NaN
    return best


def best_two_per_group(
    values: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
    count: int,
    floor: float,
    second_counts: float = 0.5,
) -> npt.NDArray[np.float32]:
    """The weighted mean of the two greatest values of each of ``count`` groups, (count,) float32.

    The one value of a group that has only one; ``floor`` where empty.
    """
    best = best_per_group(values, groups, count, floor)
    ranked = np.lexsort((-values, groups))
    ranked = ranked[1:][groups[ranked][1:] == groups[ranked][:-1]]  # without each group's best
    second = best_per_group(values[ranked], groups[ranked], count, -np.inf)
    second = np.where(np.isfinite(second), second, best)
    return ((1 - second_counts) * best + second_counts * second).astype(np.float32)


def order(scores: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_]) -> list[int]:
    """Numbers of the allowed passages, best first; equals stand in the report's order."""
    ranked = np.argsort(-scores, kind="stable")
    return [int(i) for i in ranked if allowed[i]]
