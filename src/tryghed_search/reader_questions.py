"""Reader questions: what people might ask about a passage, written by editors.

A report's ``questions.toml`` gives them for each passage: questions on the passage as a whole,
questions that one fact of it answers, and questions that readers ask there and the report leaves
unanswered. The first two bring a reader's own words to the passage and its sentence; the last help
to say no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from tryghed_search.errors import OutlineError
from tryghed_search.outline import fold, read_toml
from tryghed_search.passages import Passage, Report

WHOLE = -1
"""Sentence number of a question that the whole passage answers."""
_KEYS = ("suggest", "questions", "facts", "unanswered")
_FACT_KEYS = ("quote", "questions")


@dataclass(frozen=True, slots=True)
class ReaderQuestions:
    """What readers might ask about one passage."""

    suggest: str
    """The one to show as a suggestion."""
    answered: tuple[tuple[str, int], ...]
    """Every question that the passage answers, ``suggest`` among them, with the number of the
    sentence that does, or ``WHOLE``."""
    unanswered: tuple[str, ...]
    """Questions that suggest themselves here and that no passage answers."""


def parse(toml: str, report: Report, place: str) -> dict[str, ReaderQuestions]:
    """The reader questions of a report by passage id; ``place`` names the file in errors.

    Raises ``OutlineError`` when the text is not TOML, names a passage that there is not, lacks a
    key or has an unknown one, or quotes what its passage does not say.
    """
    data = read_toml(toml, place)
    passages = {passage.id: passage for passage in report.passages}
    found: dict[str, ReaderQuestions] = {}
    for key, table in data.items():
        passage = passages.get(f"{report.id}/{key}")
        if passage is None:
            raise OutlineError(f"{place}: there is no passage {key!r}; correct the name.")
        found[passage.id] = _of_passage(table, passage, f"{place}: {key!r}")
    return found


def _of_passage(table: object, passage: Passage, place: str) -> ReaderQuestions:
    table = table if isinstance(table, dict) else {}
    _refuse_unknown(table, _KEYS, place)
    suggest, questions = table.get("suggest"), table.get("questions")
    unanswered, facts = table.get("unanswered", []), table.get("facts", [])
    if not _is_text(suggest) or not _are_texts(questions):
        raise OutlineError(f"{place} needs 'suggest', a text, and 'questions', a list of texts.")
    if not _are_texts(unanswered):
        raise OutlineError(f"{place}: 'unanswered' must be a list of texts.")
    if not isinstance(facts, list):
        raise OutlineError(f"{place}: 'facts' must be a list of tables.")
    answered = [(question, WHOLE) for question in (suggest, *questions)]
    for fact in facts:
        answered += _of_fact(fact, passage, place)
    return ReaderQuestions(suggest, tuple(answered), tuple(unanswered))


def _of_fact(fact: Mapping[str, object], passage: Passage, place: str) -> list[tuple[str, int]]:
    fact = fact if isinstance(fact, dict) else {}
    _refuse_unknown(fact, _FACT_KEYS, f"{place}: one of 'facts'")
    quote, questions = fact.get("quote"), fact.get("questions")
    if not _is_text(quote) or not fold(quote) or not _are_texts(questions):
        raise OutlineError(
            f"{place}: each of 'facts' needs 'quote', a text, and 'questions', a list of texts."
        )
    at = passage.text.find(fold(quote))
    if at < 0:
        raise OutlineError(
            f"{place}: the passage does not say {quote!r}; copy the quote from its text."
        )
    spans = enumerate(passage.sentences)
    number = next((n for n, (start, end) in spans if start <= at < end), WHOLE)
    return [(question, number) for question in questions]


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            raise OutlineError(f"{place} has an unknown key {key!r}; known are {', '.join(known)}.")


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(_is_text(item) for item in value)
