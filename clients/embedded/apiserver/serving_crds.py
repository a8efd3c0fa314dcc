"""The custom resources of LeaderWorkerSet (v0.10) and KServe (v0.20) in compact structural schemas.

Pod templates, and all of an InferenceService as in KServe's minimal definition, pass unchecked.
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
    count,
    definition,
    list_of,
    map_of,
    object_of,
)
from clients.embedded.apiserver.objects import Json

__all__ = ["serving_crds"]

_KSERVE = "serving.kserve.io"


def _leader_worker_set() -> Json:
    metadata = object_of({"labels": map_of(TEXT), "annotations": map_of(TEXT), "name": TEXT})
    template = object_of({"metadata": metadata, "spec": ANYTHING})
    policies = ("Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None")
    group = object_of(
        {
            "leaderTemplate": template,
            "workerTemplate": template,
            "size": INT32 | {"default": 1},
            "restartPolicy": choice(*policies, default="RecreateGroupOnPodRestart"),
            "subGroupPolicy": object_of(
                {
                    "subGroupSize": INT32,
                    "subGroupPolicyType": choice("LeaderWorker", "LeaderExcluded", default="LeaderWorker"),
                }
            ),
            "volumeClaimTemplates": list_of(ANYTHING),
            "persistentVolumeClaimRetentionPolicy": object_of({"whenDeleted": TEXT, "whenScaled": TEXT}),
        },
        "workerTemplate",
    )
    rolling = object_of(
        {
            "partition": INT32 | {"default": 0},
            "maxUnavailable": INT_OR_TEXT | {"default": 1},
            "maxSurge": INT_OR_TEXT | {"default": 0},
        }
    )
    rollout = object_of(
        {"type": choice("RollingUpdate", default="RollingUpdate"), "rollingUpdateConfiguration": rolling},
        "type",
    )
    network = object_of({"subdomainPolicy": choice("Shared", "UniquePerReplica")}, "subdomainPolicy")
    spec = object_of(
        {
            "replicas": count(0, 1_000_000, default=1),
            "leaderWorkerTemplate": group,
            "rolloutStrategy": rollout,
            "startupPolicy": choice("LeaderCreated", "LeaderReady", default="LeaderCreated"),
            "networkConfig": network,
        },
        "leaderWorkerTemplate",
    )
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    status = object_of(
        {
            **dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), INT32),
            "observedGeneration": INT64,
            "hpaPodSelector": TEXT,
            "conditions": list_of(CONDITION, **keyed),
        }
    )
    columns = [
        {"name": "Ready", "type": "integer", "jsonPath": ".status.readyReplicas"},
        {"name": "Desired", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "Up-to-date", "type": "integer", "jsonPath": ".status.updatedReplicas"},
        AGE,
    ]
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    }
    return definition(
        "leaderworkerset.x-k8s.io",
        "v1",
        "leaderworkersets",
        "LeaderWorkerSet",
        spec,
        status,
        columns,
        scale,
        names={"shortNames": ["lws"]},
    )


def _inference_service() -> Json:
    whole = ANYTHING | {"x-kubernetes-map-type": "atomic"}
    traffic = ".status.components.predictor.traffic"
    ready = ".status.conditions[?(@.type=='Ready')].status"
    columns = [
        {"name": "URL", "type": "string", "jsonPath": ".status.url"},
        {"name": "Ready", "type": "string", "jsonPath": ready},
        {"name": "Prev", "type": "integer", "jsonPath": f"{traffic}[?(@.tag=='prev')].percent"},
        {"name": "Latest", "type": "integer", "jsonPath": f"{traffic}[?(@.latestRevision==true)].percent"},
        {
            "name": "PrevRolledoutRevision",
            "type": "string",
            "jsonPath": f"{traffic}[?(@.tag=='prev')].revisionName",
        },
        {
            "name": "LatestReadyRevision",
            "type": "string",
            "jsonPath": f"{traffic}[?(@.latestRevision==true)].revisionName",
        },
        AGE,
    ]
    names = {"shortNames": ["isvc"]}
    return definition(
        _KSERVE, "v1beta1", "inferenceservices", "InferenceService", whole, whole, columns, names=names
    )


def _runtime(kind: str, scope: str) -> Json:
    plural = kind.lower() + "s"
    return definition(_KSERVE, "v1alpha1", plural, kind, ANYTHING, ANYTHING, [AGE], scope=scope)


def serving_crds() -> list[Json]:
    """LeaderWorkerSet, InferenceService and the serving runtimes."""
    return [
        _leader_worker_set(),
        _inference_service(),
        _runtime("ServingRuntime", "Namespaced"),
        _runtime("ClusterServingRuntime", "Cluster"),
    ]
