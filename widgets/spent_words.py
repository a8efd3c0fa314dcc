"""What a workload costs and has cost, in a few words."""

from __future__ import annotations

from clients.serving.plans import Money
from clients.serving.spending import Spent
from widgets.cells import clock_time, shown

__all__ = ["spent_words"]


def spent_words(spent: Spent, utc_offset: float) -> str:
    """``2.20 EUR an hour, 0.31 EUR since 14:02``; at least that much where it was not known all the time."""
    now = "unknown" if spent.hourly is None else f"{_money(spent.hourly)} an hour"
    least = "" if spent.whole else "at least "
    return f"{now}, {least}{_money(spent.total)} since {clock_time(spent.since, utc_offset)[:5]}"


def _money(money: Money) -> str:
    return f"{shown(money.amount, 24)} {shown(money.currency, 8)}".rstrip()
