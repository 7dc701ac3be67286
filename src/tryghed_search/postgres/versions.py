"""What the database says is in force: which reports, made with which model, and their sums."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search.embedding import ModelIdentity
from tryghed_search.errors import DatabaseError, NoIndexError
from tryghed_search.postgres import schema
from tryghed_search.postgres.totals import Totals
from tryghed_search.store import Manifest, model_from

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.postgres.database import Connection

FORMAT = 2
"""Bump when what is written for a report changes; all are then written anew."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the reports: what it names is never changed, and is kept as long as it is."""

    number: int
    built: str
    """UTC, ISO 8601."""
    format: int
    model: ModelIdentity
    keys: tuple[int, ...]
    """Of the reports, in their order."""
    centre: npt.NDArray[np.float32]
    """(d,) float32: the mean of all token vectors as the model gives them."""
    totals: Totals
    nearest: bool
    """Whether vectors are found through an HNSW index; all are compared if not."""
    recall: float
    """Share of the ten nearest that are found, as it was measured when this was put in force."""
    effort: int
    """With which hnsw.ef_search; 0 where all are compared."""

    @property
    def manifest(self) -> Manifest:
        """The same as the program is told of an index on disk; its folder is the version."""
        names = ("passages", "vectors", "tokens")
        counts = dict(zip(names, self.totals.sizes[:3].tolist(), strict=True))
        return Manifest(
            format=self.format,
            built=self.built,
            folder=f"version-{self.number}",
            model=self.model,
            vectors={"kind": "hnsw" if self.nearest else "flat", "recall": round(self.recall, 4)},
            counts={"reports": len(self.keys), "sections": int(self.totals.sizes[5]), **counts},
            files={},
        )


_COLUMNS = "version, built, format, model, reports, centre, totals, nearest, recall, effort"


def newest(connection: Connection) -> Version:
    """The version in force.

    Raises ``NoIndexError`` when there is none, ``DatabaseError`` when tables or sums cannot be
    read.
    """
    schema.check(connection)
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM versions ORDER BY version DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise NoIndexError(
            "There is no report in the database. Write them with 'tryghed-search ingest'."
        )
    number, built, form, model, keys, centre, sums, nearest, recall, effort = row
    if form != FORMAT:
        raise DatabaseError(
            f"What is in the database has format {form}, this program reads {FORMAT}. Write it "
            "anew with 'tryghed-search ingest'."
        )
    try:
        return Version(
            number=int(number),
            built=built.astimezone(datetime.UTC).isoformat(timespec="seconds"),
            format=int(form),
            model=model_from(model),
            keys=tuple(keys),
            centre=np.frombuffer(centre, np.float32),
            totals=Totals.from_bytes(sums),
            nearest=bool(nearest),
            recall=float(recall),
            effort=int(effort),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DatabaseError(
            f"What the database says is in force cannot be read ({type(error).__name__}). Write "
            "it anew with 'tryghed-search ingest'."
        ) from None


def number_in_force(connection: Connection) -> int:
    """The number of the version in force; 0 while there is none. One look, however large it is."""
    row = connection.execute("SELECT coalesce(max(version), 0) FROM versions").fetchone()
    return int(row[0]) if row else 0


IS_THERE = "SELECT 1 FROM versions WHERE version = %s"
"""Gives a row if a version is there, and so all that it names: a replica may be behind."""
