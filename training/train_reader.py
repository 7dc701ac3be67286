"""Train the reader: does this passage answer this question?

    python training/train_reader.py --data training/data/*.jsonl --squad squad2-da.jsonl --out reader.safetensors

A small transformer over the token vectors that late interaction has anyway: the question's and one
passage's, centred and of unit length, projected to fewer dimensions. Positives are questions with
their passage; negatives are the same questions with the nearest other passages of the document,
and questions that the document does not answer with the passages nearest to them.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from tryghed_search.embedding import Encoded, Encoder


@dataclass
class Example:
    question: int
    passage: int
    label: float
    weight: float = 1.0


class Reader(nn.Module):
    """(b, m, d) question tokens and (b, n, d) passage tokens to (b,) logits."""

    def __init__(self, dimension: int = 384, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.project = nn.Linear(dimension, width)
        self.kind = nn.Parameter(torch.randn(3, width) * 0.02)
        self.match = nn.Linear(1, width)
        block = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)

    def forward(
        self, q: torch.Tensor, q_own: torch.Tensor, p: torch.Tensor, p_own: torch.Tensor
    ) -> torch.Tensor:
        similarity = q @ p.transpose(1, 2)
        similarity = similarity.masked_fill(~(q_own[:, :, None] & p_own[:, None, :]), -1.0)
        left = self.project(q * 4) + self.match(similarity.amax(2, keepdim=True)) + self.kind[0]
        right = self.project(p * 4) + self.match(similarity.amax(1)[:, :, None]) + self.kind[1]
        start = self.kind[2].expand(len(q), 1, -1)
        states = torch.cat([start, left, right], 1)
        own = torch.cat([torch.ones(len(q), 1, dtype=torch.bool), q_own, p_own], 1)
        states = self.blocks(states, src_key_padding_mask=~own)
        return self.out(self.norm(states[:, 0]))[:, 0]


class Store:
    """Token vectors of texts, centred, of unit length, in fp16."""

    def __init__(self, encoded: list[Encoded], mean: np.ndarray) -> None:
        self.rows = [self._unit(e.tokens - mean).astype(np.float16)[:320] for e in encoded]

    @staticmethod
    def _unit(x: np.ndarray) -> np.ndarray:
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)

    def batch(self, numbers: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [self.rows[n] for n in numbers]
        longest = max(1, max(len(r) for r in rows))
        out = torch.zeros(len(rows), longest, rows[0].shape[1])
        own = torch.zeros(len(rows), longest, dtype=torch.bool)
        for i, r in enumerate(rows):
            out[i, : len(r)] = torch.from_numpy(r).float()
            own[i, : len(r)] = True
        return out, own


def late(q: np.ndarray, p: np.ndarray) -> float:
    return float((q.astype(np.float32) @ p.astype(np.float32).T).max(1).mean()) if len(q) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--squad", type=Path, default=None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tryghed-search")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    rng = random.Random(1)
    passages: list[str] = []
    questions: list[str] = []
    gold: list[int | None] = []
    pool: list[list[int]] = []
    for path in options.data:
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            first = len(passages)
            members = list(range(first, first + len(document["passages"])))
            for offset, passage in enumerate(document["passages"]):
                passages.append(f"{passage['path']}. {passage['text']}")
                for _, question in passage["questions"]:
                    questions.append(question)
                    gold.append(first + offset)
                    pool.append(members)
                for question in passage["near"]:
                    questions.append(question)
                    gold.append(None)
                    pool.append(members)
    own = len(questions)
    if options.squad is not None:
        for line in options.squad.read_text(encoding="utf-8").splitlines():
            paragraph = json.loads(line)
            passages.append(f"{paragraph['title']}. {paragraph['text']}")
            for asked in paragraph["questions"]:
                questions.append(asked["question"])
                gold.append(len(passages) - 1 if asked["answerable"] else None)
                pool.append([len(passages) - 1])
    encoder = Encoder(options.model, options.cache)
    began = time.time()
    p_encoded = encoder.encode_documents(passages)
    q_encoded = encoder.encode_questions(questions)
    mean = np.concatenate([e.tokens for e in p_encoded]).mean(0)
    p_store, q_store = Store(p_encoded, mean), Store(q_encoded, mean)
    del p_encoded, q_encoded
    print(f"encoded {len(passages)} passages, {len(questions)} questions {time.time() - began:.0f} s", flush=True)
    examples: list[Example] = []
    for number in range(len(questions)):
        right = gold[number]
        if right is not None:
            examples.append(Example(number, right, 1.0))
        others = [p for p in pool[number] if p != right]
        others.sort(key=lambda p: -late(q_store.rows[number], p_store.rows[p]))
        for p in others[: (3 if right is None else 2)]:
            examples.append(Example(number, p, 0.0, 1.0 if right is None else 0.5))
        if right is not None and number < own and rng.random() < 0.5:
            examples.append(Example(number, rng.randrange(len(passages)), 0.0, 0.5))
    print(f"{len(examples)} examples, {sum(e.label for e in examples):.0f} right", flush=True)
    reader = Reader()
    print(sum(p.numel() for p in reader.parameters()), "weights", flush=True)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=8e-4, weight_decay=0.05)
    size = 32
    steps = options.epochs * len(examples) // size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-4, total_steps=steps + 10, pct_start=0.1)
    step, losses = 0, []
    for epoch in range(options.epochs):
        rng.shuffle(examples)
        reader.train()
        for at in range(0, len(examples) - size + 1, size):
            batch = examples[at : at + size]
            q, q_own = q_store.batch([e.question for e in batch])
            p, p_own = p_store.batch([e.passage for e in batch])
            logits = reader(q, q_own, p, p_own)
            label = torch.tensor([e.label for e in batch])
            weight = torch.tensor([e.weight for e in batch])
            loss = functional.binary_cross_entropy_with_logits(logits, label, weight)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            losses.append(loss.item())
        print(f"epoch {epoch} loss {np.mean(losses[-len(examples) // size:]):.4f} {time.time() - began:.0f} s", flush=True)
        save_file({k: v.half().contiguous() for k, v in reader.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
