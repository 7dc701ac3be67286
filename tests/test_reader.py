"""The reader on the real report: what it says of a passage, and what it does not look at."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tryghed_search import build, bundled, store
from tryghed_search.embedding import Encoder
from tryghed_search.passages import Passage
from tryghed_search.reader import WEIGHTS, Judgement, TrainedReader
from tryghed_search.reader_questions import WHOLE, ReaderQuestions
from tryghed_search.tokens import LateInteraction

LIMIT = 320
"""Tokens of a passage that it reads."""


class Real:
    """The real report's passages and reader questions as the searcher gives them to the reader."""

    def __init__(self, contents: store.Contents, encoder: Encoder, source: build.Source) -> None:
        self.late = LateInteraction(contents.tokens)
        self.passages: tuple[Passage, ...] = tuple(contents.passages)
        self.given: list[ReaderQuestions] = [source.reader_questions[p.id] for p in self.passages]
        self._encoder = encoder

    def questions(self, texts: list[str]) -> list[np.ndarray]:
        return [self.late.centred(encoded) for encoded in self._encoder.encode_questions(texts)]

    def passage(self, number: int) -> np.ndarray:
        return self.late.vectors_of(number)

    def foreign(self, number: int) -> int:
        """A passage of quite another part of the report."""
        return (number + len(self.passages) // 2) % len(self.passages)


@pytest.fixture(scope="module")
def real(index_folder: Path, encoder: Encoder, source: build.Source) -> Real:
    return Real(store.load(index_folder, encoder.identity)[1], encoder, source)


@pytest.fixture(scope="module")
def reader() -> TrainedReader:
    return TrainedReader()


@pytest.fixture(scope="module")
def question(real: Real) -> np.ndarray:
    return real.questions(["Hvor meget faldt antallet af indbrud i Hjørring?"])[0]


def judged_by(
    reader: TrainedReader, question: np.ndarray, passages: list[np.ndarray]
) -> list[Judgement]:
    return reader.judge(question, [reader.prepared(passage) for passage in passages])


def assert_alike(one: Judgement, other: Judgement) -> None:
    assert one.logit == pytest.approx(other.logit, abs=1e-4)
    assert one.tokens.dtype == other.tokens.dtype == np.float32
    assert np.allclose(one.tokens, other.tokens, atol=1e-4)


# --- what it says ---------------------------------------------------------------------------------


def test_a_question_is_answered_more_clearly_by_its_own_passage_than_by_a_foreign_one(
    real: Real, reader: TrainedReader
) -> None:
    """Nine times of ten at least, of the questions that are shown for each passage."""
    above = []
    texts = [given.suggest for given in real.given]
    for number, asked in enumerate(real.questions(texts)):
        pair = [real.passage(number), real.passage(real.foreign(number))]
        own, foreign = judged_by(reader, asked, pair)
        above.append(own.logit > foreign.logit)
    assert np.mean(above) >= 0.9, [t for t, right in zip(texts, above, strict=True) if not right]


def test_a_foreign_passage_answers_less_likely_than_not(real: Real, reader: TrainedReader) -> None:
    """Three times of four at least."""
    questions = real.questions([given.suggest for given in real.given[::2]])
    foreign = [real.passage(real.foreign(2 * n)) for n in range(len(questions))]
    judged = [
        judged_by(reader, asked, [passage])[0]
        for asked, passage in zip(questions, foreign, strict=True)
    ]
    assert np.mean([judgement.logit < 0 for judgement in judged]) >= 0.75


def test_the_tokens_that_belong_to_the_answer_are_those_of_its_sentence(
    real: Real, reader: TrainedReader
) -> None:
    """Every other time at least, where one in four would be by chance."""
    asked = [
        (number, text, sentence)
        for number, given in enumerate(real.given)
        for text, sentence in given.answered
        if sentence != WHOLE and len(real.passages[number].sentences) >= 3
    ][::9]
    assert len(asked) >= 50
    pointed = []
    questions = real.questions([text for _, text, _ in asked])
    for question, (number, _, sentence) in zip(questions, asked, strict=True):
        (judgement,) = judged_by(reader, question, [real.passage(number)])
        count = len(real.passages[number].sentences)
        means = real.late.sentence_means(judgement.tokens, number, count)
        pointed.append(int(means.argmax()) == sentence)
    assert np.mean(pointed) >= 0.5


def test_it_reads_as_it_was_trained(
    real: Real, reader: TrainedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "training")
    trained = importlib.import_module("reading").Reader().eval()
    weights = load_file(Path(bundled.__file__).with_name(WEIGHTS))
    trained.load_state_dict({name: value.float() for name, value in weights.items()})
    numbers = [3, 7, 40]
    for question in real.questions([real.given[number].suggest for number in numbers]):
        judged = judged_by(reader, question, [real.passage(number) for number in numbers])
        for judgement, number in zip(judged, numbers, strict=True):
            texts = [torch.from_numpy(of)[None] for of in (question, real.passage(number))]
            q, p = (of[:, :LIMIT] for of in texts)
            with torch.inference_mode():
                own = [torch.ones(of.shape[:2], dtype=torch.bool) for of in (q, p)]
                logit, tokens = trained(q, own[0], p, own[1])
            assert judgement.logit == pytest.approx(float(logit[0]), abs=1e-4)
            assert np.allclose(judgement.tokens[:LIMIT], tokens[0].numpy(), atol=1e-4)


# --- what it does not look at ---------------------------------------------------------------------


def test_a_judgement_does_not_depend_on_what_else_is_judged(
    real: Real, reader: TrainedReader, question: np.ndarray
) -> None:
    """Passages of unlike length are read side by side; what is another's is not read."""
    lengths = [len(real.passage(number)) for number in range(len(real.passages))]
    numbers = [int(np.argmin(lengths)), 7, int(np.argmax(lengths)), 40]
    assert min(lengths) * 3 < max(lengths)
    together = judged_by(reader, question, [real.passage(number) for number in numbers])
    for judgement, number in zip(together, numbers, strict=True):
        (alone,) = judged_by(reader, question, [real.passage(number)])
        assert judgement.tokens.shape == (lengths[number],)
        assert np.isfinite(judgement.tokens).all()
        assert_alike(judgement, alone)
    backwards = judged_by(reader, question, [real.passage(number) for number in reversed(numbers)])
    for one, other in zip(together, reversed(backwards), strict=True):
        assert_alike(one, other)


def test_what_stands_past_the_limit_of_a_long_passage_is_not_read(
    real: Real, reader: TrainedReader, question: np.ndarray
) -> None:
    long = np.concatenate([real.passage(number) for number in range(20)])[: LIMIT + 80]
    assert len(long) == LIMIT + 80
    cut, whole, short = judged_by(reader, question, [long[:LIMIT], long, real.passage(3)])
    assert whole.tokens.shape == (LIMIT + 80,)
    assert np.isfinite(whole.tokens[:LIMIT]).all()
    assert (whole.tokens[LIMIT:] == -np.inf).all()
    assert whole.logit == pytest.approx(cut.logit, abs=1e-4)
    assert np.allclose(whole.tokens[:LIMIT], cut.tokens, atol=1e-4)
    assert_alike(short, judged_by(reader, question, [real.passage(3)])[0])


def test_the_same_question_and_passage_get_the_same_judgement(
    real: Real, reader: TrainedReader, question: np.ndarray
) -> None:
    for one, other in zip(
        judged_by(reader, question, [real.passage(3), real.passage(4)]),
        judged_by(TrainedReader(), question, [real.passage(3), real.passage(4)]),
        strict=True,
    ):
        assert_alike(one, other)


def test_another_question_gets_another_judgement(real: Real, reader: TrainedReader) -> None:
    """It reads the question, not the passage alone."""
    questions = real.questions([real.given[n].suggest for n in (3, 30, 60)])
    logits = [judged_by(reader, asked, [real.passage(3)])[0].logit for asked in questions]
    assert len({round(logit, 4) for logit in logits}) == 3
