"""Reports of any size, made of a real one's sentences, words and vectors.

A passage is the first half of one sentence and the second half of another, with a compound of two
of the report's words, so that the vocabulary grows as that of Danish texts does. Its vector is
between those of the two sentences, and a little aside; its token vectors are theirs. So a question
that is near to a sentence, in words or in vectors, is near to the passages that are made of it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

PER_REPORT = 100
"""Passages of a report."""
_ASIDE = 0.4
"""Length of the noise that is added to the middle of two unit vectors."""
_SEED = 7
_AFTER_HEADINGS = 20
"""Where every token is said to stand: in the text, whatever heading is before it."""
_TOWNS = ("Askby", "Birkelund", "Engholm", "Fjordby", "Granlev", "Havndrup", "Kildeby", "Lyngdal")


class Synthetic:
    """The first ``passages`` of a series that is the same every time."""

    def __init__(self, contents: Any, passages: int, tokens: bool) -> None:
        """``contents`` are the real report's index; ``tokens`` tells whether to make those too."""
        from tryghed_search import danish, store
        from tryghed_search.embedding import ModelIdentity

        self.size = passages
        self.mean = contents.tokens.mean
        vectors = contents.vectors.vectors()
        self._texts: list[list[str]] = []
        self._vectors: list[Any] = []
        self._tokens: list[tuple[Any, Any]] = []
        real = contents.passages
        for row in np.flatnonzero(contents.rows[:, 1] == store.SENTENCE):
            number, _, which = contents.rows[row]
            words = real[number].text[slice(*real[number].sentences[which])].split()
            if len(words) < 6:
                continue
            self._texts.append(words)
            self._vectors.append(vectors[row].copy())
            stretch = slice(*contents.tokens.bounds[number : number + 2])
            own = np.flatnonzero(contents.tokens.sentences[stretch] == which) + stretch.start
            self._tokens.append((contents.tokens.vectors[own], contents.tokens.ids[own]))
        words = sorted(
            word for word in contents.vocabulary if 4 <= len(word) <= 9 and word.isalpha()
            and word not in danish.STOP_WORDS
        )  # fmt: skip
        random = np.random.default_rng(_SEED)
        self._pairs = random.integers(0, len(self._texts), (passages, 2))
        self._compounds = [
            f"{words[one]}{words[other]}"
            for one, other in random.integers(0, len(words), (passages, 2))
        ]
        self.with_tokens = tokens
        # Not the model that the reader was trained with: what is measured is the search.
        self.identity = ModelIdentity("synthetic", "1", "0" * 64, "", "", vectors.shape[1])

    def text(self, number: int) -> str:
        """A passage's text."""
        one, other = (self._texts[n] for n in self._pairs[number])
        words = [*one[: (len(one) + 1) // 2], self._compounds[number], *other[len(other) // 2 :]]
        return f"{' '.join(words).rstrip('.')}."

    def vectors(self) -> Any:
        """The vector of every passage, (n, d) float32 of unit length."""
        known = np.stack(self._vectors)
        made = known[self._pairs[:, 0]] + known[self._pairs[:, 1]]
        random = np.random.default_rng(_SEED + 1)
        for start in range(0, self.size, 10_000):
            part = made[start : start + 10_000]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
            noise = random.standard_normal(part.shape, dtype=np.float32)
            part += noise * (_ASIDE / np.linalg.norm(noise, axis=1, keepdims=True))
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        return made

    def token_vectors(self) -> Any:
        """The token vectors of all passages; of none, unless they are wanted."""
        from tryghed_search.tokens import TokenVectors

        lengths = np.zeros(self.size, np.int64)
        if self.with_tokens:
            counts = np.array([len(ids) for _, ids in self._tokens])
            lengths = (counts[self._pairs] // 2).sum(axis=1)
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        vectors = np.empty((bounds[-1], len(self.mean)), np.float16)
        ids = np.empty(bounds[-1], np.int32)
        for number in range(self.size if self.with_tokens else 0):
            stretch = slice(bounds[number], bounds[number + 1])
            parts = [self._half(number, second) for second in (False, True)]
            vectors[stretch] = np.concatenate([vectors for vectors, _ in parts])
            ids[stretch] = np.concatenate([ids for _, ids in parts])
        return TokenVectors(vectors, ids, np.zeros(len(ids), np.int32), bounds, self.mean)

    def _half(self, number: int, second: bool) -> tuple[Any, Any]:
        vectors, ids = self._tokens[self._pairs[number, int(second)]]
        middle = len(ids) // 2
        part = slice(len(ids) - middle, None) if second else slice(middle)
        return vectors[part], ids[part]

    def reports(self) -> Iterator[Any]:
        """The reports, each with ``PER_REPORT`` passages of one municipality."""
        from tryghed_search.passages import Block, Passage, Report, Section

        for first in range(0, self.size, PER_REPORT):
            key = f"rapport-{first // PER_REPORT:06d}"
            town = _TOWNS[first // PER_REPORT % len(_TOWNS)]
            common = {
                "entry": None, "kind": "chapter", "page": None, "page_stated": False,
                "municipalities": (town,), "themes": (), "audiences": (), "path": (f"Om {town}",),
            }  # fmt: skip
            passages, start = [], 0
            texts = [self.text(n) for n in range(first, min(first + PER_REPORT, self.size))]
            for number, text in enumerate(texts, start=1):
                passages.append(
                    Passage(
                        id=f"{key}/om/{number}",
                        report=key,
                        section="om",
                        start=start,
                        end=start + len(text),
                        text=text,
                        blocks=(Block(0, len(text), "paragraph"),),
                        sentences=((0, len(text)),),
                        **common,
                    )
                )
                start += len(text) + 1
            section = Section(
                id=f"{key}/om", slug="om", title=f"Om {town}", parent=None, start=0, body_start=0,
                end=start, **common,
            )  # fmt: skip
            yield Report(key, f"Rapport fra {town}", "", "da", "\n".join(texts), (section,),
                         tuple(passages))  # fmt: skip


class SyntheticEncoder:
    """Gives synthetic passages their vectors at once, where a model would take its time."""

    def __init__(self, synthetic: Synthetic) -> None:
        from tryghed_search import build

        self.identity = synthetic.identity
        self._synthetic = synthetic
        passages = [p for report in synthetic.reports() for p in report.passages]
        self._numbers = {build.embedded_text(p): n for n, p in enumerate(passages)}
        self._numbers |= {p.text: n for n, p in enumerate(passages)}

    @functools.cached_property
    def _vectors(self) -> Any:
        return self._synthetic.vectors()

    def encode_documents(self, texts: Sequence[str], progress: Any = None) -> list[Any]:
        """As the product's encoder does."""
        from tryghed_search.embedding import Encoded

        found = []
        for text in texts:
            number = self._numbers[text]
            parts = [self._synthetic._half(number, second) for second in (False, True)]
            tokens = np.concatenate([v for v, _ in parts]).astype(np.float32)
            ids = np.concatenate([ids for _, ids in parts])
            spans = np.full((len(ids), 2), _AFTER_HEADINGS, np.int32)
            found.append(Encoded(self._vectors[number], tokens + self._synthetic.mean, ids, spans))
        if progress:
            progress(len(texts))
        return found
