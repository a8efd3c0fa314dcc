"""HPA, KEDA and AutoscalingPolicy objects as drivers: target, bounds, signal, chain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube import hpa, keda, kthena_policy
from clients.serving.chain import LinkKind, fold_drivers, resolve
from clients.serving.keys import ObjectRef

SERVING = ObjectRef("workload.serving.volcano.sh", "ModelServing", "llm", "qwen")
HPA: dict[str, Any] = {
    "metadata": {"uid": "u1", "namespace": "llm", "name": "scaler"},
    "spec": {
        "scaleTargetRef": {
            "apiVersion": "workload.serving.volcano.sh/v1alpha1",
            "kind": "ModelServing",
            "name": "qwen",
        },
        "minReplicas": 2,
        "maxReplicas": 8,
        "metrics": [
            {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"averageValue": "60"}}}
        ],
    },
    "status": {
        "currentReplicas": 2,
        "desiredReplicas": 4,
        "currentMetrics": [
            {"type": "Pods", "pods": {"metric": {"name": "queue"}, "current": {"averageValue": "97500m"}}}
        ],
    },
}


def raw(value: Any) -> bytes:
    return msgspec.json.encode(value)


def changed(value: dict[str, Any], **spec: Any) -> bytes:
    return raw({**value, "spec": {**value["spec"], **spec}})


def test_an_hpa() -> None:
    row = hpa.decode(raw(HPA))
    ((target, driver),) = hpa.drivers(row)
    assert target == SERVING
    assert (driver.kind, driver.minimum, driver.maximum, driver.interval) == ("HPA", 2, 8, 15.0)
    assert driver.signal == "queue 97.5>60"
    assert driver.ref == ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
    assert driver.reverts
    (link,) = hpa.links(row)
    assert (link.origin, link.target, link.kind) == (driver.ref, SERVING, LinkKind.SCALES)


def test_an_hpa_has_a_minimum_of_one_and_may_lack_readings() -> None:
    bare = {**HPA, "spec": {key: value for key, value in HPA["spec"].items() if key != "minReplicas"}}
    row = hpa.decode(raw({**bare, "status": {"currentMetrics": None}}))
    ((_, driver),) = hpa.drivers(row)
    assert (driver.minimum, driver.maximum, driver.signal) == (1, 8, "queue 60")
    cpu = [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}}]
    read = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 31}}}]
    row = hpa.decode(
        raw({**HPA, "spec": {**bare["spec"], "metrics": cpu}, "status": {"currentMetrics": read}})
    )
    ((_, driver),) = hpa.drivers(row)
    assert driver.signal == "cpu 31<60"


SCALED: dict[str, Any] = {
    "metadata": {"uid": "u2", "namespace": "llm", "name": "so"},
    "spec": {
        "scaleTargetRef": {
            "apiVersion": "workload.serving.volcano.sh/v1alpha1",
            "kind": "ModelServing",
            "name": "qwen",
        },
        "maxReplicaCount": 6,
        "triggers": [{"type": "prometheus"}],
    },
}


def test_a_scaled_object() -> None:
    ((target, driver),) = keda.drivers(keda.decode(raw(SCALED)))
    assert target == SERVING
    assert (driver.kind, driver.minimum, driver.maximum) == ("KEDA", 0, 6)
    assert (driver.signal, driver.interval, driver.reverts) == ("prometheus", 30.0, True)
    empty = keda.decode(changed(SCALED, scaleTargetRef={"name": "web"}, maxReplicaCount=None))
    ((target, driver),) = keda.drivers(empty)
    assert target == ObjectRef("apps", "Deployment", "llm", "web")
    assert (driver.minimum, driver.maximum) == (0, 100)


@pytest.mark.parametrize(
    ("notes", "reverts", "note"),
    [
        ({"autoscaling.keda.sh/paused": "true"}, False, "paused"),
        ({"autoscaling.keda.sh/paused-replicas": "3"}, True, "paused at 3"),
        ({"autoscaling.keda.sh/paused": "false"}, True, None),
    ],
)
def test_a_paused_scaled_object(notes: dict[str, str], reverts: bool, note: str | None) -> None:
    meta = {**SCALED["metadata"], "annotations": notes}
    ((_, driver),) = keda.drivers(keda.decode(raw({**SCALED, "metadata": meta})))
    assert (driver.reverts, driver.note) == (reverts, note)


def test_keda_and_its_hpa_are_one_driver() -> None:
    owner = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "name": "so",
        "uid": "u2",
        "controller": True,
    }
    meta = {"uid": "u3", "namespace": "llm", "name": "keda-hpa-so", "ownerReferences": [owner]}
    kept = hpa.decode(raw({**HPA, "metadata": meta}))
    scaled = keda.decode(raw(SCALED))
    found = [driver for _, driver in (*hpa.drivers(kept), *keda.drivers(scaled))]
    for order in (found, found[::-1]):
        (driver,) = fold_drivers(order)
        assert (driver.kind, driver.ref.kind, driver.ref.name) == ("KEDA", "ScaledObject", "so")
        assert (driver.minimum, driver.maximum, driver.signal) == (0, 6, "queue 97.5>60")
        assert driver.via == ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "keda-hpa-so")
    (alone,) = fold_drivers(driver for _, driver in hpa.drivers(kept))
    assert (alone.kind, alone.minimum) == ("KEDA", 2), "without the right to see ScaledObjects"
    assert driver.via is not None
    chains = resolve([*hpa.links(kept), *keda.links(scaled)], [SERVING])
    assert chains.rows_of(driver.ref) == chains.rows_of(driver.via) == (SERVING,)
    assert (driver.via, driver.ref) in chains.drivers_of(SERVING)


def policy(**spec: Any) -> bytes:
    return raw(
        {
            "kind": "AutoscalingPolicy",
            "metadata": {"uid": "u4", "namespace": "llm", "name": "pol"},
            "spec": {"metrics": [{"name": "kv_usage", "targetValue": "0.8"}], **spec},
        }
    )


TARGET = {"targetRef": {"name": "qwen"}}


def test_a_policy_of_one_target() -> None:
    row = kthena_policy.decode(
        policy(homogeneousTarget={"target": TARGET, "minReplicas": 1, "maxReplicas": 4})
    )
    ((target, driver),) = kthena_policy.drivers(row)
    assert target == SERVING
    assert (driver.kind, driver.role, driver.minimum, driver.maximum) == ("policy", None, 1, 4)
    assert (driver.signal, driver.interval) == ("kv_usage 0.8", 15.0)


def test_a_policy_that_splits_one_total_over_several() -> None:
    other = {"targetRef": {"name": "glm", "namespace": "lab", "kind": "ModelServing"}}
    params = [
        {"target": TARGET, "minReplicas": 1, "maxReplicas": 4, "cost": 10},
        {"target": other, "minReplicas": 0, "maxReplicas": 2, "cost": 30},
    ]
    row = kthena_policy.decode(policy(heterogeneousTarget={"params": params}))
    assert [(target.namespace, target.name, d.maximum) for target, d in kthena_policy.drivers(row)] == [
        ("llm", "qwen", 4),
        ("lab", "glm", 2),
    ]


def test_a_policy_of_roles() -> None:
    roles = {
        "prefill": {"minReplicas": 1, "maxReplicas": 4, "metrics": [{"name": "queue", "targetValue": 5}]},
        "decode": {"minReplicas": 2, "maxReplicas": 2},
    }
    raw_policy = policy(disaggregatedTarget={"targetRef": {"name": "qwen"}, "roles": roles}, metrics=None)
    row = kthena_policy.decode(raw_policy)
    found = [(d.role, d.minimum, d.maximum, d.signal) for _, d in kthena_policy.drivers(row)]
    assert found == [("prefill", 1, 4, "queue 5"), ("decode", 2, 2, "queue 5")]
    assert len(kthena_policy.links(row)) == 1


@pytest.mark.parametrize(
    "spec",
    [
        {"homogeneousTarget": {"target": TARGET, "minReplicas": 1, "maxReplicas": 4}},
        {"scalingConfiguration": {"target": TARGET, "minReplicas": 1, "maxReplicas": 4}},
        {"heterogeneousTarget": {"params": [{"target": TARGET, "minReplicas": 1, "maxReplicas": 4}]}},
        {"optimizerConfiguration": {"params": [{"target": TARGET, "minReplicas": 1, "maxReplicas": 4}]}},
    ],
)
def test_bindings_of_older_versions(spec: dict[str, Any]) -> None:
    meta = {"uid": "u5", "namespace": "llm", "name": "bind"}
    row = kthena_policy.decode(raw({"metadata": meta, "spec": {"policyRef": {"name": "pol"}, **spec}}))
    ((target, driver),) = kthena_policy.drivers(row)
    assert target == SERVING
    assert (driver.ref.kind, driver.minimum, driver.maximum) == ("AutoscalingPolicyBinding", 1, 4)
    chains = resolve(kthena_policy.links(row), [SERVING])
    assert chains.rows_of(ObjectRef(kthena_policy.GROUP, "AutoscalingPolicy", "llm", "pol")) == (SERVING,)
    rules = kthena_policy.decode(policy())
    assert (rules.ref.kind, kthena_policy.drivers(rules)) == ("AutoscalingPolicy", ())


def test_a_binding_may_target_a_role() -> None:
    target = {**TARGET, "subTargets": {"kind": "Role", "name": "decode"}}
    spec = {
        "policyRef": {"name": "p"},
        "homogeneousTarget": {"target": target, "minReplicas": 1, "maxReplicas": 3},
    }
    row = kthena_policy.decode(raw({"metadata": {"uid": "u", "namespace": "llm", "name": "b"}, "spec": spec}))
    assert [driver.role for _, driver in kthena_policy.drivers(row)] == ["decode"]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [
    "metadata", "spec", "status", "scaleTargetRef", "metrics", "currentMetrics", "minReplicas", "triggers",
    "homogeneousTarget", "heterogeneousTarget", "disaggregatedTarget", "params", "roles", "target",
    "targetRef", "subTargets", "policyRef", "annotations", "ownerReferences", "name", "type",
    "pods", "pollingInterval",
]  # fmt: skip
_OBJECTS = st.recursive(
    _JSON,
    lambda inner: st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=6) | st.lists(inner, max_size=2),
    max_leaves=20,
)


@given(_OBJECTS)
def test_any_object_gives_a_row(value: Any) -> None:
    for module in (hpa, keda, kthena_policy):
        row = module.decode(raw(value))
        assert all(driver.ref.name == row.name or driver.via for _, driver in module.drivers(row))
        module.links(row)


def test_sources_are_named_and_none_is_required() -> None:
    specs = [spec for module in (hpa, keda, kthena_policy) for spec in module.WATCHES]
    assert [spec.source for spec in specs] == ["hpa", "keda", "policy", "binding"]
    assert not any(spec.required for spec in specs)
