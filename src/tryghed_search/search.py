"""One question in, one answer out: retrieval, ranking, highlights and honesty."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import (
    answer_types,
    build,
    confidence,
    conversation,
    danish,
    notices,
    ranking,
    store,
    wording,
)
from tryghed_search.errors import BadQuestionError
from tryghed_search.memory import retriever_over
from tryghed_search.passages import (
    ENTRY_KINDS,
    Answer,
    Filters,
    Hit,
    Passage,
    Question,
    Report,
    SectionHit,
    Span,
)
from tryghed_search.places import Gazetteer
from tryghed_search.reranking import DEPTH
from tryghed_search.retrieval import Retriever, lets_through
from tryghed_search.scoring import Reading, Scorer

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoder
    from tryghed_search.reader import Judgement
    from tryghed_search.reranking import Reranker

MAX_QUESTION = 500
MAX_HISTORY = 10
MAX_LIMIT = 20

_NAMED = 0.15
"""Added to passages of a municipality that the question names."""
_NAMED_CASE = 0.1
"""Added, besides, to the passages of its own case: the question is about that."""
_HISTORY_SHARE = 0.5
"""How much the question together with the one before it counts, when it leans on that."""
_CARRIED = 0.15
"""Added to the passages of the section that a follow-up stays in."""
_HISTORY_SHARE_OF_A_NAME = 0.9
"""The same for a question that says nothing but another name ("og i Gentofte?")."""
_SECTION_HITS = 3
_NEXT_BEST = 0.2
"""How much each passage counts for its section, next to the better one before it."""
_LOOKED_AT = 3
"""Best passages that the confidence in an answer rests on."""


class Searcher:
    """Answers questions over one store's passages with the model that made them."""

    def __init__(
        self,
        passages: store.Contents | Retriever,
        encoder: Encoder,
        weights: ranking.Weights | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        """``passages`` are an index in memory or another store of them."""
        self._reranker = reranker
        retriever = retriever_over(passages) if isinstance(passages, store.Contents) else passages
        self._corpus = retriever.corpus
        self._scorer = Scorer(retriever, encoder, weights or ranking.Weights())
        self._gazetteer = Gazetteer(self._corpus.municipalities)
        self._titles = {
            (report.id, section.slug): section.title
            for report in self._corpus.reports
            for section in report.sections
        }

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports in the index."""
        return self._corpus.reports

    def weighing(self, weights: ranking.Weights) -> Searcher:
        """A searcher over the same index that weighs the scores otherwise, for comparisons."""
        other = copy.copy(self)
        other._scorer = self._scorer.weighing(weights)
        return other

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, question: Question) -> Answer:
        """Answer one question.

        Raises ``BadQuestionError`` for a question that is empty or too long, too much history, a
        limit out of range, or a filter value that the index does not have.
        """
        text = self._checked(question)
        own, meant, fused = self._read_in_context(text, question)
        passages = own.candidates.passages
        best = self._reranked(meant, self._ordered(fused, passages, question.filters))
        ranked = best[: question.limit]
        language = wording.language(text)
        judged = self._scorer.judge(meant, best[:_LOOKED_AT])
        likely = confidence.probability(self._signals(meant, best, judged)) if best else 0.0
        if wording.are_keywords(text) and self._scorer.coverage(own, best[:1]) == 1.0:
            likely = max(likely, confidence.HOLDS_KEYWORDS)
        answered = bool(ranked) and likely >= confidence.ANSWERED_FROM
        scores = sorted((float(fused[i]) for i in ranked), reverse=True)  # also when re-ranked
        hits = tuple(
            Hit(
                passage=passages[i],
                rank=rank,
                score=round(min(1.0, score), 4),
                highlights=self._scorer.highlights(own, i, judged.get(i)),
            )
            for rank, (i, score) in enumerate(zip(ranked, scores, strict=True), start=1)
        )
        sentence = None
        if answered:
            start, end = hits[0].highlights[0]
            sentence = hits[0].passage.text[start:end]
        unreported = self._gazetteer.unreported(text)
        return Answer(
            question=text,
            status="answered" if answered else "not_in_report",
            confidence=round(likely, 4),
            notice=None
            if answered
            else notices.not_in_report(
                language,
                unreported,
                has_related=bool(ranked),
                limited=question.filters != Filters(),
            ),
            sentence=sentence,
            hits=hits,
            suggestions=self._suggestions(passages, ranked, (*question.history, text), answered),
            language=language,
        )

    def _ordered(
        self, fused: npt.NDArray[np.float32], passages: Sequence[Passage], filters: Filters
    ) -> list[int]:
        """Numbers of the passages that the filters let through, best first."""
        return ranking.order(fused, lets_through(filters, passages))

    def _reranked(self, reading: Reading, best: list[int]) -> list[int]:
        """The best few in the re-ranker's order, if there is one, before the others."""
        if self._reranker is None:
            return best
        first = best[:DEPTH]
        passages = [build.embedded_text(reading.candidates.passages[i]) for i in first]
        return [first[n] for n in self._reranker.order(reading.text, passages)] + best[DEPTH:]

    def rank(self, text: str, count: int) -> list[Passage]:
        """The ``count`` best passages for a text of any length, best first."""
        (reading,) = self._read([text], Filters())
        fused = self._with_names(reading.fused, reading, text)
        passages = reading.candidates.passages
        return [passages[i] for i in self._ordered(fused, passages, Filters())[:count]]

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
        self._check_filters(question.filters)
        return text

    def _check_filters(self, filters: Filters) -> None:
        for name, values in filters.named:
            known = self._corpus.filters[name]
            unknown = sorted(value for value in values if value.casefold() not in known)
            if unknown:
                raise BadQuestionError(
                    f"Ukendt værdi i filteret {name}: {', '.join(unknown)}. "
                    f"Mulige værdier: {', '.join(sorted(known.values()))}."
                )

    def _read(self, texts: Sequence[str], filters: Filters) -> list[Reading]:
        """The texts, scored over the best of all, of what is asked for and of what they name."""
        named = [tuple(self._gazetteer.reported(text)) for text in texts]
        about = [replace(filters, municipalities=names) for names in dict.fromkeys(named) if names]
        return self._scorer.read(texts, [*([filters] if filters.named else []), *about])

    def _read_in_context(
        self, text: str, question: Question
    ) -> tuple[Reading, Reading, npt.NDArray[np.float32]]:
        """The question as it stands, as it is meant after the ones before it, and fused scores."""
        resolved = conversation.resolve(text, question.history, self._gazetteer)
        if resolved is None:
            (own,) = self._read([text], question.filters)
            return own, own, self._with_names(own.fused, own, text)
        texts = (text, resolved.joined, resolved.before)
        own, joined, before = self._read(texts, question.filters)
        share = np.float32(_HISTORY_SHARE_OF_A_NAME if resolved.only_a_name else _HISTORY_SHARE)
        mixed = (1 - share) * own.fused + share * joined.fused
        earlier = self._with_names(before.fused, before, resolved.before)
        mixed = self._carried(mixed, earlier, own.candidates.passages, resolved)
        return own, joined, self._with_names(mixed, own, resolved.joined)

    def _carried(
        self,
        fused: npt.NDArray[np.float32],
        before: npt.NDArray[np.float32],
        passages: Sequence[Passage],
        resolved: conversation.Resolved,
    ) -> npt.NDArray[np.float32]:
        """A follow-up stays in the case, type or trend of the earlier answer.

        With another name it moves to that place's section of the same heading.
        """
        best = passages[int(before.argmax())]
        if resolved.moved:
            title = self._titles[best.report, best.section]
            kept = [self._titles[p.report, p.section] == title for p in passages]
        else:
            kept = [p.entry is not None and p.entry == best.entry for p in passages]
        return ranking.raised(fused, np.array(kept), _CARRIED)

    def _with_names(
        self, fused: npt.NDArray[np.float32], reading: Reading, text: str
    ) -> npt.NDArray[np.float32]:
        """A question that names a municipality is about the passages that speak of it."""
        names = set(self._gazetteer.reported(text))
        if not names:
            return fused
        passages = reading.candidates.passages
        about = np.array([bool(names.intersection(p.municipalities)) for p in passages])
        case = about & np.array([p.kind == "case" for p in passages])
        return ranking.raised(ranking.raised(fused, about, _NAMED), case, _NAMED_CASE)

    def signals(self, question: Question) -> confidence.Signals:
        """What the confidence in an answer to one question rests on."""
        text = self._checked(question)
        _, meant, fused = self._read_in_context(text, question)
        best = self._ordered(fused, meant.candidates.passages, question.filters)
        return self._signals(meant, best, self._scorer.judge(meant, best[:_LOOKED_AT]))

    def _signals(
        self, reading: Reading, best: Sequence[int], judged: Mapping[int, Judgement]
    ) -> confidence.Signals:
        top = list(best[:_LOOKED_AT])
        read = [judgement.logit for judgement in judged.values()]
        sentence = self._sentence(reading, best[0], judged.get(best[0])) if best else ""
        found_in = reading.candidates.passages[best[0]].report if best else ""
        asked, unanswered = self._scorer.asked(reading, found_in)
        return confidence.Signals(
            unreported=float(
                bool(self._gazetteer.unreported(reading.text))
                or self._scorer.names_unknown(reading.text)
            ),
            met={None: 0.0, True: 1.0, False: -1.0}[answer_types.met(reading.text, sentence)],
            wordless=0.0
            if wording.language(reading.text) == "en"
            else 1.0 / (1.0 + float(reading.scores.words.max())),
            unasked=0.0 if asked is None else 100 * max(0.0, confidence.USUALLY_ASKED - asked),
            unanswered=confidence.UNDECIDED
            if asked is None or unanswered is None
            else 100 * (unanswered - asked),
            read=sum(read) / len(read) if read else None,
            read_best=max(*read, confidence.LEAST_READ) if read else None,
            coverage=None if read else self._scorer.coverage(reading, top),
        )

    def _sentence(self, reading: Reading, number: int, judgement: Judgement | None) -> str:
        """The sentence of a passage that answers best."""
        passage = reading.candidates.passages[number]
        start, end = self._scorer.highlights(reading, number, judgement)[0]
        return passage.text[start:end]

    def _suggestions(
        self,
        passages: Sequence[Passage],
        ranked: Sequence[int],
        asked: Sequence[str],
        answered: bool,
    ) -> tuple[str, ...]:
        """Questions that the report answers, from the neighbourhood of the best passages."""
        known = self._corpus.reader_questions
        numbers: list[int] = list(ranked[1:3] if answered else ranked[:3])
        if answered and ranked:
            best = passages[ranked[0]]
            numbers += [
                i
                for i, p in enumerate(passages)
                if p.entry == best.entry and p.report == best.report and i != ranked[0]
            ]
        seen = {" ".join(danish.words(question)) for question in asked}
        found: list[str] = []
        for number in numbers:
            suggestion = known.get(passages[number].id)
            if suggestion and " ".join(danish.words(suggestion)) not in seen | set(found):
                found.append(suggestion)
        return tuple(dict.fromkeys(found))[:3]

    # --- whole sections ---------------------------------------------------------------------------

    def sections(self, topic: str | None, filters: Filters) -> tuple[SectionHit, ...]:
        """Whole cases, types and trends for a topic, best first; without one, in report order.

        Only cases, types and trends unless ``filters.kinds`` says otherwise. Raises
        ``BadQuestionError`` as ``ask`` does.
        """
        kinds = filters.kinds or ENTRY_KINDS
        if topic is None or not topic.strip():
            self._check_filters(filters)
            passages = [p for report in self.reports for p in report.passages]
            hits = [
                self._section_hit(key, 1.0, [passages[members[0]]], [1.0], [()])
                for key, members in self._groups(passages, filters, kinds).items()
            ]
            order = {report.id: number for number, report in enumerate(self.reports)}
            return tuple(sorted(hits, key=lambda hit: (order[hit.report], hit.section.start)))
        text = self._checked(Question(topic, filters=filters))
        (reading,) = self._read([text], replace(filters, kinds=kinds))
        fused = self._with_names(reading.fused, reading, text)
        found = reading.candidates.passages
        scored = []
        for key, members in self._groups(found, filters, kinds).items():
            best = sorted(members, key=lambda i: (-fused[i], i))
            scored.append((self._topic_score(fused, best), key, best))
        scored.sort(key=lambda item: (-item[0], item[2][0]))
        return tuple(
            self._section_hit(
                key,
                score,
                [found[i] for i in best[:_SECTION_HITS]],
                [float(fused[i]) for i in best[:_SECTION_HITS]],
                [self._scorer.highlights(reading, i) for i in best[:_SECTION_HITS]],
            )
            for score, key, best in scored
        )

    @staticmethod
    def _groups(
        passages: Sequence[Passage], filters: Filters, kinds: Sequence[str]
    ) -> dict[tuple[str, str], list[int]]:
        """Numbers of the passages of each section that is listed, by report and slug."""
        allowed = lets_through(filters, passages)
        groups: dict[tuple[str, str], list[int]] = {}
        for i, passage in enumerate(passages):
            if allowed[i] and passage.kind in kinds:
                groups.setdefault((passage.report, passage.entry or passage.section), []).append(i)
        if filters.kinds == ():
            groups = {
                key: members
                for key, members in groups.items()
                if any(passages[i].entry for i in members)
            }
        return groups

    @staticmethod
    def _topic_score(fused: npt.NDArray[np.float32], best: Sequence[int]) -> float:
        """What all passages of a section say: the best counts most, the rest steadily less."""
        shares = _NEXT_BEST ** np.arange(len(best))
        return float((fused[list(best)] * shares).sum() / shares.sum())

    def _section_hit(
        self,
        key: tuple[str, str],
        score: float,
        passages: Sequence[Passage],
        scores: Sequence[float],
        highlights: Sequence[tuple[Span, ...]],
    ) -> SectionHit:
        report = next(report for report in self.reports if report.id == key[0])
        return SectionHit(
            section=report.section(key[1]),
            report=report.id,
            score=round(min(1.0, score), 4),
            hits=tuple(
                Hit(passage, rank, round(min(1.0, own), 4), spans)
                for rank, (passage, own, spans) in enumerate(
                    zip(passages, scores, highlights, strict=True), start=1
                )
            ),
        )
