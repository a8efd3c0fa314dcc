"""The types of the fields that the server itself reads: a body that breaks them cannot be decoded.

A real server decodes into Go structs and answers 400 where a field has another type. Here only the
fields that matter are named; others pass as they are. Null means absent, as it does to Go.
"""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.errors import bad_request
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.roles import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES

__all__ = ["settled"]


class _Map:
    """A map of any keys to one shape."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


_TEXTS = _Map(str)
_OWNER = {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}
_MANAGED = {"manager": str, "operation": str, "subresource": str, "fieldsV1": dict, "apiVersion": str}
_META: Json = {
    **dict.fromkeys(
        ("name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp", "selfLink"), str
    ),
    **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), int),
    "deletionTimestamp": str,
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "finalizers": [str],
    "ownerReferences": [_OWNER],
    "managedFields": [_MANAGED],
}
_CONTAINER: Json = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"name": str, "containerPort": int}],
    "resources": {"limits": dict, "requests": dict},
    "volumeMounts": [{"name": str, "mountPath": str}],
    "volumeDevices": [{"devicePath": str}],
}
_POD_SPEC: Json = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "nodeName": str,
    "schedulerName": str,
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "nodeSelector": _TEXTS,
    "tolerations": [dict],
    "volumes": [{"name": str}],
    "imagePullSecrets": [{"name": str}],
    "topologySpreadConstraints": [dict],
    "hostAliases": [dict],
}
_STATE = {"waiting": {"reason": str}, "running": dict, "terminated": {"reason": str, "exitCode": int}}
_CONTAINER_STATUS: Json = {
    "name": str,
    "ready": bool,
    "started": bool,
    "restartCount": int,
    "state": _STATE,
    "lastState": _STATE,
}
_CONDITIONS = [{"type": str, "status": str, "reason": str, "message": str}]
_POD_STATUS: Json = {
    "phase": str,
    "reason": str,
    "message": str,
    "podIP": str,
    "podIPs": [{"ip": str}],
    "conditions": _CONDITIONS,
    "containerStatuses": [_CONTAINER_STATUS],
    "initContainerStatuses": [_CONTAINER_STATUS],
}
_SELECTOR: Json = {
    "matchLabels": _TEXTS,
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
}
_COUNTS = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), int)
_WORKLOAD: Json = {
    "spec": {
        "replicas": int,
        "selector": _SELECTOR,
        "template": {"metadata": {"labels": _TEXTS, "annotations": _TEXTS}, "spec": _POD_SPEC},
    },
    "status": {**_COUNTS, "conditions": _CONDITIONS},
}
_DAEMON_COUNTS = (
    "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled",
    "numberAvailable", "numberMisscheduled",
)  # fmt: skip
_DAEMONS: Json = {
    "spec": {name: shape for name, shape in _WORKLOAD["spec"].items() if name != "replicas"},
    "status": {**dict.fromkeys(_DAEMON_COUNTS, int), "conditions": _CONDITIONS},
}
_METRIC_VALUE: Json = {"type": str, "averageUtilization": int}
_METRIC_SOURCE: Json = {
    "name": str,
    "container": str,
    "describedObject": {"kind": str, "name": str, "apiVersion": str},
    "metric": {"name": str, "selector": _SELECTOR},
    "target": _METRIC_VALUE,
    "current": _METRIC_VALUE,
}
_METRIC = {
    "type": str,
    **dict.fromkeys(("resource", "pods", "object", "external", "containerResource"), _METRIC_SOURCE),
}
_SCALING_RULES: Json = {
    "stabilizationWindowSeconds": int,
    "selectPolicy": str,
    "policies": [{"type": str, "value": int, "periodSeconds": int}],
}
_ROLE: Json = {
    "rules": [{k: [str] for k in ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")}],
}
_BINDING: Json = {
    "roleRef": dict.fromkeys(("apiGroup", "kind", "name"), str),
    "subjects": [dict.fromkeys(("apiGroup", "kind", "name", "namespace"), str)],
}
_SHAPES: dict[str, Json] = {
    "pods": {"spec": _POD_SPEC, "status": _POD_STATUS},
    "namespaces": {"spec": {"finalizers": [str]}, "status": {"phase": str}},
    "nodes": {
        "spec": {"unschedulable": bool, "taints": [dict]},
        "status": {
            "conditions": _CONDITIONS,
            "addresses": [{"type": str, "address": str}],
            "nodeInfo": _TEXTS,
            "allocatable": dict,
            "capacity": dict,
        },
    },
    "services": {
        "spec": {
            "type": str,
            "clusterIP": str,
            "selector": _TEXTS,
            "ports": [{"name": str, "port": int, "protocol": str}],
        },
        "status": dict,
    },
    "events": {
        "involvedObject": _Map(str),
        "source": _Map(str),
        "reason": str,
        "message": str,
        "type": str,
        "count": int,
        "series": dict,
        **dict.fromkeys(("firstTimestamp", "lastTimestamp", "eventTime", "reportingComponent"), str),
    },
    "configmaps": {"data": _TEXTS, "binaryData": _TEXTS},
    "secrets": {"data": _TEXTS, "stringData": _TEXTS, "type": str},
    "endpoints": {"subsets": [{"addresses": [{"ip": str}], "ports": [{"port": int}]}]},
    "deployments.apps": _WORKLOAD,
    "statefulsets.apps": _WORKLOAD,
    "replicasets.apps": _WORKLOAD,
    "daemonsets.apps": _DAEMONS,
    "jobs.batch": {
        "spec": {
            "completionMode": str,
            **dict.fromkeys(
                (
                    "completions",
                    "parallelism",
                    "backoffLimit",
                    "activeDeadlineSeconds",
                    "ttlSecondsAfterFinished",
                ),
                int,
            ),
            "template": _WORKLOAD["spec"]["template"],
        },
        "status": {
            **dict.fromkeys(("active", "ready", "succeeded", "failed"), int),
            "conditions": _CONDITIONS,
        },
    },
    "horizontalpodautoscalers.autoscaling": {
        "spec": {
            "scaleTargetRef": {"kind": str, "name": str, "apiVersion": str},
            "minReplicas": int,
            "maxReplicas": int,
            "metrics": [_METRIC],
            "behavior": {"scaleUp": _SCALING_RULES, "scaleDown": _SCALING_RULES},
        },
        "status": {
            "currentReplicas": int,
            "desiredReplicas": int,
            "currentMetrics": [_METRIC],
            "conditions": _CONDITIONS,
        },
    },
    "leases.coordination.k8s.io": {"spec": {"holderIdentity": str}},
    "endpointslices.discovery.k8s.io": {
        "addressType": str,
        "endpoints": [{"addresses": [str], "conditions": dict, "targetRef": dict}],
        "ports": [{"port": int}],
    },
    "customresourcedefinitions.apiextensions.k8s.io": {
        "spec": {
            "group": str,
            "scope": str,
            "names": {
                **dict.fromkeys(("plural", "singular", "kind", "listKind"), str),
                "shortNames": [str],
                "categories": [str],
            },
            "versions": [
                {
                    "name": str,
                    "served": bool,
                    "storage": bool,
                    "schema": {"openAPIV3Schema": dict},
                    "subresources": {
                        "status": dict,
                        "scale": dict.fromkeys(
                            ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"), str
                        ),
                    },
                    "additionalPrinterColumns": [
                        {"name": str, "type": str, "jsonPath": str, "priority": int, "description": str}
                    ],
                }
            ],
        },
        "status": {"conditions": _CONDITIONS},
    },
    ROLES: _ROLE,
    CLUSTER_ROLES: _ROLE,
    ROLE_BINDINGS: _BINDING,
    CLUSTER_ROLE_BINDINGS: _BINDING,
}


def settled(definition: Resource, obj: Json) -> Json:
    """The object without the nulls that mean nothing. Raises ApiError 400 for a field of another type."""
    found = _fault(obj.get("metadata"), _META, "metadata")
    shape = _SHAPES.get(definition.key)
    if found is None and shape is not None:
        found = _fault(obj, shape, "")
    if found is not None:
        path, value = found
        raise bad_request(
            f'{definition.kind} in version "{definition.version}" cannot be handled as a {definition.kind}: '
            f"json: cannot unmarshal {_named(value)} into Go struct field .{path}"
        )
    if definition.custom:
        return {**obj, "metadata": _without_nulls(obj.get("metadata") or {})}
    cleaned: Json = _without_nulls(obj)
    cleaned.setdefault("metadata", {})
    return cleaned


def _named(value: Any) -> str:
    for kind, name in ((bool, "bool"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"


def _fault(value: Any, shape: Any, path: str) -> tuple[str, Any] | None:
    """The first field that has another type than its shape: (path, value)."""
    if value is None:
        return None
    if isinstance(shape, type):
        fits = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        return None if fits else (path, value)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return path, value
        for index, item in enumerate(value):
            found = (f"{path}[{index}]", item) if item is None else _fault(item, shape[0], f"{path}[{index}]")
            if found is not None:
                return found
        return None
    if not isinstance(value, dict):
        return path, value
    for name, inner in value.items():
        below = shape.inner if isinstance(shape, _Map) else shape.get(name)
        if below is not None:
            found = _fault(inner, below, f"{path}.{name}" if path else name)
            if found is not None:
                return found
    return None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
