"""A document's lines, read in a process of its own: the only module that opens others' files.

``python -m tryghed_search.extracting FILE LIMITS`` limits itself before it opens the file, then
writes one JSON object: an ``Extracted``, or ``{"refused": why}``. Whoever calls it needs to
import no library for documents, and a file that crashes one or never ends harms nobody.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tryghed_search.documents import Extracted, Line

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

SUFFIXES = (".pdf", ".docx", ".md", ".txt")
_EDGE = 0.09
"""Share of a page's height at its top and foot where running heads and page numbers stand."""
_BOLD = 600
_CONTROL = re.compile(r"[\x00-\x01\x03-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The document cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may cost."""

    file_bytes: int = 100_000_000
    unpacked_bytes: int = 300_000_000
    memory_bytes: int = 1_500_000_000
    """Address space, of which Python and its libraries take some 0.3 GB."""
    cpu_seconds: int = 120
    pages: int = 2000
    characters: int = 10_000_000


def read(path: Path, limits: Limits) -> Extracted:
    """The document's lines; ``Refused`` if it cannot be read."""
    if path.stat().st_size > limits.file_bytes:
        raise Refused(f"it is larger than {limits.file_bytes // 1_000_000} MB")
    with path.open("rb") as file:
        start = file.read(1024)
    kind = path.suffix.lower()
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused(
            "it is an old or an encrypted Office file; take the password off and save it as .docx"
        )
    if (kind == ".pdf") != (b"%PDF-" in start) or (kind == ".docx") != start.startswith(b"PK"):
        raise Refused(f"its contents are not those of a {kind} file")
    found = {".pdf": _pdf, ".docx": _docx, ".md": _markdown, ".txt": _text}[kind](path, limits)
    letters = sum(len(line.text) for line in found.lines)
    if letters > limits.characters:
        raise Refused(f"its text is longer than {limits.characters} characters")
    if not any(c.isalpha() for line in found.lines for c in line.text):
        raise Refused(
            "there is no text in it; if its pages are pictures of text (a scan), run a text "
            "recognition (OCR) over it first"
        )
    return found


def _clean(text: str) -> str:
    return " ".join(_CONTROL.sub("", text).split())


# --- PDF ------------------------------------------------------------------------------------------


def _pdf(path: Path, limits: Limits) -> Extracted:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Refused("it is encrypted; take the password off it first") from None
        raise Refused("it is damaged or no PDF") from None
    pages = len(document)
    if pages > limits.pages:
        raise Refused(f"it has {pages} pages, more than {limits.pages}")
    lines: list[Line] = []
    doubts: list[str] = []
    unread = letters = 0
    empty: list[int] = []
    beside: list[int] = []
    for number in range(pages):
        rows, missing = _rows(document[number], number + 1)
        unread += missing
        lines += [row for row, _, _ in rows]
        letters += sum(len(row.text) for row, _, _ in rows)
        if letters > limits.characters:
            break  # refused by the caller
        if not rows:
            empty.append(number + 1)
        inner = [(top, bottom) for row, top, bottom in rows if not row.edge]
        if any(top > above + 5 for (above, _), (top, _) in pairwise(inner)):
            beside.append(number + 1)
    if empty and len(empty) < pages:
        doubts.append(f"No text on page {_listed(empty)}: a picture, or an empty page.")
    if beside:
        doubts.append(
            f"Text stands beside other text on page {_listed(beside)} (columns, boxes or a table): "
            "check that the order is right."
        )
    if unread:
        doubts.append(f"{unread} characters have no letter in the file's fonts and are left out.")
    said = document.get_metadata_dict()
    bookmarks = tuple(
        (mark.level + 1, _clean(mark.get_title()), _page_of(mark))
        for mark in document.get_toc(max_depth=6)
    )
    return Extracted(
        lines=tuple(lines),
        pages=pages,
        exact_pages=True,
        title=_clean(said.get("Title", "")),
        author=_clean(said.get("Author", "")),
        bookmarks=bookmarks,
        doubts=tuple(doubts),
    )


def _page_of(mark: Any) -> int | None:
    destination = mark.get_dest()
    index = None if destination is None else destination.get_index()
    return None if index is None else index + 1


def _listed(numbers: list[int]) -> str:
    most = 12
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def _rows(page: PdfPage, number: int) -> tuple[list[tuple[Line, float, float]], int]:
    """A page's lines in the file's order, each with its top and bottom; unreadable characters."""
    from pypdfium2 import raw

    text = page.get_textpage()
    height = page.get_height()
    rows: list[tuple[Line, float, float]] = []
    unread = 0
    letters: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    weights: list[int] = []
    count = text.count_chars()
    for i in range(count + 1):
        code = raw.FPDFText_GetUnicode(text, i) if i < count else 10
        if code not in (10, 13):
            letters.append(chr(code) if code < 0x110000 else "")
            unread += code == 0
            if not letters[-1].isspace() and not raw.FPDFText_IsGenerated(text, i):
                boxes.append(text.get_charbox(i, loose=True))
                weights.append(raw.FPDFText_GetFontWeight(text, i))
            continue
        said = _clean("".join(letters))
        if said and boxes:
            top, bottom = max(b[3] for b in boxes), min(b[1] for b in boxes)
            size = sorted(b[3] - b[1] for b in boxes)[len(boxes) // 2]
            space = rows[-1][2] - top if rows else height
            line = Line(
                text=said,
                page=number,
                size=round(size, 1),
                bold=sorted(weights)[len(weights) // 2] >= _BOLD,
                gap=not -size < space < 0.6 * size,
                edge=top > height * (1 - _EDGE) or bottom < height * _EDGE,
            )
            rows.append((line, top, bottom))
        letters, boxes, weights = [], [], []
    return rows, unread


# --- DOCX -----------------------------------------------------------------------------------------


def _docx(path: Path, limits: Limits) -> Extracted:
    import docx

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.infolist()
            if sum(name.file_size for name in names) > limits.unpacked_bytes:
                raise Refused(f"it unpacks to more than {limits.unpacked_bytes // 1_000_000} MB")
        document = docx.Document(str(path))
    except Refused:
        raise
    except Exception:
        raise Refused(
            "it is damaged, no Word document, or reading it takes more memory than is allowed"
        ) from None
    body = document.element.body
    tags = {element.tag.removeprefix(_WORD) for element in body.iter() if type(element.tag) is str}
    doubts = []
    for tag, what in (
        ("ins", "Tracked changes: what was inserted is left out; accept all changes first."),
        ("txbxContent", "Text boxes are left out."),
        ("footnoteReference", "Footnotes are left out."),
        ("tbl", "Tables are taken row by row, the cells with ' | ' between them."),
    ):
        if tag in tags:
            doubts.append(what)
    rendered = "lastRenderedPageBreak" in tags
    lines = tuple(_paragraphs(document, rendered))
    pages = max((line.page or 0 for line in lines), default=0)
    if pages <= 1:  # Word has not told where it breaks pages
        lines = tuple(Line(line.text, None, line.level) for line in lines)
        doubts.append("The document does not tell its pages, so places are cited without them.")
        pages = 0
    elif pages > limits.pages:
        raise Refused(f"it has {pages} pages, more than {limits.pages}")
    return Extracted(
        lines=lines,
        pages=pages,
        exact_pages=False,
        title=_clean(document.core_properties.title or ""),
        author=_clean(document.core_properties.author or ""),
        doubts=tuple(doubts),
    )


def _paragraphs(document: Any, rendered: bool) -> Iterator[Line]:
    """Every paragraph and row of a table, with the page that it begins on."""
    from docx.table import Table

    page = 1
    for item in document.iter_inner_content():
        if isinstance(item, Table):
            for row in item.rows:
                cells = dict.fromkeys(_clean(cell.text) for cell in row.cells)
                text = " | ".join(cell for cell in cells if cell)
                if text:
                    yield Line(text, page)
            page += _breaks(item._element, rendered)[1]
            continue
        before, every = _breaks(item._p, rendered)
        text = _clean(item.text)
        style = (item.style.name or "").lower() if item.style is not None else ""
        if text and not style.startswith("toc"):
            level = 0 if style == "title" else _heading_level(style)
            properties = item._p.pPr
            listed = style.startswith("list") or (
                properties is not None and properties.numPr is not None
            )
            shown = f"- {text}" if listed and level is None and text[0] not in "-•" else text
            yield Line(shown, page + before, level)
        page += every


def _heading_level(style: str) -> int | None:
    match = re.fullmatch(r"heading ([1-9])", style)
    return int(match[1]) if match else None


def _breaks(element: Any, rendered: bool) -> tuple[int, int]:
    """Page breaks before an element's first word, and in all of it."""
    before, every, begun = 0, 0, False
    for part in element.iter():
        if part.tag == f"{_WORD}t" and (part.text or "").strip():
            before, begun = (before if begun else every), True
        broken = (
            part.tag == f"{_WORD}lastRenderedPageBreak"
            if rendered
            else part.tag == f"{_WORD}br" and part.get(f"{_WORD}type") == "page"
        )
        every += broken
    return before, every


# --- Markdown and plain text ----------------------------------------------------------------------


def _decoded(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise Refused("it is not a text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _markdown(path: Path, limits: Limits) -> Extracted:  # noqa: ARG001
    from markdown_it import MarkdownIt

    lines: list[Line] = []
    level: int | None = None
    marker = ""
    left_out = False
    for token in MarkdownIt("commonmark").enable("table").parse(_decoded(path)):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "list_item_open":
            marker = f"{token.info}{token.markup} " if token.info else "- "
        elif token.type in {"fence", "code_block"}:
            lines.append(Line(_clean(token.content)))
        elif token.type == "html_block":
            left_out = True
        elif token.type == "inline":
            parts = [" " if t.type.endswith("break") else t.content for t in token.children or ()]
            text = _clean("".join(parts))
            if text:
                lines.append(Line(marker + text, None, level))
            level, marker = None, ""
    doubts = ("HTML in the text is left out.",) if left_out else ()
    return Extracted(tuple(lines), 0, exact_pages=False, doubts=doubts)


def _text(path: Path, limits: Limits) -> Extracted:
    pages = _decoded(path).rstrip("\f\n ").split("\f")
    if len(pages) > limits.pages:
        raise Refused(f"it has {len(pages)} pages, more than {limits.pages}")
    lines: list[Line] = []
    for number, page in enumerate(pages, start=1):
        gap = True
        for raw in page.split("\n"):
            text = _clean(raw)
            if text:
                lines.append(Line(text, number if len(pages) > 1 else None, gap=gap))
            gap = not text
    return Extracted(tuple(lines), len(pages) if len(pages) > 1 else 0, exact_pages=True)


def main() -> None:
    """Limit this process, read the file and write what was found."""
    limits = Limits(**json.loads(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to a pipe and nowhere else
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    answer: dict[str, Any]
    try:
        answer = asdict(read(Path(sys.argv[1]), limits))
    except Refused as why:
        answer = {"refused": str(why)}
    except (MemoryError, RecursionError):
        answer = {"refused": "reading it takes more memory than is allowed"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
