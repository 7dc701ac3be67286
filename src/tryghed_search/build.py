"""Ingest: from the reports' folders to a complete index."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tryghed_search import chunking, danish, encodings, outline, reader_questions, store
from tryghed_search.encodings import Encodings
from tryghed_search.errors import OutlineError
from tryghed_search.lexical import LexicalIndex
from tryghed_search.locking import writing
from tryghed_search.passages import Passage, Report
from tryghed_search.pieces import Kind, Pieces
from tryghed_search.reader_questions import ReaderQuestions
from tryghed_search.tokens import TokenSum, TokenVectors, sentence_numbers
from tryghed_search.vectors import VectorIndex

if TYPE_CHECKING:
    import numpy.typing as npt

    from tryghed_search.embedding import Encoded, Encoder

TEXT, OUTLINE, QUESTIONS = "report.txt", "outline.toml", "questions.toml"
ENCODED = "encoded"
"""The folder in the index's with what earlier ingests have embedded."""

Progress = encodings.Progress


@dataclass(frozen=True, slots=True)
class Source:
    """One report as it was read from its folder."""

    report: Report
    municipalities: Mapping[str, tuple[str, ...]]
    reader_questions: Mapping[str, ReaderQuestions]
    """By passage id."""


def read_reports(folder: Path) -> tuple[Source, ...]:
    """Every report in ``folder``, one subfolder each, by name.

    Raises ``OutlineError`` when there is none, when a file is missing or not UTF-8, or when an
    outline or a file of reader questions does not fit its text.
    """
    # Hidden ones are what an 'add' that was killed has left.
    folders = sorted(
        path.parent for path in folder.glob(f"*/{OUTLINE}") if not path.parent.name.startswith(".")
    )
    if not folders:
        raise OutlineError(
            f"There is no report in {folder}: each needs a folder of its own with {TEXT} and "
            f"{OUTLINE}. Name another place with TRYGHED_REPORTS."
        )
    sources = tuple(_read_report(path) for path in folders)
    having: dict[str, str] = {}
    for path, source in zip(folders, sources, strict=True):
        other = having.setdefault(source.report.id, path.name)
        if other != path.name:
            raise OutlineError(
                f"Two reports in {folder} have the id {source.report.id!r}, {other} and "
                f"{path.name}: give one of them another in its {OUTLINE}, or remove it."
            )
    return sources


def _read_report(folder: Path) -> Source:
    text = _read_text(folder / TEXT)
    declared = outline.parse(_read_toml(folder / OUTLINE), text, str(folder / OUTLINE))
    report = chunking.report_from(declared, text)
    questions = folder / QUESTIONS
    return Source(
        report=report,
        municipalities=declared.municipalities,
        reader_questions=reader_questions.parse(_read_toml(questions), report, str(questions))
        if questions.exists()
        else {},
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise OutlineError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise OutlineError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None


def _read_toml(path: Path) -> str:
    """Without the byte order mark that some editors put first and TOML does not know."""
    return _read_text(path).removeprefix("\ufeff")


def heading_path(passage: Passage) -> str:
    """The headings that stand in front of a passage where it is embedded, never where it is quoted.

    The chapter's own title is left out unless it is all there is.
    """
    return " › ".join(passage.path[1:] or passage.path)


def embedded_text(passage: Passage) -> str:
    """A passage as it is embedded: its text with the heading path in front."""
    return f"{heading_path(passage)}. {passage.text}"


def encode(
    sources: Sequence[Source],
    encoder: Encoder,
    progress: Progress | None = None,
    kept: Pieces | None = None,
) -> list[Encoded]:
    """The encodings of every passage, sentence and reader question, in ``vector_rows``' order.

    What is among the ``kept`` pieces is taken from there, and what is not is kept there.
    ``progress`` counts the texts that are embedded now.
    """
    return list(Encodings(_work(sources), encoder, progress, kept))


def _work(sources: Sequence[Source]) -> list[tuple[Kind, list[str]]]:
    """The texts of all reports, in ``vector_rows``' order, in runs of one kind and report."""
    reports = [source.report for source in sources]
    asked = {k: v for source in sources for k, v in source.reader_questions.items()}
    given = [[asked[p.id] for p in report.passages if p.id in asked] for report in reports]
    # Of each report by itself.
    passage_texts = [[embedded_text(p) for p in report.passages] for report in reports]
    sentences = [
        [p.text[start:end] for p in report.passages for start, end in p.sentences]
        for report in reports
    ]
    answered = [[question for g in some for question, _ in g.answered] for some in given]
    unanswered = [[question for g in some for question in g.unanswered] for some in given]
    return [
        *(("passage", texts) for texts in passage_texts),
        *(("sentence", texts) for texts in sentences),
        *(("question", texts) for texts in (*answered, *unanswered)),
    ]


def embed(
    sources: Sequence[Source],
    encoder: Encoder,
    progress: Progress | None = None,
    kept: Pieces | None = None,
    token_vectors: Path | None = None,
) -> store.Contents:
    """Embed every passage, sentence and reader question and put the index together.

    ``kept`` and ``progress`` are those of ``encode``. Token vectors, which are most of it, are
    written to the file ``token_vectors`` where it is named: then, with ``kept``, no more than
    a piece of them is in memory.
    """
    reports = tuple(source.report for source in sources)
    passages = [passage for report in reports for passage in report.passages]
    asked = {k: v for source in sources for k, v in source.reader_questions.items()}
    every = Encodings(_work(sources), encoder, progress, kept)
    pooled = np.empty((len(every), encoder.identity.dimension), np.float32)
    token_sum = TokenSum(encoder.identity.dimension)
    sentences: list[npt.NDArray[np.int32]] = []
    for row, encoded in enumerate(every):
        pooled[row] = encoded.pooled
        if row < len(passages):
            passage = passages[row]
            starts = encoded.spans[:, 0] - len(heading_path(passage)) - 2
            sentences.append(sentence_numbers(starts, passage.sentences))
            token_sum.add(encoded)
    tokens = TokenVectors.build(every.passages(), sentences, token_sum.mean, token_vectors)
    words = vocabulary(passages)
    return store.Contents(
        reports=reports,
        municipalities=all_spellings(source.municipalities for source in sources),
        reader_questions={passage: given.suggest for passage, given in asked.items()},
        vectors=VectorIndex.build(pooled),
        rows=vector_rows(passages, asked),
        tokens=tokens,
        words=LexicalIndex.build(word_terms(passages, words)),
        grams=LexicalIndex.build(danish.grams(with_headings(p)) for p in passages),
        vocabulary=words,
    )


def all_spellings(
    reports: Iterable[Mapping[str, tuple[str, ...]]],
) -> dict[str, tuple[str, ...]]:
    """The municipalities of all reports, with every spelling that one of them gives."""
    found: dict[str, tuple[str, ...]] = {}
    for municipalities in reports:
        for name, spellings in municipalities.items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *spellings)))
    return found


def vector_rows(
    passages: Sequence[Passage], asked: Mapping[str, ReaderQuestions]
) -> npt.NDArray[np.int32]:
    """What each vector of an index is of, (vectors, 3) int32 as in ``store.Contents.rows``."""
    rows = [(i, store.PASSAGE, 0) for i in range(len(passages))]
    for i, passage in enumerate(passages):
        rows.extend((i, store.SENTENCE, n) for n in range(len(passage.sentences)))
    given = [(i, asked[passage.id]) for i, passage in enumerate(passages) if passage.id in asked]
    for i, questions in given:
        rows.extend((i, store.ANSWERED, number) for _, number in questions.answered)
    for i, questions in given:
        rows.extend((i, store.UNANSWERED, n) for n in range(len(questions.unanswered)))
    return np.asarray(rows, dtype=np.int32)


def with_headings(passage: Passage) -> str:
    """The passage's text with its heading path and themes, for word search."""
    return " ".join((heading_path(passage), *passage.themes, passage.text))


def vocabulary(passages: Iterable[Passage]) -> dict[str, int]:
    """Every word of the passages and their headings, hyphenated ones in parts, with its count."""
    counts: dict[str, int] = {}
    for passage in passages:
        for word in danish.words(with_headings(passage)):
            for part in (word, *word.split("-")) if "-" in word else (word,):
                counts[part] = counts.get(part, 0) + 1
    return counts


def word_terms(passages: Iterable[Passage], vocabulary: Mapping[str, int]) -> Iterator[list[str]]:
    """Each passage's index terms: stems and compound parts of its text."""
    compounds = danish.compound_parts(vocabulary)
    return (danish.terms(passage.text, compounds) for passage in passages)


def build_index(
    reports: Path, index: Path, encoder: Encoder, progress: Progress | None = None
) -> store.Manifest:
    """As ``rebuild``, with a model that is loaded."""
    return rebuild(reports, index, lambda: encoder, progress)


def rebuild(
    reports: Path, index: Path, load: Callable[[], Encoder], progress: Progress | None = None
) -> store.Manifest:
    """Read, cut, embed and write; the old index stays in force until the last step.

    Only texts that an earlier ingest with the same model has not embedded are embedded, and what is
    finished outlives an end at any moment. The model is loaded once reports and folder are found to
    be fit. Raises ``OutlineError``, ``IndexWriteError``, also at once when another ingest is under
    way, or ``ModelError``.
    """
    sources = read_reports(reports)
    with writing(index):
        return write(sources, index, load(), progress)


def write(
    sources: Sequence[Source], index: Path, encoder: Encoder, progress: Progress | None = None
) -> store.Manifest:
    """Embed what is new and write the index, for one who holds its folder (``locking.writing``).

    Raises ``OSError`` when it cannot be written.
    """
    kept = Pieces(index / ENCODED, encoder.identity)
    with store.unfinished(index) as generation:
        contents = embed(sources, encoder, progress, kept, generation / store.TOKEN_VECTORS)
        built = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        manifest = store.finish(generation, contents, encoder.identity, built)
    kept.tidy()
    return manifest
