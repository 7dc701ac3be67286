"""From a document's lines to headings, paragraphs and list items.

Headings are what the document says of itself (styles, bookmarks), else guessed from size, weight
and numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tryghed_search.documents import Extracted, Line

_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s+\S")
_ITEM = re.compile(r"(?:[-•–▪]|\d{1,3}[.)])\s")
_BULLET = re.compile(r"^[•▪●–]\s*")
_CONTENTS = {"indhold", "indholdsfortegnelse", "contents", "table of contents"}
_ENTRY = re.compile(r"\S.*?(?:\s*\.{3,}|\s*…+|\s)\s*\d{1,4}$")
_DOTTED = re.compile(r"(?:\.{4,}|…{2,}|(?:\. ){4,})\s*\d{1,4}$")
_PAGE_NUMBER = re.compile(r"(?:(?:side|page|s\.)\s*)?(\d{1,4})(?:\s*(?:/|af|of)\s*\d{1,4})?", re.I)
_SENTENCE_END = re.compile(r"[.!?:;,…]$")
_NO_HEADING_END = re.compile(r"[.!:;,…]$")
_HEADING_LENGTH = 150
_LARGER = 1.1
"""A heading's letters are at least so much higher than the text's."""


@dataclass(slots=True)
class Block:
    """A heading, paragraph or list item."""

    text: str
    page: int | None
    size: float
    bold: bool
    level: int | None
    lines: int = 1
    page_marks: list[int] = field(default_factory=list)
    """Places in ``text`` where a page begins."""
    doubt: str | None = None
    entry: bool = False
    """Whether it is a line of the list of contents."""


# --- from lines to blocks -------------------------------------------------------------------------


def without_edges(found: Extracted) -> tuple[list[Line], int | None, list[str]]:
    """The lines without running heads and page numbers; how much higher printed numbers are."""
    seen: dict[str, set[int]] = {}
    offsets: Counter[int] = Counter()
    for line in found.lines:
        if line.edge and line.page is not None:
            seen.setdefault(_alike(line.text), set()).add(line.page)
            number = _PAGE_NUMBER.fullmatch(line.text)
            if number:
                offsets[int(number[1]) - line.page] += 1
    enough = max(2, found.pages / 2)
    running = {key for key, pages in seen.items() if len(pages) >= enough}
    likely = offsets.most_common(1)
    offset = likely[0][0] if likely and likely[0][1] >= enough else None
    kept = [line for line in found.lines if not (line.edge and _alike(line.text) in running)]
    left_out = sorted({line.text for line in found.lines if line.edge} - {k.text for k in kept})
    words = [text for text in left_out if not _PAGE_NUMBER.fullmatch(text)]
    doubts = []
    if words:
        shown = ", ".join(repr(text[:60]) for text in words[:5])
        doubts.append(f"Left out as running heads or feet: {shown}.")
    return kept, offset, doubts


def _alike(text: str) -> str:
    return re.sub(r"\d+", "#", text.lower())


def joined(lines: Sequence[Line], doubts: list[str]) -> list[Block]:
    """Lines of one paragraph joined; words that are parted at a line's end put together."""
    blocks: list[Block] = []
    parts = 0
    for line in lines:
        text = _BULLET.sub("- ", line.text) if len(line.text) > 1 else line.text
        last = blocks[-1] if blocks else None
        if last is not None and _goes_on(last, line, text):
            turned = line.page is not None and line.page != page_at_end(last)
            parted = last.text.endswith(("\x02", "\u00ad"))
            joined = last.text.rstrip("\x02\u00ad") if parted else f"{last.text} "
            parts += parted
            if turned:
                last.page_marks.append(len(joined))
            last.text = joined + text
            last.lines += 1
            continue
        blocks.append(Block(text, line.page, line.size, line.bold, line.level))
    if parts:
        doubts.append(
            f"{parts} words that a line's end parts are put together: look for wrong ones."
        )
    for block in blocks:
        block.text = block.text.replace("\x02", "-")
        block.entry = bool(_DOTTED.search(block.text))
    return [block for block in blocks if block.text.strip("-• ")]


def page_at_end(block: Block) -> int | None:
    """The page of the file that a block ends on."""
    return None if block.page is None else block.page + len(block.page_marks)


def _goes_on(last: Block, line: Line, text: str) -> bool:
    """Whether a line belongs to the paragraph before it."""
    if line.level is not None or last.level is not None or _ITEM.match(text):
        return False
    if _DOTTED.search(line.text) or _DOTTED.search(last.text):
        return False
    like = abs(line.size - last.size) <= 0.05 * max(line.size, 1) and line.bold == last.bold
    if line.page != page_at_end(last):  # a page may turn in the middle of a sentence
        return like and line.size > 0 and text[0].islower() and not _SENTENCE_END.search(last.text)
    return like and not line.gap


# --- headings -------------------------------------------------------------------------------------


def tell_headings(blocks: list[Block], found: Extracted, doubts: list[str]) -> None:
    """Give blocks that are headings their level, from 1; 0 is the document's title."""
    _tell_contents(blocks)
    if any(block.level is not None for block in blocks):
        return
    marks = _by_bookmarks(blocks, found.bookmarks)
    body = _body_size(blocks)
    sizes = sorted({b.size for b in blocks if _is_large(b, body)}, reverse=True)
    bold = any(not b.bold for b in blocks)
    guessed = 0
    for block in blocks:
        if block.entry or block.level is not None:
            continue
        block.level = _guessed_level(block, body, sizes, bold)
        if block.level is None:
            continue
        numbered = _NUMBERED.match(block.text)
        if numbered and not marks:
            block.level = numbered[1].count(".") + 1
        guessed += 1
        if marks:
            block.doubt = "a heading by its looks, but no bookmark of the file."
        elif not _is_large(block, body):
            block.doubt = "a heading? It is short and looks like one."
    _number_levels(blocks, marks)
    if guessed and not marks:
        doubts.append(
            f"{guessed} headings are guessed from size, weight or numbers: look for wrong and "
            "missing ones."
        )


def _guessed_level(block: Block, body: float, sizes: Sequence[float], bold: bool) -> int | None:
    """The level that a block's looks give it; ``bold`` says that not all blocks are."""
    large = _is_large(block, body)
    short = len(block.text) <= _HEADING_LENGTH and block.lines <= 3
    if not short or (_NO_HEADING_END.search(block.text) and not large):
        return None
    if large:
        return sizes.index(block.size) + 1
    if block.lines > 1:
        return None
    numbered = _NUMBERED.match(block.text)
    if numbered:
        return numbered[1].count(".") + 1
    if _ITEM.match(block.text):
        return None
    return len(sizes) + 1 if bold and block.bold else None if body else 1


def _number_levels(blocks: list[Block], marks: bool) -> None:
    """A first heading above numbered ones of its level is the title."""
    headings = [b for b in blocks if b.level is not None and not is_contents(b)]
    numbered = [b for b in headings if _NUMBERED.match(b.text)]
    if not marks and len(numbered) > 1 and headings[0] not in numbered:
        headings[0].level = 0


def _by_bookmarks(blocks: list[Block], bookmarks: Sequence[tuple[int, str, int | None]]) -> bool:
    """Give the headings that bookmarks lead to their level; whether there are any."""
    at, told = 0, False
    for level, title, page in bookmarks:
        for number in range(at, len(blocks)):
            block = blocks[number]
            there = page is None or block.page in (None, page)
            if there and not block.entry and _bare(block.text) == _bare(title):
                block.level, block.doubt = level, None
                at, told = number + 1, True
                break
    return told


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


def _body_size(blocks: Sequence[Block]) -> float:
    sizes: Counter[float] = Counter()
    for block in blocks:
        sizes[block.size] += len(block.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _is_large(block: Block, body: float) -> bool:
    return body > 0 and block.size >= _LARGER * body


def is_contents(block: Block) -> bool:
    """Whether this is the heading of the list of contents."""
    return block.text.lower().rstrip(":") in _CONTENTS


def _tell_contents(blocks: Sequence[Block]) -> None:
    """Mark the lines below "Indhold" that end in a page number."""
    inside = False
    for block in blocks:
        if is_contents(block):
            inside = True
        elif inside and (_ENTRY.fullmatch(block.text) or block.entry):
            block.entry, block.level = True, None
        else:
            inside = False
