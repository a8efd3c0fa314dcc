"""What was spent on each workload since somebody looks: its cost an hour times the time, added up exactly.

Times are the clusters' own, UTC seconds: a simulated hour costs as much as a real one.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money

__all__ = ["Spending", "Spent"]

_HOUR = Decimal(3600)


class Spent(Struct, frozen=True):
    """Of one workload."""

    hourly: Money | None
    """What it costs now; ``None`` where a price or what it holds is not known."""
    total: Money
    """Since ``since``, to the hundredth."""
    since: float
    whole: bool
    """The cost was known all the time; else ``total`` is the least that it can be."""


class _Meter(Struct):
    hourly: Money | None
    at: float
    since: float
    currency: str | None = None
    total: Decimal = Decimal(0)
    whole: bool = True


class Spending:
    """Meters, one for each workload that was ever told of."""

    def __init__(self) -> None:
        self._meters: dict[WorkloadKey, _Meter] = {}

    def see(self, key: WorkloadKey, hourly: Money | None, now: float) -> None:
        """What it costs an hour from now on. It begins with the first cost that is known."""
        meter = self._meters.get(key)
        if meter is None and hourly is None:
            return
        if meter is None:
            meter = self._meters[key] = _Meter(hourly, now, now)
        else:
            _run(meter, now)
            meter.hourly = hourly
        if hourly is not None:
            meter.currency = meter.currency or hourly.currency

    def stop(self, key: WorkloadKey, now: float) -> None:
        """It is gone: it costs no more."""
        meter = self._meters.get(key)
        if meter is not None:
            self.see(key, Money("0", meter.currency or ""), now)

    def of(self, key: WorkloadKey, now: float) -> Spent | None:
        """As of ``now``; ``None``: its cost was never known."""
        meter = self._meters.get(key)
        if meter is None:
            return None
        _run(meter, now)
        total = Money(f"{meter.total.quantize(Decimal('0.01')):f}", meter.currency or "")
        return Spent(meter.hourly, total, meter.since, meter.whole)


def _run(meter: _Meter, now: float) -> None:
    """Adds what the time since the last look cost. A clock that was set back costs nothing."""
    seconds = max(0.0, now - meter.at)
    meter.at = now
    if meter.hourly is None or meter.hourly.currency not in (meter.currency, ""):
        meter.whole = meter.whole and seconds == 0
    else:
        meter.total += Decimal(meter.hourly.amount) * Decimal(seconds) / _HOUR
