"""Two small charts as SVG, without a plotting library: legible on white and on black."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 28, 52
NAMES = 290
"""Pixels to the right of the points for their names."""
LABEL = 15
"""Pixels between two lines of text."""
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #4a4f55 }
.ours { font-weight: 600; fill: #1f5f5b }
.grid { stroke: #4a4f55; stroke-opacity: .16 }
.line { fill: none; stroke-width: 2 }
.p50 { stroke: #1f5f5b } .p95 { stroke: #8a6d1f } .p99 { stroke: #9a4a3c }
.dot { fill: #6d7680 } .dot.ours { fill: #1f5f5b }
.bar { stroke: #6d7680; stroke-opacity: .5; stroke-width: 1.5 }
.thin { stroke: #6d7680; stroke-opacity: .35 }
@media (prefers-color-scheme: dark) {
  text { fill: #c3c9cf } .ours { fill: #7cc7c0 } .grid { stroke: #c3c9cf }
  .p50 { stroke: #7cc7c0 } .p95 { stroke: #d9bd6a } .p99 { stroke: #e29a8b }
  .dot, .bar, .thin { fill: #98a2ac; stroke: #98a2ac } .dot.ours { fill: #7cc7c0; stroke: none }
}
"""


@dataclass(frozen=True)
class Axis:
    """One axis: from where to where, in which steps, how far on the picture."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False

    def at(self, value: float, start: float, end: float) -> float:
        """Where a value stands between two places of the picture."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return start + (value - low) / (high - low) * (end - start)


def logarithmic(title: str, values: Sequence[float]) -> Axis:
    """An axis of 1, 2, 5, 10 … around positive values."""
    low, high = min(values) / 1.25, max(values) * 1.25
    marks = (1, 2, 5) if high > 10 * low else (1, 2, 3, 4, 5, 7)
    steps = [m * 10.0**e for e in range(-3, 6) for m in marks]
    return Axis(title, low, high, [s for s in steps if low <= s <= high], logarithmic=True)


def _x(axis: Axis, value: float, right: float = RIGHT) -> float:
    return round(axis.at(value, LEFT, WIDTH - right), 1)


def _y(axis: Axis, value: float) -> float:
    return round(axis.at(value, HEIGHT - BOTTOM, TOP), 1)


def _said(value: float) -> str:
    return f"{value:g}"


def _frame(
    title: str, about: str, x: Axis, y: Axis, body: Sequence[str], right: float = RIGHT
) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' width="{WIDTH}" height="{HEIGHT}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(about)}</desc>",
        f"<style>{STYLE}</style>",
    ]
    for tick in y.ticks:
        at = _y(y, tick)
        lines.append(f'<path class="grid" d="M{LEFT} {at}H{WIDTH - right}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{_said(tick)}</text>')
    for tick in x.ticks:
        at = _x(x, tick, right)
        below = HEIGHT - BOTTOM
        lines.append(f'<path class="grid" d="M{at} {TOP}V{below}"/>')
        lines.append(f'<text x="{at}" y="{below + 18}" text-anchor="middle">{_said(tick)}</text>')
    middle = (LEFT + WIDTH - right) / 2
    lines.append(
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x.title)}</text>'
    )
    lines.append(f'<text x="{LEFT - 40}" y="{TOP - 12}">{escape(y.title)}</text>')
    return "\n".join([*lines, *body, "</svg>"]) + "\n"


def lines(
    title: str, x_title: str, y_title: str, at: Sequence[float], rows: dict[str, Sequence[float]]
) -> str:
    """Lines over a logarithmic axis, each named at its end; ``rows`` are named p50, p95, p99."""
    x = Axis(x_title, min(at) / 1.2, max(at) * 1.5, at, logarithmic=True)
    y = logarithmic(y_title, [value for row in rows.values() for value in row])
    body = []
    for name, row in rows.items():
        points = [(_x(x, a), _y(y, value)) for a, value in zip(at, row, strict=True)]
        path = " ".join(f"{px},{py}" for px, py in points)
        body.append(f'<polyline class="line {name}" points="{path}"/>')
    ends = [(_y(y, row[-1]), name) for name, row in rows.items()]
    for (wanted, name), placed in zip(
        sorted(ends), _apart(sorted(e for e, _ in ends)), strict=True
    ):
        last = _x(x, at[-1])
        body.append(f'<text x="{last + 6}" y="{placed + 4}">{name}</text>')
        if abs(placed - wanted) > LABEL:
            body.append(f'<path class="thin" d="M{last} {wanted}L{last + 5} {placed}"/>')
    about = "; ".join(
        f"{name}: " + ", ".join(f"{a:g} → {v:g}" for a, v in zip(at, row, strict=True))
        for name, row in rows.items()
    )
    return _frame(title, about, x, y, body)


def scatter(
    title: str,
    x_title: str,
    y_title: str,
    points: Sequence[tuple[str, float, tuple[float, float, float], bool]],
) -> str:
    """Points with an upright interval and their names: name, x, (y, low, high), whether ours."""
    lowest = math.floor(10 * min(low for _, _, (_, low, _), _ in points)) / 10
    steps = [round(lowest + n / 10, 1) for n in range(round((1 - lowest) * 10) + 1)]
    x = logarithmic(x_title, [value for _, value, _, _ in points])
    y = Axis(y_title, lowest, 1.0, steps)
    ranked = sorted(points, key=lambda point: _y(y, point[2][0]))
    placed = _apart([_y(y, point[2][0]) for point in ranked])
    edge = WIDTH - NAMES + 14
    body = []
    for (_, value, (mean, low, high), _), beside in zip(ranked, placed, strict=True):
        px, py = _x(x, value, NAMES), _y(y, mean)
        body.append(f'<path class="bar" d="M{px} {_y(y, low)}V{_y(y, high)}"/>')
        body.append(f'<path class="thin" d="M{px} {py}L{edge - 4} {beside}"/>')
    for (name, value, (mean, _, _), ours), beside in zip(ranked, placed, strict=True):
        kind = " ours" if ours else ""
        at = f'cx="{_x(x, value, NAMES)}" cy="{_y(y, mean)}"'
        body.append(f'<circle class="dot{kind}" {at} r="5"/>')
        body.append(f'<text class="name{kind}" x="{edge}" y="{beside + 4}">{escape(name)}</text>')
    about = "; ".join(f"{name}: {value:g} ms, {mean[0]:.2f}" for name, value, mean, _ in points)
    return _frame(title, about, x, y, body, NAMES)


def _apart(wanted: Sequence[float]) -> list[float]:
    """Places for lines of text near to where they are ``wanted``, in order, without overlap."""
    placed: list[float] = []
    for place in wanted:
        placed.append(max(place, placed[-1] + LABEL) if placed else place)
    return placed
