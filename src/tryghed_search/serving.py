"""The assistant as a server holds it: one model, one index, asked from many requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from fastapi import Request

from tryghed_search.errors import NotReadyError
from tryghed_search.passages import Answer, Question, Report, SectionHit

if TYPE_CHECKING:
    from tryghed_search.passages import Filters
    from tryghed_search.search import Searcher
    from tryghed_search.store import Manifest


class Serving:
    """Answers questions from the event loop, with the model in a thread of its own.

    The model is used by one thread at a time, so the event loop never waits for it and two
    questions never share its cores.
    """

    def __init__(self) -> None:
        self._loaded: tuple[Manifest, Searcher] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def take(self, manifest: Manifest, searcher: Searcher) -> None:
        """Answer from this index from now on."""
        self._loaded = (manifest, searcher)

    @property
    def ready(self) -> bool:
        """Whether questions can be answered now."""
        return self._loaded is not None

    def _current(self) -> tuple[Manifest, Searcher]:
        if self._loaded is None:
            raise NotReadyError("Assistenten er ved at starte. Prøv igen om lidt.")
        return self._loaded

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports in the loaded index; ``NotReadyError`` while there is none."""
        return self._current()[1].reports

    @property
    def manifest(self) -> Manifest:
        """The loaded index's manifest; ``NotReadyError`` while there is none."""
        return self._current()[0]

    async def ask(self, question: Question) -> Answer:
        """Answer one question; ``BadQuestionError`` for one that cannot be used."""
        searcher = self._current()[1]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, searcher.ask, question)

    async def sections(self, topic: str | None, filters: Filters) -> tuple[SectionHit, ...]:
        """Rank whole cases, types and trends for a topic, or list them without one."""
        searcher = self._current()[1]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, searcher.sections, topic, filters)

    def close(self) -> None:
        """Stop the model's thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def current_serving(request: Request) -> Serving:
    """The application's :class:`Serving`, for FastAPI's ``Depends``."""
    return cast("Serving", request.app.state.serving)
