"""One text that the database is asked for: its vector, and how much its words count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import ranking
from tryghed_search.errors import DatabaseError
from tryghed_search.postgres.database import literal
from tryghed_search.retrieval import Query
from tryghed_search.store import PASSAGE

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.corpus import Loaded
    from tryghed_search.postgres.versions import Version

_VECTOR = np.dtype([("passage", ">i8"), ("kind", ">i2"), ("part", ">i4"), ("cosine", ">f4")])
COSINES = (
    "SELECT string_agg(int8send(passage) || int2send(kind) || int4send(part)"
    " || float4send((-(vector <#> %s::vector))::real), ''::bytea) FROM vectors WHERE {} = ANY(%s)"
)
"""Of some passages or reports all vectors' cosines with one, as ``Asked.cosines`` reads them."""


class Asked:
    """A text, as statements take it."""

    def __init__(self, query: Query, version: Version, loaded: Loaded) -> None:
        self._counts = version.totals.terms
        self._passages = max(1, int(version.totals.sizes[0]))
        self._loaded = loaded
        self.dimension = len(query.vector)
        self.vector = literal(query.vector)
        self.opposite = literal(-query.vector)
        self.words = self._weights(query.terms, loaded.terms)
        """By number how much each index term of it that is known counts in a passage."""
        self.grams = self._weights(query.grams, loaded.grams)
        """The same of n-grams."""

    def _weights(self, terms: Sequence[str], numbers: Mapping[str, int]) -> dict[int, float]:
        given = [numbers[term] for term in terms if term in numbers]
        held = [n for n in given if n < len(self._counts) and self._counts[n]]
        worth = ranking.idf(self._passages, self._counts[held])
        found: dict[int, float] = {}
        for number, value in zip(held, worth.tolist(), strict=True):
            found[number] = found.get(number, 0.0) + value
        return found

    def rarest(self, weights: Mapping[int, float], most: int) -> list[int]:
        """Those of some terms that stand in the fewest passages, ``most`` in all; one at least."""
        numbers = np.array(list(weights), dtype=np.int64)
        counts = self._counts[numbers]
        by_rarity = np.argsort(counts, kind="stable")
        few = np.cumsum(counts[by_rarity]) <= most
        few[:1] = True
        return [int(number) for number in numbers[by_rarity[few]]]

    def cosines(
        self, told: tuple[bytes | None] | None, chosen: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """What ``COSINES`` gave for the passages in some places, as ``retrieval.RawScores``.

        Raises ``DatabaseError`` if some are not there.
        """
        rows = np.frombuffer((told and told[0]) or b"", _VECTOR)
        # Each passage has one vector of its own, so one that is not there would be noticed.
        if np.count_nonzero(rows["kind"] == PASSAGE) != len(chosen):
            raise DatabaseError(
                "Vectors are missing in the database. Write the reports anew with "
                "'tryghed-search ingest' into an empty database."
            )
        places = np.searchsorted(chosen, self._loaded.places(rows["passage"])[0])
        named = np.stack([places, rows["kind"], rows["part"]], axis=1).astype(np.int32)
        return named, rows["cosine"].astype(np.float32)
