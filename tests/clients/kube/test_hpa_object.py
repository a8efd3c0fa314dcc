"""An HPA decoded as a whole, its conditions in words, and its rescales from events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube import hpa as hpa_driver
from clients.kube.hpa_decision import decide
from clients.kube.hpa_history import History
from clients.kube.hpa_object import Condition, condition_words, decode_object
from clients.kube.hpa_replicas import MetricValues, Scale
from clients.kube.hpa_rescales import Rescales, decision_events, rescale_events
from clients.kube.rows import EventRow
from clients.serving.decision import Aggregate
from clients.serving.events import EventKind
from clients.serving.keys import WorkloadKey
from tests.support.hpa_world import START, cpu_metric, hpa, hpa_json, pod, pods_metric

ARENA: dict[str, Any] = {
    "metadata": {"uid": "u", "name": "qwen-gpu-hpa", "namespace": "llm"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qwen-gpu-predictor"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "DCGM_CUSTOM_PROCESS_SM_UTIL"},
                    "target": {"type": "Utilization", "averageValue": "60"},
                },
            }
        ],
    },
    "status": {
        "currentReplicas": 2,
        "desiredReplicas": 4,
        "lastScaleTime": "2026-08-22T03:12:31Z",
        "currentMetrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "DCGM_CUSTOM_PROCESS_SM_UTIL"},
                    "current": {"averageValue": "97500m"},
                },
            }
        ],
        "conditions": [
            {
                "type": "AbleToScale",
                "status": "True",
                "reason": "SucceededRescale",
                "message": "the HPA controller was able to update the target scale to 4",
                "lastTransitionTime": "2026-08-22T02:01:02Z",
            }
        ],
    },
}


def signal(value: Any) -> str | None:
    ((_, driver),) = hpa_driver.drivers(hpa_driver.decode(raw(value)))
    return driver.signal


def raw(value: Any) -> bytes:
    return msgspec.json.encode(value)


def test_the_example_that_arena_makes() -> None:
    known = decode_object(raw(ARENA))
    assert known.target is not None
    assert (known.target.group, known.target.name, known.target_api) == (
        "apps",
        "qwen-gpu-predictor",
        "apps/v1",
    )
    (metric,) = known.metrics
    assert (metric.aggregate, metric.target) == (Aggregate.AVERAGE, 60_000)
    assert (known.reading(0), known.current, known.desired) == (97_500, 2, 4)
    assert known.behavior is None
    (condition,) = known.conditions
    assert condition_words(condition) == "has just scaled to 4"


def test_status_traps() -> None:
    bounds_only = decode_object(raw({**ARENA, "status": {"currentMetrics": None, "conditions": None}}))
    assert (bounds_only.readings, bounds_only.reading(0)) == ((), None)
    failed = hpa(
        pods_metric(name="a"),
        pods_metric(name="b"),
        status={
            "currentMetrics": [
                {"type": ""},
                {"type": "Pods", "pods": {"metric": {"name": "b"}, "current": {"averageValue": "7"}}},
            ]
        },
    )
    assert (failed.reading(0), failed.reading(1)) == (None, 7000)
    assert signal({**hpa_json(pods_metric(name="a")), "status": {"currentMetrics": [{"type": ""}]}}) == "a 60"


def test_defaults() -> None:
    given_object = hpa_json()
    del given_object["spec"]["metrics"], given_object["spec"]["minReplicas"]
    known = decode_object(raw(given_object))
    (metric,) = known.metrics
    assert (metric.name, metric.target, known.minimum) == ("cpu", 80, 1)


@pytest.mark.parametrize(
    ("metric", "aggregate", "target"),
    [
        (
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"averageValue": "4Gi", "averageUtilization": 80}},
            },
            Aggregate.AVERAGE,
            4 * 2**30 * 1000,
        ),
        (
            {
                "type": "Object",
                "object": {"metric": {"name": "m"}, "target": {"type": "Value", "averageValue": "1"}},
            },
            None,
            None,
        ),
        (
            {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}},
            None,
            None,
        ),
        (
            {
                "type": "External",
                "external": {"metric": {"name": "m"}, "target": {"value": "1", "averageValue": "2"}},
            },
            Aggregate.AVERAGE,
            2000,
        ),
        ({"type": "Nonsense"}, None, None),
        ({}, None, None),
    ],
)
def test_which_value_counts(metric: dict[str, Any], aggregate: Aggregate | None, target: int | None) -> None:
    (spec,) = hpa(metric).metrics
    assert (spec.aggregate, spec.target) == (aggregate, target)


def test_selectors_become_query_strings() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "q", "operator": "In", "values": ["y", "x"]},
            {"key": "z", "operator": "NotIn", "values": ["v"]},
            {"key": "e", "operator": "Exists"},
            {"key": "n", "operator": "DoesNotExist"},
        ],
    }
    body = {"metric": {"name": "m", "selector": selector}, "target": {"value": 1}}
    (spec,) = hpa({"type": "External", "external": body}).metrics
    assert spec.selector == "a=1,b=2,q in (x,y),z notin (v),e,!n"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ScaleDownStabilized", "an earlier, higher recommendation holds it up"),
        ("FailedGetPodsMetric", "told"),
        ("AmbiguousSelector", "stopped: several HPAs select the same pods: told"),
        ("TooManyReplicas", "at max: the metrics ask for more"),
    ],
)
def test_conditions_in_words(reason: str, words: str) -> None:
    assert condition_words(Condition("ScalingActive", False, reason, "told", None)) == words


@pytest.mark.parametrize(
    ("spec", "condition", "note"),
    [
        ({}, {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}, "at max"),
        ({"least": 4, "most": 4}, {}, "pinned 4"),
        (
            {},
            {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"},
            "off: the target is at 0",
        ),
        ({}, {"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange"}, None),
    ],
)
def test_what_the_fleet_is_told(spec: dict[str, int], condition: dict[str, str], note: str | None) -> None:
    row = hpa_driver.decode(raw({**hpa_json(**spec), "status": {"conditions": [condition]}}))
    ((_, driver),) = hpa_driver.drivers(row)
    assert driver.note == note


def test_the_signal_is_that_of_the_metric_that_asks_for_most() -> None:
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "4Gi"}}}
    read = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 31}}},
        {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "5637144576"}}},
    ]
    assert signal({**hpa_json(cpu_metric(60), memory), "status": {"currentMetrics": read}}) == (
        "memory 5.25Gi>4Gi"
    )


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["97500m", "4Gi", "1e999", "Pods", "Resource", "External", "AverageValue"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "status",
                    "scaleTargetRef",
                    "metrics",
                    "behavior",
                    "scaleUp",
                    "scaleDown",
                    "policies",
                    "type",
                    "value",
                    "periodSeconds",
                    "currentMetrics",
                    "conditions",
                    "pods",
                    "resource",
                    "external",
                    "object",
                    "metric",
                    "name",
                    "target",
                    "current",
                    "averageValue",
                    "averageUtilization",
                    "selector",
                    "matchLabels",
                    "matchExpressions",
                    "minReplicas",
                    "maxReplicas",
                    "kind",
                    "apiVersion",
                    "tolerance",
                    "selectPolicy",
                    "stabilizationWindowSeconds",
                    "lastScaleTime",
                    "describedObject",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(_JSON, _JSON, _JSON)
def test_no_object_stops_the_decision(spec: Any, status: Any, metric: Any) -> None:
    for value in (spec, {"spec": spec, "status": status}, hpa_json(metric, behavior=spec)):
        try:
            text = raw(value)
        except OverflowError:
            continue
        known = decode_object(text)
        made = decide(known, Scale(3, 3), [pod(0)], [MetricValues(total=5)], History(START), START)
        assert made.subject == known.ref
        hpa_driver.decode(text)


# -- rescales


def event(message: str, at: float, reason: str = "SuccessfulRescale", **more: Any) -> EventRow:
    given_fields: dict[str, Any] = {
        "uid": f"e{at}",
        "namespace": "llm",
        "kind": "HorizontalPodAutoscaler",
        "name": "scaler",
        "object_uid": None,
        "type": "Normal",
        **more,
    }
    return EventRow(reason=reason, message=message, at=at, **given_fields)


READING = {
    "currentMetrics": [
        {"type": "Pods", "pods": {"metric": {"name": "queue"}, "current": {"averageValue": "91500m"}}}
    ]
}


def test_old_and_new_counts_are_paired() -> None:
    known, history = hpa(status=READING), Rescales()
    for row in (
        event("New size: 8; reason: pods metric queue above target", START + 60),
        event("New size: 4; reason: pods metric queue above target", START),
        event("New size: 5; reason: All metrics below target", START + 400),
        event("New size: 5; reason: All metrics below target", START + 400),
        event("New size: 10; reason: ", START + 500),
        event(
            "Scaled up replica set web-7 from 1 to 4",
            START + 1,
            "ScalingReplicaSet",
            kind="Deployment",
            name="web",
        ),
        event(
            "Scaled down replica set web-7 from 8 to 6",
            START + 300,
            "ScalingReplicaSet",
            kind="Deployment",
            name="web",
        ),
        event("New size: 3; reason: other", START, name="another"),
        event("unable to get metrics", START, "FailedGetPodsMetric"),
        event("New size: none", START),
    ):
        history.put(row, known, fresh=True)
    found = [(move.before, move.after, move.metric, move.value) for move in history.all]
    assert found == [
        (1, 4, "queue", 91.5),
        (4, 8, "queue", 91.5),
        (8, 5, None, None),
        (5, 10, None, None),
    ]


@pytest.mark.parametrize(
    ("reason", "metric"),
    [
        ("cpu resource utilization (percentage of request) above target", "cpu"),
        ("cpu container resource utilization (percentage of request) above target", "cpu"),
        ("memory resource above target", "memory"),
        ("pods metric DCGM_X above target", "DCGM_X"),
        (
            "external metric waiting(&LabelSelector{MatchLabels:map[string]string{q: a,},}) above target",
            "waiting",
        ),
        ("Service metric hits above target", "hits"),
        ("Current number of replicas above Spec.MaxReplicas", None),
    ],
)
def test_which_metric_moved_it(reason: str, metric: str | None) -> None:
    history = Rescales()
    history.put(event(f"New size: 4; reason: {reason}", START), hpa(), fresh=False)
    assert (history.all[0].metric, history.all[0].value) == (metric, None)


def test_a_rescale_that_failed_changed_nothing() -> None:
    history = Rescales()
    history.put(event("New size: 4; reason: r", START), hpa(), fresh=True)
    history.put(event("New size: 8; reason: r; error: denied", START + 9, "FailedRescale"), hpa(), fresh=True)
    history.put(event("New size: 6; reason: r", START + 20), hpa(), fresh=True)
    assert [(move.before, move.after, move.error) for move in history.all] == [
        (None, 4, None),
        (4, 8, "denied"),
        (4, 6, None),
    ]


def test_rescales_as_events() -> None:
    history, known = Rescales(), hpa(status=READING)
    history.put(event("New size: 4; reason: pods metric queue above target", START), known, fresh=True)
    history.put(event("New size: 9; reason: ", START + 60), known, fresh=True)
    key = WorkloadKey("c", "workloads", "llm", "Deployment", "web")
    first, second = rescale_events(history.all, known.ref, key, START + 99)
    assert (first.kind, first.before, first.after, first.actor) == (
        EventKind.DESIRED,
        None,
        "4",
        "HPA/scaler",
    )
    assert first.detail == {"metric": "queue", "value": 91.5}
    assert (second.before, second.reason) == ("4", "stabilisation moved it back")
    said, _ = decision_events(history.all, known.ref, key, START + 99)
    assert (said.kind, said.before, said.after, said.actor) == (EventKind.DRIVER, None, None, "HPA/scaler")
    assert said.detail == {"decided": "4", "metric": "queue", "value": 91.5}
