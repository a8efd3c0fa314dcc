from __future__ import annotations

from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money
from clients.serving.spending import Spending, Spent, SpentInAll

KEY = WorkloadKey("at-vie-2", "exoscale", None, "Exoscale", "chat")


def test_the_sum_follows_every_change_of_the_cost() -> None:
    spending = Spending()
    assert spending.of(KEY, 0.0) is None
    spending.see(KEY, Money("2.50", "EUR"), 1000.0)
    spending.see(KEY, Money("7.50", "EUR"), 1000.0 + 3600)
    found = spending.of(KEY, 1000.0 + 3600 + 1800)
    assert found == Spent(Money("7.50", "EUR"), Money("6.25", "EUR"), 1000.0, whole=True)
    spending.see(KEY, Money("0.00", "EUR"), 1000.0 + 5400)
    later = spending.of(KEY, 1e6)
    assert later is not None
    assert later.total == Money("6.25", "EUR")


def test_what_is_not_known_is_no_zero() -> None:
    spending = Spending()
    spending.see(KEY, None, 0.0)
    assert spending.of(KEY, 7200.0) is None
    spending.see(KEY, Money("1", "EUR"), 7200.0)
    assert spending.of(KEY, 10800.0) == Spent(Money("1", "EUR"), Money("1.00", "EUR"), 7200.0, whole=True)
    spending.see(KEY, None, 10800.0)
    assert spending.of(KEY, 99999.0) == Spent(None, Money("1.00", "EUR"), 7200.0, whole=False)


def test_a_clock_that_is_set_back_and_a_deletion_cost_nothing() -> None:
    spending = Spending()
    spending.see(KEY, Money("1", "EUR"), 100.0)
    found = spending.of(KEY, 40.0)
    assert found is not None
    assert found.total == Money("0.00", "EUR")
    spending.stop(KEY, 3640.0)
    gone = spending.of(KEY, 99999.0)
    assert gone is not None
    assert gone.total == Money("1.00", "EUR")


def test_the_sum_of_all_counts_nothing_unknown_and_adds_no_two_currencies() -> None:
    spending = Spending()
    others = [WorkloadKey("at-vie-2", "exoscale", None, "Exoscale", name) for name in "abc"]

    def now(key: WorkloadKey) -> float:
        return 7200.0

    assert spending.of_all([KEY], now) is None
    spending.see(KEY, Money("2.50", "EUR"), 0.0)
    spending.see(others[0], Money("1.10", "EUR"), 3600.0)
    spending.see(others[1], Money("20", "CNY"), 3600.0)
    spending.see(others[2], None, 3600.0)
    free = WorkloadKey("c1", "kthena", "llm", "ModelServing", "no-gpus")
    spending.see(free, Money("0", ""), 0.0)
    others.append(free)
    assert spending.of_all([KEY, *others], now) == SpentInAll(
        hourly=(Money("20.00", "CNY"), Money("3.60", "EUR")),
        total=(Money("20.00", "CNY"), Money("6.10", "EUR")),
        since=0.0,
        unknown=1,
        whole=True,
    )
    spending.see(KEY, None, 7200.0)
    spending.stop(others[1], 7200.0)
    assert spending.of_all([KEY, others[0], *others[2:]], lambda key: 10800.0) == SpentInAll(
        hourly=(Money("1.10", "EUR"),),
        total=(Money("20.00", "CNY"), Money("7.20", "EUR")),
        since=0.0,
        unknown=2,
        whole=False,
    )
