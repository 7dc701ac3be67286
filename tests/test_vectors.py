"""Nearest neighbours are exact."""

from __future__ import annotations

import numpy as np
import pytest

from tryghed_search.embedding import Encoder
from tryghed_search.errors import DamagedIndexError
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
