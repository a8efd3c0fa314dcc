"""How long to wait before trying again: exponential, full jitter, never less than the server asked for."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Delays between 0 and ``first * 2**n`` seconds, n counting failures, at most ``longest``."""

    def __init__(self, first: float, longest: float, random: Callable[[], float]) -> None:
        self._first = first
        self._longest = longest
        self._random = random
        self._failures = 0

    def next(self, floor: float | None = None) -> float:
        """Seconds until the next try; ``floor`` is the server's Retry-After."""
        ceiling = min(self._longest, self._first * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return max(self._random() * ceiling, floor or 0.0)

    def reset(self) -> None:
        """It worked: the next failure waits a short time again."""
        self._failures = 0
