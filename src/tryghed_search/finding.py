"""Words of a reader found in the report's text, and the pages that the text itself refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tryghed_search.danish import normalise
from tryghed_search.passages import Section, Span

LEAST = 2
"""Characters from which a word can be searched for."""
MOST = 100
"""Characters that are searched for at most."""
_LEAST_APART = 6
"""Characters from which a word may be broken in two in the text ("arbejds gange")."""

_REFERENCE = re.compile(r"\b[Ss]ide (\d{1,3})\b")
_SPELLINGS = {"ae": "(?:ae|æ)", "oe": "(?:oe|ø)", "aa": "(?:aa|å)"}
_APART = r"[\s\-\u00ad]{0,2}"
_VARIED = {"-": "[-\u2010-\u2015\u2212]", "'": "['‘’´`]"}


def finder(words: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """What finds the words as they are written, and what finds them written or broken otherwise.

    None for words that are too short or too long to look for. The second is for when the first
    finds nothing: it takes ae, oe and aa for æ, ø and å too, and a long word also where the text
    has broken it. æ, ø and å are never taken for a and o.
    """
    tokens = normalise(words).split()
    if not LEAST <= len(" ".join(tokens)) <= MOST:
        return None
    exact = r"\s+".join("".join(_one(letter) for letter in token) for token in tokens)
    loose = r"[\s\-]+".join(filter(None, map(_loose, tokens)))
    return re.compile(exact, re.IGNORECASE), re.compile(loose or exact, re.IGNORECASE)


def _one(letter: str) -> str:
    return _VARIED.get(letter, re.escape(letter))


def _loose(token: str) -> str:
    """A word in any spelling, with or without its hyphens, and broken if it is long."""
    between = _APART if len(token) >= _LEAST_APART else ""
    letters = re.findall("ae|oe|aa|[^-]", token)
    return between.join(_SPELLINGS.get(pair) or _one(pair) for pair in letters)


def finds(pattern: re.Pattern[str] | None, text: str) -> list[Span]:
    """Where the pattern stands in the text, in order, without overlap."""
    return [match.span() for match in pattern.finditer(text)] if pattern else []


def chosen(
    patterns: tuple[re.Pattern[str], re.Pattern[str]] | None, texts: Iterable[str]
) -> re.Pattern[str] | None:
    """The pattern that finds the words as written, or where it finds nothing the other one."""
    if patterns is None:
        return None
    exact, loose = patterns
    return exact if any(exact.search(text) for text in texts) else loose


def references(text: str, sections: Sequence[Section]) -> Iterator[tuple[Span, str]]:
    """Each "side 11" in the text with the anchor of the section that it refers to.

    A case named in the words just before the page is the one that is meant, also where the page
    is a slip ("I Gentofte (side 8)"). Otherwise it is the case, type or trend that the report
    states to be on that page, or else the first section there.
    """
    for match in _REFERENCE.finditer(text):
        named = re.search(r"(\S+) \($", text[: match.start()])
        section = (_case_of(named[1], sections) if named else None) or _on_page(
            int(match[1]), sections
        )
        if section is not None:
            yield match.span(), section.anchor


def _case_of(name: str, sections: Sequence[Section]) -> Section | None:
    cases = (s for s in sections if s.kind == "case" and s.entry == s.slug)
    return next((s for s in cases if name in s.municipalities), None)


def _on_page(page: int, sections: Sequence[Section]) -> Section | None:
    there = [s for s in sections if s.page == page]
    stated = (s for s in there if s.page_stated and s.entry == s.slug)
    return next(stated, next(iter(there), None))
