"""NorQuAD in Danish as a set in BEIR's layout, for ``tryghed-search evaluate --corpus``.

    python benchmarks/norquad.py FOLDER OUT
    export TRYGHED_MODEL=bundled-plain; cd OUT
    tryghed-search evaluate --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv --json

``FOLDER`` holds the two files that training/README.md describes. The bundled model's adapter was
trained on them, so only ``bundled-plain`` says anything.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path


def lines(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def write(path: Path, rows: Iterable[object]) -> None:
    """Objects as JSON lines."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Convert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    passages = list(lines(options.folder / "norquad-da-passages.jsonl"))
    questions = list(lines(options.folder / "norquad-da-questions.jsonl"))
    write(
        options.out / "corpus.jsonl",
        ({"_id": str(p["id"]), "title": p["title"], "text": p["text"]} for p in passages),
    )
    write(
        options.out / "queries.jsonl",
        ({"_id": str(q["id"]), "text": q["question"]} for q in questions),
    )
    rows = ["query-id\tcorpus-id\tscore"]
    for question in questions:
        relevant = question["relevant"]
        assert isinstance(relevant, list)
        rows += [f"{question['id']}\t{passage}\t1" for passage in relevant]
    (options.out / "qrels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
