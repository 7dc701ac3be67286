"""LlamaIndex's fusion of a vector index and BM25 with Danish stems and stop words."""

import Stemmer
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever

DEPTH = 20


def embedding(model):
    return HuggingFaceEmbedding(
        model_name=model, query_instruction="query: ", text_instruction="passage: ", device="cpu"
    )


def build(passages, model, folder):
    nodes = [TextNode(id_=passage["id"], text=passage["text"]) for passage in passages]
    # The vector store keeps no texts; the document store does when it is told to.
    index = VectorStoreIndex(nodes, embed_model=embedding(model), store_nodes_override=True)
    index.storage_context.persist(str(folder))


def load(model, folder):
    storage = StorageContext.from_defaults(persist_dir=str(folder))
    index = load_index_from_storage(storage, embed_model=embedding(model))
    words = BM25Retriever.from_defaults(
        docstore=index.docstore,
        stemmer=Stemmer.Stemmer("danish"),
        language="da",
        similarity_top_k=DEPTH,
    )
    retriever = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=DEPTH), words],
        llm=MockLLM(),  # one is demanded, though none is asked with one query
        mode="reciprocal_rerank",
        num_queries=1,
        similarity_top_k=DEPTH,
        use_async=False,
    )

    def search(question, count):
        return [(hit.node.node_id, hit.score) for hit in retriever.retrieve(question)[:count]]

    return search
