"""What is measured while serving, as Prometheus reads it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set before this module is first imported where several processes serve: prometheus_client keeps
their figures in that folder and adds them up."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters, gauges and histograms of one application."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter(
            "tryghed_requests_total", "Requests by status", ["status"], registry=own
        )
        self.seconds = Histogram(
            "tryghed_request_seconds",
            "Seconds from a request's head to the end of its response",
            buckets=_SECONDS,
            registry=own,
        )
        self.in_progress = Gauge(
            "tryghed_requests_in_progress",
            "Requests being answered",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.aborted = Counter(
            "tryghed_requests_aborted_total",
            "Requests whose client left before the response",
            registry=own,
        )
        self.limited = Counter(
            "tryghed_requests_limited_total",
            "Requests refused, by the limit that they ran into",
            ["limit"],
            registry=own,
        )
        self.queue = Gauge(
            "tryghed_queue_length",
            "Questions waiting for the model or in it",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.model_seconds = Histogram(
            "tryghed_model_seconds",
            "Seconds that the model's thread works on a question",
            buckets=_SECONDS,
            registry=own,
        )
        self.asked = Counter(
            "tryghed_asked_total",
            "Questions by where the answer came from: model, memory (an earlier answer) or "
            "company (the same question in progress)",
            ["source"],
            registry=own,
        )
        self.answers = Counter(
            "tryghed_answers_total", "Answers by status", ["status"], registry=own
        )
        self.reloads = Counter(
            "tryghed_index_reloads_total",
            "New indexes by what became of them: taken or refused",
            ["outcome"],
            registry=own,
        )
        self.refused_index = Gauge(
            "tryghed_index_refused",
            "1 while the index on disk is one that was refused",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._ready = Gauge(
            "tryghed_ready",
            "1 when questions can be answered",
            registry=own,
            multiprocess_mode="livemin",
        )
        self._lost = Gauge(
            "tryghed_database_lost",
            "1 while the database with the reports does not answer; 0 without one",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._passages = Gauge(
            "tryghed_passages",
            "Passages in the loaded index",
            registry=own,
            multiprocess_mode="livemin",
        )
        self._age = Gauge(
            "tryghed_index_age_seconds",
            "Seconds since the loaded index was built",
            registry=own,
            multiprocess_mode="livemax",
        )
        # Told from the start, so that a rate over them is right from the first one on.
        for source in ("model", "memory", "company"):
            self.asked.labels(source)
        for status in ("answered", "not_in_report"):
            self.answers.labels(status)
        for outcome in ("taken", "refused"):
            self.reloads.labels(outcome)
        for limit in ("rate", "requests", "queue", "time"):
            self.limited.labels(limit)

    def loaded(self, built: str | None, passages: int, *, lost: bool = False) -> None:
        """Tell of the loaded index: when it was built (ISO 8601), or None if there is none.

        ``lost`` tells whether the database that it is searched in has stopped answering.
        """
        self._ready.set(float(built is not None and not lost))
        self._lost.set(float(lost))
        self._passages.set(passages)
        if built is not None:
            self._age.set(age(built, datetime.now(UTC)))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        every = CollectorRegistry()
        multiprocess.MultiProcessCollector(every)  # type: ignore[no-untyped-call]
        return generate_latest(every)


def age(built: str, now: datetime) -> float:
    """Seconds from ``built`` (ISO 8601) to now; 0 for a clock that has been put back or no time."""
    try:
        then = datetime.fromisoformat(built)
        return max(0.0, (now - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds())
    except (ValueError, OverflowError):
        return 0.0
