"""What is counted over reports: sums that one report can be added to or taken from.

Scores rest on them (how rare a term is, how long a passage is on average), so that a new report
changes a few sums and not what is kept of every other one.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search.lexical import K1, B

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over some reports."""

    sizes: npt.NDArray[np.int64]
    """(6,) int64: passages, vectors, tokens, index terms, n-grams, sections."""
    terms: npt.NDArray[np.int64]
    """(t,) int64 by number of the term: for a word how often it stands in the reports, for an index
    term or n-gram in how many passages."""
    tokens: npt.NDArray[np.int64]
    """(v,) int64 by number of the token: in how many passages it stands."""
    token_sum: npt.NDArray[np.float64]
    """(d,) float64: the sum of all token vectors as the model gives them."""

    @classmethod
    def none(cls, dimension: int) -> Totals:
        """The sums over no report."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(6, np.int64), nothing, nothing, np.zeros(dimension, np.float64))

    @classmethod
    def summed(cls, dimension: int, parts: Iterable[bytes]) -> Totals:
        """The sums over all reports whose own are given, as ``to_bytes`` wrote them.

        Raises what ``from_bytes`` does.
        """
        total = cls.none(dimension)
        terms, tokens = total.terms, total.tokens
        for part in parts:
            with np.load(io.BytesIO(part), allow_pickle=False) as kept:
                total.sizes[:] += kept["sizes"]
                total.token_sum[:] += kept["token_sum"]
                terms = _added(terms, kept["terms_at"], kept["terms"])
                tokens = _added(tokens, kept["tokens_at"], kept["tokens"])
        return cls(
            total.sizes, np.trim_zeros(terms, "b"), np.trim_zeros(tokens, "b"), total.token_sum
        )

    def mean(self) -> npt.NDArray[np.float32]:
        """The mean of all token vectors, (d,) float32; zeros where there is none."""
        return np.asarray(self.token_sum / max(1, int(self.sizes[2])), dtype=np.float32)

    def to_bytes(self) -> bytes:
        """As ``from_bytes`` reads it."""
        buffer = io.BytesIO()
        kept = {field.name: getattr(self, field.name) for field in fields(Totals)}
        for name in ("terms", "tokens"):  # few of all that there are stand in one report
            kept[f"{name}_at"] = at = np.flatnonzero(kept[name])
            kept[name] = kept[name][at]
        np.savez_compressed(buffer, allow_pickle=False, **kept)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Totals:
        """What ``to_bytes`` wrote; ``ValueError``, ``KeyError`` or ``OSError`` for anything else.

        Nothing is unpickled.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            spread = {name: counted(kept[f"{name}_at"], kept[name]) for name in ("terms", "tokens")}
            return cls(sizes=kept["sizes"], token_sum=kept["token_sum"], **spread)


def counted(at: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Values spread out to their places, added up where there are several for one."""
    spread = np.zeros(int(at.max()) + 1 if len(at) else 0, np.int64)
    np.add.at(spread, at, values)
    return spread


def _added(
    counts: npt.NDArray[np.int64], at: npt.NDArray[np.int64], values: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Counts with values added in their places, each of which is named once; changes ``counts``."""
    if len(at) and at[-1] >= len(counts):  # twice as long, so that it is not made anew every time
        counts = np.concatenate([counts, np.zeros(int(at[-1]) + 1, np.int64)])
    counts[at] += values
    return counts


def saturated(
    counts: npt.NDArray[np.int32], length: float | npt.NDArray[np.float64], average: float
) -> npt.NDArray[np.float64]:
    """What a term's count in a passage of that many terms is worth, from 0 to 1."""
    return np.asarray(counts / (K1 * ((1 - B) + B * length / max(average, 1e-9)) + counts))


def bm25(
    weights: Mapping[int, float],
    ids: Sequence[npt.NDArray[np.int32]],
    counts: Sequence[npt.NDArray[np.int32]],
    average: float,
) -> npt.NDArray[np.float32]:
    """The BM25 score of n passages, (n,) float32.

    ``weights`` has by number how much each term of the question counts, ``ids`` and
    ``counts`` the terms of each passage and how often it holds them; ``average`` is how many terms
    a passage has on average.
    """
    scores = np.zeros(len(ids), np.float32)
    some = [n for n, found in enumerate(ids) if len(found)]  # reduceat knows no empty stretches
    if not some or not weights:
        return scores
    sizes = np.array([len(ids[n]) for n in some])
    held = np.concatenate([counts[n] for n in some])
    lengths = np.repeat([counts[n].sum() for n in some], sizes).astype(np.float64)
    numbers = np.array(sorted(weights), dtype=np.int32)
    values = np.array([weights[number] for number in numbers.tolist()], dtype=np.float32)
    terms = np.concatenate([ids[n] for n in some])
    at = np.minimum(np.searchsorted(numbers, terms), len(numbers) - 1)
    worth = np.where(numbers[at] == terms, values[at], np.float32(0))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    scores[some] = np.add.reduceat(worth * saturated(held, lengths, average), starts)
    return scores
