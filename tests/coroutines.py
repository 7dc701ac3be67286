"""Coroutines in tests that are none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run(test: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """What it gives, run in a thread of its own: in this one a browser may hold the event loop.

    Raises TimeoutError when it takes longer.
    """

    async def bounded() -> Any:
        return await asyncio.wait_for(test(), seconds)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(bounded())).result()
