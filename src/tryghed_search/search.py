"""One question in, one answer out: retrieval, ranking, highlights and honesty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import build, confidence, conversation, danish, notices, ranking, store, wording
from tryghed_search.errors import BadQuestionError
from tryghed_search.passages import (
    ENTRY_KINDS,
    Answer,
    Filters,
    Hit,
    Question,
    Report,
    SectionHit,
    Span,
)
from tryghed_search.places import Gazetteer
from tryghed_search.tokens import LateInteraction

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded, Encoder

MAX_QUESTION = 500
MAX_HISTORY = 10
MAX_LIMIT = 20

_NEIGHBOURS = 1024
"""Vectors looked at for one question; all of them in an index of this report's size."""
_NAMED = 0.15
"""Added to passages of a municipality that the question names."""
_HISTORY_SHARE = 0.5
"""How much the question together with the one before it counts, when it leans on that."""
_CARRIED = 0.15
"""Added to the passages of the section that a follow-up stays in."""
_HISTORY_SHARE_OF_A_NAME = 0.9
"""The same for a question that says nothing but another name ("og i Gentofte?")."""
_SIDE_SENTENCE = 0.9
"""A further sentence is highlighted from this share of the best sentence's score."""
_SECTION_HITS = 3


@dataclass(frozen=True, slots=True)
class _Reading:
    """One text as the searcher reads it: corrected, encoded, scored."""

    text: str
    encoded: Encoded
    scores: ranking.Scores
    similarities: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    cosines: dict[tuple[int, int], float]
    """(passage, sentence) to the cosine with the question."""
    fused: npt.NDArray[np.float32]


class Searcher:
    """Answers questions over one loaded index with the model that made it."""

    def __init__(
        self,
        contents: store.Contents,
        encoder: Encoder,
        weights: ranking.Weights | None = None,
    ) -> None:
        self._contents = contents
        self._encoder = encoder
        self._weights = weights or ranking.Weights()
        self._passages = contents.passages
        self._late = LateInteraction(contents.tokens)
        vocabulary = build.vocabulary(self._passages)
        self._compounds = danish.compound_parts(vocabulary)
        self._corrector = wording.Corrector(vocabulary)
        self._gazetteer = Gazetteer(contents.municipalities)
        self._titles = {
            (report.id, section.slug): section.title
            for report in contents.reports
            for section in report.sections
        }

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports in the index."""
        return self._contents.reports

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, question: Question) -> Answer:
        """Answer one question.

        Raises ``BadQuestionError`` for a question that is empty or too long, too much history, a
        limit out of range, or a filter value that the index does not have.
        """
        text = self._checked(question)
        allowed = self._allowed(question.filters)
        own, fused = self._read_in_context(text, question.history)
        ranked = ranking.order(fused, allowed)[: question.limit]
        language = wording.language(text)
        likely = self._probability(text, own, ranked)
        answered = bool(ranked) and likely >= confidence.ANSWERED_FROM
        hits = tuple(
            Hit(
                passage=self._passages[i],
                rank=rank,
                score=round(float(min(1.0, fused[i])), 4),
                highlights=self._highlights(own, i),
            )
            for rank, i in enumerate(ranked, start=1)
        )
        sentence = None
        if answered:
            first = hits[0]
            start, end = first.highlights[0] if first.highlights else (0, len(first.passage.text))
            sentence = first.passage.text[start:end]
        unreported = self._gazetteer.unreported(text)
        return Answer(
            question=text,
            status="answered" if answered else "not_in_report",
            confidence=round(likely, 4),
            notice=None if answered else notices.not_in_report(language, unreported, bool(ranked)),
            sentence=sentence,
            hits=hits,
            suggestions=self._suggestions(ranked, (*question.history, text), answered),
            language=language,
        )

    def rank(self, text: str, count: int) -> list[int]:
        """Numbers of the ``count`` best passages for a text of any length, best first."""
        fused = self._with_names(self._read([text])[0].fused, text)
        return ranking.order(fused, np.ones(len(self._passages), dtype=bool))[:count]

    def _checked(self, question: Question) -> str:
        text = " ".join(question.text.split())
        if not text:
            raise BadQuestionError("Skriv et spørgsmål.")
        if len(text) > MAX_QUESTION:
            raise BadQuestionError(f"Spørgsmålet må højst være på {MAX_QUESTION} tegn.")
        if len(question.history) > MAX_HISTORY:
            raise BadQuestionError(f"Der kan højst følge {MAX_HISTORY} tidligere spørgsmål med.")
        if not 1 <= question.limit <= MAX_LIMIT:
            raise BadQuestionError(f"Antallet af steder skal være fra 1 til {MAX_LIMIT}.")
        return text

    def _allowed(self, filters: Filters) -> npt.NDArray[np.bool_]:
        """Which passages the filters let through, (n,) bool."""
        allowed = np.ones(len(self._passages), dtype=bool)
        for name, values, of in (
            ("kind", filters.kinds, lambda p: (p.kind,)),
            ("municipality", filters.municipalities, lambda p: p.municipalities),
            ("audience", filters.audiences, lambda p: p.audiences),
        ):
            if not values:
                continue
            wanted = {value.casefold() for value in values}
            known = {value.casefold(): value for p in self._passages for value in of(p)}
            unknown = sorted(value for value in values if value.casefold() not in known)
            if unknown:
                raise BadQuestionError(
                    f"Ukendt værdi i filteret {name}: {', '.join(unknown)}. "
                    f"Mulige værdier: {', '.join(sorted(known.values()))}."
                )
            allowed &= np.array(
                [any(v.casefold() in wanted for v in of(p)) for p in self._passages]
            )
        return allowed

    def _read_in_context(
        self, text: str, history: Sequence[str]
    ) -> tuple[_Reading, npt.NDArray[np.float32]]:
        """The question as it stands, and the fused scores with the one before it if it needs it."""
        resolved = conversation.resolve(text, history, self._gazetteer)
        if resolved is None:
            own = self._read([text])[0]
            return own, self._with_names(own.fused, text)
        own, joined, before = self._read([text, resolved.joined, resolved.before])
        share = np.float32(_HISTORY_SHARE_OF_A_NAME if resolved.only_a_name else _HISTORY_SHARE)
        mixed = (1 - share) * own.fused + share * joined.fused
        mixed = self._carried(mixed, self._with_names(before.fused, resolved.before), resolved)
        return own, self._with_names(mixed, resolved.joined)

    def _carried(
        self,
        fused: npt.NDArray[np.float32],
        before: npt.NDArray[np.float32],
        resolved: conversation.Resolved,
    ) -> npt.NDArray[np.float32]:
        """A follow-up stays in the case, type or trend of the earlier answer.

        With another name it moves to that place's section of the same heading.
        """
        best = self._passages[int(before.argmax())]
        if resolved.moved:
            title = self._titles[best.report, best.section]
            kept = [self._titles[p.report, p.section] == title for p in self._passages]
        else:
            kept = [p.entry is not None and p.entry == best.entry for p in self._passages]
        raised = fused + np.float32(_CARRIED) * np.array(kept, dtype=np.float32)
        return np.asarray(raised / np.float32(1 + _CARRIED), dtype=np.float32)

    def _with_names(self, fused: npt.NDArray[np.float32], text: str) -> npt.NDArray[np.float32]:
        """A question that names a municipality is about the passages that speak of it."""
        names = set(self._gazetteer.reported(text))
        if not names:
            return fused
        about = np.array([bool(names.intersection(p.municipalities)) for p in self._passages])
        raised = fused + np.float32(_NAMED) * about.astype(np.float32)
        return np.asarray(raised / np.float32(1 + _NAMED), dtype=np.float32)

    # --- scoring ----------------------------------------------------------------------------------

    def _read(self, texts: Sequence[str]) -> list[_Reading]:
        corrected = [self._corrector.correct(text) for text in texts]
        encoded = self._encoder.encode_questions(corrected)
        return [self._score(text, e) for text, e in zip(corrected, encoded, strict=True)]

    def _score(self, text: str, encoded: Encoded) -> _Reading:
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
        return _Reading(
            text=text,
            encoded=encoded,
            scores=scores,
            similarities=similarities,
            weights=weights,
            cosines={
                (int(passage), int(number)): float(cosine)
                for (passage, _, number), cosine in zip(
                    found[sentences], cosines[sentences], strict=True
                )
            },
            fused=ranking.fuse(scores, self._weights),
        )

    def _highlights(self, reading: _Reading, number: int) -> tuple[Span, ...]:
        """The passage's sentences that answer best, best first: one, or two that are as good.

        A heading is never highlighted where there is a sentence.
        """
        passage = self._passages[number]
        headings = {block.start for block in passage.blocks if block.role == "heading"}
        spans = passage.sentences
        late = self._late.sentences(reading.similarities, reading.weights, number, len(spans))
        floor = min(reading.cosines.values(), default=0.0)
        pooled = np.array([reading.cosines.get((number, n), floor) for n in range(len(spans))])
        scores = late + pooled
        candidates = [n for n, (start, _) in enumerate(spans) if start not in headings]
        candidates = candidates or list(range(len(spans)))
        ranked = sorted(candidates, key=lambda n: (-scores[n], n))[:2]
        best = scores[ranked[0]]
        return tuple(
            spans[n] for n in ranked if n == ranked[0] or scores[n] >= best * _SIDE_SENTENCE
        )

    def _probability(self, text: str, reading: _Reading, ranked: Sequence[int]) -> float:
        if not ranked:
            return 0.0
        top = list(ranked[:3])
        return confidence.probability(
            confidence.Signals(
                late=float(reading.scores.late[top].max()),
                sentence=float(reading.scores.sentence[top].max()),
                coverage=self._coverage(reading, top),
                unreported=float(bool(self._gazetteer.unreported(text))),
            )
        )

    def _coverage(self, reading: _Reading, top: Sequence[int]) -> float:
        """The share of the question's tokens, weighted by rarity, that a top passage matches."""
        total = float(reading.weights.sum())
        if total <= 0:
            return 0.0
        bounds = self._contents.tokens.bounds
        best = 0.0
        for number in top:
            start, end = bounds[number : number + 2]
            matched = reading.similarities[:, start:end].max(axis=1, initial=-1.0) > 0.5
            best = max(best, float(reading.weights[matched].sum()) / total)
        return best

    def _suggestions(
        self, ranked: Sequence[int], asked: Sequence[str], answered: bool
    ) -> tuple[str, ...]:
        """Questions that the report answers, from the neighbourhood of the best passages."""
        known = self._contents.reader_questions
        numbers: list[int] = list(ranked[1:3] if answered else ranked[:3])
        if answered and ranked:
            best = self._passages[ranked[0]]
            numbers += [
                i for i, p in enumerate(self._passages) if p.entry == best.entry and p != best
            ]
        seen = {" ".join(danish.words(question)) for question in asked}
        found: list[str] = []
        for number in numbers:
            suggestion = known.get(self._passages[number].id)
            if suggestion and " ".join(danish.words(suggestion)) not in seen | set(found):
                found.append(suggestion)
        return tuple(dict.fromkeys(found))[:3]

    # --- whole sections ---------------------------------------------------------------------------

    def sections(self, topic: str | None, filters: Filters) -> tuple[SectionHit, ...]:
        """Whole cases, types and trends for a topic, best first; without one, in report order.

        Only cases, types and trends unless ``filters.kinds`` says otherwise. Raises
        ``BadQuestionError`` as ``ask`` does.
        """
        allowed = self._allowed(filters)
        kinds = filters.kinds or ENTRY_KINDS
        groups: dict[tuple[str, str], list[int]] = {}
        for i, passage in enumerate(self._passages):
            if allowed[i] and passage.kind in kinds:
                groups.setdefault((passage.report, passage.entry or passage.section), []).append(i)
        if filters.kinds == ():
            groups = {
                key: members
                for key, members in groups.items()
                if any(self._passages[i].entry for i in members)
            }
        if topic is None or not topic.strip():
            hits = [
                self._section_hit(key, 1.0, members[:1], None) for key, members in groups.items()
            ]
            return tuple(sorted(hits, key=lambda hit: hit.section.start))
        text = self._checked(Question(topic))
        reading = self._read([text])[0]
        fused = self._with_names(reading.fused, text)
        scored = []
        for key, members in groups.items():
            best = sorted(members, key=lambda i: (-fused[i], i))
            scored.append((self._topic_score(fused, best), key, best))
        scored.sort(key=lambda item: (-item[0], item[2][0]))
        return tuple(
            self._section_hit(key, score, best[:_SECTION_HITS], (reading, fused))
            for score, key, best in scored
        )

    @staticmethod
    def _topic_score(fused: npt.NDArray[np.float32], best: Sequence[int]) -> float:
        """What all passages of a section say: the best counts most, the rest steadily less."""
        shares = 0.5 ** np.arange(len(best))
        return float((fused[list(best)] * shares).sum() / shares.sum())

    def _section_hit(
        self,
        key: tuple[str, str],
        score: float,
        numbers: Sequence[int],
        found: tuple[_Reading, npt.NDArray[np.float32]] | None,
    ) -> SectionHit:
        report = next(report for report in self.reports if report.id == key[0])
        return SectionHit(
            section=report.section(key[1]),
            report=report.id,
            score=round(min(1.0, score), 4),
            hits=tuple(
                Hit(
                    passage=self._passages[i],
                    rank=rank,
                    score=round(float(min(1.0, found[1][i])), 4) if found else 1.0,
                    highlights=self._highlights(found[0], i) if found else (),
                )
                for rank, i in enumerate(numbers, start=1)
            ),
        )
