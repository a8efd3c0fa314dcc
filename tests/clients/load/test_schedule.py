from __future__ import annotations

from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import pytest

from clients.load.lines import Share
from clients.load.plan import Burst, LoadPlan, Ramp
from clients.load.schedule import Schedule

WHOLE = Share()


def offsets(share: Share = WHOLE, **fields: Any) -> list[float]:
    plan = LoadPlan(url="http://x", **{"seed": 7, **fields})
    schedule = Schedule(plan, share)
    found: list[float] = []
    while (following := schedule.next()) is not None:
        found.append(following[1])
    return found


def test_constant_is_even_from_the_first_on() -> None:
    assert offsets(rate=10, arrivals="constant", duration_s=1) == pytest.approx([n / 10 for n in range(10)])


def test_chance_has_the_rate_as_its_mean_and_spreads_like_poisson() -> None:
    found = offsets(rate=50, duration_s=200)
    gaps = [after - before for before, after in pairwise(found)]
    assert len(found) == pytest.approx(10_000, rel=0.05)
    assert stdev(gaps) == pytest.approx(mean(gaps), rel=0.05)


def test_the_same_seed_sends_the_same() -> None:
    assert offsets(rate=50, duration_s=5) == offsets(rate=50, duration_s=5)
    assert offsets(rate=50, duration_s=5) != offsets(rate=50, duration_s=5, seed=8)


def test_bursts_come_at_once_and_keep_the_mean() -> None:
    found = offsets(rate=10, burst=Burst(size=20), duration_s=6)
    assert found == [0.0] * 20 + [2.0] * 20 + [4.0] * 20


def test_a_linear_ramp_climbs_evenly_and_holds() -> None:
    ramp = Ramp(to=100, over_s=10, spacing="constant")
    found = offsets(rate=20, ramp=ramp, duration_s=20)
    per_second = [sum(second <= offset < second + 1 for offset in found) for second in range(20)]
    assert per_second[:10] == pytest.approx([24 + 8 * second for second in range(10)], abs=1)
    assert per_second[10:] == pytest.approx([100] * 10, abs=1)


def test_a_ramp_may_go_down() -> None:
    found = offsets(rate=100, ramp=Ramp(to=20, over_s=10, spacing="constant"), duration_s=10)
    assert len(found) == pytest.approx(600, abs=2)
    assert found == sorted(found)


def test_steps_hold_their_rate_equally_long() -> None:
    ramp = Ramp(to=40, over_s=6, steps=3, spacing="constant")
    found = offsets(rate=10, ramp=ramp, duration_s=8)
    per_step = [sum(step <= offset < step + 2 for offset in found) for step in (0, 2, 4, 6)]
    assert per_step == pytest.approx([20, 40, 60, 80], abs=1)


@pytest.mark.parametrize("fields", [{"rate": 30}, {"rate": 30, "burst": Burst(size=7)}])
def test_generators_that_share_a_schedule_send_it_together(fields: dict[str, Any]) -> None:
    whole = offsets(duration_s=10, **fields)
    parts = [offsets(Share(index, 3), duration_s=10, **fields) for index in range(3)]
    assert sorted(offset for part in parts for offset in part) == whole


def test_a_number_of_requests_ends_it() -> None:
    assert len(offsets(rate=30, requests=5)) == 5


def test_a_rate_that_is_set_holds_from_then_on() -> None:
    schedule = Schedule(
        LoadPlan(url="http://x", rate=10, arrivals="constant", duration_s=20, seed=7), Share()
    )
    assert [schedule.next() for _ in range(2)] == [(0, 0.0), (1, pytest.approx(0.1))]
    schedule.set_rate(5.0, 100)
    following = [schedule.next() for _ in range(3)]
    assert [one[1] for one in following if one] == pytest.approx([5.01, 5.02, 5.03])
    assert schedule.rate(6.0) == 100
