"""What a workload costs and has cost, in a few words."""

from __future__ import annotations

from clients.serving.plans import Money
from clients.serving.spending import Spent, SpentInAll
from widgets.cells import clock_time, shown

__all__ = ["spent_in_all_words", "spent_words"]


def spent_words(spent: Spent, utc_offset: float) -> str:
    """``2.20 EUR an hour, 0.31 EUR since 14:02``; at least that much where it was not known all the time."""
    now = "unknown" if spent.hourly is None else f"{_money(spent.hourly)} an hour"
    least = "" if spent.whole else "at least "
    return f"{now}, {least}{_money(spent.total)} since {clock_time(spent.since, utc_offset)[:5]}"


def spent_in_all_words(spent: SpentInAll, utc_offset: float) -> str:
    """``cost 8.80 EUR + 60.00 CNY an hour, 12.31 EUR + 84.00 CNY since 14:02, + 3 unknown``."""
    least = "" if spent.whole else "at least "
    unknown = f", + {spent.unknown} unknown" if spent.unknown else ""
    now = f"{_sum(spent.hourly)} an hour" if spent.hourly else "unknown"
    since = clock_time(spent.since, utc_offset)[:5]
    return f"cost {now}, {least}{_sum(spent.total)} since {since}{unknown}"


def _sum(money: tuple[Money, ...]) -> str:
    return " + ".join(_money(one) for one in money)


def _money(money: Money) -> str:
    return f"{shown(money.amount, 24)} {shown(money.currency, 8)}".rstrip()
