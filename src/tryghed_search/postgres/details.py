"""What is fetched for each passage, and the memory that keeps it from one question to the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search.errors import DatabaseError
from tryghed_search.tokens import LateInteraction, TokenStatistics, TokenVectors, unit

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.database import Connection

_AT_ONCE = 200
"""Passages fetched by one statement, some 20 MB."""


@dataclass(frozen=True, slots=True)
class Details:
    """What of one passage is compared with a question token by token."""

    ids: npt.NDArray[np.int32]
    """(t,) int32: its tokens, as in ``tokens.TokenVectors``."""
    sentences: npt.NDArray[np.int32]
    """(t,) int32: the same."""
    vectors: npt.NDArray[np.float16]
    """(t, d) float16: the same."""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return 1000 + sum(int(getattr(self, field.name).nbytes) for field in fields(Details))


def _read(
    rows: Iterable[tuple[int, int, int, bytes, bytes]],
    centres: Mapping[int, npt.NDArray[np.float32]],
    wanted: npt.NDArray[np.float32],
) -> dict[int, Details]:
    """Rows of the table as they were written, the token vectors now seen from ``wanted``.

    Raises ``ValueError`` or ``KeyError`` if they are not as they were written.
    """
    found: dict[int, Details] = {}
    moved, lengths, shifts = [], [], []
    for number, report, count, plain, tokens in rows:
        centre = centres[report]
        ids, sentences = np.frombuffer(plain, np.int32).reshape(2, count)
        vectors = np.frombuffer(tokens, np.float16, offset=4 * count).reshape(count, len(centre))
        found[number] = Details(ids, sentences, vectors)
        if not np.array_equal(centre, wanted):
            moved.append(number)
            lengths.append(np.frombuffer(tokens, np.float32, count)[:, None])
            shifts.append(np.broadcast_to(centre - wanted, (count, len(centre))))
    if moved:  # all at once: one by one takes three times as long
        directions = np.concatenate([found[number].vectors for number in moved])
        seen = unit(directions * np.concatenate(lengths) + np.concatenate(shifts))
        ends = np.cumsum([len(some) for some in lengths])[:-1]
        for number, vectors in zip(moved, np.split(seen.astype(np.float16), ends), strict=True):
            # A copy, so that what is kept of one passage does not hold what is of all.
            found[number] = replace(found[number], vectors=vectors.copy())
    return found


class Memory:
    """The details of passages that were asked for last, as many as there is room for.

    Safe to use from several threads.
    """

    def __init__(self, megabytes: float) -> None:
        self.room = int(megabytes * 1024**2)
        """Bytes."""
        self._held: OrderedDict[int, Details] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes that are held."""
        return self._used

    def get(self, numbers: Sequence[int]) -> dict[int, Details]:
        """What is held of these passages."""
        with self._lock:
            found = {n: self._held[n] for n in numbers if n in self._held}
            for number in found:
                self._held.move_to_end(number)
        return found

    def keep(self, found: Mapping[int, Details]) -> None:
        """Hold these as well, and drop those that were longest not asked for."""
        with self._lock:
            for number, details in found.items():
                if number not in self._held:
                    self._held[number] = details
                    self._used += details.size
            while self._used > self.room and self._held:
                self._used -= self._held.popitem(last=False)[1].size


def fetch(
    connection: Connection,
    memory: Memory,
    numbers: Sequence[int],
    centres: Mapping[int, npt.NDArray[np.float32]],
    wanted: npt.NDArray[np.float32],
) -> list[Details]:
    """The details of the passages with these numbers, in their order.

    ``centres`` are those of the reports by key. ``DatabaseError`` if one is not there or is not as
    it was written.
    """
    found = memory.get(numbers)
    missing = [number for number in numbers if number not in found]
    for start in range(0, len(missing), _AT_ONCE):
        rows = connection.execute(
            "SELECT passage, report, sizes[1], numbers, tokens FROM details"
            " WHERE passage = ANY(%s)",
            (missing[start : start + _AT_ONCE],),
            binary=True,
        )
        try:
            fresh = _read(rows, centres, wanted)
        except (ValueError, KeyError) as error:
            raise DatabaseError(
                f"What is in the database of a passage is not as it was written ({error}). Write "
                "the reports anew with 'tryghed-search ingest' into an empty database."
            ) from None
        memory.keep(fresh)
        found.update(fresh)
    lost = [number for number in numbers if number not in found]
    if lost:
        raise DatabaseError(
            f"{len(lost)} passages are not in the database as they should be. Write the reports "
            "anew with 'tryghed-search ingest' into an empty database."
        )
    return [found[number] for number in numbers]


def interaction(details: Sequence[Details], statistics: TokenStatistics) -> LateInteraction:
    """Late interaction over some passages."""
    tokens = TokenVectors.joined(
        [d.vectors for d in details],
        [d.ids for d in details],
        [d.sentences for d in details],
        statistics.mean,
    )
    return LateInteraction(tokens, statistics)
