"""The embedded cluster's one clock: simulated time that runs at any speed, or stands still.

Every timestamp, ``Date`` header, controller period and grace period of the embedded cluster is told by it.
While the engine runs an event, the clock shows exactly the time that the event was due, so what a seed
produces does not depend on how busy the machine is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from clients.clock import Clock, SystemClock

__all__ = ["SimClock"]


class SimClock:
    """Simulated UTC. ``speed`` is simulated seconds per real second; 0 freezes it."""

    __slots__ = ("_anchor_real", "_anchor_sim", "_base", "_held", "_speed")

    def __init__(self, speed: float = 1.0, start: float | None = None, base: Clock | None = None) -> None:
        if speed < 0 or not math.isfinite(speed):
            raise ValueError(f"speed must be a finite number of at least 0, not {speed}")
        self._base: Clock = base or SystemClock()
        self._anchor_real = self._base.monotonic()
        self._anchor_sim = self._base.now() if start is None else start
        self._speed = speed
        self._held: float | None = None

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> float:
        """Simulated UTC seconds since the epoch."""
        return self._running() if self._held is None else self._held

    def monotonic(self) -> float:
        """Real seconds from an arbitrary start: for timeouts of connections, never for simulated ages."""
        return self._base.monotonic()

    def set_speed(self, speed: float) -> None:
        """Goes on from the present simulated time at another speed."""
        if speed < 0 or not math.isfinite(speed):
            raise ValueError(f"speed must be a finite number of at least 0, not {speed}")
        self._anchor_sim = self._running()
        self._anchor_real = self._base.monotonic()
        self._speed = speed

    def advance(self, to: float) -> None:
        """Jumps forward to a simulated time; a time already past is ignored."""
        if to > self._running():
            self._anchor_sim = to
            self._anchor_real = self._base.monotonic()

    def real_delay(self, until: float) -> float:
        """Real seconds until the simulated time ``until``; infinite while frozen, 0 once it is past."""
        ahead = until - self._running()
        if ahead <= 0:
            return 0.0
        return ahead / self._speed if self._speed else math.inf

    @contextmanager
    def held_at(self, when: float) -> Iterator[None]:
        """Shows ``when`` for the length of the block: the moment at which a due event happens."""
        before, self._held = self._held, when
        try:
            yield
        finally:
            self._held = before

    def _running(self) -> float:
        return self._anchor_sim + (self._base.monotonic() - self._anchor_real) * self._speed
