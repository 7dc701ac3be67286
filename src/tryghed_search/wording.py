"""What a question is made of: its language and its spelling."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

from tryghed_search import danish

MOST_KEYWORDS = 3
"""Words of a question that is none; with more it says what is wanted."""

_ENGLISH_ONLY = danish.ENGLISH_WORDS - danish.STOP_WORDS - {"for", "an", "at", "had", "does"}
_CAPITAL = re.compile(r"(?<=[\w,;)] )[A-ZÆØÅ][\w-]+")
"""A word with a capital that does not begin a sentence."""
_DANISH_ONLY = danish.STOP_WORDS - danish.ENGLISH_WORDS - {"over", "under", "so"}


def language(question: str) -> Literal["da", "en"]:
    """English where its function words outnumber the Danish ones, else Danish.

    A single word is no sentence in any language, so it is Danish.
    """
    found = danish.words(question)
    if len(found) < 2:
        return "da"
    english = sum(word in _ENGLISH_ONLY for word in found)
    local = sum(word in _DANISH_ONLY for word in found)
    return "en" if english > local else "da"


def are_keywords(question: str) -> bool:
    """Whether it is up to three words to look up, with nothing that makes a sentence of them."""
    found = danish.words(question)
    sentence = danish.STOP_WORDS | danish.ENGLISH_WORDS
    return 0 < len(found) <= MOST_KEYWORDS and "?" not in question and sentence.isdisjoint(found)


class Corrector:
    """Rewrites misspelt words of a question into words of the reports.

    Only words that the reports do not know are touched, and only when a known word is near; a word
    that merely lacks æ, ø or å is always rewritten.
    """

    def __init__(self, vocabulary: Mapping[str, int], names: Collection[str] = frozenset()) -> None:
        """``vocabulary`` holds each known word with its count; ``names`` are left as they are."""
        self._speller = danish.Speller(vocabulary)
        self._names = names

    def correct(self, question: str) -> str:
        """The question with its misspelt words rewritten, otherwise as it is."""
        return re.sub(r"[^\W\d_]+", lambda match: self._word(match.group()), question)

    def unknown_names(self, question: str) -> tuple[str, ...]:
        """Words with a capital inside a sentence that the reports do not know.

        None in an English question, where a capital says less.
        """
        if language(question) == "en":
            return ()
        found = (match.group() for match in _CAPITAL.finditer(question))
        return tuple(name for name in found if not self._known(name))

    def _known(self, name: str) -> bool:
        """Whether the reports know a word, one of its parts, or its base before a genitive s."""
        whole = danish.normalise(name)
        forms = {whole, whole.removesuffix("s"), *whole.split("-")}
        return any(self._speller.knows(form) for form in forms)

    def _word(self, written: str) -> str:
        word = danish.normalise(written)
        if (
            self._speller.knows(word)
            or word in self._names
            or word in danish.STOP_WORDS
            or word in danish.ENGLISH_WORDS
            or len(word) < 3
        ):
            return written
        return self._speller.transliterated(word) or self._speller.nearest(word) or written
