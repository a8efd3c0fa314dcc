"""One heap of due events drives everything that moves inside the embedded cluster.

No task per pod: a pod in transition has one entry in the heap, a pod that runs has none. Tests drive it
by ``run_until`` without waiting; the server drives it in real time by ``run``.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Callable

from clients.embedded.simclock import SimClock

__all__ = ["Engine", "Event"]

_log = logging.getLogger(__name__)

_SLICE = 0.008
"""Real seconds of events at a stretch before the HTTP server gets its turn."""


class Event:
    """Something due at a simulated time; may be cancelled until then."""

    __slots__ = ("_engine", "action", "due")

    def __init__(self, engine: Engine, due: float, action: Callable[[], None] | None) -> None:
        self._engine = engine
        self.due = due
        self.action = action

    def cancel(self) -> None:
        """It will not happen. Cancelling twice, or after it happened, does nothing."""
        if self.action is not None:
            self.action = None
            self._engine._forget_one()


class Engine:
    """Runs events in order of their due time, those due together in the order they were asked for."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Event]] = []
        self._sequence = 0
        self._cancelled = 0
        self._wake: asyncio.Event | None = None

    def __len__(self) -> int:
        """Events that will still happen."""
        return len(self._heap) - self._cancelled

    def at(self, due: float, action: Callable[[], None]) -> Event:
        """``action`` at the simulated time ``due``, or as soon as possible once that is past."""
        event = Event(self, due, action)
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, event))
        if self._wake is not None and self._heap[0][2] is event:
            self._wake.set()
        return event

    def after(self, delay: float, action: Callable[[], None]) -> Event:
        """``action`` once ``delay`` simulated seconds have passed."""
        return self.at(self.clock.now() + max(0.0, delay), action)

    def every(self, period: float, action: Callable[[], None], first: float | None = None) -> None:
        """``action`` each ``period`` simulated seconds, first after ``first`` (default: a period)."""

        def again() -> None:
            self.at(self.clock.now() + period, again)
            action()

        self.after(period if first is None else first, again)

    def next_due(self) -> float | None:
        """When the next event is due, or None when none is."""
        self._drop_cancelled()
        return self._heap[0][0] if self._heap else None

    def run_until(self, when: float) -> int:
        """Runs all that is due up to the simulated time ``when``, without waiting; the clock ends there.

        Returns how many events ran.
        """
        ran = 0
        while (due := self.next_due()) is not None and due <= when:
            self._run_one()
            ran += 1
        self.clock.advance(when)
        return ran

    async def run(self) -> None:
        """Runs events as they fall due in real time, until cancelled."""
        self._wake = asyncio.Event()
        try:
            while True:
                self._wake.clear()
                due = self.next_due()
                delay = math.inf if due is None else self.clock.real_delay(due)
                if delay > 0:
                    await self._wait(delay)
                    continue
                stop = self.clock.monotonic() + _SLICE
                while (due := self.next_due()) is not None and self.clock.real_delay(due) <= 0:
                    self._run_one()
                    if self.clock.monotonic() >= stop:
                        break
                await asyncio.sleep(0)
        finally:
            self._wake = None

    def kick(self) -> None:
        """Looks at the clock again: its speed was changed."""
        if self._wake is not None:
            self._wake.set()

    async def _wait(self, delay: float) -> None:
        assert self._wake is not None
        try:
            await asyncio.wait_for(self._wake.wait(), None if math.isinf(delay) else delay)
        except TimeoutError:
            pass

    def _run_one(self) -> None:
        due, _, event = heapq.heappop(self._heap)
        action, event.action = event.action, None
        if action is None:
            self._cancelled -= 1
            return
        with self.clock.held_at(due):
            try:
                action()
            except Exception:
                # One component's fault must not stop the others; it would stop the whole cluster's time.
                _log.exception("an event of the simulation failed")

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1

    def _forget_one(self) -> None:
        self._cancelled += 1
        if self._cancelled > 1024 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
