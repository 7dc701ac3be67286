"""Word search is BM25 as its formula says."""

from __future__ import annotations

import math
from pathlib import Path

import bm25s
import numpy as np
import pytest

from tests.conftest import file_size_limit
from tryghed_search import lexical
from tryghed_search.lexical import LexicalIndex

DOCUMENTS = [
    ["indbrud", "naboskab", "indbrud", "politi"],
    ["svindel", "ældre"],
    ["politi", "skole", "unge"],
    [],
]


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    return LexicalIndex.build(DOCUMENTS)


def bm25(term: str, document: list[str]) -> float:
    """Robertson & Zaragoza 2009 with Lucene's inverse document frequency."""
    n, mean = len(DOCUMENTS), sum(map(len, DOCUMENTS)) / len(DOCUMENTS)
    df = sum(term in d for d in DOCUMENTS)
    tf = document.count(term)
    idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
    return idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * len(document) / mean))


@pytest.mark.parametrize("term", ["indbrud", "politi", "ældre"])
def test_a_score_is_bm25(index: LexicalIndex, term: str) -> None:
    expected = [bm25(term, document) for document in DOCUMENTS]
    assert np.allclose(index.scores([term]), expected, atol=1e-5)


def test_scores_of_several_terms_add_up_and_a_term_counts_as_often_as_it_is_given(
    index: LexicalIndex,
) -> None:
    one, other = index.scores(["indbrud"]), index.scores(["politi"])
    assert np.allclose(index.scores(["indbrud", "politi"]), one + other)
    assert np.allclose(index.scores(["indbrud", "indbrud"]), 2 * one)


@pytest.mark.parametrize("terms", [[], ["ukendt"], ["", "ukendt"]])
def test_terms_that_no_document_holds_count_nothing(index: LexicalIndex, terms: list[str]) -> None:
    assert index.scores(terms).tolist() == [0, 0, 0, 0]
    assert np.allclose(index.scores([*terms, "politi"]), index.scores(["politi"]))


def test_an_index_knows_its_terms(index: LexicalIndex) -> None:
    assert "naboskab" in index
    assert "ukendt" not in index


def test_an_index_comes_back_from_its_folder(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "words")
    again = LexicalIndex.load(tmp_path / "words", len(DOCUMENTS))
    for term in ("indbrud", "politi", "ældre", "ukendt"):
        assert np.array_equal(again.scores([term]), index.scores([term]))


def test_an_index_is_the_one_that_bm25s_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tryghed_search.lexical._BLOCK", 7)
    random = np.random.default_rng(3)
    documents = [[f"o{n}" for n in random.zipf(1.5, size)] for size in random.integers(0, 40, 100)]
    ours = LexicalIndex.build(iter(documents))
    theirs = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    theirs.index(documents, show_progress=False)
    for term in {term for document in documents for term in document}:
        assert np.array_equal(ours.scores([term]), theirs.get_scores([term]))


def test_an_index_that_finds_no_room_is_told_of(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "whole")
    sizes = {path.stat().st_size for path in (tmp_path / "whole").glob("*.npy")}
    assert sizes
    for size in sizes:
        with file_size_limit(size - 1), pytest.raises(OSError, match=r"shorter|too large"):
            index.save(tmp_path / f"below-{size}")


@pytest.mark.parametrize("documents", [[["ord"]], [[], ["ord"]], [[], ["ord"], []]])
def test_few_or_empty_documents_are_indexed_too(documents: list[list[str]], tmp_path: Path) -> None:
    index = LexicalIndex.build(documents)
    index.save(tmp_path / "words")
    again = LexicalIndex.load(tmp_path / "words", len(documents))
    for terms in (["ord"], ["andet"], []):
        assert index.scores(terms).shape == again.scores(terms).shape == (len(documents),)
        assert np.array_equal(index.scores(terms), again.scores(terms))


# --- the best of many -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> LexicalIndex:
    """500 documents of 20 words each; word n stands in about one of n + 1."""
    random = np.random.default_rng(5)
    draws = [[f"o{n}" for n in range(200) if random.random() < 1 / (n + 1)] for _ in range(500)]
    return LexicalIndex.build(draws)


TERMS = ["o0", "o3", "o7", "o7", "o19", "o50", "unknown"]


def test_the_best_documents_are_those_that_score_best(many: LexicalIndex) -> None:
    scores = many.scores(TERMS)
    best = lexical.best(many.question(TERMS).by_rarest, 10)
    assert len(best) == 10
    assert np.allclose(np.sort(scores[best])[::-1], np.sort(scores)[::-1][:10], atol=1e-5)


@pytest.mark.parametrize("sampled", [1, 3, 64])
@pytest.mark.parametrize("count", [1, 10, 300])
def test_the_best_are_the_same_however_few_scores_are_looked_at(
    many: LexicalIndex, count: int, sampled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.lexical._SAMPLED", sampled)
    scores = many.scores(TERMS)
    best = lexical.best(many.question(TERMS).by_rarest, count)
    assert len(best) == min(count, np.count_nonzero(scores))
    assert np.allclose(np.sort(scores[best]), np.sort(scores)[-len(best) :], atol=1e-5)


def test_fewer_are_found_where_fewer_hold_a_term(many: LexicalIndex) -> None:
    holders = np.flatnonzero(many.scores(["o150"]))
    assert 0 < len(holders) < 100
    best = lexical.best(many.question(["o150"]).by_rarest, 100)
    assert sorted(best.tolist()) == holders.tolist()
    assert lexical.best(many.question(["unknown"]).by_rarest, 100).tolist() == []


def test_only_the_documents_that_may_be_found_are(many: LexicalIndex) -> None:
    among = np.arange(500) % 7 == 0
    scores = many.scores(TERMS) * among
    best = lexical.best(many.question(TERMS).by_rarest, 5, among)
    assert among[best].all()
    assert np.allclose(np.sort(scores[best]), np.sort(scores)[-5:], atol=1e-5)


def test_common_terms_are_left_out_when_there_is_too_much_to_look_at(
    many: LexicalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rare ones decide; the commonest is not even looked at."""
    monkeypatch.setattr("tryghed_search.lexical._OCCURRENCES", 200)
    rare = many.scores(["o7", "o19", "o50"])
    by_rarest = many.question(["o0", "o7", "o19", "o50"]).by_rarest
    assert np.allclose(by_rarest, rare, atol=1e-5)


@pytest.mark.parametrize(("terms", "others"), [(TERMS, ["o1", "o2"]), (TERMS, []), ([], ["o1"])])
def test_two_indexes_are_added_up_as_much_as_each_counts(
    many: LexicalIndex, terms: list[str], others: list[str]
) -> None:
    one, other = many.scores(terms), many.scores(others)
    expected = 0.04 * one / max(1e-9, one.max()) + 0.08 * other / max(1e-9, other.max())
    added = lexical.together(many.question(terms), 0.04, many.question(others), 0.08)
    assert np.allclose(added / added.max(), expected / expected.max(), atol=1e-5)


def test_two_indexes_that_hold_nothing_of_a_question_tell_no_document_apart(
    many: LexicalIndex,
) -> None:
    nothing = many.question(["unknown"])
    assert not lexical.together(nothing, 0.04, nothing, 0.08).any()


@pytest.mark.parametrize("occurrences", [0, 200, 1_000_000])
def test_the_scores_of_some_documents_are_theirs_among_all(
    many: LexicalIndex, occurrences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terms that are too common to look for are looked up."""
    monkeypatch.setattr("tryghed_search.lexical._OCCURRENCES", occurrences)
    some = np.array([0, 3, 4, 77, 499])
    assert np.allclose(many.question(TERMS).scores_of(some), many.scores(TERMS)[some], atol=1e-5)
    assert many.question(["unknown"]).scores_of(some).tolist() == [0] * 5


def test_a_mapped_index_scores_as_one_that_was_read(many: LexicalIndex, tmp_path: Path) -> None:
    many.save(tmp_path / "words")
    mapped = LexicalIndex.load(tmp_path / "words", 500, mapped=True)
    assert np.array_equal(mapped.scores(TERMS), many.scores(TERMS))
    assert np.array_equal(mapped.question(TERMS).by_rarest, many.question(TERMS).by_rarest)
