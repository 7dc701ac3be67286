"""The model alone, the ruler: a question is encoded and nothing is searched."""

from sentence_transformers import SentenceTransformer


def build(passages, model, folder):
    encoder = SentenceTransformer(model, device="cpu")
    encoder.encode_document([passage["text"] for passage in passages])


def load(model, folder):
    encoder = SentenceTransformer(model, device="cpu")

    def search(question, count):
        encoder.encode_query(question)
        return []

    return search
