"""What is trained on: documents of passages, with questions that they answer and do not answer."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tryghed_search import build, danish
from tryghed_search.passages import Span
from tryghed_search.reader_questions import WHOLE


@dataclass(eq=False)
class Passage:
    """One passage as it is embedded, and its questions."""

    heading: str
    text: str
    answered: list[tuple[str, int | None]] = field(default_factory=list)
    """Questions with the number of the sentence that answers, where it is known."""
    unanswered: list[str] = field(default_factory=list)
    """Questions that no passage of the document answers."""
    sentences: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        self.sentences = self.sentences or tuple(danish.sentences(self.text))

    @property
    def embedded(self) -> str:
        return f"{self.heading}. {self.text}"

    def sentence(self, number: int) -> str:
        start, end = self.sentences[number]
        return self.text[start:end]

    def holding(self, quote: str) -> int | None:
        """The number of the sentence that holds a quote."""
        at = self.text.find(quote)
        spans = enumerate(self.sentences)
        return next((n for n, (start, end) in spans if start <= at < end), None)


Document = list[Passage]


def own(paths: Iterable[Path]) -> list[Document]:
    """The documents written for training (``training/data``)."""
    documents = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            document = []
            for given in json.loads(line)["passages"]:
                passage = Passage(given["path"], given["text"], unanswered=given["near"])
                passage.answered = [
                    (q, passage.holding(quote)) for _, q, quote in given["questions"]
                ]
                document.append(passage)
            documents.append(document)
    return documents


def reports(folder: Path) -> list[Document]:
    """The reports of the product with their reader questions.

    A document is a case or a trend; what stands in one passage each (types, a preface) is together.
    """
    documents: dict[tuple[str, str], Document] = {}
    for source in build.read_reports(folder):
        for passage in source.report.passages:
            given = source.reader_questions.get(passage.id)
            if given is None:
                continue
            answered = [(q, None if number == WHOLE else number) for q, number in given.answered]
            documents.setdefault((source.report.id, passage.entry or ""), []).append(
                Passage(
                    build.heading_path(passage),
                    passage.text,
                    answered,
                    list(given.unanswered),
                    passage.sentences,
                )
            )
    single = [p for document in documents.values() if len(document) == 1 for p in document]
    together = [document for document in documents.values() if len(document) > 1]
    return [*together, single] if single else together


def squad(path: Path) -> list[Document]:
    """SQuAD 2.0's paragraphs by title; long ones are left out."""
    documents: dict[str, Document] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        if len(given["text"]) > 1000:
            continue
        passage = Passage(given["title"], given["text"])
        for asked in given["questions"]:
            if asked["answerable"]:
                passage.answered.append((asked["question"], None))
            else:
                passage.unanswered.append(asked["question"])
        documents.setdefault(given["title"], []).append(passage)
    return list(documents.values())


def norquad(folder: Path) -> list[Document]:
    """NorQuAD's passages by article, with the questions that each answers."""
    documents: dict[int, Document] = {}
    passages: dict[int, Passage] = {}
    for line in (folder / "norquad-da-passages.jsonl").read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        passages[given["id"]] = passage = Passage(given["title"], given["text"])
        documents.setdefault(given["document"], []).append(passage)
    for line in (folder / "norquad-da-questions.jsonl").read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        passages[given["relevant"][0]].answered.append((given["question"], None))
    return list(documents.values())


def neighbours(documents: list[Document], rng: random.Random, size: int) -> Iterator[Document]:
    """Groups of up to ``size`` passages of one document, without end, every passage in turn."""
    while True:
        groups = []
        for document in documents:
            asked = [p for p in document if p.answered or p.unanswered]
            rng.shuffle(asked)
            groups += [asked[i : i + size] for i in range(0, len(asked), size)]
        rng.shuffle(groups)
        yield from groups
