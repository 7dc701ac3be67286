"""The reader as it is trained: texts padded side by side, dropout, gradients.

``tryghed_search.reader`` reads with the weights that come of it; a test holds the two together.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tryghed_search.reader import BLOCKS, HEADS, NEARBY, WIDTH

DROPOUT = 0.1


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
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Question tokens (b, m, d) and passage tokens (b, n, d), masked, to (b,) and (b, n).

        The first is how clearly the passage answers, the second where: how much each of its tokens
        belongs to the answer. Tokens are centred and of unit length, as in
        :class:`~tryghed_search.tokens.TokenVectors`.
        """
        similarity = q @ p.transpose(1, 2)
        similarity = similarity.masked_fill(~(q_own[:, :, None] & p_own[:, None, :]), -1.0)
        match = similarity.amax(1)
        summed, own = (  # the mean over own tokens alone: padding is no part of a passage
            functional.avg_pool1d(values[:, None], NEARBY, 1, NEARBY // 2)[:, 0]
            for values in (match * p_own, p_own.float())
        )
        nearby = summed / own.clamp_min(1 / NEARBY)
        states = self.projected(q) + self.matched(similarity.amax(2, keepdim=True)) + self.kind[0]
        passage = self.projected(p) + self.matching(torch.stack([match, nearby], 2))
        passage = self.passage(passage + self.kind[1])
        states = torch.cat([self.kind[2].expand(len(q), 1, -1), states], 1)
        first = torch.ones(len(q), 1, dtype=torch.bool)
        present = torch.cat([first, q_own, p_own], 1)
        for block in self.blocks:
            states = block(states, passage, present)
        summary = self.norm(states[:, 0])
        tokens = (self.point(summary)[:, None] @ passage.transpose(1, 2))[:, 0] / WIDTH**0.5
        return self.out(summary)[:, 0], tokens
