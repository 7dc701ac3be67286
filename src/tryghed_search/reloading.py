"""Taking a new index while serving: the server looks at the store and loads what is new.

A store that names an index which cannot be used changes nothing but what is told of it: the
index in force goes on.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING

from tryghed_search.errors import (
    DamagedIndexError,
    DatabaseLostError,
    NoIndexError,
    OtherModelError,
    TryghedError,
)

if TYPE_CHECKING:
    from tryghed_search.search import Searcher
    from tryghed_search.serving import IndexHolder
    from tryghed_search.store import Manifest
    from tryghed_search.stores import Store

logger = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""After which a refused index is tried again although its manifest is the same: what was wrong
with its files, or with the machine, may be mended."""

_REASONS = {
    NoIndexError: "missing",
    DamagedIndexError: "damaged",
    OtherModelError: "other model",
    DatabaseLostError: "unreachable",
}


class Reloader:
    """Looks every ``seconds`` for another state of ``place`` and has its index loaded.

    ``load`` is called in a thread and may raise ``TryghedError``.
    """

    def __init__(
        self,
        place: Store,
        load: Callable[[], tuple[Manifest, Searcher]],
        holder: IndexHolder,
        seconds: float,
    ) -> None:
        self._place = place
        self._load = load
        self._holder = holder
        self._seconds = seconds
        self._seen: Hashable = None
        self._retry_at = 0.0
        self._told = ""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Take the index that the manifest names, if it is another one and can be used."""
        now = asyncio.get_running_loop().time()
        seen = self._seen
        try:
            seen = await asyncio.to_thread(self._place.look)
            if seen == self._seen and not (self._holder.refused and now >= self._retry_at):
                return
            loaded = await asyncio.to_thread(self._changed)
        except Exception as error:  # whatever is wrong with the new one, the old one goes on
            # A database that answers again is as good as it was.
            self._retry_at = now + (0 if isinstance(error, DatabaseLostError) else RETRY_SECONDS)
            self._refuse(error)
            if not isinstance(error, OSError | DatabaseLostError):  # it could not be looked at
                self._seen = seen
            return
        self._seen = seen
        if loaded is not None:
            self._holder.take(*loaded)
            self._holder.metrics.reloads.labels("taken").inc()
            logger.info("took the index built %s", loaded[0].built)
            del loaded
            await asyncio.to_thread(_give_back)
        self._mended()

    def _changed(self) -> tuple[Manifest, Searcher] | None:
        """The index in the store, unless it is the one in force."""
        serving = self._holder.serving()
        if serving.ready and self._place.manifest() == serving.manifest:
            return None
        return self._load()

    def _refuse(self, error: Exception) -> None:
        self._holder.refused = next(
            (word for kind, word in _REASONS.items() if isinstance(error, kind)), "unreadable"
        )
        self._holder.metrics.refused_index.set(1)
        self._holder.metrics.reloads.labels("refused").inc()
        told = f"{type(error).__name__}: {error}"
        if told == self._told:
            return  # each trouble is logged once, however often it is tried
        self._told = told
        known = isinstance(error, TryghedError | OSError)
        logger.error(
            "the new index is refused, the old one goes on: %s",
            error,
            exc_info=None if known else error,
        )

    def _mended(self) -> None:
        self._holder.refused = None
        self._holder.metrics.refused_index.set(0)
        self._told = ""


def _give_back() -> None:
    """Hand freed memory to the system: glibc keeps what each thread has freed, index by index."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
