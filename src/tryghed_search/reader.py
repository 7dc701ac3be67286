"""The reader tells whether a passage answers a question, and with which sentence.

Retrieval scores say how near a passage is, not whether it holds the answer: "Hvad hedder
vicepolitiinspektøren?" is near to the passage that mentions one without a name. The reader is a
small transformer (Vaswani et al. 2017) in which the question's tokens attend to each other and to
one passage's tokens: the vectors that late interaction has anyway. ``training/train.py`` makes it
together with the adapter of the bundled model, as ``training/reading.py`` has it; the weights ship
with the program and fit that model only.

Here it reads without gradients, and does once what several blocks or passages have in common: a
passage's tokens are the same for all blocks, and a question's for all passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from tryghed_search.linear import Linear, Norm

if TYPE_CHECKING:
    import numpy.typing as npt

WEIGHTS = "reader.safetensors"
WIDTH, HEADS, BLOCKS = 128, 4, 3
NEARBY = 15
"""Tokens of a passage over which its match with the question is averaged."""
_MOST_TOKENS = 320

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A passage as the reader takes it in."""

    length: int
    """How many tokens it has, also those past the last that is read."""
    tokens: torch.Tensor
    """(n, d) float32."""
    projected: torch.Tensor
    """(n, w) float32: before what they match."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the reader says of one passage."""

    logit: float
    """Above 0 the passage more likely answers than not."""
    tokens: npt.NDArray[np.float32]
    """(n,) float32: how much each token belongs to the answer, as a logit; -inf past the last that
    is read."""


class _Block:
    """The question's states attend to themselves and to the passage, then each for itself."""

    def __init__(self, weights: Weights, name: str) -> None:
        self._before = Norm(weights, f"{name}.before")
        self._between = Norm(weights, f"{name}.between")
        attend = f"{name}.attend"
        self._own = Linear(
            weights[f"{attend}.in_proj_weight"], weights[f"{attend}.in_proj_bias"], torch.float32
        )
        self._join = _linear(weights, f"{attend}.out_proj")
        self._widen = _linear(weights, f"{name}.think.0")
        self._narrow = _linear(weights, f"{name}.think.3")

    def __call__(
        self, states: torch.Tensor, passages: Sequence[tuple[torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        """States (b x m, w), those of each passage one after another, to the same.

        ``passages`` gives for each the keys and values (heads, n, w / heads) of its tokens.
        """
        own = self._own(self._before(states)).view(len(passages), -1, 3, HEADS, WIDTH // HEADS)
        attended = []
        for (query, key, value), (others, theirs) in zip(
            own.permute(0, 2, 3, 1, 4).unbind(), passages, strict=True
        ):
            found = functional.scaled_dot_product_attention(
                query[None],
                torch.cat([key, others], 1)[None],
                torch.cat([value, theirs], 1)[None],
            )
            attended.append(found[0].transpose(0, 1).flatten(1))
        states = states + self._join(torch.cat(attended))
        thought = functional.gelu(self._widen(self._between(states)))
        return states + self._narrow(thought)


class TrainedReader:
    """The reader with the weights that ship with the program."""

    def __init__(self) -> None:
        from safetensors.torch import load_file

        halves = load_file(Path(str(files("tryghed_search") / WEIGHTS)))
        weights = {name: value.float() for name, value in halves.items()}
        with torch.inference_mode():
            self._project = _linear(weights, "project")
            self._kinds = weights["kind"]
            self._matched = weights["matched.weight"][:, 0], weights["matched.bias"]
            self._matching = weights["matching.weight"].T.contiguous(), weights["matching.bias"]
            self._passage = Norm(weights, "passage")
            blocks = [f"blocks.{number}" for number in range(BLOCKS)]
            self._blocks = [_Block(weights, name) for name in blocks]
            weight, bias = (
                torch.cat([weights[f"{name}.attend.in_proj_{part}"][WIDTH:] for name in blocks])
                for part in ("weight", "bias")
            )
            self._keys_and_values = Linear(weight, bias, torch.float32)
            self._norm = Norm(weights, "norm")
            self._out = weights["out.weight"][0], weights["out.bias"][0]
            self._point = weights["point.weight"], weights["point.bias"]

    def prepared(self, passage: npt.NDArray[np.float32]) -> Prepared:
        """A passage's tokens, (n, d) float32, rows of unit length, for any number of questions."""
        tokens = torch.from_numpy(np.ascontiguousarray(passage[:_MOST_TOKENS]))
        with torch.inference_mode():
            projected = self._projected(tokens) + self._matching[1] + self._kinds[1]
        return Prepared(len(passage), tokens, projected)

    def _projected(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (n, d) as the reader takes them in, (n, w)."""
        return self._project(tokens * 4).float()

    def judge(
        self, question: npt.NDArray[np.float32], passages: Sequence[Prepared]
    ) -> list[Judgement]:
        """What the reader says of each passage; ``question`` (m, d) is as the passages' tokens."""
        if not len(question) or not passages:  # of control characters alone, say: nothing answers
            return [
                Judgement(-np.inf, np.full(passage.length, -np.inf, dtype=np.float32))
                for passage in passages
            ]
        with torch.inference_mode():
            return self._judged(torch.from_numpy(question), passages)

    def _judged(self, question: torch.Tensor, passages: Sequence[Prepared]) -> list[Judgement]:
        lengths = [len(passage.tokens) for passage in passages]
        similarity = question @ torch.cat([passage.tokens for passage in passages]).T
        apart = torch.split(similarity, lengths, 1)
        match = similarity.amax(0)
        nearby = torch.cat([_averaged(own) for own in torch.split(match, lengths)])
        taken = torch.cat([passage.projected for passage in passages])
        matches = torch.stack([match, nearby], 1)
        tokens = self._passage(torch.addmm(taken, matches, self._matching[0]))
        others = self._by_block(tokens, lengths)
        best = torch.stack([own.amax(1) for own in apart])
        weight, bias = self._matched
        states = self._projected(question) + self._kinds[0] + bias + best[:, :, None] * weight
        first = self._kinds[2].expand(len(passages), 1, -1)
        states = torch.cat([first, states], 1).flatten(0, 1)
        for block, theirs in zip(self._blocks, others, strict=True):
            states = block(states, theirs)
        summary = self._norm(states[:: len(question) + 1])
        logits = (summary @ self._out[0] + self._out[1]).tolist()
        pointed = torch.addmm(self._point[1], summary, self._point[0].T) / WIDTH**0.5
        found = []
        for logit, to, own, passage in zip(
            logits, pointed, torch.split(tokens, lengths), passages, strict=True
        ):
            where = np.full(passage.length, -np.inf, dtype=np.float32)
            where[: len(own)] = (own @ to).numpy()
            found.append(Judgement(logit, where))
        return found

    def _by_block(
        self, tokens: torch.Tensor, lengths: list[int]
    ) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
        """For each block, the keys and values of each passage's tokens, by head."""
        all_of_them = self._keys_and_values(tokens)
        parts = all_of_them.view(len(tokens), BLOCKS, 2, HEADS, WIDTH // HEADS)
        parts = parts.permute(1, 2, 3, 0, 4)  # blocks, keys and values, heads, tokens
        return [
            list(zip(torch.split(keys, lengths, 1), torch.split(values, lengths, 1), strict=True))
            for keys, values in parts
        ]


def _linear(weights: Weights, name: str) -> Linear:
    return Linear(weights[f"{name}.weight"], weights[f"{name}.bias"], torch.float32)


def _averaged(match: torch.Tensor) -> torch.Tensor:
    """The mean of each token's match and those near it, (n,)."""
    return functional.avg_pool1d(match[None], NEARBY, 1, NEARBY // 2, count_include_pad=False)[0]
