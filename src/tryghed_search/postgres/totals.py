"""What is counted over reports: sums that one report can be added to or taken from.

Scores rest on them (the mean of token vectors, how rare a token is), so that a new report
changes a few sums and not what is kept of every other one.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over some reports."""

    sizes: npt.NDArray[np.int64]
    """(6,) int64: passages, vectors, tokens, index terms, n-grams, sections."""
    terms: npt.NDArray[np.int64]
    """(t,) int64 by number of the word: how often it stands in the reports."""
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
            kept = _arrays(part)
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
        """What ``to_bytes`` wrote; ``ValueError`` for anything else.

        Nothing is unpickled.
        """
        kept = _arrays(data)
        spread = {name: counted(kept[f"{name}_at"], kept[name]) for name in ("terms", "tokens")}
        return cls(sizes=kept["sizes"], token_sum=kept["token_sum"], **spread)


def _arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """What ``to_bytes`` kept, by name; ``ValueError`` if it is not that, or not whole."""
    names = (*(field.name for field in fields(Totals)), "terms_at", "tokens_at")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            return {name: kept[name] for name in names}
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error):
        raise ValueError("sums that are not as they were written") from None


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
