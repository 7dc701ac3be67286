"""What the model makes of texts is made once, kept or held, and read again a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import file_size_limit
from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.encodings import Encodings
from tryghed_search.pieces import Kind, Pieces

SENTENCES = [f"Der var {n} indbrud i byen sidste år." for n in range(300)]
WORK: list[tuple[Kind, Sequence[str]]] = [
    ("passage", SENTENCES[:200]),
    ("passage", SENTENCES[200:]),
    ("sentence", SENTENCES[:70]),
    ("question", SENTENCES[:3]),
]


class Counting:
    """An encoder that remembers how many texts it was given at once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.identity = encoder.identity
        self.calls: list[int] = []

    def encode_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Encoded]:
        self.calls.append(len(texts))
        return self._encoder.encode_documents(texts, progress)

    def encode_reader_questions(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Encoded]:
        self.calls.append(len(texts))
        return self._encoder.encode_reader_questions(texts, progress)


@pytest.fixture
def counting(encoder: Encoder) -> Counting:
    return Counting(encoder)


@pytest.fixture(scope="module")
def alone(encoder: Encoder) -> list[Encoded]:
    """Without anything kept."""
    return list(Encodings(WORK, encoder))


def same(one: Sequence[Encoded], other: Sequence[Encoded]) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one, other, strict=True)
        for name in ("pooled", "tokens", "ids", "spans")
    )


def test_texts_keep_their_order_and_only_passages_their_tokens(
    alone: list[Encoded], encoder: Encoder
) -> None:
    assert len(alone) == 373
    assert [len(e.ids) > 0 for e in alone] == [True] * 300 + [False] * 73
    written = encoder.encode_documents([SENTENCES[7]])[0]
    assert np.allclose(alone[7].pooled, written.pooled, atol=1e-5)
    asked = encoder.encode_reader_questions([SENTENCES[2]])[0]
    assert np.allclose(alone[-1].pooled, asked.pooled, atol=2e-2)


def test_what_is_kept_is_read_again_and_never_made_twice(
    counting: Counting, alone: list[Encoded], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    kept = Pieces(tmp_path, counting.identity)
    some = Encodings(WORK, counting, lambda *done: told.append(done), kept)  # type: ignore[arg-type]
    assert told[-1] == (len(some), len(some)) == (373, 373)
    made = len(counting.calls)
    assert sum(counting.calls) == 373
    assert max(counting.calls) <= 256
    assert same(list(some), alone)
    assert same(list(some.passages()), alone[:300])
    assert same(list(some.passages()), alone[:300]), "as often as it is needed"
    assert len(counting.calls) == made
    assert some._held == {}, "nothing is held that is kept"
    Encodings(WORK, counting, None, Pieces(tmp_path, counting.identity))  # type: ignore[arg-type]
    assert len(counting.calls) == made


def test_what_is_taken_away_meanwhile_is_made_again(
    counting: Counting, alone: list[Encoded], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    kept = Pieces(tmp_path, counting.identity)
    some = Encodings(WORK, counting, lambda *done: told.append(done), kept)  # type: ignore[arg-type]
    for path in tmp_path.iterdir():
        path.unlink()
    assert same(list(some.passages()), alone[:300])
    assert told[-1] == (673, 673)


def test_what_cannot_be_kept_is_held(
    counting: Counting, alone: list[Encoded], tmp_path: Path
) -> None:
    kept = Pieces(tmp_path, counting.identity)
    with file_size_limit(100):
        some = Encodings(WORK, counting, None, kept)  # type: ignore[arg-type]
    assert same(list(some), alone)
    assert sum(counting.calls) == 373
