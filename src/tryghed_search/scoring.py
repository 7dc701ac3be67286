"""One text against the candidates: the six scores, their fusion, and the sentences that answer."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import build, bundled, danish, places, ranking, store, wording
from tryghed_search.passages import Filters, Span
from tryghed_search.reader import Judgement, Prepared, TrainedReader
from tryghed_search.retrieval import Candidates, Query, RawScores, Retriever, scores

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded, Encoder

_PREPARED = 512
"""Passages that are kept as the reader takes them in, about 130 kB each."""
_ASKED_SENTENCE = 2.0
"""How much the cosine with a sentence's reader questions counts, next to late interaction."""
_POINTED_SENTENCE = 0.05
"""The same of the reader's token logits."""
_SIDE_SENTENCE = 0.1
"""A further sentence is highlighted when its score is at most this much below the best."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the searcher reads it: corrected, encoded, scored."""

    text: str
    encoded: Encoded
    candidates: Candidates
    """The passages that were scored: all numbers of passages are places among them."""
    scores: ranking.Scores
    similarities: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    sentences: npt.NDArray[np.int32]
    """(k, 2) int32: passage and number of the sentences whose vectors were looked at."""
    cosines: npt.NDArray[np.float32]
    """(k,) float32: their cosines with the question."""
    answered: npt.NDArray[np.int32]
    """(a, 2) int32: passage and answering sentence of the reader questions that were looked at."""
    alike: npt.NDArray[np.float32]
    """(a,) float32: their cosines with the question."""
    left: npt.NDArray[np.int32]
    """(u,) int32: passage of the reader questions that the reports leave unanswered."""
    alike_left: npt.NDArray[np.float32]
    """(u,) float32: their cosines with the question."""
    fused: npt.NDArray[np.float32]


class Scorer:
    """Scores texts against one store's passages with the model that made them."""

    def __init__(self, retriever: Retriever, encoder: Encoder, weights: ranking.Weights) -> None:
        self._retriever = retriever
        self._encoder = encoder
        self._weights = weights
        self._reader = (
            TrainedReader()
            if encoder.identity.sha256 == bundled.identity(adapted=True)[1]
            else None
        )
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._preparing = threading.Lock()
        vocabulary = retriever.corpus.vocabulary
        self._compounds = danish.compound_parts(vocabulary)
        self._corrector = wording.Corrector(vocabulary, places.NAME_WORDS)

    def weighing(self, weights: ranking.Weights) -> Scorer:
        """A scorer over the same index that weighs the scores otherwise."""
        other = copy.copy(self)
        other._weights = weights
        return other

    def read(self, texts: Sequence[str], wanted: Sequence[Filters] = ()) -> list[Reading]:
        """Correct, encode and score texts, all in one pass of the encoder.

        All over the same candidates, among which are the best that each of ``wanted`` lets through.
        """
        corrected = [self._corrector.correct(text) for text in texts]
        encoded = self._encoder.encode_questions(corrected)
        queries = [
            Query(e.pooled, danish.terms(text, self._compounds), danish.grams(text))
            for text, e in zip(corrected, encoded, strict=True)
        ]
        candidates = self._retriever.candidates(queries, wanted)
        return [
            self._score(text, e, candidates, raw)
            for text, e, raw in zip(corrected, encoded, candidates.raw, strict=True)
        ]

    def _score(
        self, text: str, encoded: Encoded, candidates: Candidates, raw: RawScores
    ) -> Reading:
        found, cosines, late = raw.rows, raw.cosines, candidates.late
        sentences, answered, unanswered = (
            found[:, 1] == kind for kind in (store.SENTENCE, store.ANSWERED, store.UNANSWERED)
        )
        weights = late.weights(encoded.ids)
        similarities = late.similarities(encoded)
        scored = scores(raw, len(candidates.passages), late.passages(similarities, weights))
        return Reading(
            text=text,
            encoded=encoded,
            candidates=candidates,
            scores=scored,
            similarities=similarities,
            weights=weights,
            sentences=found[sentences][:, [0, 2]],
            cosines=cosines[sentences],
            answered=found[answered][:, [0, 2]],
            alike=cosines[answered],
            left=found[unanswered, 0],
            alike_left=cosines[unanswered],
            fused=ranking.fuse(scored, self._weights),
        )

    def highlights(
        self, reading: Reading, number: int, judgement: Judgement | None = None
    ) -> tuple[Span, ...]:
        """The passage's sentences that answer best, best first: one, or two that are as good.

        A heading is never highlighted where there is a sentence.
        """
        passage = reading.candidates.passages[number]
        headings = {block.start for block in passage.blocks if block.role == "heading"}
        spans = passage.sentences
        scores = self.sentence_scores(reading, number, judgement)
        candidates = [n for n, (start, _) in enumerate(spans) if start not in headings]
        candidates = candidates or list(range(len(spans)))
        ranked = sorted(candidates, key=lambda n: (-scores[n], n))[:2]
        best = scores[ranked[0]]
        return tuple(
            spans[n] for n in ranked if n == ranked[0] or scores[n] >= best - _SIDE_SENTENCE
        )

    def sentence_scores(
        self, reading: Reading, number: int, judgement: Judgement | None = None
    ) -> npt.NDArray[np.float32]:
        """How well each sentence of a passage answers, (sentences,) float32 on no fixed scale.

        Late interaction and cosine with the sentence, cosine with the reader questions that it
        answers, and the reader's token logits.
        """
        late = reading.candidates.late
        count = len(reading.candidates.passages[number].sentences)
        scores = late.sentences(reading.similarities, reading.weights, number, count)
        scores = scores + _best_of(reading.sentences, reading.cosines, number, count)
        if self._weights.asked > 0:
            asked = _best_of(reading.answered, reading.alike, number, count)
            scores = scores + np.float32(_ASKED_SENTENCE) * asked
        if judgement is not None:
            pointed = late.sentence_means(judgement.tokens, number, count)
            scores = scores + np.float32(_POINTED_SENTENCE) * pointed
        return np.asarray(scores, dtype=np.float32)

    def names_unknown(self, text: str) -> bool:
        """Whether a text names something that the reports never do."""
        return bool(self._corrector.unknown_names(text))

    def asked(self, reading: Reading, report: str) -> tuple[float | None, float | None]:
        """Best cosines with a reader question of a report that has an answer, and that has none.

        None for each where the report has none, which says nothing of what it answers, and for
        both where they are left out of the scores.
        """
        if not len(reading.alike) or self._weights.asked <= 0:
            return None, None
        own = np.array([passage.report == report for passage in reading.candidates.passages])
        alike = reading.alike[own[reading.answered[:, 0]]]
        left = reading.alike_left[own[reading.left]]
        if not len(alike):
            return None, None
        return float(alike.max()), float(left.max()) if len(left) else None

    def coverage(self, reading: Reading, top: Sequence[int]) -> float:
        """The greatest share, 0 to 1, of the question's index terms that one of ``top`` holds.

        1 for a question in English, of whose words a Danish report holds none anyway.
        """
        if wording.language(reading.text) == "en":
            return 1.0
        passages = reading.candidates.passages
        asked = set(danish.terms(reading.text, self._compounds))
        held = (
            set(danish.terms(build.with_headings(passages[number]), self._compounds))
            for number in top
        )
        return (
            max((len(asked & terms) / len(asked) for terms in held), default=0.0) if asked else 0.0
        )

    def judge(self, reading: Reading, numbers: Sequence[int]) -> dict[int, Judgement]:
        """What the reader says of some passages, by number; empty for a model without a reader."""
        if self._reader is None or not numbers:
            return {}
        judgements = self._reader.judge(
            reading.candidates.late.centred(reading.encoded),
            [self._taken_in(reading, n, self._reader) for n in numbers],
        )
        return dict(zip(numbers, judgements, strict=True))

    def _taken_in(self, reading: Reading, number: int, reader: TrainedReader) -> Prepared:
        """A passage as the reader takes it in, from those that were taken in lately if it can."""
        key = reading.candidates.passages[number].id
        with self._preparing:
            if key in self._prepared:
                self._prepared.move_to_end(key)
                return self._prepared[key]
        made = reader.prepared(reading.candidates.late.vectors_of(number))
        with self._preparing:
            self._prepared[key] = made
            if len(self._prepared) > _PREPARED:
                self._prepared.popitem(last=False)
        return made


def _best_of(
    rows: npt.NDArray[np.int32], cosines: npt.NDArray[np.float32], passage: int, count: int
) -> npt.NDArray[np.float32]:
    """The best cosine of each of a passage's ``count`` sentences, (count,) float32.

    ``rows`` (k, 2) tell passage and sentence of the cosines (k,). A sentence that none belongs to
    gets the least of the passage's others.
    """
    here = (rows[:, 0] == passage) & (rows[:, 1] >= 0)
    if not here.any():
        return np.zeros(count, np.float32)
    floor = float(cosines[here].min())
    return ranking.best_per_group(cosines[here], rows[here, 1], count, floor)
