"""One generator at work: begins requests when they are due, and tells every second what became of them.

It sleeps to absolute times. When it is late it begins all that is overdue at once, and never shifts the
schedule: a stall of the server or of this machine shows in the latencies instead of hiding there.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Literal

from clients.clock import Clock
from clients.load.book import Book
from clients.load.course import Course
from clients.load.exchange import Exchange
from clients.load.flights import Flights
from clients.load.histogram import record
from clients.load.lines import Control, Finished, Order, Record, Second, Started
from clients.load.loops import ClosedLoop, OpenLoop
from clients.load.stop_rules import RuleWatch

__all__ = ["Generator"]

_SAMPLE = 0.010
"""Seconds between looks at how long the loop takes to come to what is ready."""
_MOSTLY = 0.9
"""A second belongs to the drain if so much of it does: timers that are a little late move nothing."""


class Generator:
    """Runs one order to its end."""

    def __init__(
        self,
        order: Order,
        exchange: Exchange,
        clock: Clock,
        tell: Callable[[Record], None],
        write_log: Callable[[bytes], None] | None,
    ) -> None:
        self._plan = order.plan
        self._clock = clock
        self._tell = tell
        self._write_log = write_log
        self._book = Book(self._plan, logged=write_log is not None)
        self._course = course = Course(clock)
        self._flights = flights = Flights(exchange, self._book, course, clock)
        self._loop: OpenLoop | ClosedLoop
        if self._plan.effective_loop == "open":
            self._loop = OpenLoop(self._plan, order.share, flights, self._book, course)
        else:
            self._loop = ClosedLoop(self._plan, order.share, flights, self._book, course, clock)
        self._rules = None if self._plan.stop is None else RuleWatch(self._plan.stop)
        self._began_at = clock.now()
        self._seconds = 0
        self._cpu = _Cpu(clock)

    async def run(self) -> None:
        """Until the schedule is over and everything that was underway ended, or was given up."""
        self._tell(Started(at=self._began_at, plan=self._plan))
        watching = [asyncio.create_task(self._every_second()), asyncio.create_task(self._sample_lag())]
        try:
            await self._loop.run()
            await self._flights.land(self._plan.drain_s)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        self._tell_second()
        self._tell(self._finished())

    def control(self, line: Control) -> None:
        """Does what it is told."""
        match line.op:
            case "rate" if line.value is not None and line.value > 0:
                self._loop.set_rate(line.value)
            case "stop":
                self._course.end("stopped", line.reason)
            case "abort":
                self.abort()

    def abort(self) -> None:
        """Cuts everything off."""
        self._course.end("aborted")
        self._flights.cut()

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._seconds + 1 - self._course.offset))
            if self._course.offset >= self._seconds + 1:
                self._tell_second()

    def _tell_second(self) -> None:
        self._seconds += 1
        figures = self._book.turn()
        phase: Literal["warm-up", "load", "draining"] = "load"
        if self._course.ended is not None and self._course.ended < self._seconds - _MOSTLY:
            phase = "draining"
        elif self._seconds <= self._plan.warmup_s:
            phase = "warm-up"
        if self._rules is not None and phase == "load" and (why := self._rules.look(figures)) is not None:
            self._course.end("rule", why)
        if self._write_log is not None and (lines := self._book.log()):
            self._write_log(lines)
        self._tell(
            Second(
                at=self._clock.now(),
                number=self._seconds,
                phase=phase,
                figures=figures,
                in_flight=len(self._flights.underway),
                waiting=len(self._loop.waiting),
                oldest_s=self._flights.oldest(),
                cpu_percent=self._cpu.turn(counts=phase != "draining"),
                rate=self._loop.rate(),
            )
        )

    async def _sample_lag(self) -> None:
        """What is ready waits for the loop as long as a timer that is due does."""
        while True:
            due = self._clock.monotonic() + _SAMPLE
            await asyncio.sleep(_SAMPLE)
            now = self._clock.monotonic()
            record(self._book.pages(now - self._course.begun).now.reader_lag, int((now - due) * 1e6))

    def _finished(self) -> Finished:
        course, book = self._course, self._book
        assert course.ending is not None
        assert course.ended is not None
        measured_to = course.ended
        if course.ending == "requests" and book.last_end is not None:
            measured_to = book.last_end - course.begun
        now = self._clock.monotonic()
        left = [due for due, _ in self._flights.underway.values()]
        left += [due for _, due in self._loop.waiting]
        left = [due for due in left if book.pages(due - course.begun) is book.measured]
        if self._write_log is not None:
            self._write_log(book.unfinished(self._flights.underway, course.begun))
        return Finished(
            at=self._clock.now(),
            ended=course.ending,
            why=course.why,
            figures=book.measured.whole,
            measured_s=max(0.0, measured_to - self._plan.warmup_s),
            warmup_requests=book.warmup.whole.scheduled,
            unfinished=len(left),
            oldest_unfinished_s=now - min(left) if left else None,
            first_sent_at=self._utc(book.first_sent),
            first_ok_at=self._utc(book.first_ok),
            failed_before_ok=book.failed_before_ok,
            cpu_mean_percent=self._cpu.mean,
            cpu_max_percent=self._cpu.most,
            event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            samples=book.samples,
        )

    def _utc(self, monotonic: float | None) -> float | None:
        return None if monotonic is None else self._began_at + monotonic - self._course.begun


class _Cpu:
    """Per cent of a core that this process uses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used, self._at = _used(), clock.monotonic()
        self._sum = self._time = 0.0
        self.most = 0.0

    @property
    def mean(self) -> float:
        """Over all stretches that count."""
        return 100 * self._sum / self._time if self._time else 0.0

    def turn(self, *, counts: bool) -> float:
        """Of the stretch that ends now; short ones say too little to count."""
        used, at = _used(), self._clock.monotonic()
        spent, took = used - self._used, at - self._at
        self._used, self._at = used, at
        percent = 100 * spent / took if took > 0 else 0.0
        if counts and took > 0.5:
            self._sum, self._time = self._sum + spent, self._time + took
            self.most = max(self.most, percent)
        return percent


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
