"""The reader tells whether a passage answers a question, and with which sentence.

Retrieval scores say how near a passage is, not whether it holds the answer: "Hvad hedder
vicepolitiinspektøren?" is near to the passage that mentions one without a name. The reader is a
small transformer in which the question's tokens attend to each other and to one passage's tokens:
the vectors that late interaction has anyway. ``training/train.py`` makes it together with the
adapter of the bundled model; the weights ship with the program and fit that model only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy.typing as npt

WEIGHTS = "reader.safetensors"
WIDTH, HEADS, BLOCKS = 128, 4, 3
DROPOUT = 0.1
_MOST_TOKENS = 320
_NEARBY = 15
"""Tokens of a passage over which its match with the question is averaged."""


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) of few states to many others.

    What ``nn.MultiheadAttention`` computes, in about half its time on so little: one product for
    keys and values, and torch's fused kernel. The weights have the same names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(
        self, states: torch.Tensor, others: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """States (b, m, w) that attend to others (b, n, w) where these are present (b, n)."""
        weight, bias = self.in_proj_weight, self.in_proj_bias
        query = functional.linear(states, weight[:WIDTH], bias[:WIDTH])
        key, value = functional.linear(others, weight[WIDTH:], bias[WIDTH:]).chunk(2, -1)
        attended = functional.scaled_dot_product_attention(
            _by_head(query),
            _by_head(key),
            _by_head(value),
            attn_mask=present[:, None, None, :],
            dropout_p=DROPOUT if self.training else 0.0,
        )
        joined: torch.Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return joined


def _by_head(states: torch.Tensor) -> torch.Tensor:
    """States (b, l, w) as (b, heads, l, w / heads)."""
    return states.view(len(states), -1, HEADS, WIDTH // HEADS).transpose(1, 2)


class Block(nn.Module):
    """The question's states attend to themselves and to the passage, then each for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(WIDTH)
        self.attend = Attention()
        self.between = nn.LayerNorm(WIDTH)
        self.think = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(
        self, states: torch.Tensor, passage: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """States (b, 1 + m, w) and passage (b, n, w), present (b, 1 + m + n), to states."""
        own = self.before(states)
        states = states + self.attend(own, torch.cat([own, passage], 1), present)
        thought: torch.Tensor = states + self.think(self.between(states))
        return thought


class Reader(nn.Module):
    """A logit for each pair of a question and a passage, and one for each of its tokens."""

    def __init__(self, dimension: int = 384) -> None:
        super().__init__()
        self.project = nn.Linear(dimension, WIDTH)
        self.kind = nn.Parameter(torch.randn(3, WIDTH) * 0.02)
        self.matched = nn.Linear(1, WIDTH)
        self.matching = nn.Linear(2, WIDTH)
        self.passage = nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, 1)
        self.point = nn.Linear(WIDTH, WIDTH)

    def projected(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (..., d) as the reader takes them in, (..., w), before what they match."""
        taken: torch.Tensor = self.project(tokens * 4)
        return taken

    def forward(
        self,
        q: torch.Tensor,
        q_own: torch.Tensor,
        p: torch.Tensor,
        p_own: torch.Tensor,
        p_projected: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Question tokens (b, m, d) and passage tokens (b, n, d), masked, to (b,) and (b, n).

        The first is how clearly the passage answers, the second where: how much each of its tokens
        belongs to the answer. Tokens are centred and of unit length, as in
        :class:`~tryghed_search.tokens.TokenVectors`. ``p_projected`` is :meth:`projected` of the
        passage, where it is known already.
        """
        if p_projected is None:
            p_projected = self.projected(p)
        similarity = q @ p.transpose(1, 2)
        similarity = similarity.masked_fill(~(q_own[:, :, None] & p_own[:, None, :]), -1.0)
        match = similarity.amax(1)
        summed, own = (  # the mean over own tokens alone: padding is no part of a passage
            functional.avg_pool1d(values[:, None], _NEARBY, 1, _NEARBY // 2)[:, 0]
            for values in (match * p_own, p_own.float())
        )
        nearby = summed / own.clamp_min(1 / _NEARBY)
        states = self.projected(q) + self.matched(similarity.amax(2, keepdim=True)) + self.kind[0]
        passage = p_projected + self.matching(torch.stack([match, nearby], 2))
        passage = self.passage(passage + self.kind[1])
        states = torch.cat([self.kind[2].expand(len(q), 1, -1), states], 1)
        first = torch.ones(len(q), 1, dtype=torch.bool)
        present = torch.cat([first, q_own, p_own], 1)
        for block in self.blocks:
            states = block(states, passage, present)
        summary = self.norm(states[:, 0])
        tokens = (self.point(summary)[:, None] @ passage.transpose(1, 2))[:, 0] / WIDTH**0.5
        return self.out(summary)[:, 0], tokens


def padded(rows: list[npt.NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token vectors of several texts as one (b, l, d) tensor with its mask (b, l)."""
    cut = [torch.from_numpy(row[:_MOST_TOKENS]) for row in rows]
    tokens = nn.utils.rnn.pad_sequence(cut, batch_first=True)
    lengths = torch.tensor([len(row) for row in cut])
    return tokens, torch.arange(tokens.shape[1])[None, :] < lengths[:, None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A passage as the reader takes it in."""

    length: int
    """How many tokens it has, also those past the last that is read."""
    tokens: torch.Tensor
    """(1, n, d) float32."""
    projected: torch.Tensor
    """(1, n, w) float32."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the reader says of one passage."""

    logit: float
    """Above 0 the passage more likely answers than not."""
    tokens: npt.NDArray[np.float32]
    """(n,) float32: how much each token belongs to the answer, as a logit; -inf past the last that
    is read."""


class TrainedReader:
    """The reader with the weights that ship with the program."""

    def __init__(self) -> None:
        from safetensors.torch import load_file

        self._module = Reader()
        weights = load_file(Path(str(files("tryghed_search") / WEIGHTS)))
        self._module.load_state_dict({name: value.float() for name, value in weights.items()})
        self._module.eval()

    def prepared(self, passage: npt.NDArray[np.float32]) -> Prepared:
        """A passage's tokens, (n, d) float32, rows of unit length, for any number of questions."""
        tokens = torch.from_numpy(passage[:_MOST_TOKENS])[None]
        with torch.inference_mode():
            return Prepared(len(passage), tokens, self._module.projected(tokens))

    def judge(
        self, question: npt.NDArray[np.float32], passages: Sequence[Prepared]
    ) -> list[Judgement]:
        """What the reader says of each passage; ``question`` is (m, d) as the passages' tokens are.

        One passage at a time: side by side, the shorter ones would be read as long as the longest.
        """
        return [self._judged(torch.from_numpy(question)[None], passage) for passage in passages]

    def _judged(self, question: torch.Tensor, passage: Prepared) -> Judgement:
        where = np.full(passage.length, -np.inf, dtype=np.float32)
        if not question.shape[1]:  # of control characters alone, say: nothing answers it
            return Judgement(-np.inf, where)
        with torch.inference_mode():
            logit, tokens = self._module(
                question,
                torch.ones(question.shape[:2], dtype=torch.bool),
                passage.tokens,
                torch.ones(passage.tokens.shape[:2], dtype=torch.bool),
                passage.projected,
            )
        where[: tokens.shape[1]] = tokens[0].numpy()
        return Judgement(float(logit[0]), where)
