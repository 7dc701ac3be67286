"""What a question is made of: its language, its spelling and whether it leans on the one before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from tryghed_search import danish

_ENGLISH_ONLY = danish.ENGLISH_WORDS - danish.STOP_WORDS - {"for", "an", "at", "had", "does"}
_DANISH_ONLY = danish.STOP_WORDS - danish.ENGLISH_WORDS - {"over", "under", "so"}
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


def language(question: str) -> Literal["da", "en"]:
    """English where its function words outnumber the Danish ones, else Danish."""
    found = danish.words(question)
    english = sum(word in _ENGLISH_ONLY for word in found)
    local = sum(word in _DANISH_ONLY for word in found)
    return "en" if english > local else "da"


def leans_on_history(question: str, gazetteer_names: tuple[str, ...]) -> bool:
    """Whether a question makes sense only with the one before it.

    It does when it opens as a continuation ("og i …"), when it points ("hvem står for det?") or
    when it has next to no words of its own.
    """
    found = danish.words(question)
    own = [
        word
        for word in found
        if word not in danish.STOP_WORDS
        and word not in danish.ENGLISH_WORDS
        and word not in _POINTING
    ]
    if _GOING_ON.match(question.strip()):
        return True
    if gazetteer_names and len(own) > len(gazetteer_names):
        return False
    return len(own) <= 2 or (len(own) <= 4 and _points(found))


def _points(found: list[str]) -> bool:
    pointing = {"de", "dem", "den", "det", "deres", "der", "it", "they", "them", "their", "that"}
    return any(word in pointing for word in found[1:])


class Corrector:
    """Rewrites misspelt words of a question into words of the reports.

    Only words that the reports do not know are touched, and only when a known word is near; a word
    that merely lacks æ, ø or å is always rewritten.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """``vocabulary`` holds each known word with how often it occurs."""
        self._speller = danish.Speller(vocabulary)

    def correct(self, question: str) -> str:
        """The question with its misspelt words rewritten, otherwise as it is."""
        return re.sub(r"[^\W\d_]+", lambda match: self._word(match.group()), question)

    def _word(self, written: str) -> str:
        word = danish.normalise(written)
        if (
            self._speller.knows(word)
            or word in danish.STOP_WORDS
            or word in danish.ENGLISH_WORDS
            or len(word) < 3
        ):
            return written
        return self._speller.transliterated(word) or self._speller.nearest(word) or written
