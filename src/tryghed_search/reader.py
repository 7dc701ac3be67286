"""The reader tells whether a passage answers a question, and with which sentence.

Retrieval scores say how near a passage is, not whether it holds the answer: "Hvad hedder
vicepolitiinspektøren?" is near to the passage that mentions one without a name. The reader is a
small transformer in which the question's tokens attend to each other and to one passage's tokens:
the vectors that late interaction has anyway. ``training/train.py`` makes it together with the
adapter of the bundled model; the weights ship with the program and fit that model only.
"""

from __future__ import annotations

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
_MOST_TOKENS = 320
_NEARBY = 15
"""Tokens of a passage over which its match with the question is averaged."""


class Block(nn.Module):
    """The question's states attend to themselves and to the passage, then each for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(WIDTH)
        self.attend = nn.MultiheadAttention(WIDTH, HEADS, dropout=0.1, batch_first=True)
        self.between = nn.LayerNorm(WIDTH)
        self.think = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(
        self, states: torch.Tensor, passage: torch.Tensor, absent: torch.Tensor
    ) -> torch.Tensor:
        """States (b, 1 + m, w) and passage (b, n, w), absent (b, 1 + m + n), to states."""
        own = self.before(states)
        both = torch.cat([own, passage], 1)
        attended, _ = self.attend(own, both, both, key_padding_mask=absent, need_weights=False)
        states = states + attended
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

    def forward(
        self, q: torch.Tensor, q_own: torch.Tensor, p: torch.Tensor, p_own: torch.Tensor
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
            functional.avg_pool1d(values[:, None], _NEARBY, 1, _NEARBY // 2)[:, 0]
            for values in (match * p_own, p_own.float())
        )
        nearby = summed / own.clamp_min(1 / _NEARBY)
        states = self.project(q * 4) + self.matched(similarity.amax(2, keepdim=True)) + self.kind[0]
        passage = self.project(p * 4) + self.matching(torch.stack([match, nearby], 2))
        passage = self.passage(passage + self.kind[1])
        states = torch.cat([self.kind[2].expand(len(q), 1, -1), states], 1)
        first = torch.ones(len(q), 1, dtype=torch.bool)
        absent = ~torch.cat([first, q_own, p_own], 1)
        for block in self.blocks:
            states = block(states, passage, absent)
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

    def judge(
        self, question: npt.NDArray[np.float32], passages: list[npt.NDArray[np.float32]]
    ) -> list[Judgement]:
        """What the reader says of each passage.

        ``question`` is (m, d) and each passage (n, d) float32, rows of unit length.
        """
        if not len(question):  # of control characters alone, say: nothing answers it
            return [
                Judgement(-np.inf, np.full(len(passage), -np.inf, np.float32))
                for passage in passages
            ]
        q, q_own = padded([question] * len(passages))
        p, p_own = padded(passages)
        with torch.inference_mode():
            logits, tokens = self._module(q, q_own, p, p_own)
        judgements = []
        for number, passage in enumerate(passages):
            where = np.full(len(passage), -np.inf, dtype=np.float32)
            read = min(len(passage), _MOST_TOKENS)
            where[:read] = tokens[number, :read].numpy()
            judgements.append(Judgement(float(logits[number]), where))
        return judgements
