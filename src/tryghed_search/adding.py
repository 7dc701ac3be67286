"""A document becomes a report's folder: read in a process of its own, drafted, checked, written."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tryghed_search import build, chunking, outline, wording
from tryghed_search.documents import Extracted, Line
from tryghed_search.drafting import draft, slug_of
from tryghed_search.errors import DocumentError, OutlineError
from tryghed_search.extracting import SUFFIXES, Limits

LIMITS = Limits()
_PATIENCE = 2
"""Seconds of the clock that a second of processor time may take."""


@dataclass(frozen=True, slots=True)
class Added:
    """What was written, and what an editor should look at."""

    folder: Path
    sections: int
    passages: int
    doubts: tuple[str, ...]


def add(
    document: Path,
    reports: Path,
    *,
    report: str | None = None,
    title: str | None = None,
    publisher: str | None = None,
    limits: Limits = LIMITS,
) -> Added:
    """Draft a report from a document, in a new folder under ``reports``.

    ``report`` is its id; without one, the document's name gives it. Raises ``DocumentError`` when
    the document cannot be read, the id cannot be used or is taken, or the folder cannot be written.
    """
    name = report if report is not None else slug_of(document.stem)
    if not outline.SLUG.fullmatch(name) or "/" in name:
        raise DocumentError(f"The id {name!r} may hold a-z, 0-9 and '-' only; name one with --id.")
    target = reports / name
    if target.exists():
        raise DocumentError(
            f"There is a report {name!r} in {reports} already; name another id with --id, or "
            "remove the old one."
        )
    found = extract(document, limits)
    sample = " ".join(line.text for line in found.lines)[:5000]
    made = draft(found, name, title, publisher, wording.language(sample), document.name)
    doubts, passages = made.doubts, 0
    try:
        checked = outline.parse(made.outline, made.text, build.OUTLINE)
        passages = len(chunking.report_from(checked, made.text).passages)
    except OutlineError as error:
        doubts = (*doubts, f"The draft does not fit the text yet: {error}")
    _write(target, {build.TEXT: made.text, build.OUTLINE: made.outline})
    return Added(target, made.sections, passages, doubts)


def _write(target: Path, files: Mapping[str, str]) -> None:
    """All of the files or none."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".adding-", dir=target.parent))
        try:
            for name, text in files.items():
                (folder / name).write_bytes(text.encode())
            folder.chmod(0o755)
            folder.rename(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise DocumentError(
            f"The report cannot be written to {target}: {error.strerror or error}. Mend the rights "
            "or name another folder with --reports or TRYGHED_REPORTS."
        ) from None


def extract(document: Path, limits: Limits = LIMITS) -> Extracted:
    """What the document says, read by a process that may cost ``limits`` and no more.

    Raises ``DocumentError``.
    """
    if document.suffix.lower() not in SUFFIXES:
        raise DocumentError(
            f"{document} cannot be added: it is none of {', '.join(SUFFIXES)} by its name."
        )
    if not document.is_file():
        raise DocumentError(f"{document} cannot be added: there is no such file.")
    command = [sys.executable, "-P", "-m", "tryghed_search.extracting"]
    try:
        done = subprocess.run(  # noqa: S603 - this Python, our module, and a file that is there
            [*command, str(document.absolute()), json.dumps(asdict(limits))],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE * limits.cpu_seconds + 10,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refused(document, _TOO_SLOW, limits) from None
    answer: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        answer = json.loads(done.stdout)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _refused(document, _TOO_SLOW, limits)
    if done.returncode != 0 or not answer:
        # A library that gets no memory ends as one that meets what it cannot read.
        raise _refused(document, _TOO_MUCH, limits)
    if "refused" in answer:
        raise _refused(document, str(answer["refused"]), limits)
    bookmarks = tuple((level, title, page) for level, title, page in answer.pop("bookmarks"))
    lines = tuple(Line(**line) for line in answer.pop("lines"))
    doubts = tuple(answer.pop("doubts"))
    return Extracted(**answer, lines=lines, bookmarks=bookmarks, doubts=doubts)


_TOO_SLOW = "reading it takes more than {seconds} seconds"
_TOO_MUCH = "it is damaged, or reading it takes more memory than {mb} MB"


def _refused(document: Path, why: str, limits: Limits) -> DocumentError:
    why = why.format(seconds=limits.cpu_seconds, mb=limits.memory_bytes // 1_000_000)
    return DocumentError(f"{document} cannot be added: {why}.")
