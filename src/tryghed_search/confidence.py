"""How probable it is that the report answers a question: a logistic model over a few signals.

``training/fit_confidence.py`` fits the weights on the tuning half of the labelled questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

ANSWERED_FROM = 0.45
"""The working point: below it the assistant says that the report does not say. 3 % of the
tuning questions that it answers lie below."""
HOLDS_KEYWORDS = 0.5
"""Of keywords that one passage holds, at least: the report says something, of whatever is meant."""
USUALLY_ASKED = 0.50
"""Cosine with the nearest reader question that nearly every question with an answer reaches."""
UNDECIDED = -7.0
"""``Signals.unanswered`` without reader questions: as often seen with an answer as without."""
LEAST_READ = -2.5
"""Below this the reader's best logit says no more than here."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model looks at, for the best few passages of one question."""

    unreported: float
    """1 when the question names a municipality, or anything by a name, that no report speaks of."""
    met: float
    """When it asks for money, a number or a date: 1 if the answering sentence has any, -1 if not;
    else 0."""
    wordless: float
    """From near 0, where words of the question stand in a passage, to 1, where none does; 0 for a
    question in English."""
    unasked: float
    """How far, in hundredths of cosine, the question is from any reader question, beyond what a
    question that the report answers usually is; 0 or more."""
    unanswered: float
    """How much nearer, in hundredths of cosine, the question is to a reader question that the
    report leaves unanswered than to any that it answers; below 0 where it is the other way."""
    read: float | None
    """The mean of the reader's logits over the best few passages; None for a model that it does not
    fit."""
    read_best: float | None
    """The best of them, at least ``LEAST_READ``."""
    coverage: float | None
    """Without a reader: the share, 0 to 1, of the question's terms that a passage holds."""


_BIAS = "bias"
_WITH_READER: Mapping[str, float] = {
    _BIAS: 2.23,
    "unreported": -5.89,
    "met": 0.79,
    "wordless": -4.28,
    "unasked": -0.166,
    "unanswered": -0.122,
    "read": 0.720,
    "read_best": 0.323,
}
# Cosines of another model stand on another scale, so only what is alike for all models counts.
# Set by hand: no to a question of whose words no passage holds a quarter, and to one that names
# what the report does not; a number or sum where one is asked for counts for it, none against it.
_WITHOUT_READER: Mapping[str, float] = {
    _BIAS: -1.0,
    "coverage": 4.0,
    "unreported": -6.0,
    "met": 2.0,
}


def probability(signals: Signals) -> float:
    """The estimated probability, 0 to 1, that the report answers the question."""
    weights = _WITHOUT_READER if signals.read is None else _WITH_READER
    values = {_BIAS: 1.0} | {k: v for k, v in asdict(signals).items() if v is not None}
    total = sum(weight * values[name] for name, weight in weights.items())
    return 1.0 / (1.0 + math.exp(-total))
