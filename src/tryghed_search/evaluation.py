"""Retrieval and no-answer figures on labelled questions.

A question file is JSON lines. Every line has ``id``, ``kind`` and ``question``, may have
``history`` and ``lang``, and says what is right in one of three ways: ``evidence``, verbatim
snippets of which the right passage holds one, so that labels survive another way of cutting;
``sections``, slugs of whole sections that answer a topic; or neither, for a question that the
report does not answer (kinds ``near`` and ``far``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search.errors import QuestionsError
from tryghed_search.outline import fold
from tryghed_search.passages import Filters, Question

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.ranking import Weights
    from tryghed_search.search import Searcher

DEPTH = 20
"""Passages asked for per question; MRR looks at the first ten."""
_RESAMPLES = 1000
_SEED = 7


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question with what is right for it."""

    id: str
    kind: str
    question: str
    history: tuple[str, ...]
    evidence: tuple[str, ...]
    sections: tuple[str, ...]

    @property
    def answerable(self) -> bool:
        """Whether the reports answer it."""
        return bool(self.evidence or self.sections)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the searcher did with one question."""

    labelled: Labelled
    rank: int | None
    """Of the first right passage or section, from 1; None if it was not among the first."""
    sentence_right: bool
    confidence: float
    answered: bool
    found: tuple[str, ...]
    """Ids of the first passages or sections."""

    @property
    def reciprocal(self) -> float:
        """1 / rank within the first ten, else 0."""
        return 1.0 / self.rank if self.rank is not None and self.rank <= 10 else 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over questions with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def read_questions(path: Path) -> tuple[Labelled, ...]:
    """Read a question file; ``QuestionsError`` names the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise QuestionsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise QuestionsError(
            f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8."
        ) from None
    found = [
        _labelled(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip()
    ]
    if not found:
        raise QuestionsError(f"{path} holds no questions: one JSON object a line.")
    return tuple(found)


def _labelled(line: str, place: str) -> Labelled:
    try:
        data = json.loads(line)
    except ValueError:
        raise QuestionsError(f"{place} is not valid JSON.") from None
    if not isinstance(data, dict):
        raise QuestionsError(f"{place} must be a JSON object.")
    for key in ("id", "kind", "question"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise QuestionsError(f"{place} needs {key!r} as a text.")
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("history", "evidence", "sections"):
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise QuestionsError(f"{place}: {key!r} must be a list of texts.")
        lists[key] = tuple(value)
    return Labelled(id=data["id"], kind=data["kind"], question=data["question"], **lists)


def run(
    searcher: Searcher,
    questions: Sequence[Labelled],
    progress: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Ask every question; ``QuestionsError`` for evidence or a section that no report holds."""
    texts = [p.text for report in searcher.reports for p in report.passages]
    slugs = {section.slug for report in searcher.reports for section in report.sections}
    outcomes = []
    for labelled in questions:
        for snippet in labelled.evidence:
            if not any(fold(snippet) in text for text in texts):
                raise QuestionsError(f"{labelled.id}: no passage holds the evidence {snippet!r}.")
        for slug in labelled.sections:
            if slug not in slugs:
                raise QuestionsError(f"{labelled.id}: there is no section {slug!r}.")
        outcomes.append(
            _topic(searcher, labelled) if labelled.sections else _ask(searcher, labelled)
        )
        if progress is not None:
            progress()
    return outcomes


def compare(
    searcher: Searcher,
    questions: Sequence[Labelled],
    systems: Mapping[str, Weights],
    progress: Callable[[int, int], None],
) -> tuple[dict[str, dict[str, dict[str, Any]]], list[Outcome]]:
    """The figures of systems that weigh the scores otherwise, and the last one's outcomes.

    ``progress`` is told how many questions are asked of how many.
    """
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    outcomes: list[Outcome] = []
    done, total = 0, len(questions) * len(systems)

    def one_more() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for name, weights in systems.items():
        outcomes = run(searcher.weighing(weights), questions, one_more)
        tables[name] = figures(outcomes)
    return tables, outcomes


def _ask(searcher: Searcher, labelled: Labelled) -> Outcome:
    answer = searcher.ask(Question(labelled.question, labelled.history, DEPTH))
    snippets = [fold(snippet) for snippet in labelled.evidence]
    rank = next(
        (h.rank for h in answer.hits if any(snippet in h.passage.text for snippet in snippets)),
        None,
    )
    chosen = ""
    if answer.hits and answer.hits[0].highlights:
        start, end = answer.hits[0].highlights[0]
        chosen = answer.hits[0].passage.text[start:end]
    return Outcome(
        labelled=labelled,
        rank=rank,
        sentence_right=any(
            snippet in chosen or chosen in snippet for snippet in snippets if chosen
        ),
        confidence=answer.confidence,
        answered=answer.status == "answered",
        found=tuple(hit.passage.id for hit in answer.hits[:3]),
    )


def _topic(searcher: Searcher, labelled: Labelled) -> Outcome:
    hits = searcher.sections(labelled.question, Filters())
    slugs = [hit.section.slug for hit in hits]
    rank = next((n for n, slug in enumerate(slugs, 1) if slug in labelled.sections), None)
    return Outcome(labelled, rank, False, 1.0, True, tuple(slugs[:3]))


# --- figures --------------------------------------------------------------------------------------


def figures(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Every figure per kind of question, ``all`` for those found in passages, ``no-answer``."""
    asked = [o for o in outcomes if o.labelled.evidence]
    kinds = dict.fromkeys(o.labelled.kind for o in outcomes if o.labelled.answerable)
    table: dict[str, dict[str, Any]] = {}
    alone = [o for o in asked if not o.labelled.history]
    for name, group in (
        ("all", alone),
        *((kind, [o for o in outcomes if o.labelled.kind == kind]) for kind in kinds),
    ):
        if group:
            table[name] = _retrieval(group)
    table["no-answer"] = _no_answer(alone, outcomes)
    return table


def _retrieval(group: Sequence[Outcome]) -> dict[str, Any]:
    measures: dict[str, Any] = {"questions": len(group)}
    for depth in (1, 3, 5):
        hit = [o.rank is not None and o.rank <= depth for o in group]
        measures[f"hit@{depth}"] = mean(hit)
    measures["mrr@10"] = mean([o.reciprocal for o in group])
    if group[0].labelled.evidence:
        measures["sentence"] = mean([o.sentence_right for o in group])
    return measures


def _no_answer(alone: Sequence[Outcome], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    right = [o.confidence for o in alone]
    if right:
        measures["refused"] = mean([not o.answered for o in alone])
    for kind in ("near", "far"):
        group = [o for o in outcomes if o.labelled.kind == kind and not o.labelled.answerable]
        if group and right:
            measures[f"{kind} questions"] = len(group)
            measures[f"auroc {kind}"] = auroc(right, [o.confidence for o in group])
            measures[f"false answers {kind}"] = mean([o.answered for o in group])
    return measures


def mean(values: Iterable[float]) -> Figure:
    """The mean with its 95 % interval from resampled questions (percentile bootstrap)."""
    array = np.asarray(list(values), dtype=np.float64)
    if not len(array):
        return Figure(0.0, 0.0, 0.0)
    picks = np.random.default_rng(_SEED).integers(0, len(array), (_RESAMPLES, len(array)))
    return _interval(float(array.mean()), array[picks].mean(axis=1))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> Figure:
    """The chance that a positive scores above a negative, ties half (Mann-Whitney)."""
    above, below = np.asarray(positive), np.asarray(negative)
    generator = np.random.default_rng(_SEED)
    wins = (above[:, None] > below[None, :]) + 0.5 * (above[:, None] == below[None, :])
    resampled = np.empty(_RESAMPLES)
    for n in range(_RESAMPLES):
        rows = generator.integers(0, len(above), len(above))
        columns = generator.integers(0, len(below), len(below))
        resampled[n] = wins[np.ix_(rows, columns)].mean()
    return _interval(float(wins.mean()), resampled)


def _interval(value: float, resampled: npt.NDArray[np.float64]) -> Figure:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Figure(round(value, 4), round(float(low), 4), round(float(high), 4))


def as_json(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The figures as plain JSON values: ``[value, low, high]`` for each with an interval."""
    return {
        name: {
            key: [value.value, value.low, value.high] if isinstance(value, Figure) else value
            for key, value in row.items()
        }
        for name, row in table.items()
    }
