from __future__ import annotations

import asyncio
from typing import Any, cast

from clients.clock import SystemClock
from clients.serving.backend import Sink
from tui.fleet import Fleet
from tui.headless.reading import Reading


class DeafBackend:
    """Loses the first cancellation, as a wait that has just ended does."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def run(self, sink: Sink) -> None:
        while self.cancelled < 2:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled += 1
        raise asyncio.CancelledError


class SomeLine:
    def __init__(self, backend: DeafBackend) -> None:
        self.backend = backend


async def test_a_lost_cancellation_does_not_keep_a_command_from_ending() -> None:
    line = SomeLine(DeafBackend())
    reading = Reading(cast("Any", line), Fleet(SystemClock()), asyncio.Event())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await reading.end()
    assert line.backend.cancelled == 2
