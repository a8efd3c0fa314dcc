"""How long an engine takes for a request: one law for the simulated demand and for real requests.

Continuous batching, as far as it shows from outside: a pod works on up to ``capacity`` requests at once, the
more of them the slower each (half as fast with a full batch); the rest waits in line. A KV cache holds all
that a full batch of the usual requests needs, and little more: longer ones leave room for fewer.
"""

from __future__ import annotations

from msgspec import Struct

from clients.embedded.models import Typical

__all__ = ["KV_FILL", "Pace"]

_PREFILL = 1 / 8
"""The share of a usual request's time that passes before its first token."""
KV_FILL = 0.85
"""The share of the KV cache that a full batch of usual requests takes."""


class Pace(Struct, frozen=True):
    """The speed of one pod. All seconds are simulated ones."""

    capacity: float
    """Requests that it works on at a time; above 0, as the latency is."""
    latency: float
    """Seconds for a usual request on an idle pod."""
    typical: Typical

    @property
    def kv_tokens(self) -> float:
        """Tokens that the KV cache holds."""
        return self.capacity * self.typical.tokens / KV_FILL

    @property
    def token_seconds(self) -> float:
        """Seconds from one token to the next on an idle pod."""
        return self.latency * (1 - _PREFILL) / self.typical.answer

    def prefill_seconds(self, prompt: float) -> float:
        """Seconds until the first token of an answer to so many tokens, on an idle pod; a step at least."""
        return max(self.token_seconds, self.latency * _PREFILL * prompt / self.typical.prompt)

    def left(self, wanted: float, taken: float) -> float:
        """How many of ``wanted`` places there are beside those ``taken``."""
        return min(wanted, max(0.0, self.capacity - taken))

    def used(self, running: float) -> float:
        """How full the batch is, 0 to 1."""
        return min(1.0, running / self.capacity)

    def slowdown(self, running: float) -> float:
        """By how much everything takes longer beside so many requests, itself counted: 1 to 2."""
        return 1 + self.used(running)

    def service(self, running: float) -> float:
        """Seconds for a usual request once it is its turn."""
        return self.latency * self.slowdown(running)

    def wait(self, running: float, waiting: float) -> float:
        """Seconds in line behind ``waiting`` usual requests."""
        return self.service(running) * waiting / self.capacity

    def first_token(self, running: float, waiting: float) -> float:
        """Seconds until the first token of a usual answer, those in line included."""
        return self.service(running) * _PREFILL + self.wait(running, waiting)
