"""Rights that were found missing: in such a namespace nobody is asked again for a while."""

from __future__ import annotations

from clients.clock import Clock

__all__ = ["Refusals"]


class Refusals:
    """By namespace. Every pod's page takes the same right, so one refusal speaks for all pods there."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """A refusal is believed for so many ``seconds``."""
        self._clock = clock
        self._seconds = seconds
        self._found: dict[str, tuple[float, str]] = {}
        self.round = 0
        """A new one begins when all is forgotten: what was asked in an earlier one tells nothing now."""

    def put(self, namespace: str, right: str, asked_in: int) -> None:
        """``right`` is missing there, by the answer to a question of the round ``asked_in``."""
        if asked_in != self.round:
            return
        self._found[namespace] = (self._clock.monotonic() + self._seconds, right)

    def of(self, namespace: str) -> str | None:
        """The right that is missing there, as far as is known."""
        until, right = self._found.get(namespace, (0.0, ""))
        return right if self._clock.monotonic() < until else None

    def forget(self) -> None:
        """Rights may have been given meanwhile."""
        self._found.clear()
        self.round += 1
