"""What the assistant says when the report does not answer: plain Danish, or English if asked so."""

from __future__ import annotations

from typing import Literal

_WORDS = {
    "da": {
        "nothing": "Det siger rapporten ikke noget om.",
        "place": "Rapporten nævner ikke {names}.",
        "limited": "Svaret står ikke i det, du har afgrænset til.",
        "related": "Stederne herunder handler om noget beslægtet, men besvarer ikke spørgsmålet.",
        "filtered": "Intet sted i rapporten passer til din afgrænsning.",
        "and": " og ",
    },
    "en": {
        "nothing": "The report does not say anything about that.",
        "place": "The report does not mention {names}.",
        "limited": "The answer is not in what you have limited the search to.",
        "related": "The passages below are related, but do not answer the question.",
        "filtered": "Nothing in the report fits what you have limited the search to.",
        "and": " and ",
    },
}


def not_in_report(
    language: Literal["da", "en"],
    unreported: tuple[str, ...],
    *,
    has_related: bool,
    limited: bool,
) -> str:
    """The notice for a question without an answer, with the reason where it is known.

    Of what a ``limited`` search did not look at, nothing is said.
    """
    words = _WORDS[language]
    if not has_related:
        return words["filtered"]
    reason = words["limited" if limited else "nothing"]
    if unreported:
        *rest, last = unreported
        names = words["and"].join([", ".join(rest), last]) if rest else last
        reason = words["place"].format(names=names)
    return f"{reason} {words['related']}"
