"""The HPA's algorithm against vectors worked out by hand from Kubernetes 1.36's rules, syncs 15.1 s apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clients.embedded.controllers.hpa_algorithm import (
    History,
    PodSample,
    Tolerance,
    by_average,
    by_total,
    by_utilization,
    by_value,
    group_pods,
    read_behavior,
    record_rescale,
    settle,
)
from clients.embedded.controllers.hpa_objects import hpa_object, serving_reference

STEP = 15.1


def behavior(told: dict[str, Any] | None) -> Any:
    made = hpa_object("llm", "chat", serving_reference("chat"), 1, 16, [], told)
    return read_behavior(made["spec"])


def lived(
    best: Callable[[float], int], current: int, most: int, told: dict[str, Any] | None, until: float
) -> list[tuple[float, int]]:
    """(seconds, new count) of every change."""
    history, rules, changes = History(), behavior(told), []
    history.recommendations.append((0.0, current))
    step = 0
    while (now := step * STEP) <= until:
        settled = settle(history, now, current, best(now), 1, most, rules)
        if settled.desired != current:
            record_rescale(history, now, current, settled.desired, rules)
            current = settled.desired
            changes.append((now, current))
        step += 1
    return changes


@pytest.mark.parametrize(("told", "counts"), [(None, [4, 8, 14]), ({}, [5, 10, 14])])
def test_scale_out_is_limited_to_what_each_path_allows(
    told: dict[str, Any] | None, counts: list[int]
) -> None:
    assert [count for _, count in lived(lambda _: 14, 1, 16, told, 120)] == counts


@pytest.mark.parametrize("told", [None, {}])
def test_scale_in_waits_for_the_window_and_then_goes_in_one_step(told: dict[str, Any] | None) -> None:
    ((when, count),) = lived(lambda now: 8 if now < 30 else 2, 8, 16, told, 400)
    assert count == 2
    assert when == pytest.approx(317.1)


def test_a_manual_scale_in_is_undone_without_behavior_and_kept_with_it() -> None:
    for told, expected in ((None, [8, 10]), ({}, [])):
        history, rules, current, seen = History(), behavior(told), 4, []
        history.recommendations.append((0.0, 10))
        for step in range(1, 5):
            settled = settle(history, step * STEP, current, 4, 1, 16, rules)
            if settled.desired != current:
                current = settled.desired
                seen.append(current)
        assert seen == expected


def pods(*values: int | None, pending: int = 0) -> list[PodSample]:
    found = [PodSample(f"ready-{i}", "Running", value=v) for i, v in enumerate(values)]
    return found + [PodSample(f"pending-{i}", "Pending") for i in range(pending)]


@pytest.mark.parametrize(
    ("target", "samples", "current", "proposal"),
    [
        (60, pods(95_000, 88_000), 2, 4),
        (50, pods(100_000, 100_000, pending=2), 4, 4),
        (60, pods(30_000, 30_000, pending=6), 8, 1),
        (50, pods(*[60_000] * 10, pending=1), 11, 11),
    ],
)
def test_pods_metrics(target: int, samples: list[PodSample], current: int, proposal: int) -> None:
    grouped = group_pods(samples, 1000.0, cpu=False)
    assert by_average(current, grouped, target * 1000, Tolerance()).replicas == proposal


@pytest.mark.parametrize(("utilization", "proposal"), [(88, 4), (89, 5), (72, 4), (71, 4), (59, 3)])
def test_cpu_holds_within_a_tenth_of_its_target(utilization: int, proposal: int) -> None:
    samples = [
        PodSample(f"p{i}", "Running", ready=True, ready_since=0.0, started=0.0, value=utilization * 10)
        for i in range(4)
    ]
    grouped = group_pods(samples, 10_000.0, cpu=True, sampled_at=9_990.0, window=15.0)
    requests = {sample.name: 1000 for sample in samples}
    assert by_utilization(4, grouped, requests, 80, Tolerance()).replicas == proposal


def test_missing_pods_count_for_nothing_on_the_way_out_and_for_their_target_on_the_way_in() -> None:
    # Two of four are at twice the target; with the missing at 0 the ratio is 1: hold.
    grouped = group_pods(pods(100_000, 100_000, None, None), 0.0, cpu=False)
    assert by_average(4, grouped, 50_000, Tolerance()).replicas == 4
    # Two of four are at a fifth of the target; with the missing at the target 0.6 of 4 are needed.
    grouped = group_pods(pods(10_000, 10_000, None, None), 0.0, cpu=False)
    assert by_average(4, grouped, 50_000, Tolerance()).replicas == 3


def test_a_cpu_sample_of_a_pod_that_just_turned_ready_does_not_count_yet() -> None:
    def group(ready: bool, since: float, started: float) -> tuple[int, int]:
        pod = PodSample("p", "Running", ready=ready, ready_since=since, started=started, value=1)
        found = group_pods([pod], 1000.0, cpu=True, sampled_at=995.0, window=15.0)
        return len(found.ready), len(found.unready)

    assert group(True, 900.0, 800.0) == (1, 0)
    assert group(True, 990.0, 800.0) == (0, 1), "its sample is older than a window after it turned ready"
    assert group(False, 900.0, 800.0) == (0, 1), "it starts"
    assert group(False, 500.0, 490.0) == (0, 1), "it never was ready"
    assert group(False, 900.0, 490.0) == (1, 0), "it was ready once"


def test_object_and_external_metrics() -> None:
    held = Tolerance()
    assert by_value(3, 300_000, 100_000, 2, held).replicas == 6, "times the pods that are ready"
    assert by_value(3, 105_000, 100_000, 2, held).replicas == 3
    assert by_value(0, 250_000, 100_000, 0, held).replicas == 3
    assert by_total(4, 410_000, 100_000, held).replicas == 4
    assert by_total(4, 500_000, 100_000, held).replicas == 5
    assert by_total(4, 500_000, 100_000, held).average == 125_000


def test_rates_windows_and_directions_of_a_behavior() -> None:
    def desired(told: dict[str, Any], current: int, best: int) -> tuple[int, str]:
        history, rules = History(), behavior(told)
        history.recommendations.append((0.0, current))
        record_rescale(history, 0.0, current - 2, current, rules)
        settled = settle(history, 20.0, current, best, 1, 30, rules)
        return settled.desired, settled.limited[0] if settled.is_limited else settled.able[0]

    slow = {"policies": [{"type": "Pods", "value": 3, "periodSeconds": 60}]}
    assert desired({"scaleUp": slow}, 10, 20) == (11, "ScaleUpLimit"), "2 of 3 were added before"
    both = {"policies": [*slow["policies"], {"type": "Percent", "value": 100, "periodSeconds": 60}]}
    assert desired({"scaleUp": {**both, "selectPolicy": "Min"}}, 10, 20)[0] == 11
    assert desired({"scaleUp": {**both, "selectPolicy": "Max"}}, 10, 20)[0] == 16
    assert desired({"scaleUp": {"selectPolicy": "Disabled"}}, 10, 20) == (10, "ScaleUpLimit")
    assert desired({"scaleUp": {"stabilizationWindowSeconds": 60}}, 10, 20) == (10, "ScaleUpStabilized")
    now = {"stabilizationWindowSeconds": 0}
    assert desired({"scaleDown": now}, 10, 2) == (2, "ReadyForNewScale")
    half = {**now, "policies": [{"type": "Percent", "value": 30, "periodSeconds": 15}]}
    assert desired({"scaleDown": half}, 10, 2) == (7, "ScaleDownLimit")
    assert desired({"scaleDown": {**now, "selectPolicy": "Disabled"}}, 10, 2) == (10, "ScaleDownLimit")
    assert desired({}, 10, 2) == (10, "ScaleDownStabilized")
