"""Pages look as they did when somebody last looked at them.

The pictures in ``golden/looks`` are of the theme whose typeface comes along, a quarter of the size
on the screen, so that neither a machine's fonts nor a browser's smoothing shows in them. To change
one, delete it, run this, and look at the new one before it is committed.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.browsing import PHONE

GOLDEN = Path(__file__).parent / "golden" / "looks"
SCALE = 4
DIFFERENT = 24
"""Steps of 255 by which a point may differ."""
ALLOWED = 0.005
"""Share of the points that may differ more."""

PLACE = "/rapport/lokal-tryghed-1?p=hjoerring-laeringer-1&m=43-144#hjoerring-laeringer-1"
ADDRESSES = {
    "empty": "/",
    "topics": "/emner",
    "comparison": "/emner/sammenlign?case=hjoerring&case=gentofte",
    "report": "/rapport/lokal-tryghed-1",
    "place": PLACE,
    "missing": "/rapport/unknown",
    "english": "/?lang=en",
}
LOOKS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": PHONE},
}


def taken(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB").reduce(SCALE)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Share of the points that differ visibly; 1 for pictures of different size."""
    if one.size != other.size:
        return 1.0
    a, b = (np.asarray(picture, dtype=np.int16) for picture in (one, other))
    return float((np.abs(a - b).max(axis=2) > DIFFERENT).mean())


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_looks_as_before(
    browser: Browser, operated_url: str, name: str, look: str, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=operated_url, locale="da-DK", **LOOKS[look])
    page = context.new_page()
    page.goto(ADDRESSES[name])
    page.evaluate("document.fonts.ready")
    now = taken(page.screenshot(animations="disabled", caret="hide"))
    context.close()
    path = GOLDEN / f"{name}-{look}.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        now.quantize(64).save(path, optimize=True)
        pytest.fail(f"{path.name} is new: look at it, then run this again")
    then = Image.open(path).convert("RGB")
    now.save(tmp_path / path.name)
    assert difference(now, then) <= ALLOWED, f"compare {path} with {tmp_path / path.name}"


def test_a_moved_paragraph_or_another_colour_is_seen() -> None:
    then = Image.open(GOLDEN / "empty-wide.png").convert("RGB")
    moved = Image.new("RGB", then.size, then.getpixel((0, 0)))
    moved.paste(then, (0, 2))
    assert difference(moved, then) > ALLOWED
    dark = Image.open(GOLDEN / "empty-dark.png").convert("RGB")
    assert difference(dark, then) > 0.9
