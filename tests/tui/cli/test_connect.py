from __future__ import annotations

import asyncio
from typing import Any, cast

from clients.clock import SystemClock
from clients.serving.backend import Sink
from tui.fleet import Fleet
from tui.headless.connect import Connection, WakingSink


class DeafBackend:
    """Loses the first cancellation, as a wait that has just ended does."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def run(self, sink: Sink) -> None:
        while self.cancelled < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled += 1
        raise asyncio.CancelledError


class SomeLine:
    config = scaling = None

    def __init__(self, backend: DeafBackend) -> None:
        self.backend = backend
        self.closed = False

    async def close(self) -> None:
        self.closed = True


async def test_a_lost_cancellation_does_not_keep_a_command_from_ending() -> None:
    fleet = Fleet(SystemClock())
    line = SomeLine(DeafBackend())
    connection = Connection(cast("Any", line), fleet, WakingSink(fleet))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await connection.close()
    assert (line.backend.cancelled, line.closed) == (2, True)
