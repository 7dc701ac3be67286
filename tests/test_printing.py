"""Tables for the terminal: every figure on its row, every row on its line."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tryghed_search import evaluation, printing, ranking
from tryghed_search.evaluation import Figure, Labelled, Outcome

CELL = r"\d\.\d\d \[(?:1\.0|\.\d\d), (?:1\.0|\.\d\d)\]"


def outcome(kind: str, rank: int | None, *, answerable: bool = True) -> Outcome:
    labelled = Labelled("q", kind, "Hvad?", (), ("svar",) if answerable else (), ())
    return Outcome(labelled, rank, rank == 1, 0.9 if answerable else 0.1, answerable, ())


def topic(rank: int) -> Outcome:
    return Outcome(
        Labelled("t", "topic", "svindel", (), (), ("esbjerg",)), rank, False, 1, True, ()
    )


OUTCOMES = [
    outcome("own-words", 1),
    outcome("own-words", 1),
    outcome("own-words", 2),
    outcome("keyword", None),
    topic(2),
    outcome("near", None, answerable=False),
]


@pytest.fixture
def table() -> dict[str, dict[str, Any]]:
    return evaluation.figures(OUTCOMES)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = [line.rstrip() for line in captured.out.splitlines()]
    assert max(map(len, lines)) <= 120
    return lines


def test_a_table_has_a_row_for_each_kind_with_its_figures(
    table: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    printing.overview({"product": table})
    lines = printed(capsys)
    assert lines[0] == "product"
    heads = ["kind", "questions", "hit@1", "hit@3", "hit@5", "mrr@10", "sentence"]
    assert [line.split() for line in lines if "hit@1" in line] == [heads]
    rows = {words[0]: line for line in lines if (words := line.split()) and words[-1][-1] == "]"}
    assert [len(re.findall(CELL, rows[kind])) for kind in ("all", "own-words", "topic")] == [
        5,
        5,
        4,
    ]
    numbers = [re.findall(r"(\d\.\d\d) \[", rows[kind]) for kind in ("all", "own-words", "topic")]
    assert numbers == [
        ["0.50", "0.75", "0.75", "0.62", "0.50"],
        ["0.67", "1.00", "1.00", "0.83", "0.67"],
        ["0.00", "1.00", "1.00", "0.50"],
    ]
    assert [rows[kind].split()[1] for kind in ("all", "own-words", "topic")] == ["4", "3", "1"]


def test_what_the_last_system_does_without_an_answer_stands_below(
    table: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    other = evaluation.figures([*OUTCOMES, outcome("near", None, answerable=False)])
    printing.overview({"dense": other, "product": table})
    lines = printed(capsys)
    assert [line for line in lines if line in ("dense", "product")] == ["dense", "product"]
    below = lines[max(n for n, line in enumerate(lines) if "own-words" in line) :]
    assert "near questions: 1" in below
    assert "auroc near: 1.00 [1.0, 1.0]" in below
    assert "false answers near: 0.00 [.00, .00]" in below
    assert "near questions: 2" not in lines


def test_every_part_that_is_left_out_has_one_line(
    table: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    wide = {
        name: evaluation.figures([*OUTCOMES[n % 3 :], outcome("follow-up", 1)])
        for n, name in enumerate([*ranking.PARTS_LEFT_OUT, "product"])
    }
    printing.ablation(wide)
    lines = printed(capsys)
    rows = [line for line in lines if re.search(CELL, line)]
    assert [re.split(r"\s{2,}", row.strip())[0] for row in rows] == [
        *ranking.PARTS_LEFT_OUT,
        "nothing",
    ]
    assert [len(re.findall(CELL, row)) for row in rows] == [6] * len(rows)
    heads = " ".join(" ".join(lines[: lines.index(rows[0])]).split())
    for name in ("left out", "hit@1", "mrr@10", "sentence", "topic", "follow-up", "auroc near"):
        assert name in heads


def test_what_was_not_asked_leaves_its_cell_empty(
    table: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "follow-up" not in table
    printing.ablation({"reader questions": table, "product": table})
    rows = [line for line in printed(capsys) if re.search(CELL, line)]
    assert [len(re.findall(CELL, row)) for row in rows] == [5, 5]
    assert rows[0].index("0.62") == rows[1].index("0.62")


@pytest.mark.parametrize(
    ("figure", "cell"),
    [
        (Figure(0.8642, 0.8, 0.9251), "0.86 [.80, .93]"),
        (Figure(1.0, 1.0, 1.0), "1.00 [1.0, 1.0]"),
        (Figure(0.0, 0.0, 0.004), "0.00 [.00, .00]"),
        (Figure(0.996, 0.985, 0.999), "1.00 [.98, 1.0]"),
    ],
)
def test_a_cell_is_short_and_says_the_interval(
    figure: Figure, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printing.overview({"product": {"no-answer": {"refused": figure, "near questions": 7}}})
    lines = printed(capsys)
    assert f"refused: {cell}" in lines
    assert "near questions: 7" in lines
