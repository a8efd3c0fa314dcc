"""The custom resources of those that scale others: KEDA, ACK's CronHPA, Kthena's policies and bindings.

AutoscalingPolicy follows Kthena's main of August 2026, AutoscalingPolicyBinding its v0.4.0 (removed in
v1.0.0; a cluster that was upgraded still has it), CronHorizontalPodAutoscaler ACK's v1beta1 as it stands,
without a status subresource; ScaledObject is KEDA 2.20's with its triggers unchecked.
"""

from __future__ import annotations

from clients.embedded.apiserver.crd_parts import (
    AGE,
    ANYTHING,
    CONDITION,
    FLAG,
    INT32,
    INT64,
    INT_OR_TEXT,
    QUANTITY,
    TEXT,
    TIME,
    choice,
    count,
    definition,
    list_of,
    map_of,
    object_of,
    validations,
)
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.rules import either, not_both

__all__ = ["scaler_crds"]

_KTHENA = "workload.serving.volcano.sh"
_REFERENCE = object_of(
    dict.fromkeys(("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"), TEXT),
    **{"x-kubernetes-map-type": "atomic"},
)
_BOUNDS: Json = {"minReplicas": count(0, 1_000_000), "maxReplicas": count(1, 1_000_000)}
_BOUNDED = ("maxReplicas", "minReplicas")
_KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}


def _whole_targets(target: Json) -> Json:
    """The two ways to scale whole workloads: one, or several that share a total."""
    param = object_of({**_BOUNDS, "target": target, "cost": count(0)}, *_BOUNDED)
    return {
        "homogeneousTarget": object_of({**_BOUNDS, "target": target}, *_BOUNDED),
        "heterogeneousTarget": object_of(
            {"params": list_of(param, minItems=1), "costExpansionRatePercent": count(0, default=200)}
        ),
    }


def _metric_sources() -> Json:
    selector = ANYTHING | {"x-kubernetes-map-type": "atomic"}
    pod = object_of(
        {
            "name": TEXT,
            "uri": TEXT | {"default": "/metrics", "pattern": "^/"},
            "port": count(1, 65535, default=8100),
            "labelSelector": selector,
        }
    )
    prometheus = object_of(
        {
            "serverURL": TEXT | {"minLength": 1},
            "query": TEXT | {"minLength": 1},
            "auth": {"type": "object"},
        },
        "query",
        "serverURL",
    )
    one_of = validations(
        (either("pod", "prometheus"), "one metric source backend config is required"),
        (not_both("pod", "prometheus"), "pod and prometheus configs are mutually exclusive"),
    )
    return map_of(object_of({"pod": pod, "prometheus": prometheus}, **one_of))


def _autoscaling_policy() -> Json:
    steps = {
        "instances": count(0, default=1),
        "percent": count(0, 1000, default=100),
        "period": TEXT | {"default": "15s"},
        "selectPolicy": choice("Or", "And", default="Or"),
        "stabilizationWindow": TEXT,
    }
    panic = object_of(
        {
            "percent": count(0, 1000, default=1000),
            "period": TEXT,
            "panicThresholdPercent": count(110, 1000, default=200),
            "panicModeHold": TEXT | {"default": "60s"},
        },
        "period",
    )
    behavior = object_of(
        {
            "scaleDown": object_of(steps),
            "scaleUp": object_of({"stablePolicy": object_of(steps), "panicPolicy": panic}),
        }
    )
    target = object_of({"targetRef": _REFERENCE, "metricSources": _metric_sources()}, "targetRef")
    metrics = list_of(
        object_of(
            {"name": TEXT | {"minLength": 1}, "targetValue": INT_OR_TEXT | {"pattern": QUANTITY}},
            "name",
            "targetValue",
        )
    )
    role = object_of(
        {**_BOUNDS, "metrics": metrics | {"minItems": 1}, "metricSources": _metric_sources()}, *_BOUNDED
    )
    ratio_names = ("denominatorRole", "numeratorRole")
    ratio = object_of(
        {
            **dict.fromkeys(ratio_names, TEXT),
            **dict.fromkeys(("minRatio", "maxRatio"), INT_OR_TEXT | {"pattern": QUANTITY}),
        },
        *ratio_names,
        "minRatio",
        "maxRatio",
        **validations(
            (
                "self.numeratorRole != self.denominatorRole",
                "numeratorRole and denominatorRole must differ",
            )
        ),
    )
    disaggregated = object_of(
        {
            "targetRef": _REFERENCE,
            "roles": map_of(role, minProperties=1, maxProperties=2),
            "ratioConstraint": ratio,
        },
        "roles",
        "targetRef",
        **validations(
            (
                "!has(self.ratioConstraint) || size(self.roles) >= 2",
                "roles must contain at least two entries when ratioConstraint is configured",
            )
        ),
    )
    spec = object_of(
        {
            "tolerancePercent": count(0, 100, default=10),
            "metrics": metrics,
            "behavior": behavior,
            **_whole_targets(target),
            "disaggregatedTarget": disaggregated,
        }
    )
    counts = {
        "name": TEXT,
        "currentReplicas": INT32,
        "desiredReplicas": INT32,
        "mode": TEXT,
        "lastScaleTime": TIME,
    }
    counted = object_of(counts, "currentReplicas", "desiredReplicas")
    status = object_of(
        {
            "observedGeneration": INT64,
            "conditions": list_of(CONDITION, **_KEYED),
            "homogeneousStatus": counted,
            "heterogeneousStatus": list_of(counted),
            "disaggregatedStatus": object_of(
                {
                    "roles": list_of(counted),
                    "ratioAdjusted": FLAG,
                    "ratioStatus": object_of(
                        {**dict.fromkeys(ratio_names, TEXT), "currentRatio": TEXT}, *ratio_names
                    ),
                },
                "roles",
            ),
        }
    )
    return definition(_KTHENA, "v1alpha1", "autoscalingpolicies", "AutoscalingPolicy", spec, status, [AGE])


def _autoscaling_policy_binding() -> Json:
    endpoint = object_of({"uri": TEXT | {"default": "/metrics"}, "port": INT32, "labelSelector": ANYTHING})
    part = object_of({"kind": choice("Role", "ModelServing"), "name": TEXT})
    target = object_of({"targetRef": _REFERENCE, "subTargets": part, "metricEndpoint": endpoint}, "targetRef")
    policy = object_of({"name": TEXT | {"default": ""}}, **{"x-kubernetes-map-type": "atomic"})
    spec = object_of({"policyRef": policy, **_whole_targets(target)}, "policyRef")
    plural, kind = "autoscalingpolicybindings", "AutoscalingPolicyBinding"
    return definition(_KTHENA, "v1alpha1", plural, kind, spec, {"type": "object"}, [AGE])


def _scaled_object() -> Json:
    ready = '.status.conditions[?(@.type=="{}")].status'
    columns = [
        {"name": "ScaleTargetKind", "type": "string", "jsonPath": ".status.scaleTargetKind"},
        {"name": "ScaleTargetName", "type": "string", "jsonPath": ".spec.scaleTargetRef.name"},
        {"name": "Min", "type": "integer", "jsonPath": ".spec.minReplicaCount"},
        {"name": "Max", "type": "integer", "jsonPath": ".spec.maxReplicaCount"},
        *(
            {"name": name, "type": "string", "jsonPath": ready.format(name)}
            for name in ("Ready", "Active", "Fallback", "Paused")
        ),
        {"name": "Triggers", "type": "string", "jsonPath": ".status.triggersTypes"},
        AGE,
    ]
    target = object_of(
        {"apiVersion": TEXT, "kind": TEXT, "name": TEXT, "envSourceContainerName": TEXT}, "name"
    )
    trigger = object_of(
        {"type": TEXT, "name": TEXT, "metricType": TEXT, "useCachedMetrics": FLAG, "metadata": map_of(TEXT)},
        "metadata",
        "type",
        **{"x-kubernetes-preserve-unknown-fields": True},
    )
    counts = ("minReplicaCount", "maxReplicaCount", "idleReplicaCount", "pollingInterval", "cooldownPeriod")
    spec = object_of(
        {
            "scaleTargetRef": target,
            **dict.fromkeys((*counts, "initialCooldownPeriod"), INT32),
            "fallback": ANYTHING,
            "advanced": ANYTHING,
            "triggers": list_of(trigger, minItems=1),
        },
        "scaleTargetRef",
        "triggers",
    )
    names = {"shortNames": ["so"]}
    return definition(
        "keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", spec, ANYTHING, columns, names=names
    )


def _cron_hpa() -> Json:
    target = object_of({"apiVersion": TEXT, "kind": TEXT, "name": TEXT}, "apiVersion", "kind", "name")
    job = object_of(
        {"name": TEXT, "schedule": TEXT, "targetSize": INT32, "runOnce": FLAG},
        "name",
        "schedule",
        "targetSize",
    )
    told = {"jobId": TEXT, "lastProbeTime": TIME, "state": TEXT, "message": TEXT}
    condition = object_of(
        {**job["properties"], **told},
        *("jobId", "lastProbeTime", "name", "runOnce", "schedule", "state", "targetSize"),
    )
    shared = {"scaleTargetRef": target, "excludeDates": list_of(TEXT)}
    return definition(
        "autoscaling.alibabacloud.com",
        "v1beta1",
        "cronhorizontalpodautoscalers",
        "CronHorizontalPodAutoscaler",
        object_of({**shared, "jobs": list_of(job)}, "jobs", "scaleTargetRef"),
        object_of({**shared, "conditions": list_of(condition)}),
        [],
        names={"shortNames": ["cronhpa"]},
        has_status=False,
    )


def scaler_crds() -> list[Json]:
    """Definitions ready to be created."""
    return [_autoscaling_policy(), _autoscaling_policy_binding(), _scaled_object(), _cron_hpa()]
