"""One thing of a managed cloud that is read again and again, and how far what was read can be believed."""

from __future__ import annotations

import asyncio
import random as chance
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from clients.clock import Clock
from clients.managed.calls import CloudError
from clients.serving.plain import plain
from clients.serving.sources import SourceState, SourceStatus

__all__ = ["LONGEST", "Poller", "Polling"]

T = TypeVar("T")

FIRST = 5.0
"""Seconds until the next try after the first failure; each further one waits twice as long."""
LONGEST = 120.0
_SLOW = 5.0
"""Seconds without an answer after which what is shown counts as stale, while it is still waited for."""
_JITTER = 0.2
_STALE_LINE = 300
"""Characters."""
_STATES = {401: SourceState.DENIED, 403: SourceState.DENIED, 404: SourceState.ABSENT}


class Poller(Generic[T]):
    """Reads until cancelled; a failure keeps what there is, says so, and waits longer.

    ``read`` asks the cloud and raises CloudError, ``take`` takes the answer in and returns how many things
    it holds. ``every`` tells the seconds until the next reading: fewer while something moves. ``touched``
    is called whenever ``status`` or what was taken changed. Times are real seconds of this machine.
    """

    def __init__(
        self,
        cluster: str,
        name: str,
        read: Callable[[], Awaitable[T]],
        take: Callable[[T], int],
        *,
        every: Callable[[], float],
        clock: Clock,
        touched: Callable[[], None],
        required: bool = False,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._read = read
        self._take = take
        self._every = every
        self._clock = clock
        self._touched = touched
        self._required = required
        self._random = random
        self._failures = 0
        self._not_before = 0.0
        self._woken = asyncio.Event()
        self._now = False
        """It is to read again without resting."""
        self._began = 0.0
        """When it read last, and when it will again, by the loop's time."""
        self._due = 0.0
        self._status = SourceStatus(cluster, name, SourceState.SYNCING, required, None)

    @property
    def status(self) -> SourceStatus:
        """How far it can be believed."""
        return self._status

    @property
    def stale(self) -> str | None:
        """Why what was read last may be old, in one plain line; ``None`` while it is live."""
        if self._status.state is SourceState.LIVE:
            return None
        return plain(f"{self._name} {self._status.state}: {self._status.detail}", _STALE_LINE)

    def wake(self) -> None:
        """Reads again now, or as soon as the cloud allows where it asked for patience."""
        self._now = True
        self._woken.set()

    def hurry(self, within: float) -> None:
        """Rests no longer than so many seconds from the last reading; after a failure as long as before."""
        if not self._failures:
            self._due = min(self._due, self._began + within)
            self._woken.set()

    async def run(self) -> None:
        """Reads until cancelled."""
        while True:
            self._now = False
            self._began = asyncio.get_running_loop().time()
            delay = await self._once()
            await self._rest(delay)

    async def _once(self) -> float:
        """Reads once; returns how many seconds to wait for the next time."""
        slow = asyncio.get_running_loop().call_later(_SLOW, self._is_slow)
        try:
            found = await self._read()
        except CloudError as error:
            return self._failed(error)
        finally:
            slow.cancel()
        self._failures, self._not_before = 0, 0.0
        have = self._take(found)
        self._tell(SourceState.LIVE, None, have=have, contact=True)
        return self._every() * (1 + _JITTER * self._random())

    def _failed(self, error: CloudError) -> float:
        delay = min(LONGEST, FIRST * 2.0 ** min(self._failures, 16))
        delay *= 1 - _JITTER * self._random()
        self._failures += 1
        now = self._clock.monotonic()
        if error.retry_after is not None:
            delay = max(delay, error.retry_after)
            self._not_before = now + error.retry_after
        state = _STATES.get(error.status or 0, SourceState.STALE)
        self._tell(state, error.message, next_try=now + delay)
        return delay

    def _is_slow(self) -> None:
        if self._status.state in (SourceState.LIVE, SourceState.SYNCING):
            self._tell(SourceState.STALE, f"no answer for {_SLOW:g} s")

    def _tell(
        self,
        state: SourceState,
        detail: str | None,
        *,
        have: int | None = None,
        contact: bool = False,
        next_try: float | None = None,
    ) -> None:
        self._status = SourceStatus(
            self._cluster,
            self._name,
            state,
            self._required,
            self._clock.monotonic() if contact else self._status.last_contact,
            detail,
            self._status.have if have is None else have,
            next_try=next_try,
        )
        self._touched()

    async def _rest(self, delay: float) -> None:
        clock = asyncio.get_running_loop().time
        self._due = clock() + delay
        while not self._now:
            left = self._due - clock()
            if left <= 0:
                return
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()
        patience = self._not_before - self._clock.monotonic()
        if patience > 0:
            await asyncio.sleep(patience)


class Polling:
    """Makes the pollers of one zone or region; the arguments are those of ``Poller``."""

    def __init__(self, cluster: str, clock: Clock, touched: Callable[[], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._touched = touched

    def __call__(
        self,
        name: str,
        read: Callable[[], Awaitable[T]],
        take: Callable[[T], int],
        every: Callable[[], float],
        *,
        required: bool = False,
    ) -> Poller[T]:
        """One of them, by name."""
        return Poller(
            self._cluster,
            name,
            read,
            take,
            every=every,
            clock=self._clock,
            touched=self._touched,
            required=required,
        )
