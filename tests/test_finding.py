"""Words of a reader in the report's text, and the pages that the text refers to."""

import pytest

from tryghed_search import finding
from tryghed_search.passages import Report


def found(words: str, *texts: str) -> list[str]:
    """What is found in the first of the texts when all of them are looked through."""
    pattern = finding.chosen(finding.finder(words), texts)
    return [texts[0][start:end] for start, end in finding.finds(pattern, texts[0])]


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        ("svindel", "Svindel og digitalsvindel", ["Svindel", "svindel"]),
        ("tryg  ramme", "en tryg ramme", ["tryg ramme"]),
        ("det gode'", "'Det gode’ naboskab", ["Det gode’"]),
        ("83 %", "83 % af dem", ["83 %"]),
        ("c++ (x)", "c++ (x) og c", ["c++ (x)"]),
        ("20-30", "20–30 unge", ["20–30"]),
    ],
)
def test_words_are_found_as_they_are_written(words: str, text: str, expected: list[str]) -> None:
    assert found(words, text) == expected


def test_danish_letters_are_letters() -> None:
    assert found("band", "bånd") == []
    assert found("rod", "rød") == []
    assert found("bånd", "band") == []


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        ("laering", "en læring", ["læring"]),
        ("Aabenhed", "åbenhed", ["åbenhed"]),
        ("arbejdsgange", "effektive arbejds gange", ["arbejds gange"]),
        ("prepper-middag", "en Prepper- middag", ["Prepper- middag"]),
        ("preppermiddag", "en prepper-middag", ["prepper-middag"]),
        ("prepper middag", "en prepper-middag", ["prepper-middag"]),
    ],
)
def test_what_is_not_there_as_written_is_found_spelt_or_broken_otherwise(
    words: str, text: str, expected: list[str]
) -> None:
    assert found(words, text) == expected
    assert found(words, text, f"også {words}") == []


def test_short_words_are_not_pieced_together_from_others() -> None:
    assert found("ener", "den er") == []


@pytest.mark.parametrize("words", ["", " ", "x", "x" * 101, "\u2028"])
def test_too_little_or_too_much_is_not_looked_for(words: str) -> None:
    assert finding.finder(words) is None
    assert found(words, "x" * 200) == []


@pytest.mark.parametrize("words", ["--", "- -", "''", "[a", "\\", "(?i)"])
def test_no_find_is_empty(words: str) -> None:
    assert all(found(words, "en [a \\ (?i) -- tekst"))


def test_every_page_that_the_report_refers_to_is_a_link_to_what_is_meant(report: Report) -> None:
    found = {
        (passage.text[slice(*span)], anchor)
        for passage in report.passages
        for span, anchor in finding.references(passage.text, report.sections)
    }
    assert found == {
        ("side 8", "gentofte"),  # a slip of the report's: page 8 only opens the chapter
        ("side 10", "aalborg"),
        ("side 11", "hjoerring"),
        ("side 13", "albertslund"),
        ("side 14", "esbjerg"),
        ("side 17", "faste-partnerskaber"),
        ("side 20", "facilitator"),
        ("side 21", "stabsfunktion"),
        ("side 22", "stedsbaseret"),
    }


def test_a_page_that_no_section_is_on_is_no_link(report: Report) -> None:
    assert list(finding.references("se side 99 og side 1.000", report.sections)) == []
