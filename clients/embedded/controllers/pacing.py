"""Client-side API budgets and retry delays, as client-go keeps them, in simulated seconds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias

from clients.clock import Clock
from clients.embedded.engine import Engine

__all__ = ["Backoff", "Steps", "TokenBucket", "run_steps"]

Steps: TypeAlias = Generator[float, None, None]
"""Work that waits in between: each value is a pause in simulated seconds."""


class TokenBucket:
    """A budget of ``qps`` calls a second with ``burst`` saved up."""

    def __init__(self, clock: Clock, qps: float, burst: int) -> None:
        self._clock = clock
        self._qps = qps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = clock.now()

    def reserve(self) -> float:
        """Takes one token, and says how many seconds its taker has to wait for it."""
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._qps)
        self._at = max(now, self._at)
        self._tokens -= 1
        return 0.0 if self._tokens >= 0 else -self._tokens / self._qps

    def take(self) -> bool:
        """Takes a token if one is there now."""
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._qps)
        self._at = max(now, self._at)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Backoff:
    """Delays by key that double from ``first`` to ``most`` until the key is forgotten."""

    def __init__(self, first: float = 0.005, most: float = 1000.0) -> None:
        self._first = first
        self._most = most
        self._failures: dict[object, int] = {}

    def next(self, key: object) -> float:
        """The delay before another try."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return min(self._most, self._first * 2.0 ** min(failures, 64))

    def forget(self, key: object) -> None:
        """It went well: the next delay is the first one again."""
        self._failures.pop(key, None)


def run_steps(engine: Engine, steps: Steps, done: Callable[[Exception | None], None]) -> None:
    """Runs ``steps`` on the engine, pausing as they ask; ``done`` gets what ended them, or None."""

    def go_on() -> None:
        try:
            pause = next(steps)
        except StopIteration:
            done(None)
        except Exception as error:
            done(error)
        else:
            engine.after(pause, go_on)

    go_on()
