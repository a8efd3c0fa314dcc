"""Over random histories the console's recomputed decision is the embedded controller's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.embedded.controllers import hpa_algorithm as theirs
from clients.kube.hpa_decision import decide, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_object import HpaObject
from clients.kube.hpa_replicas import DEFAULT_FLAGS, HpaPod, MetricValues, Sample, Scale, propose
from clients.serving.decision import Outcome
from tests.support.hpa_world import START, cpu_metric, external_metric, hpa, hpa_json, pod, pods_metric, total

_POLICY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Pods", "Percent"]),
        "value": st.sampled_from([1, 2, 4, 10, 50, 100, 150]),
        "periodSeconds": st.sampled_from([15, 30, 60, 180]),
    }
)
_RULES = st.fixed_dictionaries(
    {
        "stabilizationWindowSeconds": st.sampled_from([0, 15, 60, 300]),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.lists(_POLICY, min_size=1, max_size=3),
    }
)
_BEHAVIOR = st.none() | st.fixed_dictionaries({"scaleUp": _RULES, "scaleDown": _RULES})
_ROUND = st.tuples(
    st.integers(0, 40),
    st.sampled_from([1.0, 15.0, 15.25, 40.0, 61.0, 290.0]),
    st.none() | st.integers(1, 30),
)
"""(what the metrics ask for, seconds to the next look, a count set by hand before it)"""


def settled(
    known: HpaObject, spec: dict[str, Any], past: theirs.History, now: float, current: int, best: int
) -> int:
    """The embedded controller's round, with its memory of it."""
    maximum = known.maximum
    assert maximum is not None
    if current > maximum or current < known.minimum:
        desired = maximum if current > maximum else known.minimum
    else:
        behavior = theirs.read_behavior(spec)
        desired = theirs.settle(past, now, current, best, known.minimum, maximum, behavior).desired
    if desired != current:
        theirs.record_rescale(past, now, current, desired, theirs.read_behavior(spec))
    return desired


@settings(max_examples=400)
@given(
    behavior=_BEHAVIOR,
    bounds=st.tuples(st.integers(1, 6), st.integers(0, 24)),
    current=st.integers(1, 30),
    rounds=st.lists(_ROUND, min_size=1, max_size=25),
)
def test_windows_limits_and_bounds(
    behavior: Any, bounds: tuple[int, int], current: int, rounds: list[tuple[int, float, int | None]]
) -> None:
    how: dict[str, Any] = {"least": bounds[0], "most": bounds[0] + bounds[1]}
    if behavior is not None:
        how["behavior"] = behavior
    known, spec = hpa(external_metric(), **how), hpa_json(external_metric(), **how)["spec"]
    ours, past, now = History(START, complete=True), theirs.History(), START
    past.recommendations.append((START, current))
    for best, wait, by_hand in rounds:
        made = decide(known, Scale(current, 1), [pod(0)], [total(best)], ours, now)
        desired = settled(known, spec, past, now, current, best)
        assert made.desired == desired, (now, current, best)
        if made.goes_to is not None and made.until is not None and made.outcome is Outcome.HOLDS:
            assert made.until >= now
        remember(ours, known, made)
        current = by_hand or desired
        now += wait


_POD: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    phase=st.sampled_from(["Running", "Running", "Running", "Pending", "Failed"]),
    deleting=st.sampled_from([False, False, False, True]),
    ready=st.sampled_from([True, True, False, None]),
    ready_at=st.sampled_from([START - 4000, START - 290, START - 100, START - 20]),
    started=st.none() | st.sampled_from([START - 4020, START - 299, START - 110]),
    value=st.none() | st.integers(0, 3000),
    request=st.sampled_from([500, 1000, 2000]),
)


def _sampled(pods: list[dict[str, Any]], at: float, window: float) -> tuple[list[HpaPod], MetricValues]:
    made, found = [], {}
    for number, given_pod in enumerate(pods):
        fields = {key: given_pod[key] for key in ("phase", "deleting", "ready", "ready_at", "started")}
        made.append(pod(number, **fields, requests={"main": {"cpu": given_pod["request"]}}))
        if given_pod["value"] is not None:
            found[f"pod-{number}"] = Sample(given_pod["value"], at, window)
    return made, MetricValues(pods=found)


@settings(max_examples=600)
@given(
    pods=st.lists(_POD, min_size=1, max_size=8),
    metric=st.sampled_from(["cpu", "cpu average", "queue"]),
    target=st.sampled_from([10, 50, 80, 100, 130]),
    current=st.integers(1, 12),
    at=st.sampled_from([START, START - 45]),
    tolerance=st.sampled_from([(0.1, 0.1), (0.0, 0.3), (0.25, 0.0)]),
)
def test_proposals_of_pods(
    pods: list[dict[str, Any]],
    metric: str,
    target: int,
    current: int,
    at: float,
    tolerance: tuple[float, float],
) -> None:
    made, values = _sampled(pods, at, 30.0)
    spec = cpu_metric(target) if metric == "cpu" else pods_metric(f"{target * 10}m")
    if metric == "cpu average":
        average = {"type": "AverageValue", "averageValue": f"{target * 10}m"}
        spec = {"type": "Resource", "resource": {"name": "cpu", "target": average}}
    ours = propose(
        hpa(spec).metrics[0], values, made, Scale(current, current), START, tolerance, DEFAULT_FLAGS
    )
    as_theirs = [
        theirs.PodSample(
            one.name, one.phase, one.deleting, one.ready, one.ready_at, one.started,
            values.pods[one.name].value if one.name in values.pods else None,
        )
        for one in made
    ]  # fmt: skip
    group = theirs.group_pods(as_theirs, START, cpu=metric != "queue", sampled_at=at, window=30.0)
    about = theirs.Tolerance(*tolerance)
    requests = {one.name: one.requests["main"]["cpu"] for one in made}
    try:
        if metric == "cpu":
            expected = theirs.by_utilization(current, group, requests, target, about).replicas
        else:
            expected = theirs.by_average(current, group, target * 10, about).replicas
    except theirs.ProposalError:
        assert ours.error is not None
    else:
        assert ours.proposal == expected


@given(
    value=st.integers(0, 500_000),
    target=st.sampled_from([1000, 2500, 60_000]),
    current=st.integers(1, 20),
    ready=st.integers(0, 20),
    kind=st.sampled_from(["Value", "AverageValue"]),
)
def test_proposals_of_one_number(value: int, target: int, current: int, ready: int, kind: str) -> None:
    field = "value" if kind == "Value" else "averageValue"
    spec = {
        "type": "External",
        "external": {"metric": {"name": "m"}, "target": {"type": kind, field: f"{target}m"}},
    }
    pods = [pod(0, "Pending"), *(pod(number + 1) for number in range(ready))]
    made = propose(
        hpa(spec).metrics[0], MetricValues(total=value), pods, Scale(current, current), START, (0.1, 0.1)
    )
    if kind == "Value":
        expected = theirs.by_value(current, value, target, ready, theirs.Tolerance())
    else:
        expected = theirs.by_total(current, value, target, theirs.Tolerance())
    assert made.proposal == expected.replicas


@pytest.mark.parametrize("given_behavior", [{}, {"scaleUp": {}}, {"scaleDown": {"selectPolicy": "Min"}}])
def test_unset_parts_of_a_behavior_are_defaulted(given_behavior: dict[str, Any]) -> None:
    behavior = hpa(behavior=given_behavior).behavior
    assert behavior is not None
    assert [str(policy) for policy in behavior.up.policies] == ["Pods 4/15s", "Percent 100/15s"]
    assert [str(policy) for policy in behavior.down.policies] == ["Percent 100/15s"]
    assert (behavior.up.window, behavior.down.window) == (0, None)
