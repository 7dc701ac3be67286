"""What readers say of answers, kept as labelled questions and nothing about the reader.

The file is JSON lines. Every line is a question as ``evaluation`` reads it, with what is right as
far as the reader has told, and with the day and the verdict beside it. What was asked can hold
personal data, so long numbers and addresses are masked and lines are dropped after a set time.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tryghed_search.errors import FeedbackError
from tryghed_search.passages import Answer, Filters, Question

Verdict = Literal["helpful", "wrong-passage", "wrong-sentence", "missing"]

UNLABELLED = "unlabelled"
"""Kind of a line that a person has yet to label; ``evaluate`` passes over it."""
MOST = 5_000_000
"""Bytes that the file may hold: some ten thousand answers."""

_MASK = "[…]"
_NUMBER = re.compile(r"\d(?:[ .\-–/]?\d){5,}")  # a CPR or telephone number, however it is set
_MAIL = re.compile(r"[^\s@]+@[^\s@]+")


def masked(text: str) -> str:
    """The text without numbers of six digits or more and without e-mail addresses."""
    return _NUMBER.sub(_MASK, _MAIL.sub(_MASK, text))


def entry(
    question: Question, answer: Answer, verdict: Verdict, right: int | None, day: date
) -> dict[str, Any]:
    """A line of the file: the question, what is right for it as far as is known, the verdict.

    ``right`` is the rank of the place that the reader points out as the right one. After
    "wrong sentence" every other sentence of the passage counts as right: which of them it is was
    not asked.
    """
    evidence = _evidence(answer, verdict, right)
    kind = verdict if evidence else UNLABELLED
    is_agreed_refusal = verdict == "helpful" and answer.status == "not_in_report"
    if is_agreed_refusal and question.filters == Filters():
        kind = "near"
    told = {
        "id": f"reader-{secrets.token_hex(4)}",
        "kind": kind,
        "question": masked(question.text),
        "history": [masked(text) for text in question.history],
        "evidence": evidence,
        "verdict": verdict,
        "status": answer.status,
        "found": [hit.passage.id for hit in answer.hits],
        "day": day.isoformat(),
    }
    filters = {
        "kind": question.filters.kinds,
        "municipality": question.filters.municipalities,
        "audience": question.filters.audiences,
    }
    limits = {name: list(values) for name, values in filters.items() if values}
    return told | ({"limited_to": limits} if limits else {})


def _evidence(answer: Answer, verdict: Verdict, right: int | None) -> list[str]:
    if right is not None:
        return [hit.passage.text for hit in answer.hits if hit.rank == right]
    if answer.sentence is None:
        return []
    if verdict == "helpful":
        return [answer.sentence]
    if verdict == "wrong-sentence":
        passage = answer.hits[0].passage
        sentences = (passage.text[slice(*span)] for span in passage.sentences)
        return [text for text in sentences if text not in answer.sentence]
    return []


class Book:
    """The file of feedback: one process writes it."""

    def __init__(self, path: Path, days: int) -> None:
        """Open the file, or make it; ``FeedbackError`` where it cannot be written."""
        self.path = path
        self._days = days
        self._lock = threading.Lock()
        self._tidied: date | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        except OSError as error:
            raise FeedbackError(
                f"{path} cannot be written: {error.strerror}. Name another file in "
                "TRYGHED_FEEDBACK, or none."
            ) from None

    def keep(self, line: dict[str, Any], today: date | None = None) -> None:
        """Add a line, dropping those that are too old; ``FeedbackError`` if it cannot be kept."""
        today = today or datetime.now(UTC).date()
        with self._lock:
            try:
                if self._tidied != today:
                    self._tidy(today)
                    self._tidied = today
                if self.path.stat().st_size > MOST:
                    raise FeedbackError(f"{self.path} is full; move it away and start the server.")
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            except OSError as error:
                raise FeedbackError(f"{self.path} cannot be written: {error.strerror}.") from None

    def _tidy(self, today: date) -> None:
        """Drop the lines that are older than they may be."""
        first = (today - timedelta(days=self._days)).isoformat()
        lines = list(read_lines(self.path))
        kept = [text for text, line in lines if str(line.get("day", first)) >= first]
        if len(kept) == len(lines):
            return
        beside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{text}\n" for text in kept)
        beside.replace(self.path)


def read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line as text and as what it says; ``FeedbackError`` names one that cannot be read."""
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FeedbackError(f"{path} cannot be read: {error}.") from None
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise FeedbackError(f"{path}, line {number} is no JSON object; mend or delete it.")
        yield text, line
