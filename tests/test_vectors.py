"""Nearest neighbours are exact, and of many vectors nearly always."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tryghed_search.embedding import Encoder
from tryghed_search.errors import DamagedIndexError, RecallError
from tryghed_search.vectors import VectorIndex

WORDS = "indbrud svindel natteliv beredskab skole hjemmepleje naboskab politi ældre unge".split()


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> np.ndarray:
    return np.stack([e.pooled for e in encoder.encode_documents(WORDS)])


def test_the_nearest_rows_come_best_first_with_their_cosines(vectors: np.ndarray) -> None:
    index = VectorIndex.build(vectors)
    for question in vectors:
        expected = vectors @ question
        rows, cosines = index.search(question, 4)
        assert rows.tolist() == np.argsort(-expected, kind="stable")[:4].tolist()
        assert np.allclose(cosines, expected[rows], atol=1e-5)
        assert cosines[0] == pytest.approx(1, abs=1e-5)


def test_no_more_rows_are_found_than_there_are(vectors: np.ndarray) -> None:
    rows, cosines = VectorIndex.build(vectors[:3]).search(vectors[0], 100)
    assert sorted(rows.tolist()) == [0, 1, 2]
    assert len(cosines) == 3


def test_an_index_comes_back_from_its_bytes(vectors: np.ndarray) -> None:
    index = VectorIndex.build(vectors)
    again = VectorIndex.from_bytes(index.to_bytes())
    assert (len(again), again.dimension) == (len(WORDS), 384)
    assert again.to_bytes() == index.to_bytes()
    assert again.search(vectors[3], 2)[0].tolist() == index.search(vectors[3], 2)[0].tolist()


@pytest.mark.parametrize("data", [b"", b"x", b"IxFI", bytes(1000)])
def test_bytes_that_are_no_index_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedIndexError, match="tryghed-search ingest"):
        VectorIndex.from_bytes(data)


def test_a_truncated_index_is_refused(vectors: np.ndarray) -> None:
    data = VectorIndex.build(vectors).to_bytes()
    for length in (len(data) - 1, len(data) // 2, 30):
        with pytest.raises(DamagedIndexError):
            VectorIndex.from_bytes(data[:length])


# --- many vectors ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """3,000 vectors in 60 clusters."""
    random = np.random.default_rng(3)
    centres = random.standard_normal((60, 64), dtype=np.float32)
    made = np.repeat(centres, 50, axis=0) + 0.6 * random.standard_normal((3000, 64))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def graph(many: np.ndarray) -> VectorIndex:
    return VectorIndex.build(many, flat_up_to=100)


def test_few_vectors_are_all_compared_and_many_are_not(many: np.ndarray) -> None:
    assert VectorIndex.build(many, flat_up_to=len(many)).exact
    assert VectorIndex.build(many, flat_up_to=len(many) - 1).exact is False


def test_a_graph_finds_what_its_recall_says(many: np.ndarray, graph: VectorIndex) -> None:
    assert 0.98 <= graph.recall <= 1
    found = 0
    for question in many[::30]:
        nearest = np.argsort(-(many @ question))[:10]
        rows, cosines = graph.search(question, 10)
        found += len(np.intersect1d(rows, nearest))
        assert np.allclose(cosines, many[rows] @ question, atol=1e-5)
    assert found / 1000 >= 0.98


def test_a_graph_that_finds_too_little_is_refused(
    many: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.vectors._CONSTRUCTION", (2,))
    monkeypatch.setattr("tryghed_search.vectors._SEARCH", (1,))
    with pytest.raises(RecallError, match=r"finds 0\.\d+ of the ten nearest, less than 0\.98"):
        VectorIndex.build(many, flat_up_to=100)


def test_more_effort_is_tried_before_a_graph_is_refused(
    many: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.vectors._CONSTRUCTION", (2, 128))
    monkeypatch.setattr("tryghed_search.vectors._SEARCH", (1, 128))
    assert VectorIndex.build(many, flat_up_to=100).recall >= 0.98


@pytest.mark.parametrize("share", [2, 40, 1000])
def test_a_selection_is_searched_as_well_as_all(
    many: np.ndarray, graph: VectorIndex, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the graph is walked for it and not its few rows compared."""
    among = np.arange(0, len(many), share)
    flat = VectorIndex.build(many)
    for walked in (0, len(many)):
        monkeypatch.setattr("tryghed_search.vectors._FEW", len(many) - walked)
        found, wanted = 0, 0
        for question in many[1::60]:
            nearest = among[np.argsort(-(many[among] @ question))[:10]]
            rows, cosines = graph.search(question, 10, among)
            assert set(rows.tolist()) <= set(among.tolist())
            assert np.allclose(cosines, many[rows] @ question, atol=1e-5)
            found += len(np.intersect1d(rows, nearest))
            wanted += len(nearest)
            assert set(flat.search(question, 10, among)[0]) == set(nearest)
        assert found / wanted >= 0.98


def test_nothing_is_found_among_nothing(graph: VectorIndex, many: np.ndarray) -> None:
    rows, cosines = graph.search(many[0], 5, np.empty(0, np.int64))
    assert (len(rows), len(cosines)) == (0, 0)


def test_all_vectors_are_there_unchanged(many: np.ndarray, graph: VectorIndex) -> None:
    assert np.array_equal(graph.vectors(), many)
    assert np.array_equal(VectorIndex.build(many).vectors(), many)


def test_the_cosines_of_all_rows_are_those_of_the_search(many: np.ndarray) -> None:
    index = VectorIndex.build(many)
    rows, cosines = index.search(many[7], len(many))
    assert np.array_equal(index.cosines(many[7])[rows], cosines)


@pytest.mark.parametrize("kind", ["flat", "graph"])
def test_a_mapped_index_is_the_one_that_was_written(
    many: np.ndarray, graph: VectorIndex, kind: str, tmp_path: Path
) -> None:
    index = graph if kind == "graph" else VectorIndex.build(many)
    path = tmp_path / "vectors.faiss"
    path.write_bytes(index.to_bytes())
    mapped = VectorIndex.mapped(path)
    assert (len(mapped), mapped.dimension, mapped.exact) == (len(many), 64, kind == "flat")
    assert np.array_equal(mapped.vectors(), many)
    for question in many[::300]:
        assert mapped.search(question, 5)[0].tolist() == index.search(question, 5)[0].tolist()


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1000))
    with pytest.raises(DamagedIndexError):
        VectorIndex.mapped(tmp_path / "x")


@pytest.mark.parametrize("exact", [True, False])
def test_both_ends_are_the_nearest_and_the_farthest(
    many: np.ndarray, graph: VectorIndex, exact: bool
) -> None:
    index = VectorIndex.build(many, flat_up_to=len(many)) if exact else graph
    found = 0
    for question in many[::300]:
        ranked = np.argsort(-(many @ question), kind="stable")
        near, far = index.ends(question, 20, 30)
        assert (len(near), len(far)) == (20, 30)
        found += len(np.intersect1d(near, ranked[:20])) + len(np.intersect1d(far, ranked[-30:]))
        assert (many[far] @ question).max() < (many[near] @ question).min()
        assert (np.diff(many[near] @ question) <= 1e-6).all()
        assert (np.diff(many[far] @ question) >= -1e-6).all()
    assert found == 500 if exact else found >= 450


def test_ends_of_few_vectors_are_all_of_them(vectors: np.ndarray) -> None:
    near, far = VectorIndex.build(vectors).ends(vectors[0], 50, 60)
    assert near.tolist() == far.tolist()[::-1]
    assert sorted(near.tolist()) == list(range(len(WORDS)))
    assert [len(rows) for rows in VectorIndex.build(vectors).ends(vectors[0], 0, 1)] == [0, 1]
