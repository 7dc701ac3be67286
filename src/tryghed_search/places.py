"""Danish municipalities: which ones a question names, and whether the reports speak of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from tryghed_search.danish import ascii_spellings

_NAMES = """
    Albertslund, Allerød, Assens, Ballerup, Billund, Bornholm, Brøndby, Brønderslev, Dragør,
    Egedal, Esbjerg, Fanø, Favrskov, Faxe, Fredensborg, Fredericia, Frederiksberg, Frederikshavn,
    Frederikssund, Furesø, Faaborg-Midtfyn, Gentofte, Gladsaxe, Glostrup, Greve, Gribskov,
    Guldborgsund, Haderslev, Halsnæs, Hedensted, Helsingør, Herlev, Herning, Hillerød, Hjørring,
    Holbæk, Holstebro, Horsens, Hvidovre, Høje-Taastrup, Hørsholm, Ikast-Brande, Ishøj,
    Jammerbugt, Kalundborg, Kerteminde, Kolding, København, Køge, Langeland, Lejre, Lemvig,
    Lolland, Lyngby-Taarbæk, Læsø, Mariagerfjord, Middelfart, Morsø, Norddjurs, Nordfyns, Nyborg,
    Næstved, Odder, Odense, Odsherred, Randers, Rebild, Ringkøbing-Skjern, Ringsted, Roskilde,
    Rudersdal, Rødovre, Samsø, Silkeborg, Skanderborg, Skive, Slagelse, Solrød, Sorø, Stevns,
    Struer, Svendborg, Syddjurs, Sønderborg, Thisted, Tønder, Tårnby, Vallensbæk, Varde, Vejen,
    Vejle, Vesthimmerlands, Viborg, Vordingborg, Ærø, Aabenraa, Aalborg, Aarhus
"""
MUNICIPALITIES: tuple[str, ...] = tuple(name.strip() for name in _NAMES.split(","))
"""The 98 municipalities since 2007, by their official names without "Kommune"."""

NAME_WORDS = frozenset(word for name in MUNICIPALITIES for word in name.lower().split("-"))
"""The words that the names are made of: never a misspelling of another word."""

_ALSO = {
    "Aabenraa": ("Åbenrå",),
    "Faaborg-Midtfyn": ("Faaborg", "Fåborg"),
    "Ikast-Brande": ("Ikast",),
    "Lyngby-Taarbæk": ("Lyngby",),
    "Ringkøbing-Skjern": ("Ringkøbing",),
    "Vesthimmerlands": ("Vesthimmerland",),
}
_ALSO_WORDS = frozenset(
    {"Assens", "Faxe", "Greve", "Lejre", "Odder", "Skive", "Tønder", "Varde", "Vejen"}
)
"""Names that are, or are close to, ordinary words: they count only where it is clear."""
_WORDS = frozenset({"koge"})
"""Words that a name is not meant by when it is written without æ, ø or å."""
_TEXTS = 64
"""Texts whose names are kept at hand."""


class Gazetteer:
    """Finds municipalities in a question."""

    def __init__(self, reported: Mapping[str, tuple[str, ...]]) -> None:
        """``reported`` holds the municipalities that the reports name, with other spellings."""
        self._reported = _Names({name: _pattern((name, *also)) for name, also in reported.items()})
        known = {spelling.lower() for name, also in reported.items() for spelling in (name, *also)}
        self._others = _Names(
            {
                name: _pattern((name, *_ALSO.get(name, ())), strict=name in _ALSO_WORDS)
                for name in MUNICIPALITIES
                if name.lower() not in known
            }
        )

    def reported(self, question: str) -> tuple[str, ...]:
        """Municipalities in the question that the reports speak of."""
        return self._reported.in_text(question)

    def replaced(self, question: str, name: str) -> str:
        """The question with ``name`` in place of the reported municipalities that it names."""
        for pattern in self._reported.patterns.values():
            question = pattern.sub(name, question)
        return question

    def unreported(self, question: str) -> tuple[str, ...]:
        """Danish municipalities in the question that no report speaks of."""
        return tuple(
            name.removesuffix("s") if name in {"Nordfyns", "Vesthimmerlands"} else name
            for name in self._others.in_text(question)
        )


class _Names:
    """Names with what finds each; most texts have none of them, which one look tells."""

    def __init__(self, patterns: Mapping[str, re.Pattern[str]]) -> None:
        self.patterns = patterns
        self._any = re.compile(
            "|".join(
                f"(?{'i' if pattern.flags & re.IGNORECASE else ''}:{pattern.pattern})"
                for pattern in patterns.values()
            )
        )
        self.in_text = lru_cache(_TEXTS)(self._in_text)  # one question asks several times
        """Which names stand in a text."""

    def _in_text(self, text: str) -> tuple[str, ...]:
        if not self._any.search(text):
            return ()
        return tuple(name for name, pattern in self.patterns.items() if pattern.search(text))


def _pattern(spellings: tuple[str, ...], *, strict: bool = False) -> re.Pattern[str]:
    """Finds any spelling, also in the genitive and without æ, ø and å."""
    written = {s for spelling in spellings for s in (spelling, *ascii_spellings(spelling.lower()))}
    written -= _WORDS
    names = "|".join(sorted((re.escape(s) for s in written), key=len, reverse=True))
    if strict:
        capital = "|".join(re.escape(s) for s in spellings)
        return re.compile(
            rf"\b(?:{names})s?\s+(?i:kommunes?|byråd|by)\b|(?<=[a-zæøå]\s)(?-i:{capital})s?\b",
        )
    return re.compile(rf"\b(?:{names})(?:s|'s)?\b", re.IGNORECASE)
