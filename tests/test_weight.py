"""How much a browser fetches for each page, compressed, with an empty cache."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browsing import BURGLARIES

BUDGET = 100_000
"""Bytes, bodies and headers of every response together."""

PAGES = (
    "/",
    f"/?q={BURGLARIES}",
    "/?lang=en",
    "/emner",
    "/emner/sammenlign?case=hjoerring&case=gentofte",
    "/rapport/lokal-tryghed-1",
)


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("theme", ["calm", "fds"])
def test_a_page_weighs_at_most_100_kilobytes(
    browser: Browser, server_url: str, operated_url: str, theme: str, address: str
) -> None:
    context = browser.new_context(base_url=operated_url if theme == "fds" else server_url)
    page = context.new_page()
    sizes: list[float] = []

    def noted(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    session = context.new_cdp_session(page)
    session.on("Network.loadingFinished", noted)
    session.send("Network.enable")
    page.goto(address, wait_until="networkidle")
    context.close()
    assert len(sizes) > 3
    assert sum(sizes) <= BUDGET
