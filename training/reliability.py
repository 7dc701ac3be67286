"""Draw how often the report answers at each confidence: the reliability plot.

    python training/reliability.py tests/questions/test.jsonl docs/images/reliability.svg

Questions are put into eight groups of like confidence; bars are 95 % Wilson intervals. Needs an
index (``tryghed-search ingest``) and matplotlib (``pip install -e .[training]``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import asking
import matplotlib
import numpy as np

from tryghed_search.passages import Question

matplotlib.use("svg")
from matplotlib import pyplot as plt

GROUPS = 8


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    reach = z / (1 + square) * np.sqrt(share * (1 - share) / count + square / (4 * count))
    return middle - reach, middle + reach


def main() -> None:
    """Ask, group and draw."""
    searcher, asked = asking.searcher(), asking.questions(Path(sys.argv[1]))
    confidences = np.array(
        [searcher.ask(Question(q.question, q.history)).confidence for q in asked]
    )
    right = np.array([q.answerable for q in asked])
    figure, axes = plt.subplots(figsize=(5, 4.4))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    error = 0.0
    for group in np.array_split(np.argsort(confidences), GROUPS):
        said, true = float(confidences[group].mean()), float(right[group].mean())
        low, high = wilson(int(right[group].sum()), len(group))
        axes.plot([said, said], [low, high], color="#1f5f5b", linewidth=1.5)
        axes.plot(said, true, "o", color="#1f5f5b")
        error += len(group) / len(asked) * abs(said - true)
        print(f"{said:.2f} said, {true:.2f} answered, {len(group)} questions")
    print(f"expected calibration error {error:.3f}")
    axes.set(xlabel="confidence", ylabel="share that the report answers", xlim=(0, 1), ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    plt.rcParams["svg.hashsalt"] = "tryghed-search"
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
