"""Runs one command's coroutine, ended cleanly by SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from tui.exits import Exit
from tui.headless.output import ReaderLeftError

__all__ = ["run"]


def run(command: Coroutine[Any, Any, Exit]) -> Exit:
    """The command's exit code; 130 when a signal ended it, 0 when its reader left (it has all it wanted)."""
    with asyncio.Runner() as runner:
        return runner.run(_guarded(command))


async def _guarded(command: Coroutine[Any, Any, Exit]) -> Exit:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(command)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except ReaderLeftError:
        return Exit.DONE
    except asyncio.CancelledError:
        if not stopped:
            raise
        return Exit.INTERRUPTED
