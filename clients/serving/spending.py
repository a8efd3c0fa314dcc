"""What was spent on each workload since somebody looks: its cost an hour times the time, added up exactly.

Times are the clusters' own, UTC seconds: a simulated hour costs as much as a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from msgspec import Struct

from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money

__all__ = ["Spending", "Spent", "SpentInAll"]

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


class SpentInAll(Struct, frozen=True):
    """Of all workloads together, a sum for each currency."""

    hourly: tuple[Money, ...]
    """What those cost now whose cost is known."""
    total: tuple[Money, ...]
    """Since ``since``, to the hundredth; of those that are gone too."""
    since: float
    """When the first cost was known."""
    unknown: int
    """Workloads whose cost is not known now: they are in no sum."""
    whole: bool
    """Whatever was told of was known all the time; else ``total`` is the least that it can be."""


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

    def of_all(
        self, there: Collection[WorkloadKey], now: Callable[[WorkloadKey], float]
    ) -> SpentInAll | None:
        """``there``: those that there are; ``now``: each one's own time. ``None``: no cost is known."""
        totals: dict[str, Decimal] = {}
        hourly: dict[str, Decimal] = {}
        known = 0
        for key, meter in self._meters.items():
            _run(meter, now(key))
            currency = meter.currency or ""  # Nothing costs nothing in any currency.
            if currency:
                totals[currency] = totals.get(currency, Decimal(0)) + meter.total
            if key in there and meter.hourly is not None and meter.hourly.currency in (currency, ""):
                known += 1
                if currency:
                    hourly[currency] = hourly.get(currency, Decimal(0)) + Decimal(meter.hourly.amount)
        if not totals:
            return None
        return SpentInAll(
            _sums(hourly),
            _sums(totals),
            min(meter.since for meter in self._meters.values()),
            len(there) - known,
            all(meter.whole for meter in self._meters.values()),
        )


def _sums(amounts: Mapping[str, Decimal]) -> tuple[Money, ...]:
    """By currency, to the hundredth."""
    return tuple(
        Money(f"{amount.quantize(Decimal('0.01')):f}", currency)
        for currency, amount in sorted(amounts.items())
    )


def _run(meter: _Meter, now: float) -> None:
    """Adds what the time since the last look cost. A clock that was set back costs nothing."""
    seconds = max(0.0, now - meter.at)
    meter.at = now
    if meter.hourly is None or meter.hourly.currency not in (meter.currency, ""):
        meter.whole = meter.whole and seconds == 0
    else:
        meter.total += Decimal(meter.hourly.amount) * Decimal(seconds) / _HOUR
