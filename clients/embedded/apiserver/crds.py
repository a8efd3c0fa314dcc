"""The custom resources that the embedded cluster ships, with compact structural schemas.

Fields, limits and defaults follow Kthena's own definitions (main, August 2026); pod templates pass
unchecked. PodGroup and Queue are Volcano's (scheduling.volcano.sh/v1beta1), ScaledObject is KEDA's.
"""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.rules import UNCHANGED, UNIQUE_NAMES, either, kept_once_set, not_both

__all__ = ["standard_crds"]

_TEXT: Json = {"type": "string"}
_INT32: Json = {"type": "integer", "format": "int32"}
_INT64: Json = {"type": "integer", "format": "int64"}
_FLAG: Json = {"type": "boolean"}
_TIME: Json = {"type": "string", "format": "date-time"}
_INT_OR_TEXT: Json = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
_ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_CONDITION_REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
_QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$"


def _object(properties: Json, *required: str, **more: Any) -> Json:
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema | more


def _list(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items} | more


def _map(values: Json, **more: Any) -> Json:
    return {"type": "object", "additionalProperties": values} | more


def _choice(*values: str, default: str | None = None) -> Json:
    schema: Json = {"type": "string", "enum": list(values)}
    return schema if default is None else schema | {"default": default}


def _count(minimum: int, maximum: int | None = None, default: int | None = None) -> Json:
    schema: Json = _INT32 | {"minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum
    return schema if default is None else schema | {"default": default}


def _rules(*rules: tuple[str, str]) -> list[Json]:
    return [{"rule": rule, "message": message} for rule, message in rules]


_CONDITION = _object(
    {
        "type": _TEXT | {"maxLength": 316, "pattern": _CONDITION_TYPE},
        "status": _choice("True", "False", "Unknown"),
        "reason": _TEXT | {"minLength": 1, "maxLength": 1024, "pattern": _CONDITION_REASON},
        "message": _TEXT | {"maxLength": 32768},
        "lastTransitionTime": _TIME,
        "observedGeneration": _INT64 | {"minimum": 0},
    },
    "lastTransitionTime",
    "message",
    "reason",
    "status",
    "type",
)


def _template() -> Json:
    """A pod template: labels and annotations are text, the pod is anything."""
    metadata = _object({"labels": _map(_TEXT), "annotations": _map(_TEXT)})
    return _object({"metadata": metadata, "spec": _ANYTHING})


def _tier() -> Json:
    return _object(
        {
            "mode": _choice("hard", "soft", default="hard"),
            "highestTierAllowed": {"type": "integer", "minimum": 0},
            "highestTierName": _TEXT | {"maxLength": 253},
        }
    )


def _serving_group() -> Json:
    role = _object(
        {
            "name": _TEXT | {"maxLength": 12, "pattern": "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"},
            "replicas": _INT32 | {"default": 1},
            "workerReplicas": _INT32,
            "entryTemplate": _template(),
            "workerTemplate": _template(),
            "maxUnavailable": _INT_OR_TEXT | {"default": 1},
            "partition": _INT_OR_TEXT,
        },
        "entryTemplate",
        "name",
        "workerReplicas",
    )
    unchanged = _rules((UNCHANGED, "minRoleReplicas is immutable"))
    gang = _object({"minRoleReplicas": _map(_INT32, **{"x-kubernetes-validations": unchanged})})
    return _object(
        {
            "restartGracePeriodSeconds": _INT64 | {"default": 0},
            "gangPolicy": gang,
            "networkTopology": _object({"groupPolicy": _tier(), "rolePolicy": _tier()}),
            "roles": _list(
                role,
                minItems=1,
                maxItems=4,
                **{"x-kubernetes-validations": _rules((UNIQUE_NAMES, "roles name must be unique"))},
            ),
        },
        "roles",
        **{
            "x-kubernetes-validations": _rules(
                (kept_once_set("gangPolicy"), "gangPolicy is required once set")
            )
        },
    )


def _model_serving() -> Json:
    plugin = _object(
        {
            "name": _TEXT,
            "type": _choice("BuiltIn", default="BuiltIn"),
            "config": {"x-kubernetes-preserve-unknown-fields": True},
            "scope": _object({"roles": _list(_TEXT), "target": _TEXT}),
        },
        "name",
        "type",
    )
    rolling = _object({"maxUnavailable": _INT_OR_TEXT | {"default": 1}, "partition": _INT_OR_TEXT})
    strategies = ("ServingGroupRollingUpdate", "RoleRollingUpdate")
    spec = _object(
        {
            "replicas": _INT32 | {"default": 1},
            "schedulerName": _TEXT | {"default": "volcano"},
            "plugins": _list(plugin),
            "recoveryPolicy": _choice("ServingGroupRecreate", "RoleRecreate", "None", default="RoleRecreate"),
            "rolloutStrategy": _object(
                {"type": _choice(*strategies, default=strategies[0]), "rollingUpdateConfiguration": rolling},
                "type",
            ),
            "template": _serving_group(),
        },
        "template",
    )
    counts = ("replicas", "availableReplicas", "currentReplicas", "updatedReplicas")
    status = _object(
        {
            **dict.fromkeys(counts, _INT32),
            **dict.fromkeys(("currentRevision", "updateRevision", "labelSelector"), _TEXT),
            "observedGeneration": _INT64,
            "conditions": _list(_CONDITION),
        }
    )
    columns = [
        {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicas"},
        {"name": "Available", "type": "integer", "jsonPath": ".status.availableReplicas"},
        {"name": "Updated", "type": "integer", "jsonPath": ".status.updatedReplicas"},
        _AGE,
    ]
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    }
    return _crd(
        "workload.serving.volcano.sh",
        "v1alpha1",
        "modelservings",
        "ModelServing",
        spec,
        status,
        columns,
        scale,
    )


def _metric_sources() -> Json:
    selector = _ANYTHING | {"x-kubernetes-map-type": "atomic"}
    pod = _object(
        {
            "name": _TEXT,
            "uri": _TEXT | {"default": "/metrics", "pattern": "^/"},
            "port": _count(1, 65535, default=8100),
            "labelSelector": selector,
        }
    )
    prometheus = _object(
        {
            "serverURL": _TEXT | {"minLength": 1},
            "query": _TEXT | {"minLength": 1},
            "auth": {"type": "object"},
        },
        "query",
        "serverURL",
    )
    rules = _rules(
        (either("pod", "prometheus"), "one metric source backend config is required"),
        (not_both("pod", "prometheus"), "pod and prometheus configs are mutually exclusive"),
    )
    return _map(_object({"pod": pod, "prometheus": prometheus}, **{"x-kubernetes-validations": rules}))


def _autoscaling_policy() -> Json:
    steps = {
        "instances": _count(0, default=1),
        "percent": _count(0, 1000, default=100),
        "period": _TEXT | {"default": "15s"},
        "selectPolicy": _choice("Or", "And", default="Or"),
        "stabilizationWindow": _TEXT,
    }
    panic = _object(
        {
            "percent": _count(0, 1000, default=1000),
            "period": _TEXT,
            "panicThresholdPercent": _count(110, 1000, default=200),
            "panicModeHold": _TEXT | {"default": "60s"},
        },
        "period",
    )
    behavior = _object(
        {
            "scaleDown": _object(steps),
            "scaleUp": _object({"stablePolicy": _object(steps), "panicPolicy": panic}),
        }
    )
    references = ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
    reference = _object(dict.fromkeys(references, _TEXT), **{"x-kubernetes-map-type": "atomic"})
    target = _object({"targetRef": reference, "metricSources": _metric_sources()}, "targetRef")
    metrics = _list(
        _object(
            {"name": _TEXT | {"minLength": 1}, "targetValue": _INT_OR_TEXT | {"pattern": _QUANTITY}},
            "name",
            "targetValue",
        )
    )
    bounds = {"minReplicas": _count(0, 1_000_000), "maxReplicas": _count(1, 1_000_000)}
    bounded = ("maxReplicas", "minReplicas")
    role = _object(
        {**bounds, "metrics": metrics | {"minItems": 1}, "metricSources": _metric_sources()}, *bounded
    )
    ratio_names = ("denominatorRole", "numeratorRole")
    ratio = _object(
        {
            **dict.fromkeys(ratio_names, _TEXT),
            **dict.fromkeys(("minRatio", "maxRatio"), _INT_OR_TEXT | {"pattern": _QUANTITY}),
        },
        *ratio_names,
        "minRatio",
        "maxRatio",
        **{
            "x-kubernetes-validations": _rules(
                (
                    "self.numeratorRole != self.denominatorRole",
                    "numeratorRole and denominatorRole must differ",
                )
            )
        },
    )
    disaggregated = _object(
        {
            "targetRef": reference,
            "roles": _map(role, minProperties=1, maxProperties=2),
            "ratioConstraint": ratio,
        },
        "roles",
        "targetRef",
        **{
            "x-kubernetes-validations": _rules(
                (
                    "!has(self.ratioConstraint) || size(self.roles) >= 2",
                    "roles must contain at least two entries when ratioConstraint is configured",
                )
            )
        },
    )
    param = _object({**bounds, "target": target, "cost": _count(0)}, *bounded)
    spec = _object(
        {
            "tolerancePercent": _count(0, 100, default=10),
            "metrics": metrics,
            "behavior": behavior,
            "homogeneousTarget": _object({**bounds, "target": target}, *bounded),
            "heterogeneousTarget": _object(
                {"params": _list(param, minItems=1), "costExpansionRatePercent": _count(0, default=200)}
            ),
            "disaggregatedTarget": disaggregated,
        }
    )
    counts = {
        "name": _TEXT,
        "currentReplicas": _INT32,
        "desiredReplicas": _INT32,
        "mode": _TEXT,
        "lastScaleTime": _TIME,
    }
    counted = _object(counts, "currentReplicas", "desiredReplicas")
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    status = _object(
        {
            "observedGeneration": _INT64,
            "conditions": _list(_CONDITION, **keyed),
            "homogeneousStatus": counted,
            "heterogeneousStatus": _list(counted),
            "disaggregatedStatus": _object(
                {
                    "roles": _list(counted),
                    "ratioAdjusted": _FLAG,
                    "ratioStatus": _object(
                        {**dict.fromkeys(ratio_names, _TEXT), "currentRatio": _TEXT}, *ratio_names
                    ),
                },
                "roles",
            ),
        }
    )
    group = "workload.serving.volcano.sh"
    return _crd(group, "v1alpha1", "autoscalingpolicies", "AutoscalingPolicy", spec, status, [_AGE])


def _model_booster() -> Json:
    active = {
        "name": "Active",
        "type": "string",
        "jsonPath": ".status.conditions[?(@.type=='Active')].status",
    }
    group = "workload.serving.volcano.sh"
    return _crd(group, "v1alpha1", "modelboosters", "ModelBooster", _ANYTHING, _ANYTHING, [active, _AGE])


def _pod_group() -> Json:
    columns = [
        {"name": "STATUS", "type": "string", "jsonPath": ".status.phase"},
        {"name": "minMember", "type": "integer", "jsonPath": ".spec.minMember"},
        {"name": "RUNNINGS", "type": "integer", "jsonPath": ".status.running"},
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    spec = _object(
        {
            "minMember": _INT32,
            "minTaskMember": _map(_INT32),
            "queue": _TEXT | {"default": "default"},
            "priorityClassName": _TEXT,
            "minResources": _map(_INT_OR_TEXT),
            "networkTopology": _ANYTHING,
            "subGroupPolicy": _list(_ANYTHING),
        }
    )
    names = {"shortNames": ["pg", "podgroup-v1beta1"]}
    return _crd(
        "scheduling.volcano.sh", "v1beta1", "podgroups", "PodGroup", spec, _ANYTHING, columns, names=names
    )


def _queue() -> Json:
    names = {"shortNames": ["q", "queue-v1beta1"]}
    return _crd(
        "scheduling.volcano.sh",
        "v1beta1",
        "queues",
        "Queue",
        _ANYTHING,
        _ANYTHING,
        [_AGE],
        names=names,
        scope="Cluster",
    )


def _scaled_object() -> Json:
    ready = 'status.conditions[?(@.type=="{}")].status'
    columns = [
        {"name": "ScaleTargetKind", "type": "string", "jsonPath": ".status.scaleTargetKind"},
        {"name": "ScaleTargetName", "type": "string", "jsonPath": ".spec.scaleTargetRef.name"},
        {"name": "Min", "type": "integer", "jsonPath": ".spec.minReplicaCount"},
        {"name": "Max", "type": "integer", "jsonPath": ".spec.maxReplicaCount"},
        {"name": "Ready", "type": "string", "jsonPath": "." + ready.format("Ready")},
        {"name": "Active", "type": "string", "jsonPath": "." + ready.format("Active")},
        _AGE,
    ]
    target = _object(
        {"apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT, "envSourceContainerName": _TEXT}, "name"
    )
    spec = _ANYTHING | {
        "properties": {
            "scaleTargetRef": target,
            "minReplicaCount": _INT32,
            "maxReplicaCount": _INT32,
            "triggers": _list(_ANYTHING),
        },
        "required": ["scaleTargetRef", "triggers"],
    }
    names = {"shortNames": ["so"]}
    return _crd("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", spec, _ANYTHING, columns, names=names)


def _crd(
    group: str,
    version: str,
    plural: str,
    kind: str,
    spec: Json,
    status: Json,
    columns: list[dict[str, str]],
    scale: dict[str, str] | None = None,
    *,
    names: Json | None = None,
    scope: str = "Namespaced",
) -> Json:
    subresources: Json = {"status": {}}
    if scale is not None:
        subresources["scale"] = scale
    top = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "spec": spec, "status": status}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {
                "kind": kind,
                "listKind": kind + "List",
                "plural": plural,
                "singular": kind.lower(),
                **(names or {}),
            },
            "scope": scope,
            "conversion": {"strategy": "None"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": top}},
                    "subresources": subresources,
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def standard_crds() -> list[Json]:
    """Definitions ready to be created, in any Kubernetes from 1.25 on."""
    return [
        _model_serving(),
        _autoscaling_policy(),
        _model_booster(),
        _pod_group(),
        _queue(),
        _scaled_object(),
    ]
