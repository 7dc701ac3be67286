"""The report as a page to read: what is set where, without the page around it."""

from collections.abc import Iterator

import pytest

from tryghed_search import pages, quoting, reading
from tryghed_search.passages import Report
from tryghed_search.views import Site


@pytest.fixture
def site() -> Site:
    return Site("", "da", pages.words("da"))


def text_of(line: reading.Line) -> str:
    return "".join(part if isinstance(part, str) else text_of(part.inside) for part in line)


def wrapped(line: reading.Line) -> Iterator[reading.Wrapped]:
    """Every wrapped stretch of a line, each before those inside it."""
    for part in line:
        if isinstance(part, reading.Wrapped):
            yield part
            yield from wrapped(part.inside)


def every(chapters: tuple[reading.Chapter, ...], wrap: str) -> list[reading.Wrapped]:
    """Every stretch of that kind in the page's order."""
    lines = [
        line
        for chapter in chapters
        for line in (
            chapter.title,
            *(line for _, parts in chapter.passages for part in parts for line in part.lines),
        )
    ]
    return [part for line in lines for part in wrapped(line) if part.wrap == wrap]


@pytest.mark.parametrize("words", ["", "kommune", "side 1", "læringer i kommunen"])
def test_every_word_of_the_report_is_set_once_whatever_is_looked_for(
    site: Site, report: Report, words: str
) -> None:
    chapters, _ = reading.body(site, report, ("hjoerring-laeringer-1", (80, 181)), words)
    for section, chapter in zip(report.sections, chapters, strict=True):
        assert text_of(chapter.title) == section.title
        passages = [p for p in report.passages if p.section == section.slug]
        for passage, (_, parts) in zip(passages, chapter.passages, strict=True):
            lines = [text_of(line) for part in parts for line in part.lines]
            expected = [
                "".join(run.text for run in line)
                for part in quoting.set_below(section, passage, ())
                for line in part.lines
            ]
            assert lines == expected


def test_finds_are_numbered_through_the_page_and_counted(site: Site, report: Report) -> None:
    chapters, findings = reading.body(site, report, words="svindel")
    assert findings is not None
    found = every(chapters, "found")
    assert [find.number for find in found] == list(range(1, findings.total + 1))
    assert {text_of(find.inside).lower() for find in found} == {"svindel"}
    assert findings.summary == f"»svindel« står {findings.total} steder."
    assert sum(section.times for section in findings.sections) == findings.total
    assert "Esbjerg – Digital svindel, s. 14" in {s.link.text for s in findings.sections}


def test_a_find_inside_the_marked_sentence_is_both(site: Site, report: Report) -> None:
    chapters, _ = reading.body(site, report, ("hjoerring-laeringer-1", (80, 181)), "indbrud med")
    (mark,) = every(chapters, "mark")
    (find,) = wrapped(mark.inside)
    assert (find.wrap, text_of(find.inside)) == ("found", "indbrud med")


def test_a_find_across_the_edge_of_a_mark_is_one_find(site: Site, report: Report) -> None:
    passage = next(p for p in report.passages if p.anchor == "hjoerring-laeringer-1")
    words = "83%. Ambitionen"
    edge = passage.text.index(words) + len("83%.")
    chapters, findings = reading.body(site, report, (passage.anchor, (0, edge)), words)
    assert findings is not None
    assert findings.total == 1
    found = [(text_of(find.inside), find.number) for find in every(chapters, "found")]
    assert found == [("83%.", 1), (" Ambitionen", None)]


def test_a_reference_is_one_link_inside_one_mark_also_where_its_words_are_found(
    site: Site, report: Report
) -> None:
    passage = next(p for p in report.passages if "(side 22)" in p.text)
    sentence = next(s for s in passage.sentences if "(side 22)" in passage.text[slice(*s)])
    chapters, _ = reading.body(site, report, (passage.anchor, sentence), "side")
    (mark,) = every(chapters, "mark")
    link, find = wrapped(mark.inside)
    assert (text_of(link.inside), link.href) == ("side 22", "#stedsbaseret")
    assert link.inside == (find, " 22")


@pytest.mark.parametrize(
    ("words", "summary"),
    [
        ("Viborg", "»Viborg« står ikke i rapporten."),
        ("skærmbesøg som supplement", None),
        ("x", "Skriv mellem 2 og 100 tegn."),
        ("x" * 101, "Skriv mellem 2 og 100 tegn."),
    ],
)
def test_what_is_not_found_can_be_asked(
    site: Site, report: Report, words: str, summary: str | None
) -> None:
    _, findings = reading.body(site, report, words=words)
    assert findings is not None
    if summary:
        assert (findings.summary, findings.total, findings.sections) == (summary, 0, ())
    assert findings.ask.href.startswith("/?q=")


def test_nothing_is_said_of_a_search_that_there_was_none_of(site: Site, report: Report) -> None:
    assert reading.body(site, report)[1] is None
    assert reading.body(site, report, words="  ")[1] is None
