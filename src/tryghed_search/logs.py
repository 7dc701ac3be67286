"""The log: one line for each record, as text or JSON, which nothing in a request can break."""

from __future__ import annotations

import json
import logging
import re
import secrets
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty outside of any."""

_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_HARMFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that end a line, steer a terminal or turn text round."""


def new_request_id(given: str | None) -> str:
    """The id that came with a request, if it is well-formed, or a new one."""
    return given if given and _GIVEN.fullmatch(given) else secrets.token_hex(8)


def escaped(text: str) -> str:
    r"""The text on one line: what is not to be printed is written as \x0a, \u202e or \U000e0001."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _HARMFUL else c for c in text)


def _escape(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What a record has beside its message."""
    given = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    current = request_id.get()
    return ({"request_id": current} if current else {}) | given


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z WARNING name: message key=value``; tracebacks on marked lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and one more, indented, for each of a traceback's."""
        head = f"{_time(record)} {record.levelname} {record.name}: {escaped(record.getMessage())}"
        rest = (f"{k}={escaped(json.dumps(v, ensure_ascii=False, default=str))}"
                for k, v in _fields(record).items())  # fmt: skip
        line = " ".join((head, *rest))
        if not record.exc_info:
            return line
        traceback = self.formatException(record.exc_info).split("\n")
        return "\n".join((line, *(f"  | {escaped(text)}" for text in traceback)))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id and what else was given."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, in ASCII, so that no character in it can end the line."""
        told: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(kind: str, stream: TextIO | None = None) -> None:
    """Send all logs to ``stream`` (standard error) as ``text`` or ``json``.

    Our own from INFO on, those of libraries from WARNING on.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    handler.addFilter(lambda r: r.levelno >= logging.WARNING or r.name.startswith("tryghed_search"))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("tryghed_search").setLevel(logging.INFO)
