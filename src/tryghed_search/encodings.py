"""What the model makes of many texts: made once, kept, and read again a piece at a time.

So no more than a piece need be in memory. What cannot be kept is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tryghed_search.pieces import Kind, Pieces, cut

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoded, Encoder

Progress = Callable[[int, int], None]
"""Called with how many texts are embedded and how many there are."""


class Encodings:
    """The encodings of all texts, in their order; those of passages can be had by themselves."""

    def __init__(
        self,
        work: Sequence[tuple[Kind, Sequence[str]]],
        encoder: Encoder,
        progress: Progress | None = None,
        kept: Pieces | None = None,
    ) -> None:
        """Encode what is not among the ``kept`` pieces, and keep it there at once.

        ``work`` are texts of each report by itself with their kind. ``progress`` counts the texts
        that are encoded now; they become more if a piece is taken away meanwhile.
        """
        self._pieces = [(kind, texts) for kind, every in work for texts in cut(every)]
        self._encoder = encoder
        self._progress = progress
        self._kept = kept
        self._held: dict[int, list[Encoded]] = {}
        self._done = self._total = 0
        missing = [
            number
            for number, (kind, texts) in enumerate(self._pieces)
            if kept is None or not kept.has(kind, texts)
        ]
        # Long and short texts mixed, so that what is left takes as long as what is done tells.
        missing.sort(key=lambda n: hashlib.sha256(self._pieces[n][1][0].encode()).digest())
        self._total = sum(len(self._pieces[number][1]) for number in missing)
        for number in missing:
            self._make(number)

    def __len__(self) -> int:
        return sum(len(texts) for _, texts in self._pieces)

    def __iter__(self) -> Iterator[Encoded]:
        for number in range(len(self._pieces)):
            yield from self._piece(number)

    def passages(self) -> Iterator[Encoded]:
        """Those of the passages."""
        for number, (kind, _) in enumerate(self._pieces):
            if kind == "passage":
                yield from self._piece(number)

    def _piece(self, number: int) -> list[Encoded]:
        if number in self._held:
            return self._held[number]
        found = self._kept.find(*self._pieces[number]) if self._kept else None
        if found is None:  # taken away meanwhile
            self._total += len(self._pieces[number][1])
            found = self._make(number)
        return found

    def _make(self, number: int) -> list[Encoded]:
        kind, texts = self._pieces[number]
        encoder = self._encoder
        encode = encoder.encode_reader_questions if kind == "question" else encoder.encode_documents
        encoded = encode(texts, self._tell)
        if kind != "passage":
            encoded = [_without_tokens(e) for e in encoded]
        if self._kept is None or not self._kept.keep(kind, texts, encoded):
            self._held[number] = encoded
        return encoded

    def _tell(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._total)


def _without_tokens(encoded: Encoded) -> Encoded:
    return replace(encoded, tokens=encoded.tokens[:0], ids=encoded.ids[:0], spans=encoded.spans[:0])
