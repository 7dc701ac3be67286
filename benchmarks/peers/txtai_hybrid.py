"""txtai with vectors and BM25 side by side (``hybrid=True``), E5's prefixes as its instructions."""

from txtai import Embeddings


def build(passages, model, folder):
    embeddings = Embeddings(
        path=model,
        content=True,
        hybrid=True,
        instructions={"query": "query: ", "data": "passage: "},
    )
    embeddings.index((passage["id"], passage["text"], None) for passage in passages)
    embeddings.save(str(folder / "index"))


def load(model, folder):
    embeddings = Embeddings()
    embeddings.load(str(folder / "index"))

    def search(question, count):
        return [(found["id"], found["score"]) for found in embeddings.search(question, count)]

    return search
