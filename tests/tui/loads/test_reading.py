"""What is said of a load test: from the same seconds as its charts are made of."""

from __future__ import annotations

from msgspec import structs

from clients.load.figures import Figures
from clients.load.histogram import record
from clients.load.lines import Second
from clients.load.plan import LoadPlan, Ramp, Slo
from tui.loads.history import ClusterSecond, History
from tui.loads.words import reading


def second(number: int, milliseconds: float, *, ok: int = 10, scheduled: int = 10, failed: int = 0) -> Second:
    """One second in which every answer took the same time."""
    met = ok if milliseconds <= 500 else 0
    figures = Figures(scheduled=scheduled, sent=scheduled, ok=ok, failed=failed, slo_met=met)
    record(figures.from_schedule, round(1000 * milliseconds), ok)
    return Second(
        at=float(number), number=number, phase="load", figures=figures, in_flight=3, waiting=1, oldest_s=None,
        cpu_percent=5.0,
    )  # fmt: skip


def history(plan: LoadPlan, latency: list[float], counts: list[tuple[int, int]]) -> History:
    """Latency by second, and (wanted, ready) by second."""
    made = History(plan)
    for number, value in enumerate(latency, 1):
        made.add(second(number, value))
    for at, (wanted, ready) in enumerate(counts):
        made.see(ClusterSecond(at, wanted=wanted, ready=ready))
    return made


CHAT = LoadPlan(url="http://127.0.0.1", duration_s=60)
LATENCY = [100.0] * 10 + [900.0] * 30 + [150.0] * 20
COUNTS = [(2, 2)] * 25 + [(3, 2)] * 10 + [(3, 3)] * 25


def test_the_autoscaler_and_the_latency_are_told_on_one_clock() -> None:
    said = reading(history(CHAT, LATENCY, COUNTS), None)
    assert said[0].startswith("latency: p95 rose to 899 ms at 12s")
    assert said[0].endswith("came down to 150 ms")
    assert said[1] == "autoscaler: asked for 3, 13s after latency had doubled"
    assert said[2] == "capacity: 3 ready, 23s after latency had doubled"


def test_scaling_in_again_is_told_from_the_end_of_the_load() -> None:
    made = history(CHAT, LATENCY, [*COUNTS, *[(3, 3)] * 30, *[(2, 2)] * 5])
    made.end()
    assert "afterwards: 2 wanted, 30s after the load ended" in reading(made, None)
    late = history(CHAT, LATENCY, [*COUNTS, *[(4, 3)] * 20, *[(3, 3)] * 5])
    late.end()
    assert "afterwards: 3 wanted, 20s after the load ended" in reading(late, None), "it went up once more"
    assert not any(line.startswith("afterwards") for line in reading(history(CHAT, LATENCY, COUNTS), None))


def test_with_a_limit_the_clock_starts_when_it_is_broken() -> None:
    plan = LoadPlan(url="http://127.0.0.1", duration_s=60, slo=Slo(e2e_ms=500))
    said = reading(history(plan, LATENCY, COUNTS), None)
    assert "autoscaler: asked for 3, 13s after p95 broke the SLO" in said
    assert "over the SLO: 300 of 600 requests (50.0 %), answer 500 ms" in said


def test_an_autoscaler_that_does_nothing_is_told() -> None:
    manual = history(CHAT, LATENCY, [(2, 2)] * 60)
    assert "replicas: 2 wanted all along" in reading(manual, None)
    driven = history(CHAT, LATENCY, [(2, 2)] * 60)
    driven.signal_name = "queue"
    said = reading(driven, None)
    assert "autoscaler: asked for nothing more so far, 2 wanted" in said
    assert not any(line.startswith("capacity") for line in said)
    waiting = reading(history(CHAT, LATENCY, [(2, 2)] * 30 + [(3, 2)] * 30), None)
    assert "capacity: what was asked for is not all ready yet" in waiting


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert reading(History(CHAT), None) == []
    unknown = history(CHAT, LATENCY, [])
    assert [line.partition(":")[0] for line in reading(unknown, None)] == ["latency"]


def test_a_ramp_has_a_knee_where_answers_no_longer_keep_up() -> None:
    plan = LoadPlan(url="http://127.0.0.1", rate=1, ramp=Ramp(to=60, over_s=60), duration_s=60)
    made = History(plan)
    for number in range(1, 61):
        made.add(second(number, 100, scheduled=number, ok=min(number, 30)))
        made.see(ClusterSecond(number - 1, wanted=3, ready=3))
    (knee,) = [line for line in reading(made, None) if line.startswith("knee")]
    assert knee == "knee: answers no longer kept up at 38.0 requests a second, 10.0 for each that was ready"
    steady = History(plan)
    for number in range(1, 61):
        steady.add(second(number, 100, scheduled=number, ok=number))
    assert "knee: not reached, answers kept up with every rate" in reading(steady, None)


def test_percentiles_of_a_slice_come_from_its_histograms() -> None:
    made = History(CHAT)
    for number in range(1, 101):
        made.add(second(number, 1000.0 if number % 10 == 0 else 100.0))
    columns = made.view(20).columns
    assert len(columns) == 20
    p50, p99 = columns[1].p50, columns[1].p99
    assert p50 is not None
    assert p99 is not None
    assert abs(p50 - 100) < 1
    assert abs(p99 - 1000) < 5, "one second in ten is slow: so is the 99th percentile of ten seconds"
    assert columns[1].ok == 10.0


def test_the_axis_holds_the_plan_from_the_start_and_grows_beyond_it() -> None:
    made = history(CHAT, LATENCY, COUNTS)
    assert made.view(100).step == 1
    assert made.view(30).step == 3
    for at in range(60, 500):
        made.see(ClusterSecond(at, wanted=2, ready=2))
    view = made.view(100)
    assert view.step == 5
    assert len(view.columns) == 100
    assert view.columns[-1].p50 is None, "after the load there is no latency"
    assert view.columns[-1].ready == 2


def test_a_generator_that_does_not_keep_up_is_told_first() -> None:
    made = history(CHAT, LATENCY, COUNTS)
    for one in made.seconds[-3:]:
        made.add(structs.replace(one, number=one.number + 3, cpu_percent=97.0))
    assert reading(made, None)[0].startswith("generator-limited: a generator used 97 % of its core")


def test_nothing_is_in_flight_any_more_once_the_load_is_over() -> None:
    made = history(CHAT, LATENCY, COUNTS)
    made.end()
    assert made.newest.in_flight == 4
    made.see(ClusterSecond(61, wanted=3, ready=3))
    newest = made.newest
    assert (newest.ok, newest.failed, newest.in_flight, newest.wanted) == (0, 0, 0, 3)
    assert newest.p50 is not None
