"""What the assistant says when the report does not answer: plain Danish, or English if asked so."""

from __future__ import annotations

from typing import Literal

_WORDS = {
    "da": {
        "nothing": "Det siger rapporten ikke noget om.",
        "place": "Rapporten nævner ikke {names}.",
        "related": "Stederne herunder er det nærmeste, den kommer, men de er ikke et svar.",
        "filtered": "Der er ingen steder i rapporten, der passer til filtrene.",
        "and": " og ",
    },
    "en": {
        "nothing": "The report does not say anything about that.",
        "place": "The report does not mention {names}.",
        "related": "The passages below are the nearest it comes, but they are not an answer.",
        "filtered": "No part of the report fits the filters.",
        "and": " and ",
    },
}


def not_in_report(
    language: Literal["da", "en"], unreported: tuple[str, ...], has_related: bool
) -> str:
    """The notice for a question without an answer, with the reason where it is known."""
    words = _WORDS[language]
    if not has_related:
        return words["filtered"]
    reason = words["nothing"]
    if unreported:
        *rest, last = unreported
        names = words["and"].join([", ".join(rest), last]) if rest else last
        reason = words["place"].format(names=names)
    return f"{reason} {words['related']}"
