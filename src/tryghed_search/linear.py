"""Matrix products on the processor: weights laid out once, in bfloat16 where it has instructions.

A question is some twenty tokens: too few for the products of ``nn.Linear`` to use a processor well,
which lays the weights out anew at every call. In bfloat16 a product takes two thirds of what it
takes in float32; the vectors of questions keep a cosine of 0.9999 with those in float32
(docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    import numpy.typing as npt

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
_ROWS = 32
"""Many rows are filled up to a multiple of these: for every number of rows that it meets, oneDNN
makes and keeps a program of its own, which takes a millisecond and a few hundred kB."""


def is_native() -> bool:
    """Whether this processor multiplies in bfloat16; without, that is slower than float32."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in _INSTRUCTIONS)


def quickest() -> torch.dtype:
    """What this processor multiplies quickest in."""
    return torch.bfloat16 if is_native() else torch.float32


@cache
def _laid_out() -> Any:
    """The operations of oneDNN on weights that are laid out for it, which torch's compiler uses.

    They are no public interface: None where this torch has others, or gives something else.
    """
    try:
        lay_out = torch.ops.mkldnn._reorder_linear_weight
        multiply = torch.ops.mkldnn._linear_pointwise
        with torch.inference_mode():
            states, weight, bias = torch.ones(2, 8), torch.ones(4, 8), torch.ones(4)
            found = multiply(states, lay_out(weight), bias, "none", [], "")
            fits = torch.equal(found, functional.linear(states, weight, bias))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return None
    return (lay_out, multiply) if fits else None


class Linear:
    """What ``nn.Linear`` computes, for inference, in a type of choice."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> None:
        """``weight`` (out, in) and ``bias`` (out,) of any type; products are made in ``dtype``."""
        self._dtype = dtype
        self._weight = weight.detach().to(dtype)
        self._bias = None if bias is None else bias.detach().to(dtype)
        self._operations = _laid_out()
        if self._operations:
            self._weight = self._operations[0](self._weight.contiguous())

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """States (n, in) of any type to (n, out) in the ``dtype``."""
        states = states.to(self._dtype)
        if not self._operations:
            return functional.linear(states, self._weight, self._bias)
        count = len(states)
        if count > _ROWS:
            states = functional.pad(states, (0, 0, 0, -count % _ROWS))
        multiplied: torch.Tensor = self._operations[1](
            states, self._weight, self._bias, "none", [], ""
        )
        return multiplied[:count]


class Norm:
    """What ``nn.LayerNorm`` computes, for inference, in float32."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], name: str, epsilon: float = 1e-5
    ) -> None:
        """``weights`` by name, of any type; ``epsilon`` is added to the variance."""
        self._weight = weights[f"{name}.weight"].float()
        self._bias = weights[f"{name}.bias"].float()
        self._epsilon = epsilon

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """States (..., w) float32 to the same."""
        return functional.layer_norm(
            states, self._weight.shape, self._weight, self._bias, self._epsilon
        )


class Cosines:
    """Products of vectors with many that are kept, in float32."""

    def __init__(self, vectors: npt.NDArray[np.float16], lasting: bool) -> None:
        """``vectors`` (t, d); ``lasting`` if many questions will be asked of them."""
        kept = torch.from_numpy(vectors)
        with torch.inference_mode():
            self._linear: Linear | None = None
            if lasting and len(vectors):
                self._linear = Linear(kept, None, torch.float32)
            else:
                self._kept = kept.float()

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``vectors`` (m, d) to (m, t) float32."""
        states = torch.from_numpy(vectors)
        with torch.inference_mode():
            found = self._linear(states) if self._linear else states @ self._kept.T
        return np.asarray(found.numpy())
