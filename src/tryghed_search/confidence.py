"""How probable it is that the report answers a question: a logistic model over a few signals.

``training/fit_confidence.py`` fits the weights on the tuning half of the labelled questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

ANSWERED_FROM = 0.5
"""The working point: below it the assistant says that the report does not say."""
USUALLY_ASKED = 0.89
"""Cosine with the nearest reader question that most questions with an answer reach."""
LEAST_READ = -2.5
"""Below this a logit of the reader says no more than here."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model looks at, for the best few passages of one question."""

    sentence: float
    """Best cosine with a sentence, -1 to 1."""
    unreported: float
    """1 when the question names a municipality that no report speaks of, else 0."""
    wordless: float
    """From near 0, where words of the question stand in a passage, to 1, where none does; 0 for a
    question in English."""
    unasked: float
    """How far, in hundredths of cosine, the question is from any reader question, beyond what a
    question that the report answers usually is; 0 or more."""
    read: float | None
    """The reader's best logit, at least ``LEAST_READ``; None for a model that it does not fit."""
    coverage: float | None
    """Without a reader: the share, 0 to 1, of the question's terms that a passage holds."""


_BIAS = "bias"
_WITH_READER: Mapping[str, float] = {
    _BIAS: -0.17,
    "sentence": 1.63,
    "unreported": -3.41,
    "wordless": -1.93,
    "unasked": -0.13,
    "read": 0.92,
}
# Cosines of another model stand on another scale, so only what is alike for all models counts.
# Set by hand: no to a question of whose words no passage holds a quarter.
_WITHOUT_READER: Mapping[str, float] = {_BIAS: -1.0, "coverage": 4.0, "unreported": -6.0}


def probability(signals: Signals) -> float:
    """The estimated probability, 0 to 1, that the report answers the question."""
    weights = _WITHOUT_READER if signals.read is None else _WITH_READER
    values = {_BIAS: 1.0} | {k: v for k, v in asdict(signals).items() if v is not None}
    total = sum(weight * values[name] for name, weight in weights.items())
    return 1.0 / (1.0 + math.exp(-total))
