"""One text against every passage: the six scores, their fusion, and the sentences that answer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import build, bundled, danish, places, ranking, store, wording
from tryghed_search.passages import Span
from tryghed_search.reader import TrainedReader
from tryghed_search.tokens import LateInteraction

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded, Encoder

_NEIGHBOURS = 1024
"""Vectors looked at for one question; all of them in an index of this report's size."""
_SIDE_SENTENCE = 0.9
"""A further sentence is highlighted from this share of the best sentence's score."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the searcher reads it: corrected, encoded, scored."""

    text: str
    encoded: Encoded
    scores: ranking.Scores
    similarities: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    sentences: npt.NDArray[np.int32]
    """(k, 2) int32: passage and number of the sentences whose vectors were looked at."""
    cosines: npt.NDArray[np.float32]
    """(k,) float32: their cosines with the question."""
    fused: npt.NDArray[np.float32]


class Scorer:
    """Scores texts against one loaded index with the model that made it."""

    def __init__(
        self, contents: store.Contents, encoder: Encoder, weights: ranking.Weights
    ) -> None:
        self._contents = contents
        self._encoder = encoder
        self._weights = weights
        self._passages = contents.passages
        self._late = LateInteraction(contents.tokens)
        self._reader = TrainedReader() if encoder.identity.sha256 == bundled.PACKED_SHA256 else None
        vocabulary = build.vocabulary(self._passages)
        self._compounds = danish.compound_parts(vocabulary)
        self._corrector = wording.Corrector(vocabulary, places.NAME_WORDS)

    def weighing(self, weights: ranking.Weights) -> Scorer:
        """A scorer over the same index that weighs the scores otherwise."""
        other = copy.copy(self)
        other._weights = weights
        return other

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Correct, encode and score texts, all in one pass of the encoder."""
        corrected = [self._corrector.correct(text) for text in texts]
        encoded = self._encoder.encode_questions(corrected)
        return [self._score(text, e) for text, e in zip(corrected, encoded, strict=True)]

    def _score(self, text: str, encoded: Encoded) -> Reading:
        count = len(self._passages)
        rows, cosines = self._contents.vectors.search(encoded.pooled, _NEIGHBOURS)
        found = self._contents.rows[rows]
        floor = float(cosines.min())
        best = {
            kind: ranking.best_per_group(
                cosines[found[:, 1] == kind], found[found[:, 1] == kind, 0], count, floor
            )
            for kind in (store.PASSAGE, store.SENTENCE, store.READER_QUESTION)
        }
        weights = self._late.weights(encoded.ids)
        similarities = self._late.similarities(encoded)
        scores = ranking.Scores(
            dense=best[store.PASSAGE],
            sentence=best[store.SENTENCE],
            late=self._late.passages(similarities, weights),
            words=self._contents.words.scores(danish.terms(text, self._compounds)),
            grams=self._contents.grams.scores(danish.grams(text)),
            asked=best[store.READER_QUESTION],
        )
        sentences = found[:, 1] == store.SENTENCE
        return Reading(
            text=text,
            encoded=encoded,
            scores=scores,
            similarities=similarities,
            weights=weights,
            sentences=found[sentences][:, [0, 2]],
            cosines=cosines[sentences],
            fused=ranking.fuse(scores, self._weights),
        )

    def highlights(self, reading: Reading, number: int) -> tuple[Span, ...]:
        """The passage's sentences that answer best, best first: one, or two that are as good.

        A heading is never highlighted where there is a sentence.
        """
        passage = self._passages[number]
        headings = {block.start for block in passage.blocks if block.role == "heading"}
        spans = passage.sentences
        late = self._late.sentences(reading.similarities, reading.weights, number, len(spans))
        floor = float(reading.cosines.min()) if len(reading.cosines) else 0.0
        pooled = np.full(len(spans), floor, dtype=np.float32)
        here = reading.sentences[:, 0] == number
        pooled[reading.sentences[here, 1]] = reading.cosines[here]
        scores = late + pooled
        candidates = [n for n, (start, _) in enumerate(spans) if start not in headings]
        candidates = candidates or list(range(len(spans)))
        ranked = sorted(candidates, key=lambda n: (-scores[n], n))[:2]
        best = scores[ranked[0]]
        return tuple(
            spans[n] for n in ranked if n == ranked[0] or scores[n] >= best * _SIDE_SENTENCE
        )

    def coverage(self, reading: Reading, top: Sequence[int]) -> float:
        """The greatest share, 0 to 1, of the question's index terms that one of ``top`` holds.

        1 for a question in English, of whose words a Danish report holds none anyway.
        """
        if wording.language(reading.text) == "en":
            return 1.0
        asked = set(danish.terms(reading.text, self._compounds))
        held = (
            set(danish.terms(build.with_headings(self._passages[number]), self._compounds))
            for number in top
        )
        return (
            max((len(asked & terms) / len(asked) for terms in held), default=0.0) if asked else 0.0
        )

    def answers(self, reading: Reading, top: Sequence[int]) -> float | None:
        """The reader's best logit over the passages ``top``; None for a model without a reader."""
        if self._reader is None or not top:
            return None
        passages = [self._late.vectors_of(number) for number in top]
        return max(self._reader.logits(self._late.centred(reading.encoded), passages))
