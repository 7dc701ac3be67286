"""Train the retrieval adapter: low-rank changes to the bundled encoder, merged when it is unpacked.

    python training/train_adapter.py --data training/data/*.jsonl --out adapter.safetensors

LoRA (Hu et al. 2021) of rank 8 on query, value, attention output and both feed-forward matrices
of the upper eight layers: 393,216 weights, under 1 MB in fp16. The loss is the mean of three
cross-entropies over the batch, whose other passages (half of them from the same document) are the
negatives: late interaction with the passage (MaxSim), the pooled question against the pooled
passage, and the pooled question against the pooled sentence that answers.

Everything below the adapted layers is frozen, so its output is computed once for every text.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from tryghed_search import danish
from tryghed_search.embedding import Encoder

RANK = 8
FIRST_LAYER = 4
TARGETS = (
    "attention.self.query",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
LATE_TEMPERATURE = 0.03
POOLED_TEMPERATURE = 0.03


@dataclass
class Pair:
    """A question, the passage that answers it and that passage's document."""

    question: str
    passage: int
    document: str
    sentence: str = ""
    """The passage's sentence that answers."""


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank change."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.randn(RANK, layer.in_features) / layer.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(layer.out_features, RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + (x @ self.down.T) @ self.up.T * 2.0


def read(paths: list[Path], norquad: Path | None) -> tuple[list[str], list[Pair]]:
    """Passages as they are embedded (heading path in front) and the questions that they answer."""
    texts: list[str] = []
    pairs: list[Pair] = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            for passage in document["passages"]:
                for _, question in passage["questions"]:
                    pairs.append(Pair(question, len(texts), document["document"]))
                texts.append(f"{passage['path']}. {passage['text']}")
    if norquad is not None:
        ids: dict[int, int] = {}
        owner: dict[int, str] = {}
        for line in (norquad / "norquad-da-passages.jsonl").read_text("utf-8").splitlines():
            data = json.loads(line)
            ids[data["id"]] = len(texts)
            owner[data["id"]] = f"norquad-{data['document']}"
            texts.append(f"{data['title']}. {data['text']}")
        for line in (norquad / "norquad-da-questions.jsonl").read_text("utf-8").splitlines():
            data = json.loads(line)
            target = data["relevant"][0]
            pairs.append(Pair(data["question"], ids[target], owner[target]))
    return texts, pairs


class Tower:
    """The encoder with its lower layers' output remembered for every text."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        model = encoder._model
        self.tokenizer = model.tokenizer
        self.bert = model[0].auto_model
        self.bert.eval().requires_grad_(False)
        self.layers = self.bert.encoder.layer
        self.adapted: dict[str, Adapted] = {}
        for number, layer in enumerate(self.layers):
            if number < FIRST_LAYER:
                continue
            for target in TARGETS:
                *path, last = target.split(".")
                parent = layer
                for name in path:
                    parent = getattr(parent, name)
                adapted = Adapted(getattr(parent, last))
                setattr(parent, last, adapted)
                self.adapted[f"encoder.layer.{number}.{target}"] = adapted
        self.memory: dict[str, tuple[torch.Tensor, int]] = {}

    def _frozen(self, text: str, prompt: str) -> tuple[torch.Tensor, int]:
        key = prompt + text
        if key not in self.memory:
            ids = self.tokenizer(key, truncation=True, max_length=320, return_tensors="pt")
            with torch.no_grad():
                hidden = self.bert.embeddings(ids["input_ids"])
                for layer in self.layers[:FIRST_LAYER]:
                    output = layer(hidden)
                    hidden = output[0] if isinstance(output, tuple) else output
            skip = 1 + len(self.tokenizer(prompt.strip(), add_special_tokens=False)["input_ids"])
            self.memory[key] = (hidden[0].to(torch.bfloat16), skip)
        return self.memory[key]

    def encode(
        self, texts: list[str], prompt: str
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pooled (b, d) of unit length, tokens (b, l, d) of unit length, and their mask (b, l)."""
        frozen = [self._frozen(text, prompt) for text in texts]
        longest = max(len(hidden) for hidden, _ in frozen)
        hidden = torch.zeros(len(texts), longest, frozen[0][0].shape[1])
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        own = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, (states, skip) in enumerate(frozen):
            hidden[row, : len(states)] = states.float()
            mask[row, : len(states)] = True
            own[row, skip : len(states) - 1] = True
        attention = mask[:, None, None, :].expand(-1, 1, longest, -1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for layer in self.layers[FIRST_LAYER:]:
                output = layer(hidden, attention)
                hidden = output[0] if isinstance(output, tuple) else output
        hidden = hidden.float()
        weights = mask.float()[:, :, None]
        pooled = functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)
        centred = hidden - (hidden * own[:, :, None]).sum((0, 1)).detach() / own.sum()
        return pooled, functional.normalize(centred, dim=-1), own


def answering(tower: Tower, texts: list[str], pairs: list[Pair]) -> list[str]:
    """For each pair the sentence nearest to the question, by the encoder before training."""
    query, document = tower.encoder.identity.query_prompt, tower.encoder.identity.document_prompt
    vectors: dict[int, tuple[list[str], torch.Tensor]] = {}
    chosen = []
    with torch.no_grad():
        for pair in pairs:
            if pair.passage not in vectors:
                path, _, body = texts[pair.passage].partition(". ")
                sentences = [body[start:end] for start, end in danish.sentences(body)] or [path]
                vectors[pair.passage] = (sentences, tower.encode(sentences, document)[0])
            sentences, found = vectors[pair.passage]
            question = tower.encode([pair.question], query)[0]
            chosen.append(sentences[int((found @ question.T)[:, 0].argmax())])
    return chosen


def batches(pairs: list[Pair], size: int, rng: random.Random) -> Iterator[list[Pair]]:
    """Batches without end: in each, documents by fours, no passage twice."""
    by_document: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_document.setdefault(pair.document, []).append(pair)
    while True:
        groups = []
        for members in by_document.values():
            members = rng.sample(members, len(members))
            groups += [members[i : i + 4] for i in range(0, len(members), 4)]
        rng.shuffle(groups)
        batch: list[Pair] = []
        for group in groups:
            for pair in group:
                if all(pair.passage != other.passage for other in batch):
                    batch.append(pair)
                if len(batch) == size:
                    yield batch
                    batch = []


def main() -> None:
    """Train and write the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--norquad", type=Path, default=None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tryghed-search")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    rng = random.Random(1)
    texts, pairs = read(options.data, options.norquad)
    own = [p for p in pairs if not p.document.startswith("norquad-")]
    other = [p for p in pairs if p.document.startswith("norquad-")]
    encoder = Encoder(cache=options.cache)
    tower = Tower(encoder)
    query, document = encoder.identity.query_prompt, encoder.identity.document_prompt
    for pair, sentence in zip(pairs, answering(tower, texts, pairs), strict=True):
        pair.sentence = sentence
    parameters = [p for a in tower.adapted.values() for p in (a.down, a.up)]
    optimiser = torch.optim.AdamW(parameters, lr=options.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.rate, total_steps=options.steps, pct_start=0.1
    )
    streams = [batches(own, options.batch, rng)]
    streams += [batches(other, options.batch, rng)] if other else []
    began, losses = time.time(), []
    for step in range(1, options.steps + 1):
        stream = streams[1] if len(streams) > 1 and step % 4 == 0 else streams[0]
        batch = next(stream)
        passages = [texts[p.passage] for p in batch]
        q_pooled, q_tokens, q_own = tower.encode([p.question for p in batch], query)
        d_pooled, d_tokens, d_own = tower.encode(passages, document)
        similarity = torch.einsum("qid,pjd->qpij", q_tokens, d_tokens)
        similarity = similarity.masked_fill(~d_own[None, :, None, :], -1.0).amax(-1)
        late = (similarity * q_own[:, None, :]).sum(-1) / q_own.sum(-1)[:, None]
        s_pooled, _, _ = tower.encode([p.sentence for p in batch], document)
        target = torch.arange(len(batch))
        loss = (
            functional.cross_entropy(late / LATE_TEMPERATURE, target)
            + functional.cross_entropy(q_pooled @ d_pooled.T / POOLED_TEMPERATURE, target)
            + functional.cross_entropy(q_pooled @ s_pooled.T / POOLED_TEMPERATURE, target)
        ) / 3
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 25 == 0:
            recent = sum(losses[-25:]) / 25
            print(f"step {step} loss {recent:.3f} {time.time() - began:.0f} s", flush=True)
        if step % 100 == 0 or step == options.steps:
            write(tower, options.out)


def write(tower: Tower, path: Path) -> None:
    """The adapter's matrices in fp16; a layer's change is ``up @ down * 2``."""
    tensors = {}
    for name, adapted in tower.adapted.items():
        tensors[f"{name}.down"] = adapted.down.detach().half().contiguous()
        tensors[f"{name}.up"] = adapted.up.detach().half().contiguous()
    save_file(tensors, path)


if __name__ == "__main__":
    main()
