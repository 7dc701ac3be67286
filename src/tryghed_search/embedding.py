"""Texts to vectors: the bundled model by itself, any other through sentence-transformers.

One forward pass gives both the pooled vector of a text and the vectors of its tokens; the second
serve late interaction (Khattab & Zaharia 2020, ColBERT) without a second model.

sentence-transformers reads the bundled model's folder too and gives the same vectors. Without it a
question takes a third of the time, and a program that starts need not import it, which takes longer
than all else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

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
_BESIDE = ("*.json", "*.txt", "*.model")
"""What else decides on vectors: pooling, the tokenizer, the order of a model's parts."""
_PROMPTS = "config_sentence_transformers.json"
"""Prompts are compared by themselves."""

logger = logging.getLogger(__name__)

Model = TypeVar("Model")
Span = tuple[int, int]
Progress = Callable[[int], None]
Kind = Literal["asked", "question", "document"]
"""How a text is encoded: as it is asked, or for an index."""


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

    def prompt(self, kind: Kind) -> str:
        """What stands in front of a text of that kind."""
        return self.document_prompt if kind == "document" else self.query_prompt


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
    """A model on the processor; several threads may use one.

    A question is encoded by one thread: several would wait for one another longer than they work,
    and each core serves a question of its own instead.
    """

    def __init__(self, model: str = BUNDLED, cache: Path | None = None) -> None:
        """Load ``model``: "bundled", a folder, or a name that sentence-transformers resolves.

        "bundled-plain" is the bundled model without the adapter.
        ``cache`` is where the bundled model is unpacked. Raises ``ModelError`` when the model
        cannot be loaded.
        """
        import torch

        torch.set_num_threads(1)
        self._model: _Bundled | _Other
        if model in (BUNDLED, bundled.PLAIN):
            cache = cache or Path.home() / ".cache" / "tryghed-search"
            self._model = _Bundled(cache, adapted=model == BUNDLED)
        else:
            self._model = _Other(model)
        self.identity = self._model.identity

    def encode_questions(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> list[Encoded]:
        """Encode what is asked; ``progress`` is told how many more are done."""
        return self._model.encode("asked", texts, progress)

    def encode_reader_questions(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> list[Encoded]:
        """Encode questions that an index keeps, with the same exactness as its documents."""
        return self._model.encode("question", texts, progress)

    def encode_documents(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> list[Encoded]:
        """Encode texts as documents; ``progress`` is told how many more are done."""
        return self._model.encode("document", texts, progress)


class _Bundled:
    """The model that comes along, one text at a time: nothing depends on what else is encoded."""

    def __init__(self, cache: Path, adapted: bool) -> None:
        from tokenizers import Tokenizer

        folder = bundled.model_folder(cache, adapted)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        version, sha256 = bundled.identity(adapted)
        self.identity = ModelIdentity(
            name=bundled.NAME,
            version=version,
            sha256=sha256,
            query_prompt=bundled.PROMPTS["query"],
            document_prompt=bundled.PROMPTS["document"],
            dimension=int(config["hidden_size"]),
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(config["max_position_embeddings"])
        from tryghed_search.bert import Networks

        self._networks = Networks(folder, config)

    def encode(self, kind: Kind, texts: Sequence[str], progress: Progress | None) -> list[Encoded]:
        """Each text by one thread; many texts by as many threads as there are cores."""
        prompt = self.identity.prompt(kind)
        # An index is the same whatever machine makes it; what is asked is quick.
        network = self._networks.quick if kind == "asked" else self._networks.exact

        def one(text: str) -> Encoded:
            tokens = self._tokenizer.encode(prompt + text)
            states = network(tokens.ids).numpy()
            places = _places(text, prompt, tokens.offsets, tokens.special_tokens_mask)
            return _encoded(states.mean(axis=0), states, tokens.ids, places)

        if len(texts) <= _BATCH:
            return _told(map(one, texts), progress)
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            return _told(threads.map(one, texts), progress)


def _told(encoded: Iterable[Encoded], progress: Progress | None) -> list[Encoded]:
    """All of ``encoded``; ``progress`` is told of each when it is there."""
    found = []
    for one in encoded:
        found.append(one)
        if progress is not None:
            progress(1)
    return found


class _Other:
    """A model of sentence-transformers, by name or folder."""

    def __init__(self, model: str) -> None:
        self._model = _load(model)
        self._model.eval()
        self._tokenizing = threading.Lock()  # a tokenizer is set up anew for every call
        prompts = self._model.prompts
        dimension = self._model.get_embedding_dimension()
        if not dimension:
            raise ModelError(f"The model {model!r} does not say how many dimensions it has.")
        self.identity = ModelIdentity(
            name=model.rstrip("/").rsplit("/", 1)[-1],
            version="as given",
            sha256=_model_hash(self._model, model),
            query_prompt=prompts.get("query") or "",
            document_prompt=_document_prompt(prompts),
            dimension=int(dimension),
        )

    def encode(self, kind: Kind, texts: Sequence[str], progress: Progress | None) -> list[Encoded]:
        """A few texts with one thread, many with all cores."""
        if len(texts) > _BATCH:
            with _all_cores():
                return self._in_batches(kind, texts, progress)
        return self._in_batches(kind, texts, progress)

    def _in_batches(
        self, kind: Kind, texts: Sequence[str], progress: Progress | None
    ) -> list[Encoded]:
        """Texts of like length together, so that little of a batch is padding."""
        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        encoded: dict[int, Encoded] = {}
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            encoded |= zip(batch, self._batch(kind, [texts[i] for i in batch]), strict=True)
            if progress is not None:
                progress(len(batch))
        return [encoded[i] for i in range(len(texts))]

    def _batch(self, kind: Kind, texts: list[str]) -> Iterator[Encoded]:
        """What the model makes of a batch.

        These are the two steps that ``encode_query`` and ``encode_document`` consist of; they give
        the pooled vectors and those of the tokens at once.
        """
        import torch

        task = "document" if kind == "document" else "query"
        prompt = self.identity.prompt(kind)
        with self._tokenizing:
            features = self._model.preprocess(texts, prompt=prompt or None, task=task)
            spans = [self._token_spans(text, prompt) for text in texts]
        with torch.inference_mode():
            output = self._model(features, task=task)
        for row, (ids, places) in enumerate(spans):
            pooled = np.asarray(output["sentence_embedding"][row], dtype=np.float32)
            yield _encoded(pooled, _states(output, row), ids, places)

    def _token_spans(self, text: str, prompt: str) -> tuple[list[int], list[Span]]:
        """Each token's number and place in ``text``; none for a tokenizer that tells no places."""
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
        offsets, special = output["offset_mapping"], output["special_tokens_mask"]
        return output["input_ids"], _places(text, prompt, offsets, special)


def _places(text: str, prompt: str, offsets: Iterable[Span], special: Iterable[int]) -> list[Span]:
    """Each token's place in ``text``, from that behind the prompt; (-1, -1) for what has none."""
    places = []
    for (start, end), is_special in zip(offsets, special, strict=True):
        start, end = start - len(prompt), end - len(prompt)
        while 0 <= start < end and text[start].isspace():
            start += 1
        places.append((-1, -1) if is_special or end <= 0 else (max(start, 0), end))
    return places


@contextlib.contextmanager
def _all_cores() -> Iterator[None]:
    """Let torch use them for one piece of work, and then one again."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def _states(output: Mapping[str, Any], row: int) -> npt.NDArray[np.float32] | None:
    """The token vectors of one text of a batch without its padding; None if the model has none."""
    tokens = output.get("token_embeddings")
    if tokens is None:
        return None
    vectors: npt.NDArray[np.float32] = np.asarray(tokens[row], dtype=np.float32)
    if "attention_mask" not in output:
        return vectors
    mask = np.asarray(output["attention_mask"][row], dtype=bool)
    return np.asarray(vectors[mask[: len(vectors)]])


def _encoded(
    pooled: npt.NDArray[np.float32],
    states: npt.NDArray[np.float32] | None,
    ids: Sequence[int],
    places: Sequence[Span],
) -> Encoded:
    """One text: its pooled vector, and the vectors of the tokens that have a place."""
    length = float(np.linalg.norm(pooled))
    vectors = np.zeros((0, len(pooled)), np.float32) if states is None else states
    kept = [i for i, (start, end) in enumerate(places) if 0 <= start < end and i < len(vectors)]
    return Encoded(
        pooled=pooled / length if length > 0 else pooled,
        tokens=np.ascontiguousarray(vectors[kept]),
        ids=np.asarray([ids[i] for i in kept], dtype=np.int32),
        spans=np.asarray([places[i] for i in kept], dtype=np.int32).reshape(-1, 2),
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


def _model_hash(loaded: SentenceTransformer, model: str) -> str:
    """SHA-256 of what decides on vectors: a folder's files, or a named model's weights."""
    digest = hashlib.sha256()
    folder = Path(model)
    if folder.is_dir():
        for patterns in (_WEIGHTS, _BESIDE):
            found = {path for pattern in patterns for path in folder.rglob(pattern)}
            for path in sorted(path for path in found if path.name != _PROMPTS):
                digest.update(bundled.sha256_of(path).encode())
        return digest.hexdigest()
    for name, tensor in sorted(loaded.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
