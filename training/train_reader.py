"""Train the reader: does this passage answer this question?

    python training/train_reader.py --data training/data/*.jsonl --squad squad2-da.jsonl \
        --out src/tryghed_search/reader.safetensors

Positives are questions with their passage. Negatives are the same questions with the nearest other
passage of the document and with the nearest of some passages of other documents, and questions
that a document does not answer with its passages that are nearest to them.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.reader import Reader, padded
from tryghed_search.tokens import unit

RATE = 8e-4
BATCH = 32
MOST_TOKENS = 220
"""Of a passage, in training: attention over longer ones costs more than it teaches."""


@dataclass
class Material:
    """Passages, and questions with the passage that answers each."""

    passages: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    right: list[int | None] = field(default_factory=list)
    """For each question the number of its passage; None where the document does not answer."""
    pool: list[range] = field(default_factory=list)
    """For each question the passages of its document."""
    own: int = 0
    """Questions and passages of our own data come first; this many questions are."""
    own_passages: int = 0

    def ask(self, question: str, right: int | None, pool: range) -> None:
        self.questions.append(question)
        self.right.append(right)
        self.pool.append(pool)


@dataclass
class Example:
    """One pair for the reader."""

    question: int
    passage: int
    label: float
    weight: float


def read(data: Iterable[Path], squad: Path | None, paragraphs: int, rng: random.Random) -> Material:
    """Our own documents, and a sample of SQuAD's paragraphs with at most four questions each."""
    material = Material()
    for path in data:
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            first = len(material.passages)
            pool = range(first, first + len(document["passages"]))
            for number, passage in zip(pool, document["passages"], strict=True):
                material.passages.append(f"{passage['path']}. {passage['text']}")
                for _, question in passage["questions"]:
                    material.ask(question, number, pool)
                for question in passage["near"]:
                    material.ask(question, None, pool)
    material.own, material.own_passages = len(material.questions), len(material.passages)
    lines = squad.read_text(encoding="utf-8").splitlines() if squad else []
    for line in rng.sample(lines, min(paragraphs, len(lines))):
        paragraph = json.loads(line)
        number = len(material.passages)
        material.passages.append(f"{paragraph['title']}. {paragraph['text']}")
        for asked in rng.sample(paragraph["questions"], min(4, len(paragraph["questions"]))):
            right = number if asked["answerable"] else None
            material.ask(asked["question"], right, range(number, number + 1))
    return material


class Rows:
    """Token vectors of texts, centred, of unit length, in fp16."""

    def __init__(self, encoded: list[Encoded], mean: npt.NDArray[np.float32]) -> None:
        self.rows = [unit(e.tokens - mean).astype(np.float16)[:MOST_TOKENS] for e in encoded]

    def batch(self, numbers: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return padded([self.rows[n] for n in numbers])


def late(q: npt.NDArray[np.float16], p: npt.NDArray[np.float16]) -> float:
    """Late interaction of one question and one passage."""
    return float((q.astype(np.float32) @ p.astype(np.float32).T).max(1).mean()) if len(q) else 0.0


def pairs(material: Material, q: Rows, p: Rows, rng: random.Random) -> list[Example]:
    """The examples, negatives chosen by how near they are."""
    examples = []
    for number, right in enumerate(material.right):

        def nearness(passage: int, question: int = number) -> float:
            return late(q.rows[question], p.rows[passage])

        if right is not None:
            examples.append(Example(number, right, 1.0, 1.0))
        others = sorted(
            (passage for passage in material.pool[number] if passage != right),
            key=nearness,
            reverse=True,
        )
        count, weight = (3, 1.0) if right is None else (1, 0.5)
        examples.extend(Example(number, passage, 0.0, weight) for passage in others[:count])
        if number >= material.own or rng.random() < 0.6:
            sample = rng.sample(range(material.own_passages), 40)
            far = max((n for n in sample if n not in material.pool[number]), key=nearness)
            examples.append(Example(number, far, 0.0, 0.5))
    return examples


def batched(examples: list[Example], p: Rows, rng: random.Random) -> list[list[Example]]:
    """Batches of passages of like length, so that little is padding, in random order."""
    rng.shuffle(examples)
    shards = [examples[i : i + 20 * BATCH] for i in range(0, len(examples), 20 * BATCH)]
    batches = []
    for shard in shards:
        shard.sort(key=lambda e: len(p.rows[e.passage]))
        batches.extend(shard[i : i + BATCH] for i in range(0, len(shard), BATCH))
    rng.shuffle(batches)
    return batches


def train(
    examples: list[Example], q: Rows, p: Rows, epochs: int, rng: random.Random, out: Path
) -> None:
    """Binary cross-entropy over the pairs; the weights are written after every epoch."""
    reader = Reader()
    optimiser = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=0.05)
    steps = epochs * (len(examples) // BATCH + 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE, total_steps=steps + 10, pct_start=0.1
    )
    began = time.time()
    reader.train()
    for epoch in range(1, epochs + 1):
        losses = []
        for batch in batched(examples, p, rng):
            questions, q_own = q.batch([e.question for e in batch])
            passages, p_own = p.batch([e.passage for e in batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = reader(questions, q_own, passages, p_own).float()
            loss = functional.binary_cross_entropy_with_logits(
                logits,
                torch.tensor([e.label for e in batch]),
                torch.tensor([e.weight for e in batch]),
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        save_file({k: v.half().contiguous() for k, v in reader.state_dict().items()}, out)
        print(f"epoch {epoch} loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)


def main() -> None:
    """Read, encode, pair and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--squad", type=Path, default=None)
    parser.add_argument("--paragraphs", type=int, default=350, help="of --squad")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tryghed-search")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    rng = random.Random(1)
    material = read(options.data, options.squad, options.paragraphs, rng)
    encoder = Encoder(cache=options.cache)
    documents = encoder.encode_documents(material.passages)
    questions = encoder.encode_questions(material.questions)
    mean = np.concatenate([e.tokens for e in documents]).mean(0)
    p, q = Rows(documents, mean), Rows(questions, mean)
    examples = pairs(material, q, p, rng)
    right = sum(e.label for e in examples)
    print(f"{len(examples)} pairs, {right:.0f} of them answered", flush=True)
    train(examples, q, p, options.epochs, rng, options.out)


if __name__ == "__main__":
    main()
