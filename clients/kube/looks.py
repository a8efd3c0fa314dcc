"""Autoscalers that somebody looks at: what they decide on is read, what they recommend is kept meanwhile.

A decision depends on recommendations that no API tells, so from the first look on one is made in each period
of the controller, until nobody has looked for a while. Others cost nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from clients.clock import ClusterClock

__all__ = ["Looks"]

_FRESH = 5.0
"""Seconds, of the cluster or of this machine, whichever are over first, for which what was read is used."""
_LINGER = 60.0
"""Seconds of this machine after which nobody looks any more: a page over the screen is no end of looking."""
_GAP = 3
"""Periods of the controller without a look after which what was kept is worth nothing: a machine slept."""

Subject = TypeVar("Subject")
Inputs = TypeVar("Inputs")
Past = TypeVar("Past")
Made = TypeVar("Made")


class _Look(Generic[Subject, Inputs, Past]):
    """One that is looked at."""

    def __init__(self, subject: Subject, past: Past) -> None:
        self.subject = subject
        self.past = past
        self.inputs: Inputs | None = None
        self.read_at = (0.0, 0.0)
        """(cluster time, this machine's)"""
        self.asked_at = 0.0
        self.kept_at: float | None = None
        """Cluster time at which a recommendation was kept last."""
        self.reading = asyncio.Lock()


class Looks(ABC, Generic[Subject, Inputs, Past, Made]):
    """All of one kind in one cluster; on the data thread."""

    def __init__(self, clock: ClusterClock, period: float) -> None:
        """``period`` is the controller's, in seconds."""
        self._clock = clock
        self._period = period
        self._looks: dict[str, _Look[Subject, Inputs, Past]] = {}
        self._begun = asyncio.Event()

    @abstractmethod
    def key(self, subject: Subject) -> str:
        """Tells it from all others."""

    @abstractmethod
    def newest(self, subject: Subject) -> Subject | None:
        """As it is now; ``None`` if it is gone."""

    @abstractmethod
    def begin(self, subject: Subject, now: float) -> Past:
        """What is known of its past at the first look."""

    @abstractmethod
    def forgotten(self, now: float) -> Past:
        """What is known of its past after a time in which nobody looked."""

    @abstractmethod
    async def read(self, subject: Subject, past: Past) -> Inputs:
        """What it decides on now."""

    @abstractmethod
    def make(self, subject: Subject, inputs: Inputs, past: Past, now: float, *, keep: bool) -> Made:
        """The decision; with ``keep`` its past has it from now on."""

    def past(self, subject: Subject) -> Past | None:
        """What is kept of one that is looked at."""
        look = self._looks.get(self.key(subject))
        return look.past if look is not None else None

    async def decision(self, subject: Subject) -> Made:
        """What it decides now."""
        look = self._looks.get(self.key(subject))
        if look is None:
            look = _Look(subject, self.begin(subject, self._clock.now()))
            self._looks[self.key(subject)] = look
            self._begun.set()
        look.asked_at = self._clock.monotonic()
        return await self._decide(look, subject)

    async def run(self) -> None:
        """Makes a decision of each in every period of the controller, so that its recommendation is kept."""
        while True:
            await self._begun.wait()
            for key, look in list(self._looks.items()):
                subject = self.newest(look.subject)
                if subject is None or self._clock.monotonic() - look.asked_at > _LINGER:
                    del self._looks[key]
                elif look.kept_at is None or self._clock.now() - look.kept_at >= self._period:
                    await self._decide(look, subject)
            if not self._looks:
                self._begun.clear()
            await asyncio.sleep(min(1.0, self._period / max(self._clock.rate, 1.0) / 4))

    async def _decide(self, look: _Look[Subject, Inputs, Past], subject: Subject) -> Made:
        async with look.reading:
            there, here = look.read_at
            old = max(self._clock.now() - there, self._clock.monotonic() - here) >= _FRESH
            if look.inputs is None or old:
                look.inputs = await self.read(subject, look.past)
                look.read_at = (self._clock.now(), self._clock.monotonic())
        now = self._clock.now()
        if look.kept_at is not None and now - look.kept_at > _GAP * self._period:
            look.past = self.forgotten(now)  # What was recommended meanwhile nobody kept.
        keep = look.kept_at is None or now - look.kept_at >= self._period
        if keep:
            look.kept_at = now
        return self.make(subject, look.inputs, look.past, now, keep=keep)
