"""The objects that a LeaderWorkerSet is made of: StatefulSets of leaders and workers, services, revisions."""

from __future__ import annotations

import hashlib
import zlib

from clients.embedded.apiserver.objects import Json, decode, encode
from clients.embedded.controllers.lws_names import (
    GROUP_INDEX,
    GROUP_KEY,
    LEADER_NAME,
    NAME,
    REPLICAS,
    REVISION,
    SIZE,
    WORKER_INDEX,
)
from clients.embedded.controllers.owned_pods import owner_reference

__all__ = [
    "complete_pod",
    "group_size",
    "headless_service",
    "leader_set",
    "pod_selector",
    "revision_key",
    "revision_object",
    "worker_set",
]


def group_size(obj: Json) -> int:
    """Pods of one group."""
    return int(obj["spec"]["leaderWorkerTemplate"].get("size", 1))


def pod_selector(name: str) -> str:
    """What the scale subresource selects: leaders only."""
    return f"{NAME}={name},{WORKER_INDEX}=0"


def revision_key(obj: Json) -> str:
    """Belongs to all that rolls the groups when it changes."""
    spec = obj["spec"]
    body = encode({k: spec.get(k) for k in ("leaderWorkerTemplate", "networkConfig")})
    return f"{zlib.crc32(body):08x}"


def revision_object(obj: Json, key: str, number: int) -> Json:
    """The ControllerRevision that keeps a template."""
    meta, spec = obj["metadata"], obj["spec"]
    kept = {k: spec[k] for k in ("leaderWorkerTemplate", "networkConfig") if k in spec}
    return {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{meta['name']}-{key}-{number}",
            "namespace": meta["namespace"],
            "labels": {NAME: meta["name"], REVISION: key},
            "ownerReferences": [owner_reference(obj)],
        },
        "data": decode(encode({"spec": kept})),
        "revision": number,
    }


def _template(obj: Json, name: str, labels: Json, annotations: Json) -> Json:
    template = obj["spec"]["leaderWorkerTemplate"]
    copied: Json = decode(encode(template.get(name) or template.get("workerTemplate") or {}))
    meta = copied.setdefault("metadata", {})
    meta["labels"] = {**(meta.get("labels") or {}), **labels}
    meta["annotations"] = {**(meta.get("annotations") or {}), **annotations}
    return copied


def leader_set(obj: Json, key: str, replicas: int, partition: int, most_missing: int) -> Json:
    """The StatefulSet of all leaders."""
    meta = obj["metadata"]
    labels = {NAME: meta["name"], WORKER_INDEX: "0"}
    annotations = {SIZE: str(group_size(obj))}
    return {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": {NAME: meta["name"], REVISION: key},
            "annotations": {REPLICAS: str(obj["spec"]["replicas"])},
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {
            "replicas": replicas,
            "serviceName": meta["name"],
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": _template(obj, "leaderTemplate", labels | {REVISION: key}, annotations),
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"partition": partition, "maxUnavailable": most_missing},
            },
            "revisionHistoryLimit": 10,
        },
    }


def worker_set(obj: Json, leader: Json) -> Json:
    """The StatefulSet of one group's workers; the leader pod owns it."""
    meta, name, labels = obj["metadata"], leader["metadata"]["name"], leader["metadata"]["labels"]
    identity = {k: labels[k] for k in (NAME, GROUP_INDEX, GROUP_KEY)}
    common = identity | {REVISION: labels[REVISION]}
    annotations = {SIZE: str(group_size(obj)), LEADER_NAME: name}
    unique = obj["spec"].get("networkConfig", {}).get("subdomainPolicy") == "UniquePerReplica"
    return {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": common,
            "ownerReferences": [owner_reference(leader)],
        },
        "spec": {
            "replicas": group_size(obj) - 1,
            "ordinals": {"start": 1},
            "serviceName": name if unique else meta["name"],
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": identity},
            "template": _template(obj, "workerTemplate", common, annotations),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 10,
        },
    }


def complete_pod(pod: Json, ordinal: int) -> None:
    """What the pod webhook adds: which group and place, and where the leader is. Other pods stay as is."""
    meta = pod["metadata"]
    labels: dict[str, str] = meta["labels"]
    if NAME not in labels:
        return
    if labels.get(WORKER_INDEX) == "0":
        labels[GROUP_INDEX] = str(ordinal)
        labels[GROUP_KEY] = hashlib.sha1(f"{meta['namespace']}/{meta['name']}".encode()).hexdigest()
        leader, place = meta["name"], "0"
    else:
        labels[WORKER_INDEX] = place = str(ordinal)
        leader = meta["annotations"][LEADER_NAME]
    address = f"{leader}.{pod['spec'].get('subdomain', '')}.{meta['namespace']}"
    injected = [
        {"name": "LWS_LEADER_ADDRESS", "value": address},
        {"name": "LWS_GROUP_SIZE", "value": meta["annotations"][SIZE]},
        {"name": "LWS_WORKER_INDEX", "value": place},
    ]
    spec = pod["spec"]
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        container["env"] = [*injected, *(container.get("env") or ())]


def headless_service(obj: Json) -> Json:
    """By which the pods of all groups find each other."""
    meta = obj["metadata"]
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": {NAME: meta["name"]},
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {NAME: meta["name"]},
        },
        "status": {"loadBalancer": {}},
    }
