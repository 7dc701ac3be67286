"""Danish text: sentences, words, stems, compound parts and spellings.

æ, ø and å are letters of their own and are never flattened in the index. A reader without a
Danish keyboard writes ae, oe, aa (or plain a, o); that is handled as a spelling of a known word,
see :class:`Speller`, so that "bånd" and "band" stay two words.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
import Stemmer
from rapidfuzz import process
from rapidfuzz.distance import OSA

from tryghed_search.passages import Span

WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")

# Abbreviations after which a sentence goes on; those in the second set may also end one, which
# they do when the next word has a capital letter.
_GOES_ON = frozenset(
    """
    apr. art. aug. bl.a. ca. cand. d. dec. dr. dvs. e.g. eks. ekskl. el. evt. f.eks. feb. fhv.
    fig. frk. fx. gl. hhv. hr. i.e. if. ifm. ift. iht. inkl. jan. jf jf. kap. kgs. kl. maks.
    mht. min. mio. mr. mrd. ndr. nov. nr. okt. pga. pkt. pr. prof. s. sct. sdr. sept.
    skt. sml. st. stk. stud. tel. tlf. vedr. vha.
    """.split()
)
_MAY_END = frozenset("e.l. etc. m.fl. m.m. m.v. mdr. mfl. mm. mv. o.a. o.l. osv. pct. v.".split())
_INITIALS = re.compile(r"(?:[a-zæøå]\.)+")
_END = re.compile(r"[.!?…]+[\"'»«”’)\]]*(?=\s)")
_MARKER = re.compile(r"(?:[-•–]\s+)?\d{1,3}[.)]?|[-•–]")

STOP_WORDS = frozenset(
    """
    af alle alt altså and at blev blive bliver bort da de dem den denne der deres det dette dig din
    disse dog du efter eller en end er et for fra får gør ham han har havde have hende her hvad
    hvem hvilke hvilken hvilket hvis hvor hvordan hvorfor i ikke ind ja jeg jer jo kan kom kunne
    man mange med men mere mig min mod må ned nej noget nogen nogle nu når og også om op os over på
    sig sin skal skulle som så sådan til ud under var ved vi vil ville være været blot bare selv
    """.split()
)
ENGLISH_WORDS = frozenset(
    """
    a about and are as at be been being between by can did do does for from get had has have how if
    in into is it its of on or our should than that the their them there these they this those to
    was we were what when where which who whom whose why will with would you your any much many
    """.split()
)

_stemmer = Stemmer.Stemmer("danish")


def order(name: str) -> str:
    """What names are sorted by: æ, ø and å come after z, and Aa is å."""
    return name.replace("Aa", "å").lower().translate(str.maketrans("æøå", "{|}"))


def normalise(text: str) -> str:
    """``text`` in NFC, lower case, with one kind of quotation mark, dash and space."""
    text = unicodedata.normalize("NFC", text).lower()
    text = re.sub("[\u2010-\u2015\u2212]", "-", text)
    text = re.sub("[‘’´`]", "'", text)
    return " ".join(text.split())


def sentences(text: str) -> list[Span]:
    """The sentences of one paragraph as ``[start, end)``, without the space between them.

    A full stop ends a sentence when a space and something other than a lower-case letter follow,
    and the word before it is no abbreviation and no list number.
    """
    spans: list[Span] = []
    start = len(text) - len(text.lstrip())
    for match in _END.finditer(text):
        following = text[match.end() :].lstrip()
        if following and not _ends_here(text[start : match.end()], match.group(), following):
            continue
        spans.append((start, match.end()))
        start = len(text) - len(following)
    if text[start:].strip():
        spans.append((start, len(text.rstrip())))
    return spans


def _ends_here(sentence: str, mark: str, following: str) -> bool:
    first = following.lstrip("\"'»«“”‘(")[:1]
    if first.islower():
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    if _MARKER.fullmatch(sentence.strip()):
        return False
    last = sentence.rsplit(maxsplit=1)[-1].lstrip("\"'»«“”(").lower()
    if last in _GOES_ON:
        return False
    if last in _MAY_END:
        return first.isupper()
    return not _INITIALS.fullmatch(last) or first.isdigit()


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case, in order, hyphenated ones as they are written."""
    return WORD.findall(normalise(text))


def stem(word: str) -> str:
    """The Danish Snowball stem of a lower-case word (Porter, snowballstem.org)."""
    return str(_stemmer.stemWord(word))


def terms(text: str, compounds: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Index terms: the stem of each word and of the parts that it is put together of."""
    found: list[str] = []
    for word in words(text):
        pieces = re.split(r"[-'’]", word)
        if len(pieces) > 1:
            found.append(stem("".join(pieces)))
        for piece in pieces:
            if piece in STOP_WORDS or not piece:
                continue
            found.append(stem(piece))
            found.extend(stem(part) for part in compounds.get(piece, ()))
    return found


def grams(text: str, sizes: tuple[int, ...] = (4, 5)) -> list[str]:
    """Character n-grams inside each word, its ends marked with ``_``."""
    found: list[str] = []
    for word in words(text):
        if word in STOP_WORDS:
            continue
        padded = f"_{word}_"
        for size in sizes:
            found.extend(padded[i : i + size] for i in range(max(1, len(padded) - size + 1)))
    return found


def compound_parts(vocabulary: Iterable[str], least: int = 4) -> dict[str, tuple[str, ...]]:
    """Split words that are put together of two words of the same vocabulary.

    Both parts must have at least ``least`` letters; the joints -s- and -e- are allowed. Of several
    splits the one whose shorter part is longest is taken. Parts are found by stem, so that
    "tryghedsvandringer" finds "vandring".
    """
    known = {word for word in vocabulary if len(word) >= least and word.isalpha()}
    stems = {stem(word) for word in known} | known
    parts: dict[str, tuple[str, ...]] = {}
    for word in known:
        best: tuple[int, tuple[str, ...]] | None = None
        for cut in range(least, len(word) - least + 1):
            head, tail = word[:cut], word[cut:]
            if tail not in stems and stem(tail) not in stems:
                continue
            for joint in ("", "s", "e"):
                base = head.removesuffix(joint) if joint else head
                if base == head and joint:
                    continue
                if len(base) >= least and (base in stems or stem(base) in stems):
                    size = min(len(base), len(tail))
                    if best is None or size > best[0]:
                        best = (size, (base, tail))
        if best is not None:
            parts[word] = best[1]
    return parts


def ascii_spellings(word: str) -> tuple[str, str]:
    """How a word is written without æ, ø and å: as ae/oe/aa, and as plain a/o/a."""
    wide = word.replace("æ", "ae").replace("ø", "oe").replace("å", "aa")
    narrow = word.replace("æ", "a").replace("ø", "o").replace("å", "a")
    return wide, narrow


_ENDINGS = frozenset("e t r s de te en et er es ede ne".split())


def _differ_in_ending(one: str, other: str) -> bool:
    """Whether one word is the other with an inflectional ending."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) :] in _ENDINGS


def _letters(word: str) -> int:
    """Which letters a word has, a bit for each, some sharing one."""
    found = 0
    for letter in word:
        found |= 1 << ord(letter) % 64
    return found


def _pairs(word: str) -> int:
    """Which letters of a word follow which, a bit for each pair, some sharing one."""
    found = 0
    for one, other in itertools.pairwise(word):
        found |= 1 << (31 * ord(one) + ord(other)) % 64
    return found


class Speller:
    """Finds the word of a vocabulary that a reader meant to write.

    Damerau–Levenshtein distance (optimal string alignment) over spellings without æ, ø and å.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """``vocabulary`` holds each known word with how often it occurs."""
        self._known = dict(vocabulary)
        self._spellings: dict[str, str] = {}
        for word in sorted(self._known, key=lambda w: (-self._known[w], w)):
            for spelling in ascii_spellings(word):
                self._spellings.setdefault(spelling, word)
        alike: dict[str, list[str]] = {}
        for spelling in sorted(self._spellings, key=len):
            alike.setdefault(spelling[0], []).append(spelling)
        self._alike = {
            first: (
                some,
                np.array([len(spelling) for spelling in some]),
                np.array([_letters(spelling) for spelling in some], dtype=np.uint64),
                np.array([_pairs(spelling) for spelling in some], dtype=np.uint64),
            )
            for first, some in alike.items()
        }
        """Spellings by their first letter, shortest first, each with length, letters and pairs."""

    def knows(self, word: str) -> bool:
        """Whether the vocabulary has the word as it is written."""
        return word in self._known

    def transliterated(self, word: str) -> str | None:
        """The known word that ``word`` spells without æ, ø or å; None if it spells none."""
        if word in self._known:
            return word
        return self._spellings.get(ascii_spellings(word)[0]) or self._spellings.get(word)

    def nearest(self, word: str) -> str | None:
        """The known word at the least distance: 1 for 4-7 letters, 2 from 8; None if none is.

        A known word with another ending is no misspelling: "faldt" is not written for "fald". The
        first letter counts as right unless the first two are swapped: people rarely miss it.
        """
        if len(word) < 4 or not word.isalpha():
            return None
        limit = 1 if len(word) < 8 else 2
        best: tuple[int, int, str] | None = None
        for written in dict.fromkeys(ascii_spellings(word)):
            lengths = len(written) - limit, len(written) + limit + 1
            letters, pairs = np.uint64(_letters(written)), np.uint64(_pairs(written))
            for first in dict.fromkeys(written[:2]):
                if first not in self._alike:
                    continue
                spellings, theirs, their_letters, their_pairs = self._alike[first]
                start, end = np.searchsorted(theirs, lengths).tolist()
                # An edit takes a letter away, brings one, or both, with up to two pairs each time;
                # two letters that change places take three pairs away and bring three.
                apart = np.bitwise_count(their_letters[start:end] ^ letters)
                pairs_apart = np.bitwise_count(their_pairs[start:end] ^ pairs)
                few = np.flatnonzero((apart <= 2 * limit) & (apart + pairs_apart <= 6 * limit))
                near = process.extract_iter(
                    written,
                    [spellings[start + n] for n in few.tolist()],
                    scorer=OSA.distance,
                    score_cutoff=limit,
                )
                for spelling, distance, _ in near:
                    if first != written[0] and spelling[:2] != written[1::-1]:
                        continue
                    if _differ_in_ending(written, spelling):
                        continue
                    known = self._spellings[spelling]
                    candidate = (int(distance), -self._known[known], known)
                    if best is None or candidate < best:
                        best = candidate
        return best[2] if best else None
