"""What kind of thing a question asks for, and whether a text has any: expected answer types.

"Hvad koster det?" wants a sum of money; passages without one do not answer it, however near they
are. Only types that their words give away, in Danish, English, Swedish and Norwegian (answer type
detection: Li & Roth 2002, here by patterns).
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


_ASKED: Mapping[str, re.Pattern[str]] = {
    "money": _pattern(
        r"pris\w*|kost[ae]\w*|kostnad\w*|dyr\w*|budget\w*|kroner|kronor|beløb\w*|belopp\w*|udgift\w*"
        r"|utgift\w*|betal[et]\w*(?! sig)|løn\w*|costs?|prices?|pay|paid|expensive|money"
        r"|penge|pengene|pengar|bevilling\w*|tilskud\w*"
    ),
    "number": _pattern(
        r"hvor (?:mange|meget|mye|stor\w*|høj\w*|ofte|tit|længe|lenge)|antal\w*|procent\w*|andel\w*"
        r"|how (?:many|much|often|long|large)|hur (?:många|mycket|ofta|länge|stor\w*)|per ?cent\w*"
    ),
    "date": _pattern(
        r"hvornår|hvilket år|hvilken dato|datoen|when (?:did|was|were|is|will|does)"
        r"|(?:what|which) year|når (?:ble|begynte|startet)|när (?:började|startade|infördes)"
    ),
}
_HELD: Mapping[str, re.Pattern[str]] = {
    "money": _pattern(
        r"\d[\d.,]*\s*(?:kr|mio|mia)\b.*|kroner|budget\w*|økonomi\w*|kost[ae]\w*|udgift\w*|penge\w*"
        r"|omkostning\w*|finans\w*|billig\w*|dyr[et]?|ressource\w*|bevil\w*"
    ),
    "number": _pattern(
        r"\d+\s*%?|to|tre|fire|fem|seks|syv|otte|ni|ti|hundred\w*|tusind\w*|halvdelen|begge"
        r"|hver\w*|ugentlig\w*|månedlig\w*|årlig\w*"
    ),
    "date": _pattern(
        r"(?:19|20)\d\d|januar|februar|marts|april|maj|juni|juli|august|september|oktober|november"
        r"|december|siden|tidspunkt\w*|årlig\w*|før|efter|når"
    ),
}


def met(question: str, text: str) -> bool | None:
    """Whether a text has the money, number or date that a question asks for.

    None for a question that asks for none of them.
    """
    asked = [kind for kind, pattern in _ASKED.items() if pattern.search(question)]
    return all(_HELD[kind].search(text) for kind in asked) if asked else None
