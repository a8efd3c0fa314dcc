"""What somebody looks at just now: it is read more often, for as long as they do."""

from __future__ import annotations

from clients.clock import Clock

__all__ = ["FOCUSED", "Attention"]

FOCUSED = 10.0
"""Seconds between two readings of what is looked at. No cloud publishes limits, so this is ours."""
_KEPT = 5.0
"""Seconds after which a look that was not said again is over."""


class Attention:
    """One thing at a time. ``clock``: its monotonic seconds are this machine's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._what = ""
        self._at = 0.0

    @property
    def on(self) -> str | None:
        """What is looked at; ``None`` while nobody looks."""
        return self._what if self._what and self._clock.monotonic() - self._at <= _KEPT else None

    def turn_to(self, what: str) -> bool:
        """Somebody looks at it; whether that is new. To be said again every second or so."""
        new = self.on != what
        self._what, self._at = what, self._clock.monotonic()
        return new
