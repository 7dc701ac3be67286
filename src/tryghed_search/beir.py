"""The retrieval core on any collection in BEIR's layout (Thakur et al. 2021).

A corpus and queries as JSON lines with ``_id`` and ``text`` (a corpus line may have ``title``),
relevance as tab-separated ``query-id``, ``corpus-id``, ``score`` with a header.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tryghed_search import build, danish
from tryghed_search.errors import QuestionsError
from tryghed_search.outline import fold
from tryghed_search.passages import Block, Passage, Report
from tryghed_search.search import Searcher

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoder

Qrels = Mapping[str, Mapping[str, int]]


def read_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """(id, title, text) of each line; ``QuestionsError`` names a line that is wrong."""
    for number, line in _lines(path):
        try:
            data = json.loads(line)
            key, title, text = data["_id"], data.get("title") or "", data["text"]
            if not isinstance(title, str) or not isinstance(text, str):
                raise TypeError
            # Half of a surrogate pair, as some crawled sets have it, is no text for a model.
            yield str(key), _whole(title), _whole(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise QuestionsError(
                f"{path}, line {number} must be a JSON object with '_id' and 'text'."
            ) from None


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Relevance by query and document; ``QuestionsError`` names a line that is wrong."""
    found: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        row = line.split("\t")
        if number == 1 and not row[-1].strip().lstrip("-").isdigit():
            continue
        try:
            query, *_, document, score = row  # TREC's files have a column between the two
            found.setdefault(query, {})[document] = int(score)
        except ValueError:
            raise QuestionsError(
                f"{path}, line {number} must hold query-id, corpus-id and score, parted by tabs."
            ) from None
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line that holds anything, with its number; ``QuestionsError`` if it is not UTF-8."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    raise QuestionsError(
                        f"{path}, line {number} is not UTF-8; save the file as UTF-8."
                    ) from None
                if text.strip():
                    yield number, text
    except OSError as error:
        raise QuestionsError(f"{path} cannot be read: {error.strerror}.") from None


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def searcher_over(
    corpus: Sequence[tuple[str, str, str]],
    encoder: Encoder,
    progress: build.Progress | None = None,
) -> Searcher:
    """A searcher whose passages are the documents of ``corpus``."""
    passages = []
    for number, (_, title, text) in enumerate(corpus):
        folded = fold(text) or "-"
        block = Block(0, len(folded), "paragraph")
        passages.append(
            Passage(
                id=f"corpus/{number}/1",
                report="corpus",
                section=str(number),
                entry=None,
                path=(fold(title),) if title.strip() else ("",),
                kind="intro",
                page=None,
                page_stated=False,
                municipalities=(),
                themes=(),
                audiences=(),
                start=0,
                end=len(text),
                text=folded,
                blocks=(block,),
                sentences=tuple(danish.sentences(folded)),
            )
        )
    report = Report("corpus", "corpus", "", "da", "", (), tuple(passages))
    return Searcher(build.embed([build.Source(report, {}, {})], encoder, progress), encoder)


def evaluate(
    encoder: Encoder,
    corpus: Path,
    queries: Path,
    qrels: Path,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Mean nDCG@10, Recall@10 and MRR@10 over the queries that have a relevant document."""
    documents = list(read_lines(corpus))
    if not documents:
        raise QuestionsError(f"{corpus} holds no documents.")
    relevance = read_qrels(qrels)
    asked = [(key, text) for key, _, text in read_lines(queries) if _relevant(relevance.get(key))]
    if not asked:
        raise QuestionsError(f"No query of {queries} has a relevant document in {qrels}.")
    ids = [key for key, _, _ in documents]
    if len(set(ids)) < len(ids):
        twice = next(key for key, count in Counter(ids).items() if count > 1)
        raise QuestionsError(f"{corpus} holds the document {twice!r} twice; keep one of them.")
    searcher = searcher_over(documents, encoder, progress)
    rows = [
        measures([ids[int(p.section)] for p in searcher.rank(text, 10)], relevance[key])
        for key, text in asked
    ]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return {"queries": len(rows), "documents": len(ids)} | {
        name: round(value, 4) for name, value in means.items()
    }


def _relevant(judged: Mapping[str, int] | None) -> bool:
    return any(score > 0 for score in (judged or {}).values())


def measures(ranked: Sequence[str], judged: Mapping[str, int]) -> dict[str, float]:
    """nDCG@10 (Järvelin & Kekäläinen 2002, linear gain), Recall@10 and MRR@10 of one query."""
    gains = [max(0, judged.get(document, 0)) for document in ranked[:10]]
    ideal = sorted((score for score in judged.values() if score > 0), reverse=True)
    first = next((n for n, gain in enumerate(gains, start=1) if gain), None)
    return {
        "ndcg@10": _dcg(gains) / _dcg(ideal[:10]),
        "recall@10": sum(gain > 0 for gain in gains) / len(ideal),
        "mrr@10": 1 / first if first else 0.0,
    }


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(n + 1) for n, gain in enumerate(gains, start=1))
