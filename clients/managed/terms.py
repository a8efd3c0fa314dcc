"""How a zone or region of a managed cloud is reached, and by what its plans are reckoned."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from clients.clock import Clock
from clients.serving.eta import Durations
from clients.serving.plans import Money

__all__ = ["Terms"]


class Terms(Struct, frozen=True, kw_only=True):
    """Whatever does not depend on which cloud it is."""

    clock: Clock
    endpoint: str | None = None
    """Another base URL than its own."""
    prices: Mapping[str, Money] = field(default_factory=dict)
    """By GPU type, or by a flavor's exact name."""
    durations: Durations = field(default_factory=Durations)
    proxy: str | None = None
    rate: float = 1.0
    """Seconds of its clock in a second here; other than 1 only where it is simulated."""
    limit: float | None = None
    """Seconds for one answer."""
