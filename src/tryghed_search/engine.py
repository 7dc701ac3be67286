"""A few threads for the model, a bounded queue before them, and a memory of their answers.

All of a question's way happens here: is the answer remembered, is somebody else asking the same,
is there room to wait, and has it taken too long.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

from tryghed_search.errors import BusyError
from tryghed_search.metrics import Metrics

Result = TypeVar("Result")

_BUSY = "Der spørges meget lige nu. Prøv igen om lidt."
_SLOW = "Svaret tog for lang tid. Prøv igen om lidt."


@dataclass(slots=True)
class _Job:
    """Work that is queued or in progress, and how many wait for it."""

    thread: Future[object]
    done: asyncio.Future[object]
    era: int
    waiting: int = 0


class Engine:
    """Runs work in ``threads`` threads, the same work once, and remembers what came of it.

    Use it from one event loop. At most ``queue`` pieces of work are under way, each asker waits
    ``seconds`` at most, and the last ``answers`` results used are remembered.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        threads: int = 1,
        queue: int = 64,
        seconds: float = 10.0,
        answers: int = 1000,
    ) -> None:
        self._metrics = metrics
        self._queue = queue
        self._seconds = seconds
        self._most = answers
        self._era = 0
        self._jobs: dict[Hashable, _Job] = {}
        self._answers: OrderedDict[Hashable, object] = OrderedDict()
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="model")

    @property
    def length(self) -> int:
        """How many pieces of work are queued or in progress."""
        return len(self._jobs)

    async def run(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """What ``work`` returns or raises; equal keys stand for equal work.

        Raises ``BusyError`` when the queue is full or the time is up. An asker who is cancelled
        gives up the place in the queue, unless others wait for the same.
        """
        if key in self._answers:
            self._answers.move_to_end(key)
            self._metrics.asked.labels("memory").inc()
            return cast("Result", self._answers[key])
        job = self._jobs.get(key)
        if job is None:
            job = self._submitted(key, work)
            self._metrics.asked.labels("model").inc()
        else:
            self._metrics.asked.labels("company").inc()
        job.waiting += 1
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return cast("Result", await asyncio.shield(job.done))
        except TimeoutError:
            if not limit.expired():  # the work's own
                raise
            self._metrics.limited.labels("time").inc()
            raise BusyError(_SLOW) from None
        finally:
            job.waiting -= 1
            if job.waiting == 0 and not job.done.done() and job.thread.cancel():
                self._forgotten(key, job)

    def forget(self) -> None:
        """Drop all that is remembered, and what work in progress will bring: it is of old."""
        self._era += 1
        self._answers.clear()

    def close(self) -> None:
        """Stop the threads once they have finished what they are at."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submitted(self, key: Hashable, work: Callable[[], Result]) -> _Job:
        if len(self._jobs) >= self._queue:
            self._metrics.limited.labels("queue").inc()
            raise BusyError(_BUSY)
        # In the asker's context, so that what the work logs has the request's id.
        timed = functools.partial(contextvars.copy_context().run, self._timed, work)
        thread: Future[object] = self._executor.submit(timed)
        job = self._jobs[key] = _Job(thread, asyncio.wrap_future(thread), self._era)
        job.done.add_done_callback(lambda _: self._ended(key, job))
        self._metrics.queue.set(len(self._jobs))
        return job

    def _timed(self, work: Callable[[], object]) -> object:
        with self._metrics.model_seconds.time():
            return work()

    def _ended(self, key: Hashable, job: _Job) -> None:
        self._forgotten(key, job)
        # Asking for the exception also tells asyncio that somebody knows of it.
        if job.done.cancelled() or job.done.exception() is not None:
            return
        if self._most and job.era == self._era:
            self._answers[key] = job.done.result()
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)

    def _forgotten(self, key: Hashable, job: _Job) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]
        self._metrics.queue.set(len(self._jobs))
