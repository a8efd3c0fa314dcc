"""How long one request may take, watched by one timer for all of them.

All have the same limit, so the one that was begun first is the first to pass it. A timer for each, as
aiohttp makes it, takes a tenth of the time that a small request takes in all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from clients.clock import Clock

__all__ = ["TimeLimit"]

_Task = asyncio.Task[Any]


class TimeLimit:
    """Cancels what takes longer than ``seconds``. One request a task at a time."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ends: dict[_Task, float] = {}
        """Monotonic seconds; the next to pass it first."""
        self._passed: dict[_Task, int] = {}
        """Those that were cancelled, with the number of others who asked for that before."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, now: float) -> _Task:
        """From ``now`` (monotonic seconds) on the current task has so long; the task."""
        task = asyncio.current_task()
        assert task is not None
        self._ends[task] = now + self._seconds
        if self._timer is None:
            self._wait(self._seconds, task.get_loop())
        return task

    def end(self, task: _Task) -> None:
        """The task's request ended, in time or not."""
        if self._ends.pop(task, None) is None:
            self._passed.pop(task, None)

    def passed(self, task: _Task) -> bool:
        """Whether a cancellation that reached the task is this limit's alone; then it is taken back."""
        asked = self._passed.get(task)
        return asked is not None and task.uncancel() <= asked

    def _wait(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock.monotonic()
        self._timer = None
        for task, end in list(self._ends.items()):
            if end > now:
                self._wait(end - now, loop)
                return
            del self._ends[task]
            self._passed[task] = task.cancelling()
            task.cancel()
