"""tryghed-search with the plain model and without the reader questions that editors wrote."""

from dataclasses import replace

from tryghed_search import build as ingest
from tryghed_search import bundled, settings, store
from tryghed_search.loading import Loader, reports_folder
from tryghed_search.passages import Question
from tryghed_search.search import Searcher


def build(passages, model, folder):
    given = settings.load(index=folder, model=bundled.PLAIN)
    sources = [
        replace(source, reader_questions={})
        for source in ingest.read_reports(reports_folder(given))
    ]
    encoder = Loader(given).encoder
    store.write(folder, ingest.embed(sources, encoder), encoder.identity, "benchmark")


def load(model, folder):
    encoder = Loader(settings.load(index=folder, model=bundled.PLAIN)).encoder
    searcher = Searcher(store.load(folder, encoder.identity)[1], encoder)

    def search(question, count):
        answer = searcher.ask(Question(question, limit=count))
        return [(hit.passage.id, answer.confidence) for hit in answer.hits]

    return search
