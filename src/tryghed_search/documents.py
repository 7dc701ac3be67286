"""What is read out of a document before it is a report: its lines, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line of a PDF, or a whole paragraph of what has no printed lines."""

    text: str
    page: int | None = None
    """From 1, counted in the file."""
    level: int | None = None
    """Of a heading, where the document itself says that it is one: 0 is its title."""
    size: float = 0.0
    """Height of its letters in points; 0 where it is not known."""
    bold: bool = False
    gap: bool = True
    """Whether there is more than a line's distance to the line before it."""
    edge: bool = False
    """Whether it stands at the top or foot of its page."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a document says, and what it says of itself."""

    lines: tuple[Line, ...]
    pages: int
    """0 where the document has none."""
    exact_pages: bool
    """Whether the pages are those of the file, rather than where Word last broke them."""
    title: str = ""
    author: str = ""
    bookmarks: tuple[tuple[int, str, int | None], ...] = ()
    """Level from 1, title, and page."""
    doubts: tuple[str, ...] = ()
