"""Whether a generator kept up with its own plan: if not, its figures tell of itself, not of the server."""

from __future__ import annotations

from clients.load.figures import Figures
from clients.load.histogram import percentile
from clients.load.plan import LoadPlan

__all__ = ["limits"]

_LATENESS = 5_000
"""Microseconds that are always granted to the dispatcher."""
_READER_LAG = 10_000
"""And to the reader: the last of many chunks that come at once is read last."""
_SHARE = 0.05
"""Of what is measured (TTFT, else latency), where that is more."""
_CPU = 80.0
"""Per cent of a core over a whole second."""


def limits(plan: LoadPlan, figures: Figures, cpu_max_percent: float) -> tuple[str, ...]:
    """What was too big to trust the figures, in words; empty if nothing was."""
    measured = percentile(figures.ttft if plan.streams else figures.from_send, 50) or 0.0
    found: list[str] = []
    for name, counts, granted in (
        ("requests were begun late", figures.lateness, _LATENESS),
        ("answers were read late", figures.reader_lag, _READER_LAG),
    ):
        p99 = percentile(counts, 99)
        bar = max(granted, _SHARE * measured)
        if p99 is not None and p99 > bar:
            found.append(f"{name}: p99 {p99 / 1000:.1f} ms, trusted to {bar / 1000:.1f} ms")
    if cpu_max_percent > _CPU:
        found.append(f"a generator used {cpu_max_percent:.0f} % of its core, trusted to {_CPU:.0f} %")
    return tuple(found)
