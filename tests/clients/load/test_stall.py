"""A server that stands still for a fifth of a run, as it tells it itself, and as the generator does."""

from __future__ import annotations

from math import ceil

import pytest

from clients.load.result import Result
from tests.support.load_runs import run_load
from tests.support.load_target import LoadTarget

RATE = 100
SECONDS = 8
STALL = (2.0, 3.6)


def truth(target: LoadTarget) -> list[float]:
    """Milliseconds from when each request was due to its answer, by the server's clock alone.

    The server knows that they were due evenly; the one that came soonest after its time anchors the schedule.
    """
    seen = sorted(target.seen, key=lambda request: request.arrived)
    begun = min(request.arrived - number / RATE for number, request in enumerate(seen))
    ends = (request.answered for request in seen)
    return sorted(1000 * (end - begun - n / RATE) for n, end in enumerate(ends) if end is not None)


def of(latencies: list[float], rank: float) -> float:
    return latencies[ceil(len(latencies) * rank / 100) - 1]


def owned(result: Result) -> tuple[float, float]:
    """By how much the generator says that it may be off, in ms: at the median, and at worst.

    On a machine with nothing to spare the bars hold but for that; where it trusts itself, as they are.
    """
    late, read = result.generator.lateness_ms, result.generator.reader_lag_ms
    told = [value if isinstance(value, float) else 0.0 for value in (late.p50, read.p50, late.p99, read.p99)]
    return sum(told[:2]), 0.0 if result.generator.verdict == "ok" else sum(told[2:])


async def test_a_stall_shows_as_long_as_it_was(target: LoadTarget) -> None:
    target.stall = STALL
    result = await run_load(
        url=f"{target.url}/stalling", rate=RATE, arrivals="constant", duration_s=SECONDS, max_in_flight=500
    )
    true = truth(target)
    assert len(true) == result.requests.ok == RATE * SECONDS
    ours = result.latency_from_schedule_ms
    assert of(true, 90) > 500, "the stall is in the server's own figures"
    usual, worst = owned(result)
    assert ours.p90 == pytest.approx(of(true, 90), abs=0.02 * of(true, 90) + worst)
    assert ours.p99 == pytest.approx(of(true, 99), abs=0.02 * of(true, 99) + worst)
    assert ours.p50 == pytest.approx(of(true, 50), abs=3 + usual)


async def test_with_no_room_the_wait_counts_from_the_schedule_and_not_from_sending(
    target: LoadTarget,
) -> None:
    target.stall = (0.5, 2.0)
    result = await run_load(
        url=f"{target.url}/stalling", rate=RATE, arrivals="constant", duration_s=3, max_in_flight=10
    )
    assert result.requests.ok == 3 * RATE
    assert 100 <= result.requests.queued < 3 * RATE
    from_schedule, from_send = result.latency_from_schedule_ms.p90, result.latency_from_send_ms.p90
    assert isinstance(from_schedule, float)
    assert isinstance(from_send, float)
    assert from_schedule > 10 * from_send


async def test_what_finds_no_room_is_dropped_and_counted_if_the_plan_says_so(target: LoadTarget) -> None:
    result = await run_load(
        url=f"{target.url}/silent",
        rate=RATE,
        arrivals="constant",
        duration_s=1,
        max_in_flight=7,
        overflow="drop",
        drain_s=0,
    )
    requests = result.requests
    assert (requests.scheduled, requests.sent, requests.dropped, requests.unfinished) == (100, 7, 93, 7)
    assert len(target.seen) == 7
