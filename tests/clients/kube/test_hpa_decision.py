"""The HPA's decision recomputed: the fact sheet's vectors, each step, and what comes next."""

from __future__ import annotations

from typing import Any

import pytest

from clients.kube.hpa_decision import decide, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_replicas import HpaPod, MetricValues, Scale
from clients.serving.decision import Decision, Outcome, SampleState
from clients.serving.decision_words import sentence
from tests.support.hpa_world import (
    LONG_AGO,
    START,
    SYNC,
    Rounds,
    cpu_metric,
    external_metric,
    hpa,
    pod,
    pods_metric,
    samples,
    total,
)


def once(
    metric: dict[str, Any], pods: list[HpaPod], values: MetricValues, current: int, **how: Any
) -> Decision:
    history = History(START, complete=True)
    return decide(hpa(metric, **how), Scale(current, current), pods, [values], history, START)


# -- the fact sheet's vectors (kserve-hpa-lws, 2.5)


@pytest.mark.parametrize(("behavior", "counts"), [(None, [4, 8, 14]), ({}, [5, 10, 14])])
def test_growing_from_one_to_fourteen(behavior: Any, counts: list[int]) -> None:
    assert Rounds(1, behavior=behavior).counts([14, 14, 14]) == counts


@pytest.mark.parametrize("behavior", [None, {}])
def test_a_drop_is_held_for_five_minutes_and_then_taken_in_one_step(behavior: Any) -> None:
    rounds = Rounds(8, behavior=behavior)
    seen = []
    for _ in range(30):
        best = 8 if rounds.now - START < 30 else 2
        at = rounds.now - START
        made = rounds.turn(best)
        seen.append((at, rounds.current))
        assert (made.stabilised is not None) == (best == 2 and at < 317)
    dropped = next(at for at, count in seen if count == 2)
    assert 315 < dropped < 319
    assert {count for at, count in seen if at < dropped} == {8}


def test_two_busy_pods_ask_for_four() -> None:
    made = once(pods_metric("60"), [pod(0), pod(1)], samples(95, 88), 2)
    assert made.best == 4
    (metric,) = made.metrics
    assert (metric.current, metric.target, metric.proposal) == (91.5, 60, 4)


def test_pending_pods_damp_a_scale_out() -> None:
    crowd = [pod(0), pod(1), pod(2, "Pending"), pod(3, "Pending")]
    made = once(pods_metric("50"), crowd, samples(100, 100), 4)
    assert (made.outcome, made.desired) == (Outcome.HOLDS, 4)
    assert [found.counted_as for found in made.metrics[0].pods] == [None, None, 0, 0]


def test_pending_pods_drop_out_on_a_scale_in() -> None:
    crowd = [pod(0), pod(1), *(pod(number, "Pending") for number in range(2, 8))]
    assert once(pods_metric("60"), crowd, samples(30, 30), 8).best == 1


@pytest.mark.parametrize(("percent", "best"), [(0.88, 4), (0.89, 5)])
def test_the_edge_of_the_tolerance_holds(percent: float, best: int) -> None:
    made = once(cpu_metric(80), [pod(number) for number in range(4)], samples(*[percent] * 4), 4)
    assert (made.best, made.metrics[0].tolerated) == (best, best == 4)
    assert made.metrics[0].current == round(percent * 100)


@pytest.mark.parametrize(("behavior", "counts"), [(None, [8, 10]), ({}, [4, 4])])
def test_a_manual_scale_in_is_undone_without_behavior(behavior: Any, counts: list[int]) -> None:
    rounds = Rounds(10, behavior=behavior)
    rounds.counts([10, 10])
    rounds.current = 4
    assert rounds.counts([4, 4]) == counts


def test_the_fact_sheets_example_object() -> None:
    values = samples(100, 95)
    made = once(pods_metric("60"), [pod(0), pod(1)], values, 2, most=4)
    assert (made.metrics[0].current, made.metrics[0].ratio, made.desired) == (97.5, 1.625, 4)


# -- pods


def test_a_pod_that_loads_counts_for_queues_and_not_for_cpu() -> None:
    loads = pod(1, ready=False, ready_at=START - 60, started=START - 60)
    queue = once(pods_metric("60"), [pod(0), loads], samples(60, 60), 2)
    cpu = once(cpu_metric(80), [pod(0), loads], samples(0.8, 0.8), 2)
    assert [found.state for found in queue.metrics[0].pods] == [SampleState.READY] * 2
    assert [found.state for found in cpu.metrics[0].pods] == [SampleState.READY, SampleState.UNREADY]


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"ready": False, "ready_at": LONG_AGO + 10}, SampleState.UNREADY),
        ({"ready": False, "ready_at": LONG_AGO + 31}, SampleState.READY),
        ({"ready": None}, SampleState.UNREADY),
        ({"started": None}, SampleState.UNREADY),
        ({"started": START - 200, "ready_at": START - 61}, SampleState.READY),
        ({"started": START - 200, "ready_at": START - 59}, SampleState.UNREADY),
        ({"deleting": True}, SampleState.IGNORED),
    ],
)
def test_how_a_pod_counts_for_cpu(changed: dict[str, Any], state: SampleState) -> None:
    made = once(cpu_metric(80), [pod(0), pod(1, **changed)], samples(0.8, 0.8), 2)
    assert made.metrics[0].pods[1].state is state


def test_missing_pods_count_as_the_target_on_a_scale_in() -> None:
    crowd = [pod(number) for number in range(4)]
    made = once(pods_metric("60"), crowd, samples(10, 10), 4)
    assert made.best == 3
    assert [found.counted_as for found in made.metrics[0].pods] == [None, None, 60, 60]
    cpu = once(cpu_metric(80), crowd, samples(0.1, 0.1), 4)
    assert [found.counted_as for found in cpu.metrics[0].pods] == [None, None, 100, 100]


def test_a_container_without_a_request_stops_the_metric() -> None:
    crowd = [pod(0), pod(1, requests={"main": {"cpu": 1000}, "sidecar": {}})]
    made = once(cpu_metric(80), crowd, samples(0.9, 0.9), 2)
    assert made.outcome is Outcome.NONE
    assert made.reason == "cpu: missing request for cpu in container sidecar of Pod pod-1"
    only = {
        "type": "ContainerResource",
        "containerResource": {"container": "main", **cpu_metric()["resource"]},
    }
    assert once(only, crowd, samples(0.9, 0.9), 2).best == 3


# -- Object and External


@pytest.mark.parametrize(
    ("kind", "target", "value", "best"),
    [
        ("External", {"type": "Value", "value": "10"}, 25, 5),
        ("External", {"type": "AverageValue", "averageValue": "10"}, 25, 3),
        ("External", {"type": "AverageValue", "averageValue": "10"}, 22, 2),
        ("Object", {"type": "Value", "value": "10"}, 10.9, 2),
        ("Object", {"type": "Value", "value": "10"}, 11.1, 3),
        ("Object", {"type": "AverageValue", "averageValue": "10"}, 41, 5),
    ],
)
def test_one_number_for_all(kind: str, target: dict[str, str], value: float, best: int) -> None:
    body = {
        "metric": {"name": "waiting"},
        "target": target,
        "describedObject": {"kind": "Service", "name": "s"},
    }
    made = once({"type": kind, kind.lower(): body}, [pod(0), pod(1), pod(2, ready=False)], total(value), 2)
    assert made.best == best


# -- several metrics


def several(first: MetricValues, second: MetricValues, current: int) -> Decision:
    both = hpa(external_metric(name="a"), external_metric(name="b"))
    history = History(START, complete=True)
    return decide(both, Scale(current, current), [pod(0)], [first, second], history, START)


def test_the_highest_proposal_wins() -> None:
    made = several(total(3), total(7), 5)
    assert (made.best, made.winner) == (7, 1)


def test_with_a_metric_missing_the_count_only_goes_up() -> None:
    lost = MetricValues(error="no metrics")
    up, down, none = several(lost, total(9), 5), several(lost, total(3), 5), several(lost, lost, 5)
    assert (up.desired, down.desired, none.desired) == (9, None, None)
    assert down.reason == "a: no metrics; without it the count is not lowered"
    assert none.reason == "a: no metrics; b: no metrics"


def test_values_that_were_not_read_are_no_zero() -> None:
    made = decide(hpa(), Scale(2, 2), [pod(0)], [], History(START), START)
    assert (made.outcome, made.reason) == (Outcome.NONE, "queue: not read")


# -- bounds and windows


@pytest.mark.parametrize(("current", "bound"), [(20, 16), (1, 2)])
def test_bounds_ask_no_metric(current: int, bound: int) -> None:
    made = once(pods_metric(), [pod(0)], samples(60), current, least=2)
    assert (made.outcome, made.desired, made.metrics, made.best) == (Outcome.SCALES, bound, (), None)


def test_a_target_at_zero_is_left_alone() -> None:
    made = once(pods_metric(), [], samples(), 0)
    assert made.outcome is Outcome.DISABLED
    assert sentence(made) == "off: the target is at 0"


def test_at_max() -> None:
    rounds = Rounds(8, most=8)
    made = rounds.turn(11)
    assert (made.outcome, made.desired) == (Outcome.HOLDS, 8)
    assert sentence(made) == "at max 8: waiting 1.375 of 1 asks for 11"


def test_the_sentence_of_a_held_count() -> None:
    rounds = Rounds(8)
    rounds.turn(8)
    rounds.now = START + 130
    made = rounds.look(2)
    assert sentence(made) == "holds at 8 because 8 was recommended 2m10s ago; goes to 2 in 2m50s"
    assert made.stabilised is not None
    assert (made.stabilised.age, made.stabilised.left, made.until) == (130, 170, START + 300)


def test_what_is_told_to_come_next_comes() -> None:
    rounds = Rounds(
        8, behavior={"scaleDown": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    )
    rounds.turn(8)
    told = rounds.look(2)
    moved = []
    for _ in range(80):
        before, at, made = rounds.current, rounds.now, rounds.turn(2)
        if rounds.current != before:
            moved.append(rounds.current)
            assert told.until is not None
            assert (told.goes_to, told.until <= at <= told.until + SYNC) == (rounds.current, True)
            told = rounds.look(2)
        elif made.outcome is Outcome.HOLDS:
            assert (made.goes_to, made.until) == (told.goes_to, told.until)
    assert moved == [6, 4, 2]
    assert (rounds.look(2).goes_to, rounds.look(2).until) == (None, None)


def test_a_disabled_direction() -> None:
    rounds = Rounds(8, behavior={"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}})
    rounds.turn(8)
    made = rounds.turn(2)
    assert (made.outcome, made.limited is not None and made.limited.policy) == (Outcome.HOLDS, "Disabled")
    assert sentence(made).endswith("this direction is disabled")


def test_a_policy_says_when_it_lets_more_through() -> None:
    up = {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}
    rounds = Rounds(2, behavior={"scaleUp": up})
    rounds.turn(9)
    made = rounds.look(9)
    assert (made.desired, made.goes_to, made.until) == (4, 6, START + 60)
    assert made.limited is not None
    assert made.limited.policy == "Pods 2/60s"
    assert made.limited.left == pytest.approx(60 - SYNC)


def test_a_tolerance_of_its_own() -> None:
    behavior = {"scaleUp": {"tolerance": "500m"}, "scaleDown": {"tolerance": 0}}
    crowd = [pod(0), pod(1)]
    assert once(pods_metric("60"), crowd, samples(90, 90), 2, behavior=behavior).best == 2
    assert once(pods_metric("60"), crowd, samples(59, 1), 2, behavior=behavior).best == 1


# -- a past that nobody saw


def test_a_hold_from_before_we_looked_is_said_and_bounded() -> None:
    status = {"currentReplicas": 8, "desiredReplicas": 8}
    rounds = Rounds(8, complete=False, status=status)
    rounds.now += 20
    made = rounds.look(2)
    assert (made.outcome, made.desired, made.goes_to, made.at_latest) == (Outcome.HOLDS, 8, 2, True)
    assert made.stabilised is not None
    assert not made.stabilised.seen
    assert sentence(made) == (
        "holds at 8 because a recommendation from before servegrid looked holds it; "
        "goes to 2 in at most 4m40s"
    )
    assert "what it recommended before servegrid looked is unknown" in made.assumptions
    rounds.now = START + 301
    assert rounds.look(2).desired == 2


def test_a_count_that_the_controller_has_not_seen_is_not_taken_for_held() -> None:
    rounds = Rounds(8, complete=False, status={"currentReplicas": 2, "desiredReplicas": 2})
    assert rounds.look(2).desired == 2


def test_assumed_flags_are_named_where_they_bear() -> None:
    names = " ".join(once(cpu_metric(), [pod(0)], samples(0.5), 1).assumptions)
    for flag in (
        "sync-period=15s",
        "stabilization=300s",
        "tolerance=0.1",
        "initialization-period=300s",
        "delay=30s",
    ):
        assert flag in names
    all_set = {
        "scaleUp": {"tolerance": "0.1"},
        "scaleDown": {"tolerance": "0.1", "stabilizationWindowSeconds": 60},
    }
    assert len(once(pods_metric(), [pod(0)], samples(60), 1, behavior=all_set).assumptions) == 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.kube.hpa_history._MOST", 64)
    rounds = Rounds(8, behavior={})
    for number in range(100):
        rounds.history.scaled(1, 2, START + number / 100, rounds.hpa.behavior)
        rounds.history.scaled(2, 1, START + number / 100, rounds.hpa.behavior)
        remember(rounds.history, rounds.hpa, rounds.look(2), acted=False)
    kept = rounds.history
    assert max(len(kept.recommendations), len(kept.ups), len(kept.downs)) == 64


def test_a_change_gives_way_to_a_newer_one_of_its_own_direction() -> None:
    """Upstream forgets a change after the longest period of its own direction, though the other counts it."""
    period = {"type": "Pods", "value": 4}
    behavior = {
        "scaleUp": {"policies": [{**period, "periodSeconds": 60}]},
        "scaleDown": {"policies": [{**period, "periodSeconds": 15}]},
    }
    known, history = hpa(behavior=behavior).behavior, History(START, complete=True)
    history.scaled(9, 7, START, known)
    history.scaled(7, 6, START + 10, known)
    assert len(history.downs) == 2
    history.scaled(6, 5, START + 20, known)
    assert [(change.replicas, change.at - START) for change in history.downs] == [(1, 20), (1, 10)]
