"""One question in, one answer out: retrieval, ranking, highlights and honesty."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
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
from tryghed_search.passages import (
    ENTRY_KINDS,
    Answer,
    Filters,
    Hit,
    Question,
    Report,
    SectionHit,
)
from tryghed_search.places import Gazetteer
from tryghed_search.reranking import DEPTH
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
    """Answers questions over one loaded index with the model that made it."""

    def __init__(
        self,
        contents: store.Contents,
        encoder: Encoder,
        weights: ranking.Weights | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._reranker = reranker
        self._contents = contents
        self._passages = contents.passages
        self._scorer = Scorer(contents, encoder, weights or ranking.Weights())
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
        allowed = self._allowed(question.filters)
        own, meant, fused = self._read_in_context(text, question.history)
        best = self._reranked(meant.text, ranking.order(fused, allowed))
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
                passage=self._passages[i],
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
            suggestions=self._suggestions(ranked, (*question.history, text), answered),
            language=language,
        )

    def _reranked(self, text: str, best: list[int]) -> list[int]:
        """The best few in the re-ranker's order, if there is one, before the others."""
        if self._reranker is None:
            return best
        first = best[:DEPTH]
        passages = [build.embedded_text(self._passages[i]) for i in first]
        return [first[n] for n in self._reranker.order(text, passages)] + best[DEPTH:]

    def rank(self, text: str, count: int) -> list[int]:
        """Numbers of the ``count`` best passages for a text of any length, best first."""
        fused = self._with_names(self._scorer.read([text])[0].fused, text)
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
            ("theme", filters.themes, lambda p: p.themes),
            ("report", filters.reports, lambda p: (p.report,)),
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
    ) -> tuple[Reading, Reading, npt.NDArray[np.float32]]:
        """The question as it stands, as it is meant after the ones before it, and fused scores."""
        resolved = conversation.resolve(text, history, self._gazetteer)
        if resolved is None:
            own = self._scorer.read([text])[0]
            return own, own, self._with_names(own.fused, text)
        own, joined, before = self._scorer.read([text, resolved.joined, resolved.before])
        share = np.float32(_HISTORY_SHARE_OF_A_NAME if resolved.only_a_name else _HISTORY_SHARE)
        mixed = (1 - share) * own.fused + share * joined.fused
        mixed = self._carried(mixed, self._with_names(before.fused, resolved.before), resolved)
        return own, joined, self._with_names(mixed, resolved.joined)

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
        return ranking.raised(fused, np.array(kept), _CARRIED)

    def _with_names(self, fused: npt.NDArray[np.float32], text: str) -> npt.NDArray[np.float32]:
        """A question that names a municipality is about the passages that speak of it."""
        names = set(self._gazetteer.reported(text))
        if not names:
            return fused
        about = np.array([bool(names.intersection(p.municipalities)) for p in self._passages])
        case = about & np.array([p.kind == "case" for p in self._passages])
        return ranking.raised(ranking.raised(fused, about, _NAMED), case, _NAMED_CASE)

    def signals(self, question: Question) -> confidence.Signals:
        """What the confidence in an answer to one question rests on."""
        text = self._checked(question)
        _, meant, fused = self._read_in_context(text, question.history)
        best = ranking.order(fused, self._allowed(question.filters))
        return self._signals(meant, best, self._scorer.judge(meant, best[:_LOOKED_AT]))

    def _signals(
        self, reading: Reading, best: Sequence[int], judged: Mapping[int, Judgement]
    ) -> confidence.Signals:
        top = list(best[:_LOOKED_AT])
        read = [judgement.logit for judgement in judged.values()]
        sentence = self._sentence(reading, best[0], judged.get(best[0])) if best else ""
        asked, unanswered = self._scorer.asked(reading)
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
        passage = self._passages[number]
        start, end = self._scorer.highlights(reading, number, judgement)[0]
        return passage.text[start:end]

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
            order = {report.id: number for number, report in enumerate(self.reports)}
            return tuple(sorted(hits, key=lambda hit: (order[hit.report], hit.section.start)))
        text = self._checked(Question(topic))
        reading = self._scorer.read([text])[0]
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
        shares = _NEXT_BEST ** np.arange(len(best))
        return float((fused[list(best)] * shares).sum() / shares.sum())

    def _section_hit(
        self,
        key: tuple[str, str],
        score: float,
        numbers: Sequence[int],
        found: tuple[Reading, npt.NDArray[np.float32]] | None,
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
                    highlights=self._scorer.highlights(found[0], i) if found else (),
                )
                for rank, i in enumerate(numbers, start=1)
            ),
        )
