"""Requests underway: begun, written down when they end, or cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from clients.clock import Clock
from clients.load.book import Book
from clients.load.course import Course
from clients.load.exchange import Exchange
from clients.load.histogram import record

__all__ = ["Flights"]


class Flights:
    """All that a generator has sent and that has not ended."""

    def __init__(self, exchange: Exchange, book: Book, course: Course, clock: Clock) -> None:
        self._exchange = exchange
        self._book = book
        self._course = course
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._crash: BaseException | None = None
        self.underway: dict[int, tuple[float, float]] = {}
        """By number: when each was due and when it was sent, monotonic seconds; the oldest first."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something that makes requests."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = error
            self._course.end("aborted")

    async def one(self, number: int, due: float, *, waited: bool = False) -> bool:
        """One request to its end; whether an answer of any kind came.

        ``waited``: it found no room when it was due, so that the generator is not to blame for its lateness.
        """
        pages = self._book.pages(due - self._course.begun)
        sent = self._clock.monotonic()
        self.underway[number] = (due, sent)
        pages.now.sent += 1
        if not waited:
            record(pages.now.lateness, int((sent - due) * 1e6))
        if self._book.first_sent is None:
            self._book.first_sent = sent
        outcome = await self._exchange.send(number, pages.gap)
        del self.underway[number]
        self._book.enter(outcome, due, self._course.begun, pages)
        return outcome.status is not None

    async def land(self, seconds: float) -> None:
        """Waits until everything ended, at most so long, and cuts the rest off.

        Raises:
            Exception: whatever a request came to that no network does.
        """
        last = self._clock.monotonic() + seconds
        while self._tasks and self._course.ending != "aborted":
            left = last - self._clock.monotonic()
            if left <= 0:
                break
            await asyncio.wait(set(self._tasks), timeout=left)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._crash is not None:
            raise self._crash

    def cut(self) -> None:
        """Cuts everything off now."""
        for task in self._tasks:
            task.cancel()

    def oldest(self) -> float | None:
        """Seconds since the oldest of them was sent."""
        for _, sent in self.underway.values():
            return self._clock.monotonic() - sent
        return None
