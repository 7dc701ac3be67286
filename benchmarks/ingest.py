"""Time of an ingest of the report against the bare model's time for the same texts.

    python benchmarks/ingest.py --runs 3

The model is loaded for both; the ruler is ``SentenceTransformer.encode_document`` and
``encode_query`` of exactly what the ingest embeds, in batches as large as sentence-transformers
makes them by itself. One after the other, ``runs`` times. Writes ``ingest.json``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measuring


class Watched:
    """The encoder, and what it was given."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.identity = encoder.identity
        self.documents: list[str] = []
        self.questions: list[str] = []

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None]) -> Any:
        """As the encoder does."""
        self.documents += texts
        return self._encoder.encode_documents(texts, progress)

    def encode_reader_questions(self, texts: Sequence[str], progress: Callable[[int], None]) -> Any:
        """As the encoder does."""
        self.questions += texts
        return self._encoder.encode_reader_questions(texts, progress)


def measure(reports: Path, runs: int) -> dict[str, Any]:
    """Both, ``runs`` times."""
    import torch
    from sentence_transformers import SentenceTransformer

    from tryghed_search import build, settings
    from tryghed_search.loading import Loader

    encoder = Loader(settings.load()).encoder
    plain = SentenceTransformer(
        str(measuring.model_folder()), device="cpu", model_kwargs={"dtype": "float32"}
    )
    ours, ruler = [], []
    with tempfile.TemporaryDirectory(prefix="tryghed-bench-") as folder:
        for number in range(runs):
            watched = Watched(encoder)
            began = time.perf_counter()
            build.build_index(reports, Path(folder) / str(number), watched)
            ours.append(time.perf_counter() - began)
            torch.set_num_threads(os.cpu_count() or 1)  # as ingest does for many texts
            began = time.perf_counter()
            plain.encode_document(watched.documents, show_progress_bar=False)
            plain.encode_query(watched.questions, show_progress_bar=False)
            ruler.append(time.perf_counter() - began)
    return {
        "runs": runs,
        "texts": len(watched.documents) + len(watched.questions),
        "ingest_seconds": round(measuring.median_ms(ours) / 1000, 2),
        "model_seconds": round(measuring.median_ms(ruler) / 1000, 2),
        "ratio": measuring.ratio(ours, ruler),
        "peak_mb": measuring.peak_memory_mb(),
    }


def main() -> None:
    """Measure and save."""
    parser = measuring.arguments(__doc__, index=False, runs=3)
    parser.add_argument(
        "--reports", type=Path, default=measuring.REPORTS, help="folder of reports to ingest"
    )
    options = parser.parse_args()
    on = measuring.machine()
    measuring.save(options.out, "ingest", on, measure(options.reports, options.runs))


if __name__ == "__main__":
    main()
