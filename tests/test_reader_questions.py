"""Reader questions: what the file may say, where each leads, and what the real report's holds."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPORT
from tryghed_search import build, danish, reader_questions
from tryghed_search.errors import OutlineError
from tryghed_search.outline import fold
from tryghed_search.passages import Passage, Report
from tryghed_search.reader_questions import WHOLE, ReaderQuestions

SMALL_REPORTS = Path(__file__).parent / "small-reports"
PLACE = "somewhere/questions.toml"


@pytest.fixture(scope="module")
def small() -> Report:
    (found,) = build.read_reports(SMALL_REPORTS)
    return found.report


# --- what the file says ---------------------------------------------------------------------------


def test_a_question_leads_to_the_passage_or_to_the_sentence_that_is_quoted(small: Report) -> None:
    toml = (SMALL_REPORTS / "haven" / "questions.toml").read_text(encoding="utf-8")
    found = reader_questions.parse(toml, small, PLACE)
    assert found["haven/drivhus/1"] == ReaderQuestions(
        suggest="Hvad kostede drivhuset i Odense?",
        answered=(
            ("Hvad kostede drivhuset i Odense?", WHOLE),
            ("Hvad bygger man et drivhus af?", WHOLE),
            ("What is the greenhouse made of?", WHOLE),
            ("Var det dyrt at komme i gang?", 1),
            ("penge til drivhus", 1),
            ("Er materialerne nye eller brugte?", 0),
        ),
        unanswered=("Hvor mange tomater fik de i Odense?", "Hvem ejer grunden?"),
    )
    assert set(found) == {"haven/drivhus/1", "haven/baal/1"}


def test_facts_and_unanswered_questions_may_be_left_out(small: Report) -> None:
    found = reader_questions.parse('["baal/1"]\nsuggest = "a"\nquestions = []', small, PLACE)
    assert found == {"haven/baal/1": ReaderQuestions("a", (("a", WHOLE),), ())}
    assert reader_questions.parse("", small, PLACE) == {}


def _with_quotes(passage: Passage, quotes: list[str]) -> str:
    """A file of one passage in which question n is on quote n; TOML takes JSON's texts as its."""
    key = json.dumps(passage.id.split("/", 1)[1])
    facts = "".join(
        f'[[{key}.facts]]\nquote = {json.dumps(quote, ensure_ascii=False)}\nquestions = ["{n}"]\n'
        for n, quote in enumerate(quotes)
    )
    return f'[{key}]\nsuggest = "s"\nquestions = []\n{facts}'


def test_every_sentence_of_the_report_is_found_by_its_own_words(report: Report) -> None:
    """Also by its beginning or end alone, and by a quote that runs on into the next one."""
    for passage in report.passages:
        quotes, wanted = [], []
        for number, (start, end) in enumerate(passage.sentences):
            words = passage.text[start:end].split(" ")
            for quote in (
                passage.text[start:end],
                " ".join(words[: len(words) // 2 + 1]),
                " ".join(words[len(words) // 2 :]),
                passage.text[start : end + 30].strip(),
            ):
                at = passage.text.find(quote)
                if start <= at < end:  # else the words stand earlier in the passage too
                    quotes.append(quote)
                    wanted.append(number)
        toml = _with_quotes(passage, quotes)
        found = reader_questions.parse(toml, report, PLACE)[passage.id].answered[1:]
        assert [int(question) for question, _ in found] == list(range(len(quotes)))
        assert [sentence for _, sentence in found] == wanted, passage.id
        assert len(set(wanted)) >= len(passage.sentences) - 1


# --- slips ----------------------------------------------------------------------------------------

GOOD = 'suggest = "a"\nquestions = ["b"]\n'
FACT = '[["drivhus/1".facts]]\n'


@pytest.mark.parametrize(
    ("toml", "says", "to_do"),
    [
        ('["drivhus/1"\n', "is not valid TOML: ", "Correct it and ingest again."),
        (f'["drivhus/9"]\n{GOOD}', "there is no passage 'drivhus/9'", "correct the name."),
        (f'["haven/drivhus/1"]\n{GOOD}', "no passage 'haven/drivhus/1'", "correct the name."),
        ('["drivhus/1"]\nquestions = ["b"]', "'drivhus/1'", "needs 'suggest', a text"),
        ('["drivhus/1"]\nsuggest = " "\nquestions = []', "'drivhus/1'", "needs 'suggest', a text"),
        ('["drivhus/1"]\nsuggest = 1\nquestions = []', "'drivhus/1'", "needs 'suggest', a text"),
        ('["drivhus/1"]\nsuggest = "a"', "'drivhus/1'", "'questions', a list of texts"),
        ('["drivhus/1"]\nsuggest = "a"\nquestions = [""]', "'drivhus/1'", "a list of texts"),
        ('["drivhus/1"]\nsuggest = "a"\nquestions = [" \\t"]', "'drivhus/1'", "a list of texts"),
        ('["drivhus/1"]\nsuggest = "a"\nquestions = "b"', "'drivhus/1'", "a list of texts"),
        ('"drivhus/1" = 7', "'drivhus/1'", "needs 'suggest', a text"),
        (f'["drivhus/1"]\n{GOOD}unanswered = "c"', "'drivhus/1'", "'unanswered' must be a list"),
        (f'["drivhus/1"]\n{GOOD}unanswered = [""]', "'drivhus/1'", "'unanswered' must be a list"),
        (f'["drivhus/1"]\n{GOOD}unanswered = [2]', "'drivhus/1'", "'unanswered' must be a list"),
        (f'["drivhus/1"]\n{GOOD}facts = "c"', "'drivhus/1'", "'facts' must be a list of tables"),
        (f'["drivhus/1"]\n{GOOD}facts = {{}}', "'drivhus/1'", "'facts' must be a list of tables"),
        (f'["drivhus/1"]\n{GOOD}facts = ["c"]', "'drivhus/1'", "of 'facts' needs 'quote', a text"),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}questions = ["c"]',
            "'drivhus/1'",
            "each of 'facts' needs 'quote', a text, and 'questions', a list of texts.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}quote = "I Odense"',
            "'drivhus/1'",
            "each of 'facts' needs 'quote', a text, and 'questions', a list of texts.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}quote = "I Odense"\nquestions = "c"',
            "'drivhus/1'",
            "each of 'facts' needs 'quote', a text, and 'questions', a list of texts.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}quote = " ** "\nquestions = ["c"]',
            "'drivhus/1'",
            "each of 'facts' needs 'quote', a text, and 'questions', a list of texts.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}quote = "ca. 5.000 kr."\nquestions = ["c"]',
            "'drivhus/1': the passage does not say 'ca. 5.000 kr.'",
            "copy the quote from its text.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}unanswerd = ["c"]',
            "'drivhus/1' has an unknown key 'unanswerd'",
            "known are suggest, questions, facts, unanswered.",
        ),
        (
            f'["drivhus/1"]\n{GOOD}{FACT}quote = "I Odense"\nquestions = ["c"]\npage = 3',
            "'drivhus/1': one of 'facts' has an unknown key 'page'",
            "known are quote, questions.",
        ),
    ],
)
def test_a_slip_is_one_line_with_file_passage_and_what_to_do(
    small: Report, toml: str, says: str, to_do: str
) -> None:
    with pytest.raises(OutlineError) as caught:
        reader_questions.parse(toml, small, PLACE)
    message = str(caught.value)
    assert message.startswith(PLACE)
    assert "\n" not in message
    assert says in message
    assert to_do in message.removeprefix(PLACE)


def test_what_only_another_passage_says_is_refused_as_a_quote(small: Report) -> None:
    quote = "Børnene bager snobrød"
    assert [p.id for p in small.passages if quote in p.text] == ["haven/baal/1"]
    toml = f'["{{}}"]\n{GOOD}[["{{}}".facts]]\nquote = "{quote}"\nquestions = ["c"]'
    found = reader_questions.parse(toml.replace("{}", "baal/1"), small, PLACE)
    assert found["haven/baal/1"].answered[-1] == ("c", 2)
    with pytest.raises(OutlineError, match="the passage does not say 'Børnene bager snobrød'"):
        reader_questions.parse(toml.replace("{}", "drivhus/1"), small, PLACE)


# --- the real report's ----------------------------------------------------------------------------


def all_questions(source: build.Source) -> Iterator[str]:
    for given in source.reader_questions.values():
        yield from (question for question, _ in given.answered)
        yield from given.unanswered


def test_every_passage_of_the_report_has_reader_questions_of_all_three_kinds(
    source: build.Source,
) -> None:
    assert set(source.reader_questions) == {passage.id for passage in source.report.passages}
    for passage, given in source.reader_questions.items():
        sentences = [sentence for _, sentence in given.answered]
        assert sentences.count(WHOLE) >= 2, f"{passage} lacks questions on the whole"
        assert max(sentences) > WHOLE, f"{passage} lacks facts"
        assert given.unanswered, f"{passage} lacks unanswered questions"


def test_every_quote_of_the_reports_facts_is_said_by_the_sentence_it_leads_to(
    source: build.Source,
) -> None:
    toml = tomllib.loads((REPORT / "questions.toml").read_text(encoding="utf-8"))
    facts = 0
    for passage in source.report.passages:
        leads = dict(source.reader_questions[passage.id].answered)
        for fact in toml[passage.id.split("/", 1)[1]]["facts"]:
            quote = fold(fact["quote"])
            assert quote in passage.text, f"{passage.id}: {quote}"
            assert fact["questions"], f"{passage.id}: {quote}"
            for question in fact["questions"]:
                start, end = passage.sentences[leads[question]]
                assert leads[question] != WHOLE, question
                assert start <= passage.text.index(quote) < end, question
            facts += 1
    assert facts >= len(source.report.passages)


def test_a_question_that_is_shown_is_short_and_ends_as_one(source: build.Source) -> None:
    for given in source.reader_questions.values():
        assert len(given.suggest) <= 80, given.suggest
        assert given.suggest.endswith("?")


def test_no_reader_question_stands_twice_or_as_answered_and_unanswered(
    source: build.Source,
) -> None:
    asked = Counter(" ".join(danish.words(question)) for question in all_questions(source))
    assert [question for question, count in asked.items() if count > 1] == []
    assert len(asked) > 5 * len(source.report.passages)
    assert "" not in asked
