"""Danish text: where sentences end, what words are made of and what a reader meant to write."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from tryghed_search import build
from tryghed_search.danish import (
    Speller,
    _differ_in_ending,
    ascii_spellings,
    compound_parts,
    grams,
    normalise,
    sentences,
    stem,
    terms,
    words,
)
from tryghed_search.passages import Report


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


# --- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Det kan bl.a. ske i Aalborg.",
        "Kampagner om f.eks. Falsk ID virker.",
        "Der kom ca. 300 borgere.",
        "Mødet er kl. 19 d. 5. maj på Rådhuspladsen.",
        "De såkaldte §17, stk. 4-udvalg findes endnu.",
        "Materialet deles ud ifm. Almindelige hjemmebesøg.",
        "Kriminaliteten faldt (ekskl. Økonomisk kriminalitet) med 31%.",
        "Digital kriminalitet, ensomhed mm. – alt det mellem husene.",
        "Elever, erhvervsdrivende, SSP mv. - og andre inviteres.",
        "Planen gælder pr. 1. januar 2024.",
        "Den 14. dec. 2023 åbnede de.",
        "Skolen ligger på H.C. Andersens Vej.",
        "Chefen hedder J. Hansen og er ny.",
        "Det var dr. Jensen og prof. Holm.",
        "Sct. Knuds Plads og Gl. Kongevej er belyst.",
        "Prisen er 8.500 kr. om året.",
        "Se jf. § 12 og nr. 7 i loven.",
        "Tallet er 83,3 i 2.0-udgaven af tryk.aalborg.dk i dag.",
        "Hjemmesiden 'Brænder lortet på?', der er ny, hjælper.",
        "De spurgte: »hvad nu?« men fik intet svar.",
        "Hun sagde … og gik.",
        "NEXT – Vestskoven Gymnasium fremhæver det",
    ],
)
def test_a_sentence_goes_on_after_an_abbreviation_a_number_or_a_quotation(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Haven er ny. Den er åben.", ["Haven er ny.", "Den er åben."]),
        ("Hvad sker der? De taler med dem!", ["Hvad sker der?", "De taler med dem!"]),
        ("Frivillige m.fl. Disse hjælper.", ["Frivillige m.fl.", "Disse hjælper."]),
        ("Det steg med 5 pct. Derefter faldt det.", ["Det steg med 5 pct.", "Derefter faldt det."]),
        ("Trivsel i skoler mv. Et spor.", ["Trivsel i skoler mv.", "Et spor."]),
        ('Princippet "hjælp til selvhjælp". Det virker.', None),
        ("Han sagde »nej.« Så gik han.", ["Han sagde »nej.«", "Så gik han."]),
        ("Det er slut. 83% var trygge.", ["Det er slut.", "83% var trygge."]),
        ("Det er slut. (Se side 8.) Nu videre.", ["Det er slut.", "(Se side 8.)", "Nu videre."]),
        ("Vent … Så kom de.", ["Vent …", "Så kom de."]),
        ("Det var i uge 5. Derefter kom de.", ["Det var i uge 5.", "Derefter kom de."]),
        ("Er det plan B? 'Ja' sagde de.", ["Er det plan B?", "'Ja' sagde de."]),
        ("Øget tryghed. Åbne byrum. Ærlig snak.", ["Øget tryghed.", "Åbne byrum.", "Ærlig snak."]),
    ],
)
def test_a_sentence_ends_where_a_reader_sees_it_end(text: str, found: list[str] | None) -> None:
    assert split(text) == (found or ['Princippet "hjælp til selvhjælp".', "Det virker."])


def test_the_number_or_dash_of_a_list_is_no_sentence_of_its_own() -> None:
    assert split("1. Hvordan gør vi? Vi ser.") == ["1. Hvordan gør vi?", "Vi ser."]
    assert split("- 2. Hvordan kan vi?") == ["- 2. Hvordan kan vi?"]
    assert split("- Politikere") == ["- Politikere"]


def test_nothing_has_no_sentences() -> None:
    assert sentences("") == sentences("  ") == []


@settings(deadline=None)
@given(st.text(alphabet="aBæØ .!?…\"»«)('1,;bl.aca. \n\u00a0", max_size=80))
def test_sentences_hold_every_character_that_is_no_space(text: str) -> None:
    spans = sentences(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    inside = "".join(text[start:end] for start, end in spans)
    assert "".join(inside.split()) == "".join(text.split())


def test_the_reports_sentences_read_as_sentences(report: Report) -> None:
    """Those that begin with a small letter or end without a mark are headings and list lines."""
    odd = []
    for passage in report.passages:
        headings = {b.start for b in passage.blocks if b.role != "paragraph"}
        for start, end in passage.sentences:
            sentence = passage.text[start:end]
            if start not in headings and (sentence[0].islower() or sentence[-1] not in '.?!:"'):
                odd.append(sentence[:40])
    assert odd == [
        "Delrapport 1: Cases og eksempler på, hvo",
        "Delrapport 1: Cases og Organisering",
        "Inspiration til indsatser og måder at or",
        "TrygFonden",
        "Tryghed kræver ikke nødvendigvis fysisk ",
        "Kommunen som facilitator - Borgerne er m",
        "Tryghed som stabsfunktion - Opbygning af",
        "Stedsbaseret tryghed - Det hyperlokale f",
    ]


# --- words and terms ------------------------------------------------------------------------------


def test_words_keep_danish_letters_and_hyphens() -> None:
    assert words("Prepper-middag på Ærø, SSP'en & 83,3%!") == [
        "prepper-middag",
        "på",
        "ærø",
        "ssp'en",
        "83",
        "3",
    ]


def test_a_letter_and_its_ring_written_apart_are_one_letter() -> None:
    assert words(unicodedata.normalize("NFD", "Århus på Ærø")) == ["århus", "på", "ærø"]


@settings(deadline=None)
@given(st.text(max_size=40))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_dashes_and_quotation_marks_are_of_one_kind() -> None:
    assert normalise("Lyngby–Taarbæk’s  `by`") == "lyngby-taarbæk's 'by'"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kommuner", "kommunen"),
        ("indsatser", "indsatsen"),
        ("borgerne", "borger"),
        ("skærmbesøgene", "skærmbesøg"),
        ("trygheden", "tryghed"),
    ],
)
def test_inflected_forms_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_bond_and_band_stay_two_words() -> None:
    assert stem("bånd") != stem("band")
    assert set(terms("bånd", {})).isdisjoint(terms("band", {}))


def test_terms_are_stems_without_the_words_that_say_nothing() -> None:
    assert terms("Borgerne og kommunen er på vej", {}) == [
        stem("borgerne"),
        stem("kommunen"),
        stem("vej"),
    ]
    assert terms("og det er på den", {}) == []


def test_a_hyphenated_word_is_found_whole_and_in_parts() -> None:
    found = terms("Prepper-middag", {})
    assert found == [stem("preppermiddag"), stem("prepper"), stem("middag")]
    assert set(terms("preppermiddag", {})) & set(found)


def test_a_compound_is_found_by_its_parts() -> None:
    compounds = compound_parts(["tryghedsvandringer", "tryghed", "vandring", "by"])
    assert list(compounds) == ["tryghedsvandringer"]
    found = terms("tryghedsvandringer", compounds)
    assert stem("tryghed") in found
    assert stem("vandring") in found


@pytest.mark.parametrize(
    ("word", "vocabulary", "parts"),
    [
        ("naboskab", ["nabo", "skab"], ("nabo", "skab")),
        ("indbrudsforebyggelse", ["indbrud", "forebyggelse"], ("indbrud", "forebyggelse")),
        ("hjemmebesøg", ["hjemme", "besøg", "hjem"], ("hjemme", "besøg")),
        ("borgermøderne", ["borgere", "møde"], ("borger", "møderne")),
        ("kriminalitet", ["krim", "inal"], None),
        ("byrum", ["by", "rum"], None),
        ("fællesskab", ["fælles"], None),
    ],
)
def test_compounds_are_split_where_both_parts_are_known_words(
    word: str, vocabulary: list[str], parts: tuple[str, str] | None
) -> None:
    found = compound_parts([word, *vocabulary]).get(word)
    assert (found and tuple(map(stem, found))) == (parts and tuple(map(stem, parts)))


def test_of_two_splits_the_more_even_one_is_taken() -> None:
    vocabulary = ["skolebørnene", "skole", "børnene", "skolebørn", "skol", "ebørnene", "ene"]
    assert compound_parts(vocabulary)["skolebørnene"] == ("skole", "børnene")


def test_the_reports_own_compounds_have_their_parts(report: Report) -> None:
    parts = compound_parts(build.vocabulary(report.passages))
    assert parts["hjemmebesøg"][1] == "besøg"
    assert stem(parts["tryghedsindsatser"][0]) == stem("tryghed")
    assert all(len(part) >= 4 for pair in parts.values() for part in pair)


def test_compounds_do_not_depend_on_the_order_of_the_words_nor_on_the_hash_seed() -> None:
    vocabulary = "tryghedsvandringer tryghed vandring nattelivet natte livet natteliv".split()
    code = (
        "from tryghed_search.danish import compound_parts\n"
        f"print(sorted(compound_parts({vocabulary!r}).items()))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    expected = sorted(compound_parts(list(reversed(vocabulary))).items())
    assert outputs == {f"{expected}\n"}


def test_grams_mark_the_ends_of_a_word() -> None:
    assert grams("ny", (4,)) == ["_ny_"]
    assert grams("børn", (4,)) == ["_bør", "børn", "ørn_"]
    assert grams("og", (4, 5)) == []
    assert set(grams("indbruddet")) & set(grams("indbrud"))


# --- spelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "wide", "narrow"),
    [("hjørring", "hjoerring", "hjorring"), ("ærø", "aeroe", "aro"), ("åben", "aaben", "aben")],
)
def test_danish_letters_have_two_ascii_spellings(word: str, wide: str, narrow: str) -> None:
    assert ascii_spellings(word) == (wide, narrow)


@pytest.fixture(scope="module")
def speller(report: Report) -> Speller:
    return Speller(build.vocabulary(report.passages))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hjoerring", "hjørring"),
        ("hjorring", "hjørring"),
        ("aeldre", "ældre"),
        ("faellesskab", "fællesskab"),
        ("skaermbesoeg", "skærmbesøg"),
        ("skærmbesøg", "skærmbesøg"),
        ("utrygge", "utrygge"),
    ],
)
def test_a_word_without_danish_letters_is_known(speller: Speller, written: str, meant: str) -> None:
    assert speller.transliterated(written) == meant


def test_a_word_that_spells_no_known_word_is_left(speller: Speller) -> None:
    assert speller.transliterated("cykelhjelm") is None
    assert speller.nearest("cykelhjelm") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("indbrdu", "indbrud"),  # letters swapped
        ("indbud", "indbrud"),  # a letter missing
        ("inndbrud", "indbrud"),  # a letter too many
        ("svindle", "svindel"),
        ("hjemmepljen", "hjemmeplejen"),
        ("hjørrring", "hjørring"),
        ("abertslund", "albertslund"),
        ("esbejrg", "esbjerg"),
        ("fecilitator", "facilitator"),
        ("kriminalitetn", "kriminalitet"),
        ("skaermbesog", "skærmbesøg"),
        ("lrger", "leger"),
    ],
)
def test_the_nearest_known_word_is_found(report: Report, written: str, meant: str) -> None:
    known = build.vocabulary(report.passages)
    speller = Speller({**known, "leger": 1})
    assert meant in known or meant == "leger"
    assert speller.nearest(written) == meant


def test_short_words_numbers_and_far_words_are_not_guessed(speller: Speller) -> None:
    for written in ("sø", "pol", "2025", "ssp'en", "xylofon", "dårekiste"):
        assert speller.nearest(written) is None, written


def test_short_words_may_miss_one_letter_and_long_ones_two() -> None:
    speller = Speller({"skole": 5, "beredskab": 5})
    assert speller.nearest("skoel") == "skole"
    assert speller.nearest("skel") is None, "two letters away"
    assert speller.nearest("bredskap") == "beredskab"
    assert speller.nearest("bretskap") is None, "three letters away"


def test_swapped_first_letters_are_found_but_another_first_letter_is_not() -> None:
    speller = Speller({"kommune": 3})
    assert speller.nearest("okmmune") == "kommune"
    assert speller.nearest("lommune") is None


def edited(word: str, random: np.random.Generator) -> str:
    """The word with a letter less, more, other or in another place, after the first."""
    at = int(random.integers(1, len(word) - 1))
    letter = "abdefgiklmnoprstuv"[random.integers(18)]
    before, here, there, after = word[:at], word[at], word[at + 1], word[at + 2 :]
    ways = [there, f"{here}{letter}{there}", f"{letter}{there}", f"{there}{here}"]
    return f"{before}{ways[random.integers(4)]}{after}"


def test_no_near_word_is_passed_over_for_its_letters(report: Report) -> None:
    """What is found is what a comparison with every word finds."""
    words = build.vocabulary(report.passages)
    known = {word: n for word, n in words.items() if word.isascii() and word.isalpha()}
    speller, random, found = Speller(known), np.random.default_rng(5), 0
    for word in random.choice(sorted(w for w in known if len(w) > 4), 300):
        written = edited(edited(str(word), random), random)
        limit = 1 if len(written) < 8 else 2
        near = [
            (OSA.distance(written, other), -count, other)
            for other, count in known.items()
            if written[0] == other[0] or written[1::-1] == other[:2]
            if not _differ_in_ending(written, other)
        ]
        expected = min((one for one in near if one[0] <= limit), default=(0, 0, None))[2]
        if len(written) >= 4:
            assert speller.nearest(written) == expected, (word, written)
            found += expected is not None
    assert found > 100


def test_of_two_words_as_near_the_more_frequent_is_meant() -> None:
    assert Speller({"hegn": 9, "hegl": 1}).nearest("hegs") == "hegn"
    assert Speller({"hegn": 1, "hegl": 9}).nearest("hegs") == "hegl"


def test_the_speller_knows_its_words_as_they_are_written(speller: Speller) -> None:
    assert speller.knows("hjørring")
    assert not speller.knows("hjoerring")


def test_another_ending_is_not_a_misspelling() -> None:
    speller = Speller({"fald": 3, "ejer": 1})
    assert speller.nearest("faldt") is None
    assert speller.nearest("ejere") is None
    assert speller.nearest("fadl") == "fald"
