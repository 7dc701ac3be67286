"""sentence-transformers and FAISS, as the quick start of both shows it."""

import json
from pathlib import Path

import faiss
import numpy as np
from sentence_transformers import SentenceTransformer


def build(passages, model, folder):
    encoder = SentenceTransformer(model, device="cpu")
    texts = [passage["text"] for passage in passages]
    vectors = encoder.encode_document(texts, prompt="passage: ", normalize_embeddings=True)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.asarray(vectors, dtype=np.float32))
    faiss.write_index(index, str(folder / "vectors.faiss"))
    Path(folder / "passages.json").write_text(json.dumps(passages), encoding="utf-8")


def load(model, folder):
    encoder = SentenceTransformer(model, device="cpu")
    index = faiss.read_index(str(folder / "vectors.faiss"))
    passages = json.loads(Path(folder / "passages.json").read_text(encoding="utf-8"))

    def search(question, count):
        vector = encoder.encode_query([question], prompt="query: ", normalize_embeddings=True)
        scores, rows = index.search(np.asarray(vector, dtype=np.float32), count)
        return [
            (passages[row]["id"], float(score))
            for row, score in zip(rows[0], scores[0], strict=True)
        ]

    return search
