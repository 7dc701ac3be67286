"""Haystack's hybrid retrieval: BM25 and embeddings in memory, joined by reciprocal rank fusion."""

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
)
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

DEPTH = 20


def build(passages, model, folder):
    embedder = SentenceTransformersDocumentEmbedder(
        model=model, prefix="passage: ", normalize_embeddings=True, progress_bar=False
    )
    embedder.warm_up()
    documents = [Document(id=passage["id"], content=passage["text"]) for passage in passages]
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(embedder.run(documents)["documents"])
    store.save_to_disk(str(folder / "store.json"))


def load(model, folder):
    store = InMemoryDocumentStore.load_from_disk(str(folder / "store.json"))
    pipeline = Pipeline()
    pipeline.add_component(
        "embedder",
        SentenceTransformersTextEmbedder(
            model=model, prefix="query: ", normalize_embeddings=True, progress_bar=False
        ),
    )
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=DEPTH))
    pipeline.add_component("words", InMemoryBM25Retriever(store, top_k=DEPTH))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("words", "joiner")
    pipeline.warm_up()

    def search(question, count):
        given = {"embedder": {"text": question}, "words": {"query": question}}
        found = pipeline.run(given | {"joiner": {"top_k": count}})["joiner"]["documents"]
        return [(document.id, document.score) for document in found]

    return search
