"""Labelled questions: how they are read, run and counted; every figure against a hand count."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tryghed_search import evaluation
from tryghed_search.errors import QuestionsError
from tryghed_search.evaluation import Figure, Labelled, Outcome
from tryghed_search.outline import fold
from tryghed_search.passages import Filters, Question, Report
from tryghed_search.search import Searcher

FILES = sorted((Path(__file__).parent / "questions").glob("*.jsonl"))
INDBRUD = "der reducerede indbrud med 83%"


def _labelled(kind: str, *, answerable: bool = True, history: tuple[str, ...] = ()) -> Labelled:
    return Labelled("q", kind, "Hvad?", history, ("svar",) if answerable else (), ())


def _outcome(
    rank: int | None, kind: str = "own-words", *, sentence: bool = False, answered: bool = True
) -> Outcome:
    return Outcome(_labelled(kind), rank, sentence, 0.9, answered, ())


def _refusable(confidence: float, kind: str, *, answered: bool) -> Outcome:
    labelled = _labelled(kind, answerable=False)
    return Outcome(labelled, None, False, confidence, answered, ())


# --- reading --------------------------------------------------------------------------------------


def _written(folder: Path, *lines: str) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_question_is_read_with_its_history_and_labels(tmp_path: Path) -> None:
    line = {
        "id": "h1",
        "kind": "follow-up",
        "lang": "da",
        "question": "Hvad lærte de?",
        "history": ["Hvad gør Hjørring?"],
        "evidence": ["kort vej", "83%"],
    }
    topic = {"id": "t1", "kind": "topic", "question": "svindel", "sections": ["esbjerg"]}
    unanswerable = {"id": "u1", "kind": "far", "question": "Hvad koster mælk?"}
    path = _written(tmp_path, json.dumps(line), "", json.dumps(topic), json.dumps(unanswerable))
    read = evaluation.read_questions(path)
    assert read == (
        Labelled(
            "h1", "follow-up", "Hvad lærte de?", ("Hvad gør Hjørring?",), ("kort vej", "83%"), ()
        ),
        Labelled("t1", "topic", "svindel", (), (), ("esbjerg",)),
        Labelled("u1", "far", "Hvad koster mælk?", (), (), ()),
    )
    assert [labelled.answerable for labelled in read] == [True, True, False]


def test_a_line_separator_inside_a_question_does_not_end_its_line(tmp_path: Path) -> None:
    question = "Hvad\u2028gør\x85de?"
    line = json.dumps({"id": "a", "kind": "far", "question": question}, ensure_ascii=False)
    assert evaluation.read_questions(_written(tmp_path, line))[0].question == question


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{not json", "not valid JSON"),
        ('["a", "b"]', "must be a JSON object"),
        ('{"id": "a", "kind": "far"}', "'question'"),
        ('{"id": "a", "kind": "far", "question": "  "}', "'question'"),
        ('{"id": 7, "kind": "far", "question": "Hvad?"}', "'id'"),
        ('{"id": "a", "question": "Hvad?"}', "'kind'"),
        ('{"id": "a", "kind": "far", "question": "Hvad?", "evidence": "svar"}', "'evidence'"),
        ('{"id": "a", "kind": "far", "question": "Hvad?", "evidence": [""]}', "'evidence'"),
        ('{"id": "a", "kind": "far", "question": "Hvad?", "history": [1]}', "'history'"),
        ('{"id": "a", "kind": "far", "question": "Hvad?", "sections": {}}', "'sections'"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong_with_it(
    tmp_path: Path, line: str, told: str
) -> None:
    good = '{"id": "a", "kind": "far", "question": "Hvad?"}'
    path = _written(tmp_path, good, "", line)
    with pytest.raises(QuestionsError) as raised:
        evaluation.read_questions(path)
    assert f"{path}, line 3" in str(raised.value)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_empty_or_no_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match=r"none\.jsonl cannot be read: No such file"):
        evaluation.read_questions(tmp_path / "none.jsonl")
    with pytest.raises(QuestionsError, match="holds no questions"):
        evaluation.read_questions(_written(tmp_path, "", "  "))
    (tmp_path / "latin.jsonl").write_bytes('{"id": "å"}'.encode("latin-1"))
    with pytest.raises(QuestionsError, match=r"latin\.jsonl is not UTF-8 \(byte 8\)"):
        evaluation.read_questions(tmp_path / "latin.jsonl")


# --- the labelled questions of this project -------------------------------------------------------


def test_there_are_enough_labelled_questions_of_every_kind_that_was_asked_for() -> None:
    read = [labelled for path in FILES for labelled in evaluation.read_questions(path)]
    assert len(read) >= 120
    kinds = {labelled.kind for labelled in read}
    assert kinds >= {"own-words", "keyword", "misspelt", "english", "topic", "follow-up", "near"}
    assert "far" in kinds


def test_every_label_can_be_found_in_the_report(report: Report) -> None:
    slugs = {section.slug for section in report.sections}
    for path in FILES:
        for labelled in evaluation.read_questions(path):
            assert set(labelled.sections) <= slugs, labelled.id
            for snippet in labelled.evidence:
                held = [p.id for p in report.passages if fold(snippet) in p.text]
                assert held, f"{labelled.id}: {snippet}"
            if labelled.kind in {"near", "far"}:
                assert not labelled.answerable, labelled.id
            if labelled.kind == "follow-up":
                assert labelled.history, labelled.id


# --- running --------------------------------------------------------------------------------------


def test_the_rank_is_that_of_the_first_passage_that_holds_the_evidence(
    searcher: Searcher,
) -> None:
    text = "Hvor meget faldt antallet af indbrud i Hjørring?"
    hits = searcher.ask(Question(text, limit=20)).hits
    second = hits[1].passage
    labelled = (
        Labelled("first", "own-words", text, (), (INDBRUD,), ()),
        Labelled("second", "own-words", text, (), (second.text[:60],), ()),
        Labelled("either", "own-words", text, (), (second.text[:60], INDBRUD), ()),
    )
    told: list[None] = []
    outcomes = evaluation.run(searcher, labelled, lambda: told.append(None))
    assert INDBRUD in hits[0].passage.text
    assert [outcome.rank for outcome in outcomes] == [1, 2, 1]
    assert [outcome.sentence_right for outcome in outcomes] == [True, False, True]
    assert [outcome.answered for outcome in outcomes] == [True, True, True]
    assert outcomes[0].found == tuple(hit.passage.id for hit in hits[:3])
    assert len(told) == 3


def test_a_topic_is_looked_for_among_whole_sections(searcher: Searcher) -> None:
    text = "digital svindel"
    ranked = [hit.section.slug for hit in searcher.sections(text, Filters())]
    labelled = Labelled("t", "topic", text, (), (), (ranked[2], ranked[4]))
    (outcome,) = evaluation.run(searcher, [labelled])
    assert outcome.rank == 3
    assert outcome.found == tuple(ranked[:3])
    assert ranked[0] == "esbjerg"


def test_a_label_that_no_report_holds_stops_the_run(searcher: Searcher) -> None:
    evidence = Labelled("e7", "own-words", "Hvad?", (), ("Det står ingen steder",), ())
    with pytest.raises(QuestionsError, match="e7: no passage holds the evidence"):
        evaluation.run(searcher, [evidence])
    section = Labelled("t7", "topic", "Hvad?", (), (), ("viborg",))
    with pytest.raises(QuestionsError, match="t7: there is no section 'viborg'"):
        evaluation.run(searcher, [section])


# --- counting -------------------------------------------------------------------------------------


def test_the_reciprocal_rank_ends_after_ten() -> None:
    ranks = (1, 2, 4, 10, 11, None)
    found = [_outcome(rank).reciprocal for rank in ranks]
    assert found == [1.0, 0.5, 0.25, 0.1, 0.0, 0.0]


def test_hits_and_reciprocal_ranks_are_those_counted_by_hand() -> None:
    outcomes = [
        _outcome(1, sentence=True),
        _outcome(2, sentence=True),
        _outcome(4, "keyword"),
        _outcome(None, "keyword", answered=False),
    ]
    table = evaluation.figures(outcomes)
    assert table["all"]["questions"] == 4
    values = {key: f.value for key, f in table["all"].items() if isinstance(f, Figure)}
    assert values == {
        "hit@1": 0.25,
        "hit@3": 0.5,
        "hit@5": 0.75,
        "mrr@10": 0.4375,  # (1 + 1/2 + 1/4 + 0) / 4
        "sentence": 0.5,
    }
    assert table["own-words"]["hit@1"].value == 0.5
    assert table["keyword"]["mrr@10"].value == 0.125
    assert table["no-answer"]["refused"].value == 0.25


def test_follow_ups_and_topics_stand_for_themselves_and_not_among_all() -> None:
    follow_up = Outcome(_labelled("follow-up", history=("Før?",)), 1, True, 0.9, True, ())
    topic = Outcome(Labelled("t", "topic", "Emne", (), (), ("x",)), 2, False, 1.0, True, ())
    table = evaluation.figures([_outcome(None), follow_up, topic])
    assert table["all"]["questions"] == 1
    assert table["all"]["hit@5"].value == 0.0
    assert table["follow-up"]["hit@1"].value == 1.0
    assert table["topic"]["mrr@10"].value == 0.5
    assert "sentence" not in table["topic"], "a topic is answered by a section, not by a sentence"


def test_false_answers_are_counted_for_near_and_far_questions_apart() -> None:
    outcomes = [
        _outcome(1),  # confidence 0.9
        _refusable(0.95, "near", answered=True),
        _refusable(0.2, "near", answered=False),
        _refusable(0.1, "far", answered=False),
        _refusable(0.0, "far", answered=False),
    ]
    row = evaluation.figures(outcomes)["no-answer"]
    assert (row["near questions"], row["far questions"]) == (2, 2)
    assert row["auroc near"].value == 0.5
    assert row["auroc far"].value == 1.0
    assert row["false answers near"].value == 0.5
    assert row["false answers far"].value == 0.0
    assert row["refused"].value == 0.0


def test_the_area_under_the_curve_counts_pairs_and_ties_half() -> None:
    # 0.9 beats both, 0.5 ties one and beats the other: 3.5 of 4 pairs.
    assert evaluation.auroc([0.9, 0.5], [0.5, 0.1]).value == 0.875
    assert evaluation.auroc([1.0, 0.8], [0.3, 0.2]) == Figure(1.0, 1.0, 1.0)
    assert evaluation.auroc([0.1], [0.2]).value == 0.0


def test_the_interval_is_the_95_percent_one() -> None:
    figure = evaluation.mean([1.0] * 200 + [0.0] * 200)
    # The mean of 400 coins has a standard error of 0.5 / 20.
    reach = 1.96 * 0.5 / math.sqrt(400)
    assert figure.value == 0.5
    assert figure.low == pytest.approx(0.5 - reach, abs=0.006)
    assert figure.high == pytest.approx(0.5 + reach, abs=0.006)


def test_figures_are_the_same_every_time_and_certain_ones_have_no_spread() -> None:
    values = [0.0, 1.0, 1.0, 0.5, 0.25]
    assert evaluation.mean(values) == evaluation.mean(values)
    assert evaluation.auroc([0.3, 0.9], [0.4]) == evaluation.auroc([0.3, 0.9], [0.4])
    assert evaluation.mean([1.0, 1.0, 1.0]) == Figure(1.0, 1.0, 1.0)
    assert evaluation.mean([]) == Figure(0.0, 0.0, 0.0)


def test_figures_become_plain_json() -> None:
    table = {"all": {"questions": 2, "hit@1": Figure(0.5, 0.1, 0.9)}}
    assert evaluation.as_json(table) == {"all": {"questions": 2, "hit@1": [0.5, 0.1, 0.9]}}
    assert json.loads(json.dumps(evaluation.as_json(table))) == evaluation.as_json(table)
