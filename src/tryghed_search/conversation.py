"""Follow-ups: whether a question leans on the ones before it, and what it then means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tryghed_search import danish
from tryghed_search.places import Gazetteer

_POINTING = frozenset(
    """
    de dem den denne der deres det dette disse han hende her hun hvad hvem hvilke hvor hvordan
    hvorfor it its that their them there these they this those he she what who why how where dom
    deras detta dessa dem deres
    """.split()
)
_GOING_ON = re.compile(
    r"^(?:og|men|eller|hvad med|hvad så|and|but|or|what about|how about|och|men hva|hva med|"
    r"vad gäller)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that leans on an earlier one."""

    before: str
    """The earlier question that says what the conversation is about."""
    joined: str
    """Both in one, as it is searched for."""
    only_a_name: bool
    """Whether the question only asks the earlier one of another place ("og i Gentofte?")."""
    moved: bool
    """Whether it names a place, so that the earlier answer's place no longer counts."""


def resolve(question: str, history: Sequence[str], gazetteer: Gazetteer) -> Resolved | None:
    """What a follow-up means; None for a question that stands alone."""
    names = gazetteer.reported(question)
    if not history or not leans_on_history(question, names):
        return None
    before = _subject(history, gazetteer)
    if not names:
        return Resolved(before, f"{before} {question}", only_a_name=False, moved=False)
    renamed = gazetteer.replaced(before, names[0])
    if len(own_words(question)) <= len(names):
        return Resolved(before, renamed, only_a_name=True, moved=True)
    return Resolved(before, f"{renamed} {question}", only_a_name=False, moved=True)


def _subject(history: Sequence[str], gazetteer: Gazetteer) -> str:
    """The last earlier question that stands alone, or the first if none does."""
    for earlier in reversed(history):
        if not leans_on_history(earlier, gazetteer.reported(earlier)):
            return " ".join(earlier.split())
    return " ".join(history[0].split())


def own_words(question: str) -> list[str]:
    """The words that say what a question is about: neither function words nor pointing ones."""
    return [
        word
        for word in danish.words(question)
        if word not in danish.STOP_WORDS
        and word not in danish.ENGLISH_WORDS
        and word not in _POINTING
    ]


def leans_on_history(question: str, gazetteer_names: tuple[str, ...]) -> bool:
    """Whether a question makes sense only with the one before it.

    It does when it opens as a continuation ("og i …"), when it points ("hvem står for det?") or
    when it has next to no words of its own.
    """
    found = danish.words(question)
    own = own_words(question)
    if _GOING_ON.match(question.strip()):
        return True
    if gazetteer_names and len(own) > len(gazetteer_names):
        return False
    return len(own) <= 2 or (len(own) <= 4 and _points(found))


def _points(found: list[str]) -> bool:
    pointing = {"de", "dem", "den", "det", "deres", "der", "it", "they", "them", "their", "that"}
    return any(word in pointing for word in found[1:])
