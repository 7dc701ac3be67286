"""The bundled model's network, BERT (Devlin et al. 2019), for one text at a time.

It computes what ``transformers.BertModel`` does of a text without padding, with a fifth of the
operations and with weights that are laid out for the processor once instead of at every call
(``torch.ops.mkldnn``, which torch's own compiler uses, where torch has them): a question takes half
the time, and in bfloat16 a third. What a text becomes does not depend on what else is encoded.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional

from tryghed_search import linear
from tryghed_search.linear import Linear, Norm

_EPSILON = 1e-12
"""What BERT's layer normalisation adds to the variance."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One of the transformer's layers."""

    attend: Linear
    """Questions, keys and values of all heads in one product."""
    join: Linear
    attended: Norm
    widen: Linear
    narrow: Linear
    thought: Norm

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor], name: str, dtype: torch.dtype) -> _Layer:
        def product(*names: str) -> Linear:
            parts = [f"{name}.{part}" for part in names]
            return Linear(
                torch.cat([weights[f"{part}.weight"] for part in parts]),
                torch.cat([weights[f"{part}.bias"] for part in parts]),
                dtype,
            )

        return cls(
            attend=product(*(f"attention.self.{part}" for part in ("query", "key", "value"))),
            join=product("attention.output.dense"),
            attended=Norm(weights, f"{name}.attention.output.LayerNorm", _EPSILON),
            widen=product("intermediate.dense"),
            narrow=product("output.dense"),
            thought=Norm(weights, f"{name}.output.LayerNorm", _EPSILON),
        )

    def __call__(self, states: torch.Tensor, heads: int) -> torch.Tensor:
        """States (n, d) to states (n, d)."""
        count, width = states.shape
        parts = self.attend(states).float().view(count, 3, heads, width // heads)
        query, key, value = parts.permute(1, 2, 0, 3).unsqueeze(1)
        attended = functional.scaled_dot_product_attention(query, key, value)
        joined = attended[0].transpose(0, 1).reshape(count, width)
        states = self.attended(states + self.join(joined))
        return self.thought(states + self.narrow(functional.gelu(self.widen(states))))


class Bert:
    """BERT with absolute positions and GELU, for inference."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], layers: int, heads: int, dtype: torch.dtype
    ) -> None:
        """From ``weights`` by the names that transformers gives them.

        Matrix products are in ``dtype``, and GELU; all else between them is in float32.
        """
        self._heads = heads
        self._words = weights["embeddings.word_embeddings.weight"]
        """(vocabulary, d), left as they are: a text takes a few rows."""
        kinds = weights["embeddings.token_type_embeddings.weight"].float()
        self._places = weights["embeddings.position_embeddings.weight"].float() + kinds[0]
        self._embedded = Norm(weights, "embeddings.LayerNorm", _EPSILON)
        with torch.inference_mode():
            self._layers = [
                _Layer.of(weights, f"encoder.layer.{number}", dtype) for number in range(layers)
            ]

    def __call__(self, ids: Sequence[int]) -> torch.Tensor:
        """The last states of a text's n tokens, (n, d) float32; n is at most the positions."""
        with torch.inference_mode():
            words = self._words[torch.tensor(ids)].float()
            states = self._embedded(words + self._places[: len(ids)])
            for layer in self._layers:
                states = layer(states, self._heads)
        return states


class Networks:
    """The networks of one folder: in float32, and in what this processor multiplies quickest."""

    def __init__(self, folder: Path, config: Mapping[str, int]) -> None:
        """``config`` is what the folder's ``config.json`` says."""
        self._weights = load_file(folder / "model.safetensors")  # mapped: read where it is used
        self._config = config
        self._quickest = linear.quickest()
        self._making = threading.Lock()
        self._made: dict[torch.dtype, Bert] = {}

    @property
    def exact(self) -> Bert:
        """In float32: the same vectors on every machine, but for the last digits."""
        return self._in(torch.float32)

    @property
    def quick(self) -> Bert:
        """In bfloat16 where the processor has instructions for it."""
        return self._in(self._quickest)

    def _in(self, dtype: torch.dtype) -> Bert:
        """Made when first asked for: who answers needs one of them, and who ingests the other."""
        with self._making:
            if dtype not in self._made:
                layers, heads = (
                    self._config[f"num_{name}"] for name in ("hidden_layers", "attention_heads")
                )
                self._made[dtype] = Bert(self._weights, layers, heads, dtype)
            return self._made[dtype]
