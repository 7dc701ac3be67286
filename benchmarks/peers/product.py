"""tryghed-search as a library: the whole of ``ask``, with the answering sentence and refusals."""

from tryghed_search import build as ingest
from tryghed_search import settings
from tryghed_search.loading import Loader, reports_folder
from tryghed_search.passages import Question


def build(passages, model, folder):
    given = settings.load(index=folder)
    ingest.build_index(reports_folder(given), folder, Loader(given).encoder)


def load(model, folder):
    _, searcher = Loader(settings.load(index=folder)).load()

    def search(question, count):
        answer = searcher.ask(Question(question, limit=count))
        return [(hit.passage.id, answer.confidence) for hit in answer.hits]

    return search
