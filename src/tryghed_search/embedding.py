"""Texts to vectors through sentence-transformers: the only module that knows it.

One forward pass gives both the pooled vector of a text and the vectors of its tokens; the second
serve late interaction (Khattab & Zaharia 2020, ColBERT) without a second model.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tryghed_search import bundled
from tryghed_search.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

BUNDLED = "bundled"
"""The setting's value for the model that comes with the installation."""

_BATCH = 16
_WEIGHTS = ("*.safetensors", "*.bin", "*.onnx", "*.npz")

logger = logging.getLogger(__name__)

Model = TypeVar("Model")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What makes two models the same: an index is used only with the model that made it."""

    name: str
    version: str
    sha256: str
    """Of the weights' files, in the order of their names."""
    query_prompt: str
    document_prompt: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of one text."""

    pooled: npt.NDArray[np.float32]
    """(d,) float32 of unit length."""
    tokens: npt.NDArray[np.float32]
    """(n, d) float32, one row for each token but the prompt's and the special ones; as the model
    gives them, not normalised. n is 0 for a model without token vectors."""
    ids: npt.NDArray[np.int32]
    """(n,) int32: the tokens' numbers in the model's vocabulary."""
    spans: npt.NDArray[np.int32]
    """(n, 2) int32: where each token stands in the text, ``[start, end)``."""


class Encoder:
    """A sentence-transformers model, by name or folder, on the processor.

    A question is encoded by one thread: several would wait for one another longer than they work,
    and each core serves a question of its own instead. Several threads may use one encoder.
    """

    def __init__(self, model: str = BUNDLED, cache: Path | None = None) -> None:
        """Load ``model``: "bundled", a folder, or a name that sentence-transformers resolves.

        "bundled-plain" is the bundled model without the adapter.
        ``cache`` is where the bundled model is unpacked. Raises ``ModelError`` when the model
        cannot be loaded.
        """
        import torch

        from tryghed_search import bfloat16

        comes_along = model in (BUNDLED, bundled.PLAIN)
        if comes_along:
            cache = cache or Path.home() / ".cache" / "tryghed-search"
            self._model = _load(str(bundled.model_folder(cache, model == BUNDLED)))
            name, (version, sha256) = bundled.NAME, bundled.identity(model == BUNDLED)
        else:
            self._model = _load(model)
            name, version = model.rstrip("/").rsplit("/", 1)[-1], "as given"
            sha256 = _weights_hash(self._model, model)
        self._model.eval()
        # Documents stay in float32, so that an index is the same whatever machine makes it.
        self._asked = self._model
        if comes_along and bfloat16.is_native():  # measured for this model; others may need more
            self._asked = bfloat16.converted(self._model, self._model.tokenizer)
        torch.set_num_threads(1)
        self._tokenizing = threading.Lock()  # a tokenizer is set up anew for every call
        prompts = self._model.prompts
        self._query_prompt = prompts.get("query") or ""
        self._document_prompt = _document_prompt(prompts)
        dimension = self._model.get_embedding_dimension()
        if not dimension:
            raise ModelError(f"The model {model!r} does not say how many dimensions it has.")
        self.identity = ModelIdentity(
            name=name,
            version=version,
            sha256=sha256,
            query_prompt=self._query_prompt,
            document_prompt=self._document_prompt,
            dimension=int(dimension),
        )

    def encode_questions(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Encoded]:
        """Encode texts as questions; ``progress`` is told how many more are done."""
        return self._encode("query", texts, self._query_prompt, progress)

    def encode_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Encoded]:
        """Encode texts as documents; ``progress`` is told how many more are done."""
        return self._encode("document", texts, self._document_prompt, progress)

    def _encode(
        self,
        task: str,
        texts: Sequence[str],
        prompt: str,
        progress: Callable[[int], None] | None,
    ) -> list[Encoded]:
        """A few texts with one thread, many with all cores."""
        if len(texts) > _BATCH:
            with _all_cores():
                return self._in_batches(task, texts, prompt, progress)
        return self._in_batches(task, texts, prompt, progress)

    def _in_batches(
        self,
        task: str,
        texts: Sequence[str],
        prompt: str,
        progress: Callable[[int], None] | None,
    ) -> list[Encoded]:
        """Texts of like length together, so that little of a batch is padding."""
        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        encoded: dict[int, Encoded] = {}
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            output, spans = self._output(task, [texts[i] for i in batch], prompt)
            for row, i in enumerate(batch):
                encoded[i] = _encoded(output, row, *spans[row])
            if progress is not None:
                progress(len(batch))
        return [encoded[i] for i in range(len(texts))]

    def _output(
        self, task: str, texts: list[str], prompt: str
    ) -> tuple[Mapping[str, Any], list[tuple[list[int], list[Span]]]]:
        """What the model gives for a batch, by name, and each text's tokens and their places.

        These are the two steps that ``encode_query`` and ``encode_document`` consist of; they give
        the pooled vectors and those of the tokens at once.
        """
        import torch

        with self._tokenizing:
            features = self._model.preprocess(texts, prompt=prompt or None, task=task)
            spans = [self._token_spans(text, prompt) for text in texts]
        with torch.inference_mode():
            model = self._asked if task == "query" else self._model
            return model(features, task=task), spans

    def _token_spans(self, text: str, prompt: str) -> tuple[list[int], list[Span]]:
        """Each token's number and place in ``text``; (-1, -1) for prompt and special tokens.

        None for a tokenizer that does not tell places.
        """
        tokenizer = self._model.tokenizer
        if not getattr(tokenizer, "is_fast", False):
            return [], []
        output = tokenizer(
            prompt + text,
            truncation=True,
            max_length=self._model.max_seq_length,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        spans = []
        for (start, end), special in zip(
            output["offset_mapping"], output["special_tokens_mask"], strict=True
        ):
            start, end = start - len(prompt), end - len(prompt)
            while 0 <= start < end and text[start].isspace():
                start += 1
            spans.append((-1, -1) if special or end <= 0 else (max(start, 0), end))
        return output["input_ids"], spans


@contextlib.contextmanager
def _all_cores() -> Iterator[None]:
    """Let torch use them for one piece of work, and then one again."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def _encoded(
    output: Mapping[str, Any], row: int, ids: Sequence[int], spans: Sequence[Span]
) -> Encoded:
    """One text of a batch: its pooled vector, and the vectors of the tokens that have a place."""
    pooled = np.asarray(output["sentence_embedding"][row], dtype=np.float32)
    length = float(np.linalg.norm(pooled))
    tokens = output.get("token_embeddings")
    vectors = np.zeros((0, len(pooled)), np.float32)
    if tokens is not None:
        vectors = np.asarray(tokens[row], dtype=np.float32)
        if "attention_mask" in output:
            mask = np.asarray(output["attention_mask"][row], dtype=bool)
            vectors = vectors[mask[: len(vectors)]]
    kept = [i for i, (start, end) in enumerate(spans) if 0 <= start < end and i < len(vectors)]
    return Encoded(
        pooled=pooled / length if length > 0 else pooled,
        tokens=np.ascontiguousarray(vectors[kept]),
        ids=np.asarray([ids[i] for i in kept], dtype=np.int32),
        spans=np.asarray([spans[i] for i in kept], dtype=np.int32).reshape(-1, 2),
    )


def _document_prompt(prompts: Mapping[str, str | None]) -> str:
    """The model's own prompt for documents: the first that says anything.

    sentence-transformers adds an empty "document" to every model, and left to itself it would take
    that and leave the "passage" of a model that calls its prompt so.
    """
    for name in ("document", "passage", "corpus"):
        if prompt := prompts.get(name):
            return prompt
    return ""


def _load(model: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return load_model(
        SentenceTransformer,
        model,
        name="model",
        missing="Correct --model or TRYGHED_MODEL, or leave it out for the bundled model.",
        broken="Name a sentence-transformers model or its folder with --model or TRYGHED_MODEL, or "
        "leave it out for the bundled one.",
    )


def load_model(
    kind: Callable[..., Model], model: str, *, name: str, missing: str, broken: str
) -> Model:
    """A model of sentence-transformers by name or folder, on the processor in fp32.

    Quiet, because readers' terminals are not for it. ``ModelError``, which ends with what to do,
    when the folder is ``missing`` or the model ``broken``.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it warns of every retry
    folder = Path(model)
    if model.startswith(("/", ".", "~")) and not folder.is_dir():
        raise ModelError(f"There is no model folder {model}. {missing}")
    try:
        return kind(
            model,
            device="cpu",
            local_files_only=folder.is_dir(),
            model_kwargs={"dtype": "float32"},
        )
    except Exception as error:
        logger.debug("loading %s failed", model, exc_info=True)
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise ModelError(
            f"The {name} {model!r} cannot be loaded: {reason[:200]} {broken}"
        ) from None


def _weights_hash(loaded: SentenceTransformer, model: str) -> str:
    """SHA-256 over the weights' files in a folder, or over the weights in memory for a name."""
    digest = hashlib.sha256()
    folder = Path(model)
    if folder.is_dir():
        for path in sorted(p for pattern in _WEIGHTS for p in folder.rglob(pattern)):
            digest.update(bundled.sha256_of(path).encode())
        return digest.hexdigest()
    for name, tensor in sorted(loaded.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
