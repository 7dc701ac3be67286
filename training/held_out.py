"""What the training brings on texts that it never saw: its held-out documents.

    python training/held_out.py --data training/data/*.jsonl --hold-out 15

Every question of a held-out document is searched for among the passages of all documents, with the
bundled model as it is packed and with the adapter; the reader judges answered and unanswered
questions with the nearest passages of the document, and points to the sentence.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import material
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from tryghed_search import bundled
from tryghed_search.embedding import BUNDLED, Encoder
from tryghed_search.reader import TrainedReader
from tryghed_search.tokens import LateInteraction, TokenVectors, sentence_numbers


def reciprocal(scores: npt.NDArray[np.float32], right: int) -> float:
    """1 / rank of the right passage within the first ten, else 0."""
    rank = 1 + int((scores > scores[right]).sum())
    return 1 / rank if rank <= 10 else 0.0


def measure(model: str, documents: Sequence[material.Document], every: int, cache: Path) -> None:
    """Print the figures of one model."""
    encoder = Encoder(model, cache)
    passages = [p for document in documents for p in document]
    encoded = encoder.encode_documents([p.embedded for p in passages])
    dense = np.stack([e.pooled for e in encoded])
    sentences = [
        sentence_numbers(e.spans[:, 0] - len(p.heading) - 2, p.sentences)
        for p, e in zip(passages, encoded, strict=True)
    ]
    late = LateInteraction(TokenVectors.build(encoded, sentences))
    reader = TrainedReader() if model == BUNDLED else None
    figures: dict[str, list[float]] = {name: [] for name in ("dense", "late", "both")}
    judged: list[tuple[bool, float]] = []
    pointed: list[bool] = []
    first = 0
    for n, document in enumerate(documents, 1):
        own = np.arange(first, first + len(document))
        first += len(document)
        if n % every:
            continue
        asked = [(q, i, s) for i, p in zip(own, document, strict=True) for q, s in p.answered]
        asked += [(q, -1, None) for p in document for q in p.unanswered]
        questions = encoder.encode_questions([q for q, _, _ in asked])
        for (_, right, sentence), question in zip(asked, questions, strict=True):
            cosines = dense @ question.pooled
            near = late.passages(late.similarities(question), late.weights(question.ids))
            if right >= 0:
                figures["dense"].append(reciprocal(cosines, right))
                figures["late"].append(reciprocal(near, right))
                figures["both"].append(reciprocal(cosines + near / 2, right))
            if reader is None:
                continue
            top = own[np.argsort(-(cosines + near / 2)[own])[:3]]
            prepared = [reader.prepared(late.vectors_of(i)) for i in top]
            judgements = reader.judge(late.centred(question), prepared)
            judged.append((right >= 0, max(j.logit for j in judgements)))
            if sentence is not None and right in top:
                tokens = judgements[int(np.flatnonzero(top == right)[0])].tokens
                means = late.sentence_means(tokens, right, len(passages[right].sentences))
                pointed.append(int(means.argmax()) == sentence)
    print(
        model,
        {name: round(float(np.mean(v)), 3) for name, v in figures.items()},
        "MRR@10 of",
        len(figures["dense"]),
        "questions among",
        len(passages),
        "passages",
    )
    if judged:
        answered, logits = zip(*judged, strict=True)
        print(f"  reader, AUROC answered against unanswered: {roc_auc_score(answered, logits):.3f}")
        print(f"  reader, the right sentence of the right passage: {np.mean(pointed):.3f}")


def main() -> None:
    """Measure the model as it is packed and with the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--hold-out", type=int, default=15)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tryghed-search")
    options = parser.parse_args()
    documents = material.own(options.data)
    for model in (bundled.PLAIN, BUNDLED):
        measure(model, documents, options.hold_out, options.cache)


if __name__ == "__main__":
    main()
