"""A report's files with slips and damage in any place: read whole, or refused in one line.

``make soak`` runs it with 200 times as many examples.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tryghed_search import build
from tryghed_search.errors import OutlineError

HAVEN = Path(__file__).parent / "small-reports" / "haven"
NAMES = ("outline.toml", "questions.toml", "report.txt")

PIECES = st.sampled_from(
    ["", "\n", '"', "[", "]", "[[section]]\n", "=", "#", "**", "\f", "\x00", "\ufeff", "æ", "1e999",
     "9" * 40, "[" * 3000, "inf", "1979-05-27", "'''", "\\ud800", "slug = 1\n", "true", "\r\n"]
)  # fmt: skip
SLIPS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), PIECES | st.text()), max_size=4)
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=6)), max_size=3)
ANYTHING = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def read_or_refused(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(HAVEN, Path(name) / "haven"))
        for file, content in files.items():
            (folder / file).write_bytes(content)
        try:
            (source,) = build.read_reports(Path(name))
        except OutlineError as refused:
            message = str(refused)
        else:
            check(source, files.get("report.txt", (HAVEN / "report.txt").read_bytes()))
            return
    assert "\n" not in message


def check(source: build.Source, text: bytes) -> None:
    assert source.report.text.encode() == text
    ids = [passage.id for passage in source.report.passages]
    assert len(set(ids)) == len(ids)
    for passage in source.report.passages:
        assert source.report.text[passage.start : passage.end].strip()
        assert all(passage.text[start:end] for start, end in passage.sentences)


@example("outline.toml", [(0.0, 0, "a = " + "[" * 3000)])
@example("questions.toml", [(0.0, 0, "a = " + "[" * 3000)])
@given(name=st.sampled_from(NAMES), slips=SLIPS)
def test_slips_of_an_editor(name: str, slips: list[tuple[float, int, str]]) -> None:
    text = (HAVEN / name).read_text(encoding="utf-8")
    for where, length, piece in slips:
        at = round(where * len(text))
        text = text[:at] + piece + text[at + length :]
    read_or_refused({name: text.encode("utf-8", "surrogatepass")})


@given(name=st.sampled_from(NAMES), damage=DAMAGE, end=st.floats(0, 1))
def test_damage_to_a_file(name: str, damage: list[tuple[float, int, bytes]], end: float) -> None:
    content = (HAVEN / name).read_bytes()
    for where, length, piece in damage:
        at = round(where * len(content))
        content = content[:at] + piece + content[at + length :]
    read_or_refused({name: content[: round(end * len(content))]})


@given(data=st.data(), value=ANYTHING)
def test_any_value_in_any_place_of_an_outline(data: st.DataObject, value: object) -> None:
    lines = (HAVEN / "outline.toml").read_text(encoding="utf-8").splitlines()
    given_ = [number for number, line in enumerate(lines) if " = " in line]
    at = data.draw(st.sampled_from(given_))
    # TOML takes JSON's values as its own, but for numbers that are none.
    told = json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
    lines[at] = f"{lines[at].partition(' = ')[0]} = {told}"
    read_or_refused({"outline.toml": "\n".join(lines).encode()})
