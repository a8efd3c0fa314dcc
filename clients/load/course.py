"""The course of a run in time: absolute sleep, and why nothing more is begun."""

from __future__ import annotations

import asyncio

from clients.clock import Clock
from clients.load.lines import Ending

__all__ = ["Course"]


class Course:
    """One run's time. Whoever decides when requests begin sleeps here, one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begun = clock.monotonic()
        """Monotonic seconds of offset 0."""
        self.ending: Ending | None = None
        """Set as soon as nothing more is begun."""
        self.why = ""
        self.ended: float | None = None
        """The offset of that."""
        self._sleeper: asyncio.Future[bool] | None = None

    @property
    def offset(self) -> float:
        """Seconds since the beginning."""
        return self._clock.monotonic() - self.begun

    @property
    def gives_up(self) -> bool:
        """Whether what is due and was not sent is not sent any more either."""
        return self.ending in ("stopped", "rule", "aborted")

    def end(self, ending: Ending, why: str = "") -> None:
        """Nothing more is begun. The first reason holds, but being cut off overrules."""
        if self.ending is None:
            self.ended = self.offset
        if self.ending is None or ending == "aborted":
            self.ending, self.why = ending, why
        self.disturb()

    def disturb(self) -> None:
        """Wakes who sleeps."""
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(True)

    async def until(self, offset: float | None) -> bool:
        """Sleeps until then, or for good; ``False`` if something woke it before."""
        loop = asyncio.get_running_loop()
        while offset is None or (left := offset - self.offset) > 0:
            self._sleeper = sleeper = loop.create_future()
            # Event loops count in milliseconds: what is left under half of one passes in turns of the loop,
            # for rounding up would be late by as much.
            timer = None if offset is None else loop.call_later(round(left * 1000) / 1000, _wake, sleeper)
            try:
                if await sleeper:
                    return False
            finally:
                self._sleeper = None
                if timer is not None:
                    timer.cancel()
        return True


def _wake(sleeper: asyncio.Future[bool]) -> None:
    if not sleeper.done():
        sleeper.set_result(False)
