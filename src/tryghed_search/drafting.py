"""A draft of a report's text and outline from a document's lines, for an editor to correct.

Headings are guessed from what the document says of itself (styles, bookmarks), else from size,
weight and numbers. Every guess that may well be wrong is told, and nothing of the text is left out
in silence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from tryghed_search.blocks import (
    Block,
    is_contents,
    joined,
    page_at_end,
    tell_headings,
    without_edges,
)
from tryghed_search.documents import Extracted
from tryghed_search.outline import fold
from tryghed_search.passages import Kind
from tryghed_search.places import Gazetteer

PAGE_MARK = "\f"
"""Stands in a report's text where a page begins, as other programs for PDF put it."""

_NUMBERED_START = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\.?\s+")
_CASE = re.compile(r"(?:case|eksempel|example)\b", re.I)


@dataclass(frozen=True, slots=True)
class Draft:
    """A report's files, and what an editor should look at."""

    text: str
    outline: str
    sections: int
    doubts: tuple[str, ...]


@dataclass(slots=True)
class _Section:
    slug: str
    title: str
    opens: str
    opening_is: str
    parent: str | None
    page: int | None
    block: int
    leave_out: str | None = None
    closes: str | None = None
    doubts: list[str] = field(default_factory=list)


def draft(
    found: Extracted, report: str, title: str | None, publisher: str | None, language: str, of: str
) -> Draft:
    """A draft for the report with the id ``report``; ``of`` names the file that it is made from."""
    doubts = list(found.doubts)
    lines, offset, more = without_edges(found)
    doubts += more
    blocks = joined(lines, doubts)
    tell_headings(blocks, found, doubts)
    heading = next((b for b in blocks if b.level is not None and not is_contents(b)), None)
    if title is None:
        title = found.title or (heading.text if heading else "") or of
        doubts.append(f"The title is taken to be {title!r}.")
    if publisher is None:
        publisher = found.author or "?"
        doubts.append(
            f"The publisher is taken to be {publisher!r}, whom the file names as its author."
            if found.author
            else "The file does not name its publisher; write it in place of '?'."
        )
    doubts += _said_of_pages(found, offset)
    text, lines_of = _set(blocks)
    sections = list(_sections(blocks, title, offset))
    sections = _placed(sections, lines_of, doubts)
    names = Gazetteer({}).unreported(text)
    if names:
        doubts.append(
            f"It names {', '.join(names)}: add other spellings to [municipalities], and say of "
            "each section which of them it is about."
        )
    if len(sections) < 2:
        doubts.append("No headings were found: declare the sections by hand.")
    doubts.append(
        "Every section is drafted as kind 'chapter', or 'case' where its title says so; 'case', "
        "'typology' and 'trend' with an 'entry' appear among the topics. Themes and audiences are "
        "not drafted."
    )
    every = (*doubts, *(f"{s.title!r}: {doubt}" for s in sections for doubt in s.doubts))
    outline = _outline(report, title, publisher, language, of, names, sections, found, doubts)
    return Draft(text, outline, sum(s.leave_out is None for s in sections), every)


# --- the text -------------------------------------------------------------------------------------


def _set(blocks: Sequence[Block]) -> tuple[str, list[str]]:
    """The report's text, and each block's line as the outline's check sees it."""
    pieces: list[str] = []
    page = blocks[0].page if blocks else None
    for block in blocks:
        text = block.text
        for place in reversed(block.page_marks):
            if not text[place - 1].isspace():  # a word that the page parts stays whole
                place = text.find(" ", place) + 1 or len(text)
            text = f"{text[:place].rstrip()}\n{PAGE_MARK}{text[place:]}"
        turns = 0 if block.page is None or page is None else max(0, block.page - page)
        pieces.append(PAGE_MARK * turns + text)
        page = page_at_end(block) if block.page is not None else page
    return "\n\n".join(pieces) + "\n", [fold(piece) for piece in pieces]


# --- sections -------------------------------------------------------------------------------------


def _sections(blocks: Sequence[Block], title: str, offset: int | None) -> Iterator[_Section]:
    used: set[str] = set()
    above: list[tuple[int, str]] = []
    in_contents = False
    for number, block in enumerate(blocks):
        page = None if block.page is None else block.page + (offset or 0)
        page = page if page is not None and page > 0 else None
        first = fold(block.text.split("\n")[0])
        if is_contents(block) or (block.entry and not in_contents):
            in_contents = True
            yield _Section(
                slug=_slug("indhold", used),
                title="Indhold",
                opens=first,
                opening_is="heading",
                parent=None,
                page=page,
                block=number,
                leave_out="List of contents: it only repeats headings.",
            )
        elif block.level is not None and not block.entry:
            in_contents = False
            level = block.level
            above = [(depth, s) for depth, s in above if depth < level]
            slug = _slug(_NUMBERED_START.sub("", block.text), used)
            yield _Section(
                slug=slug,
                title=block.text,
                opens=first,
                opening_is="heading",
                parent=above[-1][1] if above else None,
                page=page,
                block=number,
                doubts=[block.doubt] if block.doubt else [],
            )
            if level > 0 and not _titles(block, blocks):
                above.append((level, slug))
        elif (number == 0 or in_contents) and not block.entry:
            in_contents = False
            yield _Section(
                slug=_slug("forord" if number == 0 else "tekst", used),
                title=title,
                opens=first,
                opening_is="text",
                parent=None,
                page=page,
                block=number,
                doubts=["text before the first heading, or after the contents: is this right?"],
            )


def _titles(block: Block, blocks: Sequence[Block]) -> bool:
    """Whether this is the only heading of the highest level and the first: the title."""
    levels = [b.level for b in blocks if b.level is not None and not is_contents(b)]
    first = next(b for b in blocks if b.level is not None and not is_contents(b))
    return block is first and levels.count(min(levels)) == 1 and block.level == min(levels)


def slug_of(title: str) -> str:
    """A title as it stands in addresses: a-z, 0-9 and "-", at most 60 characters; maybe empty."""
    plain = title.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa")
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:60].rsplit("-", 1)[0] if len(words) > 60 else words


def _slug(title: str, used: set[str]) -> str:
    slug = slug_of(title) or "afsnit"
    # With a letter: a running number would be the address of a passage.
    others = (f"{slug}-{_letters(n)}" for n in range(10_000))
    free = next(s for s in chain((slug,), others) if s not in used)
    used.add(free)
    return free


def _letters(number: int) -> str:
    """1 is b, 25 is z, then ba, bb and so on."""
    digits, rest = "", number + 1
    while True:
        rest, digit = divmod(rest, 26)
        digits = chr(ord("a") + digit) + digits
        if not rest:
            return digits


def _placed(
    sections: Sequence[_Section], lines: Sequence[str], doubts: list[str]
) -> list[_Section]:
    """The sections that the outline's check will find where they are; others told as doubts."""
    kept: list[_Section] = []
    dropped: set[str] = set()
    at = 0
    parents = {section.slug: section.parent for section in sections}
    for section in sections:
        found = _first(lines, section, at)
        while section.parent in dropped:
            section = replace(section, parent=parents[section.parent])
        if found != section.block:
            before = lines[section.block - 1]
            if kept and before in lines[at:] and lines.index(before, at) == section.block - 1:
                kept[-1].closes = before
            else:
                dropped.add(section.slug)
                doubts.append(
                    f"The heading {section.title!r} stands in the text more than once; declare its "
                    "section by hand."
                )
                continue
        at = section.block + 1
        kept.append(section)
    return kept


def _first(lines: Sequence[str], section: _Section, at: int) -> int | None:
    for number in range(at, len(lines)):
        line = lines[number]
        if line == section.opens or (
            section.opening_is == "text" and line.startswith(section.opens)
        ):
            return number
    return None


# --- the outline ----------------------------------------------------------------------------------


def _said_of_pages(found: Extracted, offset: int | None) -> list[str]:
    if not found.pages:
        return []
    if not found.exact_pages:
        return ["Pages are where Word last broke them: they are cited as 'ca. s. 3'."]
    if offset is None:
        return ["No printed page numbers were found: pages are counted from the file's first."]
    if offset:
        return [f"Page numbers are the printed ones: page 1 of the file is {1 + offset}."]
    return []


def _outline(
    report: str,
    title: str,
    publisher: str,
    language: str,
    of: str,
    names: Sequence[str],
    sections: Sequence[_Section],
    found: Extracted,
    doubts: Sequence[str],
) -> str:
    said = [
        f"# Drafted from {of}. An editor corrects it: every UNSURE is to be looked at and removed.",
        "# What each key means stands in docs/growing.md. A form feed in the text begins a page.",
        *(f"# UNSURE: {doubt}" for doubt in doubts),
        "",
        "[report]",
        f"id = {_toml(report)}",
        f"title = {_toml(title)}",
        f"publisher = {_toml(publisher)}",
        f"language = {_toml(language)}",
        "",
        "[municipalities]",
        *(f"{_toml(name)} = []" for name in names),
    ]
    stated = "stated" if found.exact_pages else "inferred"
    gazetteer = Gazetteer(dict.fromkeys(names, ()))
    for section in sections:
        said += ["", *(f"# UNSURE: {doubt}" for doubt in section.doubts), "[[section]]"]
        said += [f"slug = {_toml(section.slug)}", f"title = {_toml(section.title)}"]
        if section.parent:
            said.append(f"in = {_toml(section.parent)}")
        said.append(f"opens = [{_toml(section.opens)}]")
        if section.opening_is != "heading":
            said.append(f"opening_is = {_toml(section.opening_is)}")
        if section.closes:
            said.append(f"closes = {_toml(section.closes)}")
        if section.leave_out:
            said.append(f"leave_out = {_toml(section.leave_out)}")
            continue
        kind: Kind = "case" if _CASE.match(section.title) else "chapter"
        said.append(f"kind = {_toml(kind)}")
        if kind == "case":
            said.append(f"entry = {_toml(section.slug)}")
        if section.page is not None:
            said += [f"page = {section.page}", f"page_is = {_toml(stated)}"]
        about = gazetteer.reported(section.title)
        if about:
            said.append(f"municipalities = [{', '.join(map(_toml, about))}]")
    return "\n".join(said) + "\n"


def _toml(text: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
