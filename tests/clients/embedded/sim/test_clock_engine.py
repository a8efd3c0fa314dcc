"""The simulated clock and the engine that it drives."""

from __future__ import annotations

import asyncio

import pytest

from clients.embedded.engine import Engine
from clients.embedded.simclock import SimClock


class HandClock:
    """A machine's clock moved by hand."""

    def __init__(self) -> None:
        self.at = 50.0

    def now(self) -> float:
        return 1_000_000.0 + self.at

    def monotonic(self) -> float:
        return self.at


def test_simulated_time_runs_at_its_speed_and_goes_on_from_there_when_it_changes() -> None:
    base = HandClock()
    clock = SimClock(4.0, start=100.0, base=base)
    base.at += 10
    assert clock.now() == 140.0
    assert clock.real_delay(160.0) == 5.0
    clock.set_speed(0)
    base.at += 1000
    assert clock.now() == 140.0
    assert clock.real_delay(141.0) == float("inf")
    clock.set_speed(0.5)
    base.at += 2
    assert clock.now() == 141.0


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        SimClock(speed)


def test_events_run_in_order_of_their_due_time_and_see_it_on_the_clock() -> None:
    clock = SimClock(0, start=0.0)
    engine = Engine(clock)
    seen: list[tuple[str, float]] = []
    engine.after(5, lambda: seen.append(("late", clock.now())))
    engine.after(2, lambda: seen.append(("first", clock.now())))
    engine.after(2, lambda: seen.append(("second", clock.now())))
    engine.after(3, lambda: seen.append(("never", clock.now()))).cancel()
    engine.every(2, lambda: seen.append(("tick", clock.now())))
    assert engine.run_until(4.5) == 4
    assert seen == [("first", 2.0), ("second", 2.0), ("tick", 2.0), ("tick", 4.0)]
    assert clock.now() == 4.5
    engine.run_until(5)
    assert seen[-1] == ("late", 5.0)


def test_an_event_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(SimClock(0, start=0.0))
    seen: list[int] = []
    engine.after(1, lambda: seen.append(1 // 0))
    engine.after(2, lambda: seen.append(2))
    engine.run_until(3)
    assert seen == [2]
    assert "an event of the simulation failed" in caplog.text


def test_cancelled_events_do_not_pile_up() -> None:
    engine = Engine(SimClock(0, start=0.0))
    for _ in range(5000):
        engine.after(1000, lambda: None).cancel()
    assert len(engine) == 0
    assert len(engine._heap) < 3000


async def test_in_real_time_an_earlier_event_wakes_the_engine_and_a_frozen_clock_runs_none() -> None:
    clock = SimClock(1000.0, start=0.0)
    engine = Engine(clock)
    seen: list[str] = []
    engine.after(1e9, lambda: seen.append("far"))
    task = asyncio.create_task(engine.run())
    await asyncio.sleep(0)
    happened = asyncio.Event()
    engine.after(20, happened.set)
    await asyncio.wait_for(happened.wait(), 60)
    clock.set_speed(0)
    engine.kick()
    engine.after(0.001, lambda: seen.append("frozen"))
    await asyncio.sleep(0.03)
    assert seen == []
    task.cancel()
