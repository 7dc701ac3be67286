"""The assistant as a server holds it: one model, one index at a time, asked from many requests."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fastapi import Request

from tryghed_search.engine import Engine
from tryghed_search.errors import NotReadyError
from tryghed_search.feedback import masked
from tryghed_search.metrics import Metrics
from tryghed_search.passages import Answer, Filters, Question, Report, SectionHit

if TYPE_CHECKING:
    from tryghed_search.search import Searcher
    from tryghed_search.store import Manifest

questions_log = logging.getLogger(f"{__name__}.questions")
"""What was asked, if the operator wants it told."""


class IndexHolder:
    """The index in force, which can be replaced while requests go on with the one they began with.

    Use it from the event loop's thread.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        log_questions: bool = False,
        lost: Callable[[], bool] | None = None,
    ) -> None:
        self.lost = lost or (lambda: False)
        """Whether the store that the index is searched in has stopped answering."""
        self.engine = engine
        self.metrics = metrics
        self._log_questions = log_questions
        self._loaded: tuple[Manifest, Searcher] | None = None
        self.refused: str | None = None
        """Why the index on disk is not the one in force, in one word; None when it is."""

    def take(self, manifest: Manifest, searcher: Searcher) -> None:
        """Answer requests that begin from now on from this index."""
        self._loaded = (manifest, searcher)
        self.refused = None
        self.engine.forget()
        self.tell_age()

    def tell_age(self) -> None:
        """Bring the metrics of the index up to date: its age grows by itself."""
        if self._loaded is None:
            self.metrics.loaded(None, 0, lost=self.lost())
        else:
            manifest = self._loaded[0]
            passages = manifest.counts["passages"]
            self.metrics.loaded(manifest.built, passages, lost=self.lost())

    def serving(self) -> Serving:
        """The assistant for one request."""
        return Serving(self.engine, self.metrics, self._loaded, self._log_questions)

    def close(self) -> None:
        """Stop the model's thread."""
        self.engine.close()


@dataclass(slots=True)
class Asked:
    """An answer, and what goes over the wire for it once somebody has written that."""

    answer: Answer
    written: str | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """The assistant as one request sees it: the same index from its beginning to its end."""

    _engine: Engine
    _metrics: Metrics
    _loaded: tuple[Manifest, Searcher] | None
    _log_questions: bool = False

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
        """Answer one question; raises what ``asked`` raises."""
        return (await self.asked(question)).answer

    async def asked(self, question: Question) -> Asked:
        """Answer one question; who asks it again gets the same object.

        Raises ``BadQuestionError`` for one that cannot be used, ``NotReadyError`` without an index
        and ``BusyError`` when there is no room or no time for it.
        """
        manifest, searcher = self._current()
        asked = await self._engine.run(
            ("ask", manifest.folder, question), lambda: Asked(searcher.ask(question))
        )
        answer = asked.answer
        self._metrics.answers.labels(answer.status).inc()
        if self._log_questions:
            questions_log.info(
                "asked",
                extra={
                    "question": masked(question.text),
                    "status": answer.status,
                    "confidence": answer.confidence,
                },
            )
        return asked

    async def sections(self, topic: str | None, filters: Filters) -> tuple[SectionHit, ...]:
        """Rank whole cases, types and trends for a topic, or list them without one.

        Raises what ``ask`` raises.
        """
        manifest, searcher = self._current()
        return await self._engine.run(
            ("sections", manifest.folder, topic, filters),
            functools.partial(searcher.sections, topic, filters),
        )


def serving_of(request: Request) -> Serving:
    """The assistant for this request: the same one however often it is asked for."""
    if not hasattr(request.state, "serving"):
        request.state.serving = cast("IndexHolder", request.app.state.holder).serving()
    return cast("Serving", request.state.serving)


async def current_serving(request: Request) -> Serving:
    """:func:`serving_of` for FastAPI's ``Depends``, which runs what is not async in a thread."""
    return serving_of(request)
