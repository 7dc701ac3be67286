"""How near all vectors of passages in the database are to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tryghed_search.errors import DatabaseError
from tryghed_search.store import PASSAGE

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.corpus import Loaded

STATEMENT = (
    "SELECT string_agg(int8send(passage) || int2send(kind) || int4send(part)"
    " || float4send((-(vector <#> %s::vector))::real), ''::bytea) FROM vectors WHERE {} = ANY(%s)"
)
"""Of some passages or reports all vectors' cosines with one."""
_ROW = np.dtype([("passage", ">i8"), ("kind", ">i2"), ("part", ">i4"), ("cosine", ">f4")])


def rows(
    told: tuple[bytes | None] | None, chosen: npt.NDArray[np.int64], loaded: Loaded
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """What ``STATEMENT`` gave for the passages in the places ``chosen``, as in ``RawScores``.

    Raises ``DatabaseError`` if some are not there.
    """
    found = np.frombuffer((told and told[0]) or b"", _ROW)
    # Each passage has one vector of its own, so one that is not there would be noticed.
    if np.count_nonzero(found["kind"] == PASSAGE) != len(chosen):
        raise DatabaseError(
            "Vectors are missing in the database. Write the reports anew with "
            "'tryghed-search ingest' into an empty database."
        )
    places = np.searchsorted(chosen, loaded.places(found["passage"])[0])
    named = np.stack([places, found["kind"], found["part"]], axis=1).astype(np.int32)
    return named, found["cosine"].astype(np.float32)
