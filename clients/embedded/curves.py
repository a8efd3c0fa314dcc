"""How many requests are in flight at a service, over simulated time: steady, in waves, in bursts.

A curve is a pure function of time, so that what a seed tells repeats whoever looks at it and when.
"""

from __future__ import annotations

import math
import zlib
from typing import Protocol

from msgspec import Struct

__all__ = ["DAY", "Bursts", "Curve", "Steady", "Total", "Wave", "chance"]

DAY = 86_400.0


def chance(*words: object) -> float:
    """A number from 0 to below 1 that these words always give."""
    return zlib.crc32("/".join(map(str, words)).encode()) / 2**32


class Curve(Protocol):
    """Requests in flight at a time (UTC seconds)."""

    def at(self, when: float) -> float:
        """How many."""


class Steady(Struct, frozen=True):
    """Always the same."""

    level: float

    def at(self, when: float) -> float:
        """``level``"""
        return self.level


class Wave(Struct, frozen=True):
    """From ``low`` to ``high`` and back, with a rest at both ends."""

    low: float
    high: float
    period: float = DAY
    """Seconds."""
    phase: float = 0.0
    """Seconds by which it is ahead; with 0 a daily wave is lowest at 18:00 UTC, highest at 06:00."""

    def at(self, when: float) -> float:
        """Where the wave stands."""
        swing = 0.5 + 0.5 * math.sin((when + self.phase) / self.period * math.tau)
        return self.low + (self.high - self.low) * min(1.0, max(0.0, 1.3 * swing - 0.15))


class Bursts(Struct, frozen=True):
    """``height`` for ``length`` seconds once in every ``gap`` seconds, nobody knows when; else nothing."""

    height: float
    gap: float = 1800.0
    length: float = 180.0
    seed: object = 0

    def at(self, when: float) -> float:
        """``height`` or 0."""
        turn = math.floor(when / self.gap)
        begins = turn * self.gap + chance(self.seed, turn) * max(0.0, self.gap - self.length)
        return self.height if begins <= when < begins + self.length else 0.0


class Total(Struct, frozen=True):
    """Several curves on top of each other; never less than nothing."""

    parts: tuple[Curve, ...]

    def at(self, when: float) -> float:
        """Their sum."""
        return max(0.0, sum(part.at(when) for part in self.parts))
