"""When the requests of an open loop are due: offsets from the start, from a seed.

However many generators share a schedule, together they send the same at the same times.

Chance and evenness happen in a time in which one request is due per unit; the inverse of the summed rate
carries them into seconds. So a ramp is a curve, and nothing else differs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import sqrt

from clients.load.lines import Share
from clients.load.plan import LoadPlan, Ramp

__all__ = ["Schedule"]

_Inverse = Callable[[float], float]
"""From the number of requests that are due on average to the seconds after which they are."""


class Schedule:
    """One generator's share of an open loop's requests, in order."""

    def __init__(self, plan: LoadPlan, share: Share) -> None:
        assert plan.rate is not None
        self._plan = plan
        self._share = share
        self._chance = random.Random(plan.seed)
        self._number = -1
        self._expected = 0.0
        self._begun = 0.0
        self._set: float | None = None
        self._inverse = _climbing(plan.rate, plan.ramp) if plan.ramp else _level(plan.rate)
        spacing = plan.ramp.spacing if plan.ramp else plan.effective_arrivals
        self._by_chance = spacing == "poisson"
        self._together = plan.burst.size if plan.burst else 1
        self._first = True
        self.counted_out = False
        """Whether the schedule is over because it had so many requests, not because its time was over."""

    def next(self) -> tuple[int, float] | None:
        """Number and offset in seconds of the next request; ``None`` when there are no more."""
        while True:
            self._number += 1
            self._advance()
            offset = self._begun + self._inverse(self._expected)
            if self._plan.requests is not None and self._number >= self._plan.requests:
                self.counted_out = True
                return None
            if self._plan.begins_for is not None and offset >= self._plan.begins_for:
                return None
            if self._number % self._share.of == self._share.index:
                return self._number, offset

    def _advance(self) -> None:
        if self._by_chance:
            self._expected += self._chance.expovariate(1.0)
        elif self._number % self._together == 0:
            self._expected += 0 if self._first else self._together
        self._first = False

    def set_rate(self, offset: float, rate: float) -> None:
        """From ``offset`` seconds on, ``rate`` requests a second of this generator."""
        self._begun, self._expected, self._set = offset, 0.0, rate
        self._inverse = _level(rate * self._share.of)

    def rate(self, offset: float) -> float:
        """Requests a second that are asked of this generator then."""
        if self._set is not None:
            return self._set
        assert self._plan.rate is not None
        ramp = self._plan.ramp
        rate = self._plan.rate if ramp is None else _height(self._plan.rate, ramp, offset)
        return rate / self._share.of


def _level(rate: float) -> _Inverse:
    return lambda expected: expected / rate


def _height(rate: float, ramp: Ramp, offset: float) -> float:
    climbed = min(max(offset / ramp.over_s, 0.0), 1.0)
    if ramp.steps:
        climbed = int(climbed * ramp.steps) / ramp.steps
    return rate + (ramp.to - rate) * climbed


def _climbing(rate: float, ramp: Ramp) -> _Inverse:
    """Level pieces, or one that climbs evenly; then ``ramp.to`` for good."""
    if not ramp.steps:
        return _even_climb(rate, ramp)
    long = ramp.over_s / ramp.steps
    heights = [rate + (ramp.to - rate) * step / ramp.steps for step in range(ramp.steps)]

    def seconds(expected: float) -> float:
        for step, height in enumerate(heights):
            if expected < height * long:
                return step * long + expected / height
            expected -= height * long
        return ramp.over_s + expected / ramp.to

    return seconds


def _even_climb(rate: float, ramp: Ramp) -> _Inverse:
    gain = (ramp.to - rate) / ramp.over_s
    climb = (rate + ramp.to) / 2 * ramp.over_s

    def seconds(expected: float) -> float:
        if expected >= climb:
            return ramp.over_s + (expected - climb) / ramp.to
        return 2 * expected / (rate + sqrt(max(0.0, rate * rate + 2 * gain * expected)))

    return seconds
