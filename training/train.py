"""Train the adapter of the bundled model and, on its token vectors, the reader.

    torchrun --nproc_per_node 2 training/train.py --data training/data/*.jsonl --reports ingest \\
        --squad squad2-da.jsonl --norquad folder --out src/tryghed_search

The adapter is LoRA (Hu et al. 2021) on query, value, attention output and both feed-forward
matrices of the upper layers. A batch holds a few passages of each of a few documents, so that most
of the wrong passages are the right one's neighbours; the losses, added with ``LOSSES``:

late      cross-entropy of the question's late interaction with the batch's passages
pooled    the same of the pooled vectors' cosine
sentence  the same with the pooled vectors of single sentences, of which one answers
read      binary cross-entropy of the reader's logit: the question with its passage, with the
          nearest other passage, and unanswered questions with the passage that they lean on
near      the same of the late interaction itself, so that its size means something too
point     cross-entropy of the reader's token logits, averaged over each sentence of the passage

Layers below ``FIRST`` are frozen, so their output is computed once for every text. With several
processes each takes batches of its own and gradients are averaged.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import material
import numpy as np
import numpy.typing as npt
import torch
import torch.distributed
from material import Document, Passage
from reading import Reader
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn import functional

from tryghed_search import bundled

RANK = 8
FIRST = 5
"""The first layer that is adapted, from 0."""
TARGETS = (
    "attention.self.query",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
LOSSES = {"late": 1.0, "pooled": 0.7, "sentence": 0.5, "read": 1.5, "near": 0.3, "point": 0.5}
TEMPERATURE = 0.03
MOST_TOKENS = 230
NEIGHBOURS, GROUPS = 4, 3
"""Passages of one document, and documents, in a batch."""
ADAPTER_RATE, READER_RATE = 5e-4, 8e-4
LIBC = ctypes.CDLL(None)
MIX = "own own report own squad own own report own norquad own own"
"""Where the batches come from, in turn."""


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank change."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.randn(RANK, layer.in_features) / layer.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(layer.out_features, RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + (x @ self.down.T) @ self.up.T * bundled.ADAPTER_SCALE


@dataclass
class Frozen:
    """One text as it leaves the frozen layers."""

    states: torch.Tensor
    """(l, d) fp16."""
    own: torch.Tensor
    """(l,) bool: neither prompt nor special token."""
    spans: npt.NDArray[np.int64]
    """(l, 2): where each token stands in the text."""
    ids: list[int]


@dataclass
class Batch:
    """Texts as the adapted encoder gives them."""

    pooled: torch.Tensor
    """(b, d), of unit length."""
    tokens: torch.Tensor
    """(b, l, d)."""
    own: torch.Tensor
    """(b, l) bool."""
    texts: list[Frozen]


class Tower:
    """The encoder with an adapter, and its frozen layers' output remembered for every text."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is that of the bundled model without an adapter."""
        model = SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"dtype": "float32"}
        ).eval()
        self.prompts = bundled.PROMPTS["query"], bundled.PROMPTS["document"]
        self.tokenizer = model.tokenizer
        self.bert = model[0].auto_model
        self.bert.eval().requires_grad_(False)
        self.bert.config._attn_implementation = "eager"  # quicker here, forward and back
        self.layers = self.bert.encoder.layer
        self.adapted: dict[str, Adapted] = {}
        for number, layer in enumerate(self.layers):
            for target in TARGETS if number >= FIRST else ():
                path, _, last = target.rpartition(".")
                parent = layer.get_submodule(path)
                adapted = Adapted(getattr(parent, last))
                setattr(parent, last, adapted)
                self.adapted[f"encoder.layer.{number}.{target}"] = adapted
        self.memory: dict[str, Frozen] = {}

    def questions(self, texts: list[str]) -> Batch:
        return self._encode(texts, self.prompts[0])

    def documents(self, texts: list[str]) -> Batch:
        return self._encode(texts, self.prompts[1])

    def _remember(self, texts: list[str], prompt: str) -> None:
        new = sorted({t for t in texts if prompt + t not in self.memory}, key=len)
        for at in range(0, len(new), 16):
            part = new[at : at + 16]
            read = self.tokenizer(
                [prompt + text for text in part],
                truncation=True,
                max_length=MOST_TOKENS,
                return_offsets_mapping=True,
                padding=True,
                return_tensors="pt",
            )
            mask = read["attention_mask"].bool()
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = self._through(self.bert.embeddings(read["input_ids"]), mask, 0, FIRST)
            for row, text in enumerate(part):
                length = int(mask[row].sum())
                spans = read["offset_mapping"][row, :length].numpy() - len(prompt)
                own = (spans[:, 1] > 0) & (spans[:, 1] > spans[:, 0])
                own[[0, -1]] = False
                ids = read["input_ids"][row, :length].tolist()
                states = hidden[row, :length].half()
                self.memory[prompt + text] = Frozen(states, torch.tensor(own), spans, ids)

    def _through(
        self, hidden: torch.Tensor, mask: torch.Tensor, first: int, end: int
    ) -> torch.Tensor:
        seen = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        for layer in self.layers[first:end]:
            output = layer(hidden, seen)
            hidden = output[0] if isinstance(output, tuple) else output
        return hidden

    def _encode(self, texts: list[str], prompt: str) -> Batch:
        self._remember(texts, prompt)
        frozen = [self.memory[prompt + text] for text in texts]
        longest = max(len(f.ids) for f in frozen)
        hidden = torch.zeros(len(texts), longest, frozen[0].states.shape[1])
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        own = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, text in enumerate(frozen):
            hidden[row, : len(text.ids)] = text.states.float()
            mask[row, : len(text.ids)] = True
            own[row, : len(text.ids)] = text.own
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self._through(hidden, mask, FIRST, len(self.layers))
        hidden, shares = hidden.float(), mask.float()[:, :, None]
        pooled = functional.normalize((hidden * shares).sum(1) / shares.sum(1), dim=-1)
        return Batch(pooled, hidden, own, frozen)


class Rarity:
    """Inverse document frequency of tokens, as late interaction weighs them."""

    def __init__(self, passages: list[Passage], tower: Tower) -> None:
        self.passages = len(passages)
        self.counts: dict[int, int] = {}
        for passage in passages:
            for token in set(tower.tokenizer(passage.text, add_special_tokens=False)["input_ids"]):
                self.counts[token] = self.counts.get(token, 0) + 1

    def of(self, batch: Batch) -> torch.Tensor:
        """(b, l), 0 for tokens that are not the text's own."""
        weights = torch.zeros(batch.own.shape)
        for row, text in enumerate(batch.texts):
            for column, token in enumerate(text.ids):
                df = self.counts.get(token, 0)
                weights[row, column] = math.log1p((self.passages - df + 0.5) / (df + 0.5))
        return weights * batch.own


class Trainer:
    """Adapter and reader, and the losses of one batch."""

    def __init__(self, tower: Tower, rarity: Rarity, rng: random.Random) -> None:
        self.tower, self.rarity, self.rng = tower, rarity, rng
        self.reader = Reader()
        self.reader.train()
        self.scale = nn.Parameter(torch.tensor([10.0, -5.0]))
        """Late interaction to a logit: slope and bias."""
        self.mean: torch.Tensor | None = None
        """Running mean of the passages' token vectors, in the corpus mean's place."""

    @property
    def adapter(self) -> list[nn.Parameter]:
        return [p for a in self.tower.adapted.values() for p in (a.down, a.up)]

    def centred(self, batch: Batch) -> torch.Tensor:
        tokens = batch.tokens if self.mean is None else batch.tokens - self.mean
        return functional.normalize(tokens, dim=-1) * batch.own[:, :, None]

    def losses(self, passages: list[Passage]) -> dict[str, torch.Tensor]:
        """The losses of one batch; those that it has nothing for are left out."""
        answered = [
            (question, number, sentence)
            for number, passage in enumerate(passages)
            for question, sentence in self._some(passage.answered)
        ]
        unanswered = [
            (question, number)
            for number, passage in enumerate(passages)
            for question in self._some(passage.unanswered)
        ]
        right = torch.tensor([n for _, n, _ in answered] + [n for _, n in unanswered])
        count = len(answered)
        documents = self.tower.documents([p.embedded for p in passages])
        questions = self.tower.questions([q[0] for q in answered] + [q[0] for q in unanswered])
        own = documents.own[:, :, None]
        mean = ((documents.tokens * own).sum((0, 1)) / own.sum()).detach()
        self.mean = mean if self.mean is None else 0.9 * self.mean + 0.1 * mean
        d, q = self.centred(documents), self.centred(questions)

        similarity = torch.einsum("qid,pjd->qpij", q, d)
        similarity = similarity.masked_fill(~documents.own[None, :, None, :], -1.0).amax(-1)
        weights = self.rarity.of(questions)
        late = (similarity * weights[:, None, :]).sum(-1)
        late = late / weights.sum(-1)[:, None].clamp(min=1e-6)
        pooled = questions.pooled @ documents.pooled.T
        found = {
            "late": functional.cross_entropy(late[:count] / TEMPERATURE, right[:count]),
            "pooled": functional.cross_entropy(pooled[:count] / TEMPERATURE, right[:count]),
        }
        found |= self._sentence(passages, answered, questions.pooled)

        rows, columns, labels = self._pairs(late.detach(), right, count)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, tokens = self.reader(
                q[rows], questions.own[rows], d[columns], documents.own[columns]
            )
        binary = functional.binary_cross_entropy_with_logits
        found["read"] = binary(logits.float(), labels)
        found["near"] = binary(self.scale[0] * late[rows, columns] + self.scale[1], labels)
        found |= self._point(passages, answered, documents, tokens.float())
        return found

    def _some(self, items: list[Any]) -> list[Any]:
        return self.rng.sample(items, min(2, len(items)))

    def _pairs(
        self, late: torch.Tensor, right: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows and columns of ``late`` that the reader sees, and whether the passage answers.

        Every question with its passage; some also with the nearest other one.
        """
        others = late.clone()
        others[torch.arange(len(right)), right] = -9.0
        extra = torch.tensor([*range(0, count, 2), *range(count, len(right), 4)])
        rows = torch.cat([torch.arange(len(right)), extra])
        columns = torch.cat([right, others.argmax(1)[extra]])
        return rows, columns, (torch.arange(len(rows)) < count).float()

    def _sentence(
        self,
        passages: list[Passage],
        answered: list[tuple[str, int, int | None]],
        pooled: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The answering sentences against each other and one other sentence of each passage."""
        texts: dict[str, int] = {}
        rows, right = [], []
        for row, (_, number, sentence) in enumerate(answered):
            if sentence is None:
                continue
            passage = passages[number]
            rows.append(row)
            right.append(texts.setdefault(passage.sentence(sentence), len(texts)))
            others = [n for n in range(len(passage.sentences)) if n != sentence]
            if others:
                texts.setdefault(passage.sentence(self.rng.choice(others)), len(texts))
        if not rows:
            return {}
        vectors = self.tower.documents(list(texts)).pooled
        scores = pooled[rows] @ vectors.T / TEMPERATURE
        return {"sentence": functional.cross_entropy(scores, torch.tensor(right))}

    def _point(
        self,
        passages: list[Passage],
        answered: list[tuple[str, int, int | None]],
        documents: Batch,
        tokens: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Each sentence's mean token logit, the answering sentence against the others."""
        found = []
        for row, (_, number, sentence) in enumerate(answered):
            if sentence is None:
                continue
            passage, text = passages[number], documents.texts[number]
            starts = text.spans[:, 0] - len(passage.heading) - 2
            inside = [
                text.own.numpy() & (starts >= start - 1) & (starts < end)
                for start, end in passage.sentences
            ]
            if not inside[sentence].any():  # past the last token that is read
                continue
            scores = [tokens[row, : len(m)][torch.tensor(m)].mean() for m in inside if m.any()]
            right = sum(bool(m.any()) for m in inside[:sentence])
            found.append(functional.cross_entropy(torch.stack(scores), torch.tensor(right)))
        return {"point": torch.stack(found).mean()} if found else {}

    def begin_with(self, folder: Path) -> None:
        """Take adapter and reader as an earlier run wrote them."""
        adapter = load_file(folder / "adapter.safetensors")
        for name, adapted in self.tower.adapted.items():
            adapted.down.data = adapter[f"{name}.down"].float()
            adapted.up.data = adapter[f"{name}.up"].float()
        reader = load_file(folder / "reader.safetensors")
        self.reader.load_state_dict({name: value.float() for name, value in reader.items()})

    def write(self, folder: Path) -> None:
        """Adapter and reader in fp16; a layer's change is ``up @ down * ADAPTER_SCALE``."""
        adapter = {
            f"{name}.{side}": getattr(adapted, side).detach().half().contiguous()
            for name, adapted in self.tower.adapted.items()
            for side in ("down", "up")
        }
        reader = {k: v.half().contiguous() for k, v in self.reader.state_dict().items()}
        folder.mkdir(parents=True, exist_ok=True)
        save_file(adapter, folder / "adapter.safetensors")
        save_file(reader, folder / "reader.safetensors")


def averaged(parameters: list[nn.Parameter]) -> None:
    """Gradients averaged over the processes."""
    for p in parameters:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    flat = torch.cat([p.grad.reshape(-1) for p in parameters])
    torch.distributed.all_reduce(flat)
    flat, at = flat / torch.distributed.get_world_size(), 0
    for p in parameters:
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


def read(options: argparse.Namespace) -> dict[str, list[Document]]:
    """The documents by where they come from."""
    given = {"own": material.own(options.data)}
    if options.hold_out:
        given["own"] = [d for n, d in enumerate(given["own"], 1) if n % options.hold_out]
    if options.reports:
        given["report"] = material.reports(options.reports)
    if options.squad:
        given["squad"] = material.squad(options.squad)
    if options.norquad:
        given["norquad"] = material.norquad(options.norquad)
    return given


def run(
    trainer: Trainer, given: dict[str, list[Document]], steps: int, peak: float, out: Path
) -> None:
    """Train for so many steps at ``peak`` times the rates; weights are written now and then."""
    streams = {k: material.neighbours(v, trainer.rng, NEIGHBOURS) for k, v in given.items()}
    mix = [name for name in MIX.split() if name in streams]
    several = torch.distributed.is_initialized()
    first = not several or torch.distributed.get_rank() == 0
    adapter, reader = trainer.adapter, list(trainer.reader.parameters())
    everything = [*adapter, *reader, trainer.scale]
    for parameter in everything if several else ():
        torch.distributed.broadcast(parameter.data, 0)
    optimiser = torch.optim.AdamW(
        [
            {"params": adapter, "lr": ADAPTER_RATE, "weight_decay": 0.01},
            {"params": reader, "lr": READER_RATE, "weight_decay": 0.05},
            {"params": [trainer.scale], "lr": 0.05, "weight_decay": 0.0},
        ]
    )
    rates = [peak * group["lr"] for group in optimiser.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=steps + 1, pct_start=0.08
    )
    began, log = time.time(), []
    for step in range(1, steps + 1):
        stream, batch = streams[mix[step % len(mix)]], []
        for _ in range(GROUPS):
            batch += [p for p in next(stream) if p not in batch]
        losses = trainer.losses(batch)
        optimiser.zero_grad()
        torch.stack([LOSSES[name] * loss for name, loss in losses.items()]).sum().backward()
        if several:
            averaged(everything)
        nn.utils.clip_grad_norm_(adapter, 1.0)
        nn.utils.clip_grad_norm_(reader, 1.0)
        optimiser.step()
        schedule.step()
        log.append({name: loss.item() for name, loss in losses.items()})
        if step % 10 == 0:
            LIBC.malloc_trim(0)  # batches of all sizes leave the heap full of holes
        if first and step % 25 == 0:
            means = {
                name: round(float(np.mean([x[name] for x in log if name in x])), 3)
                for name in LOSSES
                if any(name in x for x in log)
            }
            print(f"step {step} {time.time() - began:.0f} s {means}", flush=True)
            log.clear()
        if first and (step % 200 == 0 or step == steps):
            trainer.write(out)


def main() -> None:
    """Read, train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--reports", type=Path, default=None)
    parser.add_argument("--squad", type=Path, default=None)
    parser.add_argument("--norquad", type=Path, default=None)
    parser.add_argument("--hold-out", type=int, default=0, help="leave out every n-th document")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--peak", type=float, default=1.0, help="of the learning rates")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--begin-with", type=Path, default=None, help="an earlier run's --out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tryghed-search")
    options = parser.parse_args()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        torch.distributed.init_process_group("gloo")
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    given = read(options)
    tower = Tower(bundled.model_folder(options.cache, adapted=False))
    passages = [p for documents in given.values() for d in documents for p in d]
    rng = random.Random(options.seed + int(os.environ.get("RANK", "0")))
    trainer = Trainer(tower, Rarity(passages, tower), rng)
    if options.begin_with:
        trainer.begin_with(options.begin_with)
    run(trainer, given, options.steps, options.peak, options.out)


if __name__ == "__main__":
    main()
