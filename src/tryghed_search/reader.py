"""The reader tells whether a passage answers a question.

Retrieval scores say how near a passage is, not whether it holds the answer: "Hvad hedder
vicepolitiinspektøren?" is near to the passage that mentions one without a name. The reader is a
small transformer over the token vectors that late interaction has anyway, the question's and one
passage's side by side. ``training/train_reader.py`` makes it; the weights ship with the program and
fit the bundled model only.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WEIGHTS = "reader.safetensors"
WIDTH = 128
LAYERS = 2
_MOST_TOKENS = 320


class Reader(nn.Module):
    """A logit for each pair of a question and a passage."""

    def __init__(self, dimension: int = 384) -> None:
        super().__init__()
        self.project = nn.Linear(dimension, WIDTH)
        self.kind = nn.Parameter(torch.randn(3, WIDTH) * 0.02)
        self.match = nn.Linear(1, WIDTH)
        block = nn.TransformerEncoderLayer(
            WIDTH, 4, 2 * WIDTH, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, 1)

    def forward(
        self, q: torch.Tensor, q_own: torch.Tensor, p: torch.Tensor, p_own: torch.Tensor
    ) -> torch.Tensor:
        """Question tokens (b, m, d) and passage tokens (b, n, d), masked, to logits (b,).

        Tokens are centred and of unit length, as in :class:`~tryghed_search.tokens.TokenVectors`.
        """
        similarity = q @ p.transpose(1, 2)
        similarity = similarity.masked_fill(~(q_own[:, :, None] & p_own[:, None, :]), -1.0)
        left = self.project(q * 4) + self.match(similarity.amax(2, keepdim=True)) + self.kind[0]
        right = self.project(p * 4) + self.match(similarity.amax(1)[:, :, None]) + self.kind[1]
        states = torch.cat([self.kind[2].expand(len(q), 1, -1), left, right], 1)
        own = torch.cat([torch.ones(len(q), 1, dtype=torch.bool), q_own, p_own], 1)
        states = self.blocks(states, src_key_padding_mask=~own)
        logits: torch.Tensor = self.out(self.norm(states[:, 0]))[:, 0]
        return logits


def padded(rows: list[npt.NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token vectors of several texts as one (b, l, d) tensor with its mask (b, l)."""
    cut = [torch.from_numpy(row[:_MOST_TOKENS]).float() for row in rows]
    tokens = nn.utils.rnn.pad_sequence(cut, batch_first=True)
    lengths = torch.tensor([len(row) for row in cut])
    return tokens, torch.arange(tokens.shape[1])[None, :] < lengths[:, None]


class TrainedReader:
    """The reader with the weights that ship with the program."""

    def __init__(self) -> None:
        from safetensors.torch import load_file

        self._module = Reader()
        weights = load_file(Path(str(files("tryghed_search") / WEIGHTS)))
        self._module.load_state_dict({name: value.float() for name, value in weights.items()})
        self._module.eval()

    def logits(
        self, question: npt.NDArray[np.float32], passages: list[npt.NDArray[np.float32]]
    ) -> list[float]:
        """For each passage how clearly it answers: above 0 it more likely does than not.

        ``question`` is (m, d) and each passage (n, d) float32, rows of unit length.
        """
        q, q_own = padded([question] * len(passages))
        p, p_own = padded(passages)
        with torch.inference_mode():
            return [float(value) for value in self._module(q, q_own, p, p_own)]
