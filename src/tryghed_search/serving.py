"""The assistant as a server holds it: one model, one index, asked from many requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tryghed_search.errors import NotReadyError
from tryghed_search.passages import Answer, Question, Report, SectionHit

if TYPE_CHECKING:
    from tryghed_search.passages import Filters
    from tryghed_search.search import Searcher


class Serving:
    """Answers questions from the event loop, with the model in a thread of its own.

    The model is used by one thread at a time, so the event loop never waits for it and two
    questions never share its cores.
    """

    def __init__(self, searcher: Searcher | None = None) -> None:
        self._searcher = searcher
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    @property
    def ready(self) -> bool:
        """Whether questions can be answered now."""
        return self._searcher is not None

    @property
    def searcher(self) -> Searcher:
        """The loaded searcher; ``NotReadyError`` while there is none."""
        if self._searcher is None:
            raise NotReadyError("The assistant is still loading; try again in a moment.")
        return self._searcher

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports in the loaded index; ``NotReadyError`` while there is none."""
        return self.searcher.reports

    async def ask(self, question: Question) -> Answer:
        """Answer one question; ``BadQuestionError`` for a filter value the index lacks."""
        searcher = self.searcher
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, searcher.ask, question)

    async def sections(self, topic: str | None, filters: Filters) -> tuple[SectionHit, ...]:
        """Rank whole cases, types and trends for a topic, or list them without one."""
        searcher = self.searcher
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, searcher.sections, topic, filters)

    def close(self) -> None:
        """Stop the model's thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)
