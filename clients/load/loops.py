"""Who decides when a request begins: a schedule that waits for nobody, or users who wait for answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from clients.clock import Clock
from clients.load.book import Book
from clients.load.course import Course
from clients.load.flights import Flights
from clients.load.lines import Share
from clients.load.plan import LoadPlan
from clients.load.schedule import Schedule

__all__ = ["ClosedLoop", "OpenLoop"]

_BREATH = 64
"""Overdue requests that are begun at once before others get a turn."""
_REST = 0.1
"""Seconds a user waits after a request that got no answer at all, so as not to spin on a closed port."""


class OpenLoop:
    """Begins requests when they are due, whatever became of those before."""

    def __init__(self, plan: LoadPlan, share: Share, flights: Flights, book: Book, course: Course) -> None:
        self._plan = plan
        self._schedule = Schedule(plan, share)
        self._room = _allotted(plan.max_in_flight, share)
        self._flights = flights
        self._book = book
        self._course = course
        self._begun = 0
        """Started and not ended, also those whose task had no turn yet."""
        self.waiting: deque[tuple[int, float]] = deque()
        """Number and due time of those that found no room."""

    def rate(self) -> float | None:
        """Requests a second that are asked for now."""
        return self._schedule.rate(self._course.offset)

    def set_rate(self, rate: float) -> None:
        """From now on so many a second."""
        self._schedule.set_rate(self._course.offset, rate)
        self._course.disturb()

    async def run(self) -> None:
        """Until nothing more is to be begun."""
        at_once = 0
        while self._course.ending is None:
            following = self._schedule.next()
            if following is None:
                await self._last()
                return
            number, offset = following
            at_once = 0 if offset > self._course.offset else at_once + 1
            if at_once % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            if await self._course.until(offset):
                self._come_due(number, self._course.begun + offset)

    async def _last(self) -> None:
        """After the last request the run still lasts as long as it was to last, if its time ended it."""
        if self._schedule.counted_out:
            self._course.end("requests")
        elif await self._course.until(self._plan.begins_for):
            self._course.end("duration")

    def _come_due(self, number: int, due: float) -> None:
        pages = self._book.pages(due - self._course.begun)
        pages.now.scheduled += 1
        if self._begun < self._room:
            self._begin(number, due, waited=False)
        elif self._plan.overflow == "queue":
            self.waiting.append((number, due))
            pages.now.queued += 1
        else:
            pages.now.dropped += 1

    def _begin(self, number: int, due: float, *, waited: bool) -> None:
        self._begun += 1
        self._flights.start(self._one(number, due, waited))

    async def _one(self, number: int, due: float, waited: bool) -> None:
        await self._flights.one(number, due, waited=waited)
        self._begun -= 1
        if self.waiting and not self._course.gives_up:
            self._begin(*self.waiting.popleft(), waited=True)


class ClosedLoop:
    """Users, each of whom sends the next request when the one before has ended."""

    def __init__(
        self, plan: LoadPlan, share: Share, flights: Flights, book: Book, course: Course, clock: Clock
    ) -> None:
        self._plan = plan
        self._share = share
        self._flights = flights
        self._book = book
        self._course = course
        self._clock = clock
        self.waiting: deque[tuple[int, float]] = deque()
        """Always empty."""

    def rate(self) -> float | None:
        """Its users decide."""
        return None

    def set_rate(self, rate: float) -> None:
        """Its users decide."""

    async def run(self) -> None:
        """Until nothing more is to be begun."""
        everything = self._plan.requests if self._plan.requests is not None else 2**62
        numbers = iter(range(self._share.index, everything, self._share.of))
        for _ in range(_allotted(self._plan.users, self._share)):
            self._flights.start(self._user(numbers))
        while self._course.ending is None:
            if await self._course.until(self._plan.begins_for):
                self._course.end("duration")

    async def _user(self, numbers: Iterator[int]) -> None:
        while self._course.ending is None:
            number = next(numbers, None)
            if number is None:
                self._course.end("requests")
                return
            due = self._clock.monotonic()
            self._book.pages(due - self._course.begun).now.scheduled += 1
            if not await self._flights.one(number, due):
                await asyncio.sleep(_REST)


def _allotted(count: int, share: Share) -> int:
    """How many of ``count`` things fall to one generator."""
    return len(range(share.index, count, share.of))
