"""From a checked outline to passages: slices of one section, at most 1,000 characters.

Passages follow the report's own units. A unit that is too long is cut at paragraph ends if that
can be, else at sentence ends, into as few and as equal parts as possible. A paragraph that does not
end as a sentence does (a colon, a line of a list) is never parted from what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from tryghed_search import danish
from tryghed_search.errors import OutlineError
from tryghed_search.outline import Declared, Outline, fold
from tryghed_search.passages import Block, Passage, Report, Role, Section, Span

MAX_LENGTH = 1000
"""Characters of a passage's text at most."""

_SENTENCE_END = re.compile(r"[.!?…][\"'»«”’)\]]*$")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ITEM = re.compile(r"(?:[-•]|\d{1,3}[.)])\s")
_CUT_INSIDE_A_PARAGRAPH = 1e6
"""Cost of a cut inside a paragraph: more than any imbalance between parts of MAX_LENGTH."""
_CUT_AFTER_AN_ANNOUNCEMENT = 1e9


@dataclass(frozen=True, slots=True)
class _Block:
    """A heading, paragraph or item in the source."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class _Atom:
    """A piece that is never cut: a sentence, a heading or an item, in the source."""

    start: int
    end: int
    block: int
    length: int
    opens_block: bool
    binds: bool
    """Whether what follows belongs with it: a heading, or a text that does not end a sentence."""


def report_from(outline: Outline, text: str) -> Report:
    """The report with all its sections and passages.

    Raises ``OutlineError`` when a declared unit or continuation is not in its section.
    """
    names = name_patterns(outline.municipalities)
    passages: list[Passage] = []
    for declared in outline.declared:
        if declared.leave_out is None:
            passages.extend(_passages(outline.id, declared, text, names))
    return Report(
        id=outline.id,
        title=outline.title,
        publisher=outline.publisher,
        language=outline.language,
        text=text,
        sections=tuple(d.section for d in outline.declared if d.leave_out is None),
        passages=tuple(passages),
        examples=outline.examples,
    )


def name_patterns(names: Mapping[str, tuple[str, ...]]) -> dict[str, re.Pattern[str]]:
    """For each municipality a pattern that finds it in a text under any spelling, also genitive."""
    return {
        name: re.compile(
            r"\b(?:" + "|".join(re.escape(s) for s in (name, *spellings)) + r")s?\b", re.IGNORECASE
        )
        for name, spellings in names.items()
    }


def _passages(
    report: str, declared: Declared, text: str, names: Mapping[str, re.Pattern[str]]
) -> Iterator[Passage]:
    section = declared.section
    number = 0
    for heading, blocks in _groups(declared, text):
        for part in _parts(text, blocks):
            number += 1
            start, end = part[0].start, part[-1].end
            quoted, marked = quote(text, start, end, [(b.start, b.end, b.role) for b in part])
            yield Passage(
                id=f"{report}/{section.slug}/{number}",
                report=report,
                section=section.slug,
                entry=section.entry,
                path=(*section.path, heading) if heading else section.path,
                kind=section.kind,
                page=_page(section, text, start),
                page_stated=section.page_stated,
                municipalities=_named(quoted, section.municipalities, names),
                themes=section.themes,
                audiences=section.audiences,
                start=start,
                end=end,
                text=quoted,
                blocks=marked,
                sentences=tuple(
                    (block.start + s, block.start + e)
                    for block in marked
                    for s, e in _sentences(quoted[block.start : block.end], block.role)
                ),
            )


def _page(section: Section, text: str, start: int) -> int | None:
    """The section's page, and one more for every form feed from its first word to ``start``."""
    if section.page is None:
        return None
    opening = text[section.start : start]
    return section.page + opening.count("\f", len(opening) - len(opening.lstrip()))


def _named(
    text: str, declared: tuple[str, ...], names: Mapping[str, re.Pattern[str]]
) -> tuple[str, ...]:
    """The section's municipalities and those that the passage itself names."""
    mentioned = [name for name, pattern in names.items() if pattern.search(text)]
    return tuple(dict.fromkeys((*declared, *mentioned)))


def _sentences(text: str, role: Role) -> list[Span]:
    return [(0, len(text))] if role == "heading" else danish.sentences(text)


def quote(
    source: str, start: int, end: int, blocks: list[tuple[int, int, Role]]
) -> tuple[str, tuple[Block, ...]]:
    """``source[start:end]`` as it is quoted, with the blocks' places in the quotation."""
    text = fold(source[start:end])
    placed: list[Block] = []
    at = 0
    for block_start, block_end, role in blocks:
        folded = fold(source[block_start:block_end])
        at = text.index(folded, at)
        placed.append(Block(at, at + len(folded), role))
        at += len(folded)
    return text, tuple(placed)


# --- from a section's text to blocks and units ---------------------------------------------------


def _groups(declared: Declared, text: str) -> Iterator[tuple[str | None, list[_Block]]]:
    """The section's units: its text before the first heading of its own, then one for each."""
    groups: list[tuple[str | None, list[_Block]]] = [(None, [])]
    waiting = list(declared.units)
    for block in _blocks(declared, text):
        folded = fold(text[block.start : block.end])
        if waiting and folded == waiting[0]:
            waiting.pop(0)
            heading = folded.removeprefix("- ")
            groups.append((heading, [replace(block, role="heading")]))
        else:
            groups[-1][1].append(block)
    if waiting:
        raise OutlineError(
            f"{_place(declared, text)} has no line {waiting[0]!r} after the unit before it. "
            "Correct 'units' so that it repeats the text."
        )
    for here, following in pairwise(groups):
        while here[1] and fold(text[here[1][-1].start : here[1][-1].end]).endswith(":"):
            following[1].insert(0, here[1].pop())
    return ((heading, blocks) for heading, blocks in groups if blocks)


def _place(declared: Declared, text: str) -> str:
    """The section and its lines, for messages."""
    section = declared.section
    end = section.start + len(text[section.start : section.end].rstrip())
    first, last = (text.count("\n", 0, at) + 1 for at in (section.start, end))
    return f"Section {section.id!r} (lines {first} to {last} of the text)"


def _blocks(declared: Declared, text: str) -> Iterator[_Block]:
    """The section's headings, paragraphs and list items."""
    section = declared.section
    start = section.body_start
    if declared.opening_is == "quoted-heading":
        yield _Block(section.start, declared.opened, "heading")
        start = declared.opened
    unused = list(declared.continues)
    waiting: _Block | None = None
    for block in _lines_joined(text, start, section.end, set(declared.units)):
        folded = fold(text[block.start : block.end])
        match = next((c for c in unused if folded.startswith(c)), None)
        if match is not None and waiting is not None:
            unused.remove(match)
            waiting = replace(waiting, end=block.end)
            continue
        if waiting is not None:
            yield waiting
        waiting = block
    if waiting is not None:
        yield waiting
    if unused:
        raise OutlineError(
            f"{_place(declared, text)} has no paragraph that begins with {unused[0]!r} and could "
            "go on from the one before it. Correct 'continues' so that it repeats the text."
        )


def _lines_joined(text: str, start: int, end: int, units: set[str]) -> Iterator[_Block]:
    """Lines up to a blank one as one paragraph; list items and units stand for themselves."""
    waiting: _Block | None = None
    at = start
    for line in _LINE.findall(text, start, end):
        stripped = line.strip()
        begins = at + len(line) - len(line.lstrip())
        ends = begins + len(stripped)
        at += len(line)
        if not fold(line):
            if waiting is not None:
                yield waiting
            waiting = None
            continue
        item = bool(_ITEM.match(stripped))
        alone = item or fold(line) in units
        if waiting is not None and not alone and waiting.role == "paragraph":
            waiting = replace(waiting, end=ends)
            continue
        if waiting is not None:
            yield waiting
        waiting = _Block(begins, ends, "item" if item else "paragraph")
        if fold(line) in units:
            yield waiting
            waiting = None
    if waiting is not None:
        yield waiting


# --- cutting what is too long ---------------------------------------------------------------------


def _parts(text: str, blocks: list[_Block]) -> list[list[_Block]]:
    """The blocks as one part if they fit, else cut into as few and as equal parts as possible."""
    if len(fold(text[blocks[0].start : blocks[-1].end])) <= MAX_LENGTH:
        return [blocks]
    atoms = list(_atoms(text, blocks))
    parts = []
    for first, last in _cuts(atoms):
        part: list[_Block] = []
        for atom in atoms[first:last]:
            role = blocks[atom.block].role
            if part and not atom.opens_block:
                part[-1] = replace(part[-1], end=atom.end)
            else:
                part.append(_Block(atom.start, atom.end, role))
        parts.append(part)
    return parts


def _atoms(text: str, blocks: list[_Block]) -> Iterator[_Atom]:
    for number, block in enumerate(blocks):
        folded, offsets = _folded_with_offsets(text, block.start, block.end)
        spans = [
            piece
            for span in _sentences(folded, block.role)
            for piece in _no_longer_than(folded, span, MAX_LENGTH)
        ]
        for position, (start, end) in enumerate(spans):
            yield _Atom(
                start=block.start if position == 0 else offsets[start],
                end=block.end if position == len(spans) - 1 else offsets[end - 1] + 1,
                block=number,
                length=end - start,
                opens_block=position == 0,
                binds=block.role == "heading" or not _SENTENCE_END.search(folded[start:end]),
            )


def _no_longer_than(text: str, span: Span, most: int) -> Iterator[Span]:
    """The span, cut at spaces where a single sentence is longer than a passage may be."""
    start, end = span
    while end - start > most:
        cut = text.rfind(" ", start + 1, start + most + 1)
        cut = start + most if cut < 0 else cut
        yield start, cut
        start = cut + (text[cut] == " ")
    yield start, end


def _folded_with_offsets(text: str, start: int, end: int) -> tuple[str, list[int]]:
    """The folded text of a slice, and for each of its characters the place in the source."""
    characters: list[str] = []
    offsets: list[int] = []
    at = start
    while at < end:
        if text.startswith("**", at) and at + 2 <= end:
            at += 2
        elif text[at].isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                offsets.append(at)
            at += 1
        else:
            characters.append(text[at])
            offsets.append(at)
            at += 1
    while characters and characters[-1] == " ":
        characters.pop()
        offsets.pop()
    return "".join(characters), offsets


def _cuts(atoms: list[_Atom]) -> list[tuple[int, int]]:
    """Ranges of atoms that fit a passage: fewest first, then most equal (dynamic programming)."""
    total = sum(atom.length + 1 for atom in atoms) - 1
    ideal = total / -(-total // MAX_LENGTH)
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]
    for last in range(1, len(atoms) + 1):
        options: list[tuple[int, float, int]] = []
        length = -1
        for first in range(last - 1, -1, -1):
            length += atoms[first].length + 1
            if length > MAX_LENGTH and first < last - 1:
                break
            bound = first > 0 and atoms[first - 1].binds
            parts, cost, _ = best[first]
            inside = first > 0 and not atoms[first].opens_block
            cost += (
                (length - ideal) ** 2
                + _CUT_INSIDE_A_PARAGRAPH * inside
                + _CUT_AFTER_AN_ANNOUNCEMENT * bound
            )
            options.append((parts + 1, cost, first))
        best.append(min(options))
    ranges: list[tuple[int, int]] = []
    last = len(atoms)
    while last:
        first = best[last][2]
        ranges.append((first, last))
        last = first
    return ranges[::-1]
