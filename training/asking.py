"""The assistant as it is set up here, and the questions that it is asked."""

from __future__ import annotations

from pathlib import Path

from tryghed_search import evaluation, store
from tryghed_search.embedding import Encoder
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings


def searcher() -> Searcher:
    """Over the index that ``tryghed-search ingest`` made."""
    settings = Settings()
    encoder = Encoder(settings.model, settings.cache)
    _, contents = store.load(settings.index_folder(), encoder.identity)
    return Searcher(contents, encoder)


def questions(path: Path) -> list[evaluation.Labelled]:
    """The labelled questions for which a single passage is the answer, or none is."""
    return [q for q in evaluation.read_questions(path) if not q.sections]
