"""Time, injected. Nothing else in servegrid asks the operating system what time it is.

``Clock.now()`` is UTC seconds since the epoch as a float; ``Clock.monotonic()`` only ever grows and
has no meaning but differences.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ClusterClock", "SystemClock"]


class Clock(Protocol):
    """What every part that needs the time is given."""

    def now(self) -> float:
        """UTC seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class ClusterClock:
    """A cluster's time, seen from here.

    Ages, ETAs and schedules are compared with timestamps that the cluster wrote, so they are told in
    the cluster's time: an offset learned from the HTTP ``Date`` header, and a rate learned from
    ``clockRate`` in ``/version`` (absent on real clusters, hence 1; the embedded cluster may run its
    simulated clock faster, slower, or frozen at 0).
    """

    __slots__ = ("_anchor_cluster", "_anchor_mono", "_base", "rate")

    def __init__(self, base: Clock, *, rate: float = 1.0) -> None:
        self._base = base
        self.rate = rate
        self._anchor_mono = base.monotonic()
        self._anchor_cluster = base.now()

    def now(self) -> float:
        """The cluster's UTC seconds since the epoch."""
        return self._anchor_cluster + (self._base.monotonic() - self._anchor_mono) * self.rate

    def monotonic(self) -> float:
        """Seconds of *this* machine: for timeouts and backoff, never for cluster ages."""
        return self._base.monotonic()

    def set_rate(self, rate: float) -> None:
        """Cluster seconds per second here; 0 when the cluster's clock is frozen."""
        now = self.now()
        self._anchor_mono = self._base.monotonic()
        self._anchor_cluster = now
        self.rate = rate

    def observe(self, date: float, *, tolerance: float = 1.5) -> None:
        """Takes in a ``Date`` header (whole UTC seconds, so true time lies within one second after it).

        Differences within ``tolerance`` cluster seconds are the header's rounding and the way here;
        only larger ones move the clock, so that ages do not jitter.
        """
        drift = (date + 0.5) - self.now()
        if abs(drift) > max(tolerance, tolerance * self.rate):
            self._anchor_mono = self._base.monotonic()
            self._anchor_cluster = date + 0.5
