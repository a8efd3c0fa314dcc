"""Enter counts only for what was already to be seen: typing ahead over a slow line must not confirm."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SETTLE_SECONDS", "Settled"]

SETTLE_SECONDS = 0.3


class Settled:
    """How long the present target of Enter has been on the screen."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._target: object = None
        self._since: float | None = None

    def aim(self, target: object) -> None:
        """What Enter would do now. Another target starts anew, and is not on the screen yet."""
        if target != self._target:
            self._target = target
            self._since = None

    def painted(self) -> None:
        """The terminal has taken everything that was drawn so far."""
        if self._since is None and self._target is not None:
            self._since = self._monotonic()

    @property
    def ready(self) -> bool:
        """Whether Enter counts."""
        return self._since is not None and self._monotonic() - self._since >= SETTLE_SECONDS
