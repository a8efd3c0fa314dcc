"""The custom resources that the embedded cluster ships, with compact structural schemas.

Fields, limits and defaults follow Kthena's own definitions (main, August 2026); pod templates pass
unchecked. PodGroup and Queue are Volcano's (scheduling.volcano.sh/v1beta1).
"""

from __future__ import annotations

from clients.embedded.apiserver.crd_parts import (
    AGE,
    ANYTHING,
    CONDITION,
    INT32,
    INT64,
    INT_OR_TEXT,
    TEXT,
    choice,
    definition,
    list_of,
    map_of,
    object_of,
    validations,
)
from clients.embedded.apiserver.networking_crds import networking_crds
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.rules import UNCHANGED, UNIQUE_NAMES, kept_once_set
from clients.embedded.apiserver.scaler_crds import scaler_crds
from clients.embedded.apiserver.serving_crds import serving_crds

__all__ = ["standard_crds"]


def _template() -> Json:
    """A pod template: labels and annotations are text, the pod is anything."""
    metadata = object_of({"labels": map_of(TEXT), "annotations": map_of(TEXT)})
    return object_of({"metadata": metadata, "spec": ANYTHING})


def _tier() -> Json:
    return object_of(
        {
            "mode": choice("hard", "soft", default="hard"),
            "highestTierAllowed": {"type": "integer", "minimum": 0},
            "highestTierName": TEXT | {"maxLength": 253},
        }
    )


def _serving_group() -> Json:
    role = object_of(
        {
            "name": TEXT | {"maxLength": 12, "pattern": "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"},
            "replicas": INT32 | {"default": 1},
            "workerReplicas": INT32,
            "entryTemplate": _template(),
            "workerTemplate": _template(),
            "maxUnavailable": INT_OR_TEXT | {"default": 1},
            "partition": INT_OR_TEXT,
        },
        "entryTemplate",
        "name",
        "workerReplicas",
    )
    unchanged = validations((UNCHANGED, "minRoleReplicas is immutable"))
    gang = object_of({"minRoleReplicas": map_of(INT32, **unchanged)})
    return object_of(
        {
            "restartGracePeriodSeconds": INT64 | {"default": 0},
            "gangPolicy": gang,
            "networkTopology": object_of({"groupPolicy": _tier(), "rolePolicy": _tier()}),
            "roles": list_of(
                role,
                minItems=1,
                maxItems=4,
                **validations((UNIQUE_NAMES, "roles name must be unique")),
            ),
        },
        "roles",
        **validations((kept_once_set("gangPolicy"), "gangPolicy is required once set")),
    )


def _model_serving() -> Json:
    plugin = object_of(
        {
            "name": TEXT,
            "type": choice("BuiltIn", default="BuiltIn"),
            "config": {"x-kubernetes-preserve-unknown-fields": True},
            "scope": object_of({"roles": list_of(TEXT), "target": TEXT}),
        },
        "name",
        "type",
    )
    rolling = object_of({"maxUnavailable": INT_OR_TEXT | {"default": 1}, "partition": INT_OR_TEXT})
    strategies = ("ServingGroupRollingUpdate", "RoleRollingUpdate")
    spec = object_of(
        {
            "replicas": INT32 | {"default": 1},
            "schedulerName": TEXT | {"default": "volcano"},
            "plugins": list_of(plugin),
            "recoveryPolicy": choice("ServingGroupRecreate", "RoleRecreate", "None", default="RoleRecreate"),
            "rolloutStrategy": object_of(
                {"type": choice(*strategies, default=strategies[0]), "rollingUpdateConfiguration": rolling},
                "type",
            ),
            "template": _serving_group(),
        },
        "template",
    )
    counts = ("replicas", "availableReplicas", "currentReplicas", "updatedReplicas")
    status = object_of(
        {
            **dict.fromkeys(counts, INT32),
            **dict.fromkeys(("currentRevision", "updateRevision", "labelSelector"), TEXT),
            "observedGeneration": INT64,
            "conditions": list_of(CONDITION),
        }
    )
    columns = [
        {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicas"},
        {"name": "Available", "type": "integer", "jsonPath": ".status.availableReplicas"},
        {"name": "Updated", "type": "integer", "jsonPath": ".status.updatedReplicas"},
        AGE,
    ]
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    }
    return definition(
        "workload.serving.volcano.sh",
        "v1alpha1",
        "modelservings",
        "ModelServing",
        spec,
        status,
        columns,
        scale,
    )


def _model_booster() -> Json:
    active = {
        "name": "Active",
        "type": "string",
        "jsonPath": ".status.conditions[?(@.type=='Active')].status",
    }
    group = "workload.serving.volcano.sh"
    return definition(group, "v1alpha1", "modelboosters", "ModelBooster", ANYTHING, ANYTHING, [active, AGE])


def _pod_group() -> Json:
    columns = [
        {"name": "STATUS", "type": "string", "jsonPath": ".status.phase"},
        {"name": "minMember", "type": "integer", "jsonPath": ".spec.minMember"},
        {"name": "RUNNINGS", "type": "integer", "jsonPath": ".status.running"},
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    spec = object_of(
        {
            "minMember": INT32,
            "minTaskMember": map_of(INT32),
            "queue": TEXT | {"default": "default"},
            "priorityClassName": TEXT,
            "minResources": map_of(INT_OR_TEXT),
            "networkTopology": ANYTHING,
            "subGroupPolicy": list_of(ANYTHING),
        }
    )
    names = {"shortNames": ["pg", "podgroup-v1beta1"]}
    return definition(
        "scheduling.volcano.sh", "v1beta1", "podgroups", "PodGroup", spec, ANYTHING, columns, names=names
    )


def _queue() -> Json:
    names = {"shortNames": ["q", "queue-v1beta1"]}
    return definition(
        "scheduling.volcano.sh",
        "v1beta1",
        "queues",
        "Queue",
        ANYTHING,
        ANYTHING,
        [AGE],
        names=names,
        scope="Cluster",
    )


def standard_crds() -> list[Json]:
    """Definitions ready to be created, in any Kubernetes from 1.25 on."""
    return [
        _model_serving(),
        _model_booster(),
        _pod_group(),
        _queue(),
        *scaler_crds(),
        *serving_crds(),
        *networking_crds(),
    ]
