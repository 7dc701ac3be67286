"""The index of one process: all passages scored, or the likely ones of many."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tryghed_search import danish, evaluation, memory, ranking, retrieval, store
from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.memory import AllPassages, LikelyPassages
from tryghed_search.passages import Filters, Question
from tryghed_search.retrieval import Candidates, Query, Selections, lets_through, scores
from tryghed_search.search import Searcher
from tryghed_search.vectors import VectorIndex

TUNING = Path(__file__).parent / "questions" / "tuning.jsonl"
QUESTIONS = (
    "Hvor meget faldt antallet af indbrud i Hjørring?",
    "gamle der bliver snydt på nettet",
    "Hvem er med i naboskabet?",
)


@pytest.fixture(scope="module")
def contents(index_folder: Path, encoder: Encoder) -> store.Contents:
    return store.load(index_folder, encoder.identity)[1]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little is looked at that most of the report's 90 passages are no candidates."""
    for name, value in (
        ("NEAREST", 16),
        ("BEST", 16),
        ("KEPT", 8),
        ("ENDS", 2),
        ("FARTHEST", 2),
        ("TOKENS", 0),
    ):
        monkeypatch.setattr(retrieval, name, value)
    monkeypatch.setattr(retrieval, "SAMPLE", 4)


@pytest.fixture
def likely(contents: store.Contents, few: None) -> LikelyPassages:
    return LikelyPassages(contents)


@pytest.fixture(scope="module")
def queries(encoder: Encoder) -> list[Query]:
    return [query(text, encoded) for text, encoded in zip(QUESTIONS, asked(encoder), strict=True)]


def asked(encoder: Encoder) -> list[Encoded]:
    return encoder.encode_questions(QUESTIONS)


def query(text: str, encoded: Encoded) -> Query:
    return Query(encoded.pooled, danish.terms(text, {}), danish.grams(text))


def ids(found: Candidates) -> list[str]:
    return [passage.id for passage in found.passages]


@pytest.mark.parametrize(
    ("passages", "expected"), [(1, 768), (100_000, 768), (1_000_000, 1536), (10_000_000, 3072)]
)
def test_of_more_than_a_hundred_thousand_passages_more_are_put_forward(
    passages: int, expected: int
) -> None:
    assert retrieval.best_count(passages) == expected


def test_a_small_index_has_all_its_passages_scored(contents: store.Contents) -> None:
    assert isinstance(memory.retriever_over(contents), AllPassages)


def test_an_index_of_more_tokens_has_the_likely_ones_scored(
    contents: store.Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "ALL_TOKENS", len(contents.tokens.ids) - 1)
    assert isinstance(memory.retriever_over(contents), LikelyPassages)


def test_candidates_have_the_scores_that_they_have_among_all(
    contents: store.Contents, likely: LikelyPassages, queries: Sequence[Query], encoder: Encoder
) -> None:
    every = AllPassages(contents).candidates(queries, ())
    some = likely.candidates(queries, ())
    assert len(ids(some)) < len(ids(every)) == len(contents.passages)
    places = [ids(every).index(name) for name in ids(some)]
    assert places == sorted(set(places)), "in the reports' order, each once"
    for one, other in zip(some.raw, every.raw, strict=True):
        assert np.allclose(one.words, other.words[places], atol=1e-5)
        assert np.allclose(one.grams, other.grams[places], atol=1e-5)
        expected = {
            (places.index(row[0]), *row[1:]): cosine
            for row, cosine in zip(other.rows.tolist(), other.cosines.tolist(), strict=True)
            if row[0] in places
        }
        found = dict(zip(map(tuple, one.rows.tolist()), one.cosines.tolist(), strict=True))
        # An answer may have several reader questions, which have one name.
        assert found.keys() == expected.keys()
        assert len(one.rows) == sum(row[0] in places for row in other.rows.tolist())
    for encoded in asked(encoder):
        weights = every.late.weights(encoded.ids)
        assert np.array_equal(some.late.weights(encoded.ids), weights)
        late = some.late.passages(some.late.similarities(encoded), weights)
        among_all = every.late.passages(every.late.similarities(encoded), weights)
        assert np.allclose(late, among_all[places], atol=1e-5)


def test_the_answers_are_nearly_always_those_of_all_passages(
    contents: store.Contents, few: None, encoder: Encoder
) -> None:
    """Of 8 candidates for each kind of score, where all would be 90."""
    lines = [line for line in evaluation.read_questions(TUNING) if not line.sections][::6]
    every, some = (Searcher(of(contents), encoder) for of in (AllPassages, LikelyPassages))
    same = 0
    for line in lines:
        question = Question(line.question, line.history)
        one, other = every.ask(question), some.ask(question)
        same += one.hits[0].passage.id == other.hits[0].passage.id
        assert [hit.rank for hit in other.hits] == [1, 2, 3, 4, 5]
    assert len(lines) >= 40
    assert same / len(lines) >= 0.95


@pytest.mark.parametrize(
    "filters",
    [
        Filters(municipalities=("Nordfyn",)),
        Filters(kinds=("TREND",), audiences=("politiker",)),
        Filters(kinds=("guide", "intro")),
    ],
)
def test_what_a_filter_lets_through_is_found_however_far_down_it_is(
    contents: store.Contents,
    likely: LikelyPassages,
    queries: Sequence[Query],
    filters: Filters,
) -> None:
    """Its own best are candidates, as many as there may be, also those that are none without it."""
    allowed = lets_through(filters, contents.passages)
    assert 5 <= allowed.sum() < len(allowed) / 2
    everything = AllPassages(contents).candidates(queries, ())
    for one, raw in zip(queries, everything.raw, strict=True):
        fused = ranking.fuse(scores(raw, len(allowed)), ranking.Weights())
        best = contents.passages[int(np.where(allowed, fused, -1).argmax())].id
        found = likely.candidates([one], [filters])
        assert best in ids(found)
        through = int(lets_through(filters, found.passages).sum())
        assert through >= min(retrieval.KEPT, allowed.sum())
        without = lets_through(filters, likely.candidates([one], ()).passages)
        assert int(without.sum()) < through


def test_a_filter_that_lets_nothing_through_leaves_the_others(
    likely: LikelyPassages, queries: Sequence[Query]
) -> None:
    nothing = Filters(kinds=("guide",), municipalities=("København",))
    found = ids(likely.candidates(queries[:1], [nothing]))
    assert found == ids(likely.candidates(queries[:1], ()))


def test_a_name_that_no_passage_has_lets_nothing_through(
    likely: LikelyPassages, queries: Sequence[Query]
) -> None:
    """An outline may name a municipality of which no passage speaks."""
    nowhere = Filters(municipalities=("Nowhere",))
    found = ids(likely.candidates(queries[:1], [nowhere]))
    assert found == ids(likely.candidates(queries[:1], ()))


def test_the_nearest_reader_question_counts_whatever_else_is_known_of_its_passage(
    contents: store.Contents, likely: LikelyPassages, queries: Sequence[Query]
) -> None:
    for one, raw in zip(queries, likely.candidates(queries, ()).raw, strict=True):
        every = contents.vectors.cosines(one.vector)
        assert raw.cosines.max() == pytest.approx(float(every.max()), abs=1e-5)
        assert raw.cosines.min() == pytest.approx(float(every.min()), abs=1e-5)


def test_a_narrow_filter_fills_the_page_in_a_large_index(
    contents: store.Contents, few: None, encoder: Encoder
) -> None:
    searcher = Searcher(LikelyPassages(contents), encoder)
    filters = Filters(municipalities=("Nordfyn",))
    hits = searcher.ask(Question(QUESTIONS[0], limit=20, filters=filters)).hits
    assert len(hits) == lets_through(filters, contents.passages).sum()
    assert all("Nordfyn" in hit.passage.municipalities for hit in hits)


def test_texts_that_are_asked_together_have_the_same_candidates(
    likely: LikelyPassages, queries: Sequence[Query]
) -> None:
    together = likely.candidates(queries, ())
    assert len(together.raw) == len(queries)
    for one in queries:
        alone = likely.candidates([one], ())
        best = alone.raw[0].grams.argmax()
        assert alone.passages[int(best)].id in ids(together)


def test_a_graph_stands_for_all_vectors(
    contents: store.Contents, few: None, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same passages over the index that a large one has."""
    graph = VectorIndex.build(contents.vectors.vectors(), flat_up_to=100)
    assert not graph.exact
    large = memory.retriever_over(replace(contents, vectors=graph))
    assert isinstance(large, LikelyPassages)
    one = Searcher(LikelyPassages(contents), encoder).ask(Question(QUESTIONS[0]))
    assert Searcher(large, encoder).ask(Question(QUESTIONS[0])) == one


def test_of_short_passages_more_are_kept_than_of_long_ones(
    contents: store.Contents, few: None, queries: Sequence[Query], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as have so many token vectors, but never fewer than are kept of any."""
    lengths = np.diff(contents.tokens.bounds)
    names = {passage.id: number for number, passage in enumerate(contents.passages)}
    always = len(ids(LikelyPassages(contents).candidates(queries[:1], ())))
    monkeypatch.setattr(retrieval, "TOKENS", 20 * int(lengths.mean()))
    more = ids(LikelyPassages(contents).candidates(queries[:1], ()))
    assert always < len(more) <= 40
    assert lengths[[names[name] for name in more]].sum() > 15 * lengths.mean()
    bare = replace(
        contents.tokens, ids=contents.tokens.ids[:0], vectors=contents.tokens.vectors[:0]
    )
    bare = replace(bare, sentences=bare.ids, bounds=np.zeros_like(contents.tokens.bounds))
    without = ids(LikelyPassages(replace(contents, tokens=bare)).candidates(queries[:1], ()))
    assert len(without) == always, "where there are no token vectors"


def test_a_store_that_is_replaced_is_gone_at_once(contents: store.Contents, few: None) -> None:
    """Nothing in it refers back to it, so that its memory is free before the next collection."""
    likely = LikelyPassages(contents)
    gone = weakref.ref(likely)
    gc.disable()
    try:
        del likely
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("few")
def test_filters_are_the_same_whatever_the_case_and_order(contents: store.Contents) -> None:
    selections = Selections(contents.passages, contents.rows[:, 0])
    one = selections.of(Filters(kinds=("case", "trend")))
    assert selections.of(Filters(kinds=("TREND", "case", "Case"))) is one
    assert np.array_equal(one.rows, np.flatnonzero(one.passages[contents.rows[:, 0]]))


def test_token_vectors_of_a_larger_index_stay_on_disk(
    index_folder: Path, encoder: Encoder, contents: store.Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ALL_TOKENS", len(contents.tokens.ids) - 1)
    _, mapped = store.load(index_folder, encoder.identity)
    assert isinstance(mapped.tokens.vectors, np.memmap)
    assert not isinstance(contents.tokens.vectors, np.memmap)
    assert np.array_equal(mapped.tokens.vectors, contents.tokens.vectors)
