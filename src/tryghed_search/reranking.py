"""An optional second stage: a cross-encoder puts the best passages in order.

None comes with the installation; an operator who has one names it (``TRYGHED_RERANKER``). A
cross-encoder reads question and passage together, which is slower than all else here (Nogueira &
Cho 2019), so it sees only the first few.
"""

from __future__ import annotations

from collections.abc import Sequence

from tryghed_search.embedding import load_model
from tryghed_search.errors import ModelError

DEPTH = 10
"""Passages that the cross-encoder reads for one question."""


class Reranker:
    """A sentence-transformers cross-encoder, by name or folder, on the processor."""

    def __init__(self, model: str) -> None:
        """Load ``model``; ``ModelError`` when that fails or it is not one that scores pairs."""
        from sentence_transformers import CrossEncoder

        self._model = load_model(
            CrossEncoder,
            model,
            name="re-ranker",
            missing="Correct TRYGHED_RERANKER, or leave it empty.",
            broken="Name a cross-encoder of sentence-transformers or its folder with "
            "TRYGHED_RERANKER, or leave it empty.",
        )
        network = self._model.model
        made = type(network).__name__
        # The library gives any other model, an embedding model say, an untrained layer for scores.
        saved = (network.config.architectures if network is not None else None) or [made]
        if made not in saved:
            raise ModelError(
                f"The re-ranker {model!r} is a {saved[0]}, which gives no scores for pairs; name a "
                "cross-encoder with TRYGHED_RERANKER, or leave it empty."
            )
        if self._model.num_labels != 1:
            raise ModelError(
                f"The re-ranker {model!r} gives {self._model.num_labels} scores for a pair, not "
                "one; name another with TRYGHED_RERANKER, or leave it empty."
            )

    def order(self, question: str, texts: Sequence[str]) -> list[int]:
        """Numbers of ``texts``, best first; equals stay in the order given."""
        if not texts:
            return []
        scores = self._model.predict([(question, text) for text in texts], show_progress_bar=False)
        return sorted(range(len(texts)), key=lambda n: (-float(scores[n]), n))
