"""Late interaction is what its formula says, whatever the passages look like."""

from __future__ import annotations

import numpy as np
import pytest

from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.tokens import HEADING, LateInteraction, TokenVectors

TEXTS = (
    "Kommunen beskytter ældre mod digital svindel. Politiet hjælper.",
    "Unge er medskabere af et trygt natteliv.",
    "Borgerne reducerede indbrud med 83%.",
)
QUESTION = "Hvem beskytter ældre mod indbrud?"


@pytest.fixture(scope="module")
def encoded(encoder: Encoder) -> list[Encoded]:
    return encoder.encode_documents(TEXTS)


@pytest.fixture(scope="module")
def question(encoder: Encoder) -> Encoded:
    return encoder.encode_questions([QUESTION])[0]


def no_tokens(like: Encoded) -> Encoded:
    return Encoded(like.pooled, like.tokens[:0], like.ids[:0], like.spans[:0])


def all_first(encoded: list[Encoded]) -> list[np.ndarray]:
    return [np.zeros(len(e.ids), np.int32) for e in encoded]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def max_sim(question: Encoded, passage: Encoded, mean: np.ndarray, weights: np.ndarray) -> float:
    """The formula, token by token."""
    if not len(passage.ids):
        return 0.0
    cosines = unit(question.tokens - mean) @ unit(passage.tokens - mean).T
    return float((cosines.max(axis=1) * weights).sum() / weights.sum())


@pytest.mark.parametrize("order", ["012", "-012", "0-12", "012-", "0--12--", "-"])
def test_a_passages_score_is_the_weighted_mean_of_its_best_matches(
    encoded: list[Encoded], question: Encoded, order: str
) -> None:
    """Also where passages without tokens stand before, between and after the others."""
    passages = [no_tokens(encoded[0]) if o == "-" else encoded[int(o)] for o in order]
    tokens = TokenVectors.build(passages, all_first(passages))
    late = LateInteraction(tokens)
    weights = late.weights(question.ids)
    scores = late.passages(late.similarities(question), weights)
    expected = [max_sim(question, passage, tokens.mean, weights) for passage in passages]
    assert scores.shape == (len(order),)
    assert np.allclose(scores, expected, atol=2e-3), "half precision costs no more"


def test_the_passage_that_answers_has_the_best_score(
    encoded: list[Encoded], question: Encoded
) -> None:
    late = LateInteraction(TokenVectors.build(encoded, all_first(encoded)))
    scores = late.passages(late.similarities(question), late.weights(question.ids))
    assert scores.argmax() == 0


def test_a_sentences_score_is_that_of_its_own_tokens(
    encoded: list[Encoded], question: Encoded
) -> None:
    cut = TEXTS[0].index("Politiet")
    numbers = all_first(encoded)
    numbers[0] = (encoded[0].spans[:, 0] >= cut).astype(np.int32)
    numbers[1][:] = HEADING
    tokens = TokenVectors.build(encoded, numbers)
    late = LateInteraction(tokens)
    weights = late.weights(question.ids)
    similarities = late.similarities(question)
    scores = late.sentences(similarities, weights, 0, 2)
    for number in (0, 1):
        own = numbers[0] == number
        part = Encoded(encoded[0].pooled, encoded[0].tokens[own], encoded[0].ids[own], np.empty(0))
        expected = max_sim(question, part, tokens.mean, weights)
        assert scores[number] == pytest.approx(expected, abs=2e-3)
    assert scores[0] > scores[1]
    assert late.sentences(similarities, weights, 1, 1).tolist() == [0.0], "a heading is none"


@pytest.mark.parametrize("passage", [0, 1])
def test_a_sentences_mean_is_that_of_its_own_tokens_that_have_a_value(
    encoded: list[Encoded], passage: int
) -> None:
    """Tokens of the headings count for no sentence, and those that were not read for none."""
    numbers = all_first(encoded)
    numbers[passage] = np.arange(len(numbers[passage]), dtype=np.int32) % 4 + HEADING
    numbers[passage][numbers[passage] == 1] = 3
    values = np.arange(len(numbers[passage]), dtype=np.float32) ** 2
    values[-3:] = -np.inf
    late = LateInteraction(TokenVectors.build(encoded, numbers))
    means = late.sentence_means(values, passage, 5)
    kept = [
        [v for v, n in zip(values[:-3].tolist(), numbers[passage], strict=False) if n == sentence]
        for sentence in range(5)
    ]
    known = [sum(own) / len(own) for own in kept if own]
    assert [bool(own) for own in kept] == [True, False, True, True, False]
    expected = [sum(own) / len(own) if own else min(known) for own in kept]
    assert means.dtype == np.float32
    assert means.tolist() == pytest.approx(expected)


def test_the_mean_of_each_sentence_is_the_one_counted_by_hand(encoded: list[Encoded]) -> None:
    numbers = all_first(encoded)
    numbers[2][:] = HEADING
    numbers[2][1:6] = [0, 0, 2, 2, 2]
    late = LateInteraction(TokenVectors.build(encoded, numbers))
    values = np.full(len(numbers[2]), 99.0, np.float32)
    values[1:6] = [1.0, 3.0, 5.0, 6.0, -np.inf]
    assert late.sentence_means(values, 2, 3).tolist() == [2.0, 2.0, 5.5]
    values[1:3] = -8.0, -10.0
    assert late.sentence_means(values, 2, 4).tolist() == [-9.0, -9.0, 5.5, -9.0]


def test_where_no_token_has_a_value_no_sentence_has_more_than_another(
    encoded: list[Encoded],
) -> None:
    numbers = all_first(encoded)
    numbers[1][:] = HEADING
    late = LateInteraction(TokenVectors.build(encoded, numbers))
    unread = np.full(len(numbers[0]), -np.inf, np.float32)
    assert late.sentence_means(unread, 0, 2).tolist() == [0.0, 0.0]
    headings = np.ones(len(numbers[1]), np.float32)
    assert late.sentence_means(headings, 1, 3).tolist() == [0.0, 0.0, 0.0]


def test_a_rare_token_counts_more_than_a_common_one(encoder: Encoder) -> None:
    encoded = encoder.encode_documents(["kommunen og tryghed", "kommunen og natteliv", "kommunen"])
    late = LateInteraction(TokenVectors.build(encoded, all_first(encoded)))
    common, rare = (
        late.weights(encoder.encode_questions([word])[0].ids).min()
        for word in ("kommunen", "natteliv")
    )
    assert 0 < common < rare


def test_the_vectors_have_unit_length_and_no_mean(encoded: list[Encoded]) -> None:
    tokens = TokenVectors.build(encoded, all_first(encoded))
    assert tokens.vectors.dtype == np.float16
    assert np.allclose(np.linalg.norm(tokens.vectors.astype(np.float32), axis=1), 1, atol=1e-3)
    raw = np.concatenate([e.tokens for e in encoded])
    assert np.allclose(tokens.mean, raw.mean(axis=0), atol=1e-5)
    assert tokens.bounds.tolist() == [0, *np.cumsum([len(e.ids) for e in encoded]).tolist()]


def test_without_token_vectors_nothing_is_scored(encoded: list[Encoded], question: Encoded) -> None:
    none = [no_tokens(e) for e in encoded]
    late = LateInteraction(TokenVectors.build(none, all_first(none)))
    assert not late
    nothing = no_tokens(question)
    similarities = late.similarities(nothing)
    weights = late.weights(nothing.ids)
    assert late.passages(similarities, weights).tolist() == [0, 0, 0]
    assert late.sentences(similarities, weights, 0, 2).tolist() == [0, 0]


def test_a_question_without_tokens_matches_nothing(
    encoded: list[Encoded], question: Encoded
) -> None:
    late = LateInteraction(TokenVectors.build(encoded, all_first(encoded)))
    nothing = no_tokens(question)
    scores = late.passages(late.similarities(nothing), late.weights(nothing.ids))
    assert scores.tolist() == [0, 0, 0]
