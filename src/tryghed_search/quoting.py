"""How a passage is set on a page: its text as parts and runs, and its place in words.

``web/static/reply.js`` does the same in the browser; a browser test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from tryghed_search.passages import Block, Passage, Section, Span

SHORT = 320
"""Characters up to which a passage below the best one is shown whole at once."""
EXTRACT = 240
"""Characters shown of a longer one in which no sentence stands out."""
LEAST = 60
"""Characters from which a paragraph says enough to be shown alone."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text, marked or not."""

    text: str
    mark: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A ``heading`` or ``paragraph`` of one line, or a list, ``dashes`` or ``numbers``, of many."""

    role: str
    lines: tuple[tuple[Run, ...], ...]


def short_title(title: str, kind: str, *, top: bool) -> str:
    """A title up to its colon, except the reading guide's ("Målgruppe 1: Politikere")."""
    return title if kind == "guide" and not top else title.split(": ", maxsplit=1)[0]


def where(passage: Passage) -> str:
    """The passage's place as a path of short titles, without the chapter that it stands in.

    A type of organisation stands for itself, and a heading that the passage itself shows is not
    repeated.
    """
    kind, path = passage.kind, passage.path
    headings = {_line(passage.text, b) for b in passage.blocks if b.role == "heading"}
    if kind == "typology":
        return path[-1]
    if len(path) == 1:
        return short_title(path[0], kind, top=True)
    kept = path[1:-1] if len(path) > 2 and path[-1] in headings else path[1:]
    return " › ".join(short_title(title, kind, top=False) for title in kept)


def cited_place(place: str, page: str | None) -> str:
    """Place and page; a question mark needs no comma after it."""
    if page is None:
        return place
    return f"{place}{' ' if place.endswith('?') else ', '}{page}"


def parts(passage: Passage, marks: Sequence[Span]) -> tuple[Part, ...]:
    """The passage's text with each of ``marks`` marked, its list items gathered into lists."""
    lines = [
        (_role(passage.text, block), _runs(passage.text, block, marks)) for block in passage.blocks
    ]
    found: list[Part] = []
    for role, group in groupby(lines, key=lambda line: line[0]):
        if role in ("dashes", "numbers"):
            found.append(Part(role, tuple(runs for _, runs in group)))
        else:
            found.extend(Part(role, (runs,)) for _, runs in group)
    return tuple(found)


def extract(passage: Passage, marks: Sequence[Span]) -> tuple[Part, ...]:
    """A short passage whole; of a long one the marked sentence, or else how its text begins."""
    text = passage.text
    if len(text) <= SHORT:
        return parts(passage, marks)
    if marks:
        start, end = marks[0]
        return (Part("paragraph", (_runs(text, Block(start, end, "paragraph"), marks),)),)
    blocks = passage.blocks
    long_enough = (b for b in blocks if b.role == "paragraph" and b.end - b.start > LEAST)
    line = _line(text, next(long_enough, blocks[0]))
    if len(line) > EXTRACT:
        line = line[:EXTRACT].rsplit(" ", maxsplit=1)[0] + " …"
    return (Part("paragraph", ((Run(line, False),),)),)


def set_below(section: Section, passage: Passage, marks: Sequence[Span]) -> tuple[Part, ...]:
    """The passage's text without a heading that only repeats its section's title."""
    found = parts(passage, marks)
    heads = found and found[0].role == "heading"
    return found[1:] if heads and _text(found[0]) == section.title else found


def _text(part: Part) -> str:
    return "".join(run.text for line in part.lines for run in line)


def _begin(text: str, block: Block) -> int:
    """Where the block's words begin, after the dash of a list."""
    return block.start + 2 * text.startswith(("- ", "• "), block.start)


def _line(text: str, block: Block) -> str:
    return text[_begin(text, block) : block.end]


def _role(text: str, block: Block) -> str:
    if block.role != "item":
        return block.role
    return "numbers" if _begin(text, block) == block.start else "dashes"


def _runs(text: str, block: Block, marks: Sequence[Span]) -> tuple[Run, ...]:
    """The block's words, cut where a mark begins or ends."""
    start = _begin(text, block)
    inside = {min(max(place, start), block.end) for mark in marks for place in mark}
    cuts = sorted({start, block.end, *inside})
    return tuple(
        Run(text[a:b], any(s <= a and b <= e for s, e in marks)) for a, b in pairwise(cuts)
    )
