"""How often the screen takes new data: fast on a terminal at hand, slower while it cannot keep up.

Keys repaint at once and are not paced; this is only about data ticks.
"""

from __future__ import annotations

__all__ = ["FLOOR_FPS", "Pace"]

FLOOR_FPS = 2
BACKLOG_LIMIT = 2
"""Writes waiting for the terminal; with more, a frame would only queue behind them."""
_CALM_SECONDS = 1.0
"""So long must nothing be waiting before the pace goes up again."""


class Pace:
    """Decides, tick by tick, whether to draw new data now."""

    def __init__(self, fps: float) -> None:
        self._top = max(float(FLOOR_FPS), fps)
        self._fps = self._top
        self._next = 0.0
        self._calm_since: float | None = None
        self.skipped = 0
        """Frames left out because the terminal had not taken the earlier ones."""

    @property
    def fps(self) -> float:
        """Ticks a second at present."""
        return self._fps

    @property
    def lagging(self) -> bool:
        """Whether the pace is below what was asked for."""
        return self._fps < self._top

    def due(self, now: float, backlog: int) -> bool:
        """Whether to draw at monotonic second ``now`` with ``backlog`` writes waiting."""
        if backlog > BACKLOG_LIMIT:
            self.skipped += 1
            self._fps = max(float(FLOOR_FPS), self._fps / 2)
            self._next = now + 1 / self._fps
            self._calm_since = None
            return False
        if backlog > 0:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif self.lagging and now - self._calm_since >= _CALM_SECONDS:
            self._fps = min(self._top, self._fps * 2)
            self._calm_since = now
        # A timer that fires a little early must not cost a whole frame.
        if now + 0.1 / self._top < self._next:
            return False
        self._next = max(self._next, now - 1 / self._fps) + 1 / self._fps
        return True
