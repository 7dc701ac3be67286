"""The product on its labelled questions: a floor under the figures that README gives."""

import json
from collections import Counter

import pytest

from tests.conftest import ROOT
from tryghed_search import build, danish, evaluation
from tryghed_search.outline import fold
from tryghed_search.passages import Question, Report
from tryghed_search.ranking import BM25_ALONE, DENSE_ALONE
from tryghed_search.search import Searcher

FOLDER = ROOT / "tests" / "questions"

# A little under what docs/figures.md gives for the test half.
FLOOR = {
    "hit@5": 0.97,
    "mrr@10": 0.89,
    "sentence": 0.72,
    "topic": 0.89,
    "follow-up": 0.86,
    "auroc near": 0.91,
    "refused": 0.08,
    "false near": 0.32,
    "false far": 0.15,
}


@pytest.fixture(scope="module")
def halves() -> dict[str, tuple[evaluation.Labelled, ...]]:
    return {
        half: evaluation.read_questions(FOLDER / f"{half}.jsonl") for half in ("tuning", "test")
    }


@pytest.fixture(scope="module")
def figures(
    searcher: Searcher, halves: dict[str, tuple[evaluation.Labelled, ...]]
) -> dict[str, dict[str, object]]:
    return evaluation.figures(evaluation.run(searcher, halves["test"]))


def _value(row: dict[str, object], name: str) -> float:
    figure = row[name]
    assert isinstance(figure, evaluation.Figure)
    return figure.value


def test_no_question_stands_twice_or_in_both_halves(
    halves: dict[str, tuple[evaluation.Labelled, ...]],
) -> None:
    questions = [(q.question, q.history) for half in halves.values() for q in half]
    ids = [q.id for half in halves.values() for q in half]
    assert max(Counter(questions).values()) == 1
    assert max(Counter(ids).values()) == 1


def test_the_halves_are_parted_by_the_passage_that_answers(
    halves: dict[str, tuple[evaluation.Labelled, ...]], report: Report
) -> None:
    first = {
        half: {
            next(p.id for p in report.passages if fold(q.evidence[0]) in p.text)
            for q in questions
            if q.evidence
        }
        for half, questions in halves.items()
    }
    assert not first["tuning"] & first["test"]


def test_no_labelled_question_is_a_reader_question(
    halves: dict[str, tuple[evaluation.Labelled, ...]], source: build.Source
) -> None:
    given = {
        tuple(danish.words(question))
        for questions in source.reader_questions.values()
        for question in (*(q for q, _ in questions.answered), *questions.unanswered)
    }
    labelled = [q.question for half in halves.values() for q in half if not q.history]
    assert [q for q in labelled if tuple(danish.words(q)) in given] == []


def test_every_suggestion_is_answered_and_finds_its_passage(
    searcher: Searcher, source: build.Source
) -> None:
    first = 0
    for passage, questions in source.reader_questions.items():
        answer = searcher.ask(Question(questions.suggest, limit=2))
        assert answer.status == "answered", questions.suggest
        assert passage in [hit.passage.id for hit in answer.hits], questions.suggest
        first += answer.hits[0].passage.id == passage
    assert first >= 0.9 * len(source.reader_questions)


def test_every_kind_of_question_is_in_both_halves(
    halves: dict[str, tuple[evaluation.Labelled, ...]],
) -> None:
    kinds = {half: Counter(q.kind for q in questions) for half, questions in halves.items()}
    assert kinds["tuning"].keys() == kinds["test"].keys()
    assert all(sum(counted.values()) >= 300 for counted in kinds.values())


def test_the_product_finds_what_is_asked_for(figures: dict[str, dict[str, object]]) -> None:
    assert _value(figures["all"], "hit@5") >= FLOOR["hit@5"]
    assert _value(figures["all"], "mrr@10") >= FLOOR["mrr@10"]
    assert _value(figures["all"], "sentence") >= FLOOR["sentence"]
    assert _value(figures["topic"], "mrr@10") >= FLOOR["topic"]
    assert _value(figures["follow-up"], "mrr@10") >= FLOOR["follow-up"]


def test_the_product_says_no_when_the_report_does_not_say(
    figures: dict[str, dict[str, object]],
) -> None:
    row = figures["no-answer"]
    assert _value(row, "auroc near") >= FLOOR["auroc near"]
    assert _value(row, "refused") <= FLOOR["refused"]
    assert _value(row, "false answers near") <= FLOOR["false near"]
    assert _value(row, "false answers far") <= FLOOR["false far"]


def test_the_product_beats_dense_and_bm25_alone(
    searcher: Searcher,
    figures: dict[str, dict[str, object]],
    halves: dict[str, tuple[evaluation.Labelled, ...]],
) -> None:
    findable = [q for q in halves["test"] if q.evidence and not q.history]
    for alone in (DENSE_ALONE, BM25_ALONE):
        other = evaluation.figures(evaluation.run(searcher.weighing(alone), findable))
        assert _value(figures["all"], "mrr@10") > _value(other["all"], "mrr@10") + 0.1


def test_a_question_file_is_json_lines() -> None:
    for half in ("tuning", "test"):
        for line in (FOLDER / f"{half}.jsonl").read_text(encoding="utf-8").splitlines():
            assert isinstance(json.loads(line), dict)
