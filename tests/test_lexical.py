"""Word search is BM25 as its formula says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("documents", [[["ord"]], [[], ["ord"]], [[], ["ord"], []]])
def test_few_or_empty_documents_are_indexed_too(documents: list[list[str]], tmp_path: Path) -> None:
    index = LexicalIndex.build(documents)
    index.save(tmp_path / "words")
    again = LexicalIndex.load(tmp_path / "words", len(documents))
    for terms in (["ord"], ["andet"], []):
        assert index.scores(terms).shape == again.scores(terms).shape == (len(documents),)
        assert np.array_equal(index.scores(terms), again.scores(terms))
