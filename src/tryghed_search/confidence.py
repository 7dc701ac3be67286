"""How probable it is that the report answers a question: a logistic model over a few signals."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

ANSWERED_FROM = 0.5
"""The working point: below it the assistant says that the report does not say."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model looks at, for the best few passages of one question."""

    late: float
    """Best late-interaction score, -1 to 1."""
    sentence: float
    """Best cosine with a sentence, -1 to 1."""
    coverage: float
    """Share, 0 to 1, of the question's words, weighted by rarity, that a passage holds."""
    unreported: float
    """1 when the question names a municipality that no report speaks of, else 0."""


_WEIGHTS = Signals(late=6.0, sentence=24.0, coverage=1.0, unreported=-6.0)
_BIAS = -22.0


def probability(signals: Signals) -> float:
    """The estimated probability, 0 to 1, that the report answers the question."""
    pairs = zip(astuple(signals), astuple(_WEIGHTS), strict=True)
    return 1.0 / (1.0 + math.exp(-(_BIAS + sum(value * weight for value, weight in pairs))))
