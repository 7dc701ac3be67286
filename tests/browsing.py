"""What readers do in a browser, for the tests that do it; the browser itself is in conftest."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

BURGLARIES = "Hvor meget faldt antallet af indbrud i Hjørring?"
ORGANISED = "Hvordan er det organiseret?"
VIBORG = "Hvad gør Viborg Kommune ved indbrud?"
API = "**/api/v1/ask"
PHONE = {"width": 360, "height": 740}


def with_options(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("options", [options])


def ask(page: Page, question: str) -> Locator:
    """Ask in the conversation as it stands; the new exchange."""
    before = page.get_by_role("article").count()
    page.get_by_role("searchbox", name="Dit spørgsmål").fill(question)
    page.get_by_role("button", name="Spørg", exact=True).click()
    exchange = page.get_by_role("article").nth(before)
    expect(exchange.locator(".reply")).to_be_attached()
    return exchange


def settled(page: Page) -> None:
    """Wait until the page no longer scrolls."""
    page.evaluate(
        """() => new Promise((done) => {
            let last = -1;
            const look = () => {
                if (scrollY === last) done();
                else { last = scrollY; setTimeout(look, 100); }
            };
            look();
        })"""
    )


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width
