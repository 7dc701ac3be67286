"""How probable it is that the report answers a question: a logistic model over a few signals.

``training/fit_confidence.py`` fits the weights on the tuning half of the labelled questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

ANSWERED_FROM = 0.5
"""The working point: below it the assistant says that the report does not say."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model looks at, for the best few passages of one question."""

    sentence: float
    """Best cosine with a sentence, -1 to 1."""
    coverage: float
    """Share, 0 to 1, of the question's tokens, weighted by rarity, that a passage matches."""
    unreported: float
    """1 when the question names a municipality that no report speaks of, else 0."""
    read: float | None
    """The reader's logit, over the best passages by how well they rank; None for a model that the
    reader was not trained for."""


_BIAS = "bias"
_WITH_READER: Mapping[str, float] = {
    _BIAS: -2.7,
    "sentence": 3.5,
    "unreported": -3.1,
    "read": 1.1,
}
# Cosines of another model stand on another scale, so only what is alike for all models counts.
# Set by hand: it says no to a question of which the report matches next to nothing.
_WITHOUT_READER: Mapping[str, float] = {_BIAS: -1.0, "coverage": 4.0, "unreported": -6.0}


def probability(signals: Signals) -> float:
    """The estimated probability, 0 to 1, that the report answers the question."""
    weights = _WITHOUT_READER if signals.read is None else _WITH_READER
    values = {_BIAS: 1.0, **asdict(signals)}
    total = sum(weight * values[name] for name, weight in weights.items())
    return 1.0 / (1.0 + math.exp(-total))
