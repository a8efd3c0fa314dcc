"""Builds realistic JSON objects of a cluster that runs Kthena, as the API server would send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = [
    "EPOCH",
    "endpoint_slice",
    "event",
    "model_serving",
    "node",
    "pod",
    "pod_group",
    "raw",
    "rfc3339",
    "role",
]

EPOCH = 1_788_249_600.0
"""2026-09-01T08:00:00Z: when the objects of these builders came to be, unless told otherwise."""

LABEL = "modelserving.volcano.sh/"
IMAGE = "ghcr.io/llm-d/llm-d-inference-sim:v0.5.1"


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def raw(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _probe(path: str, period: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": 8000, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 60,
    }


def _engine(gpus: int) -> dict[str, Any]:
    return {
        "name": "engine",
        "image": IMAGE,
        "args": ["--model=/models/qwen-chat", "--port=8000", f"--tensor-parallel-size={max(1, gpus)}"],
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "env": [
            {"name": "GROUP_SIZE", "value": "2"},
            {"name": "ENTRY_ADDRESS", "value": "qwen-chat-0-decode-0-0.llm-prod"},
            {"name": "WORKER_INDEX", "value": "0"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
            *({"name": f"ENGINE_SETTING_{i}", "value": f"value-{i}"} for i in range(6)),
        ],
        "resources": {
            "limits": {"cpu": "16", "memory": "200Gi", "nvidia.com/gpu": str(gpus)},
            "requests": {"cpu": "8", "memory": "160Gi", "nvidia.com/gpu": str(gpus)},
        },
        "volumeMounts": [
            {"name": "models", "mountPath": "/models", "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm"},
            {
                "name": "kube-api-access-x7x5v",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "readinessProbe": _probe("/health", 5),
        "startupProbe": _probe("/health", 10),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def role(
    name: str, replicas: int | None = 1, workers: int = 0, *, gpus: int = 8, **extra: Any
) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "qwen-chat"}}, "spec": {"containers": [_engine(gpus)]}}
    found: dict[str, Any] = {"name": name, "workerReplicas": workers, "entryTemplate": template}
    if replicas is not None:
        found["replicas"] = replicas
    if workers:
        found["workerTemplate"] = template
    return found | extra


def model_serving(
    name: str = "qwen-chat",
    *,
    namespace: str = "llm-prod",
    uid: str = "ms-uid",
    replicas: int | None = 2,
    roles: list[dict[str, Any]] | None = None,
    generation: int = 1,
    revision: str | None = "6dc8754f69",
    current_revision: str | None = None,
    status: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    found_status: dict[str, Any] = {
        "observedGeneration": generation,
        "replicas": replicas,
        "availableReplicas": replicas,
    }
    if revision is not None:
        found_status |= {"currentRevision": current_revision or revision, "updateRevision": revision}
    body: dict[str, Any] = {
        "schedulerName": "volcano",
        "recoveryPolicy": "RoleRecreate",
        "rolloutStrategy": {"type": "ServingGroupRollingUpdate"},
        "template": {"roles": roles if roles is not None else [role("prefill"), role("decode", 1, 1)]},
    }
    if replicas is not None:
        body["replicas"] = replicas
    return {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "ModelServing",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": generation,
            "resourceVersion": "918273",
            "creationTimestamp": rfc3339(EPOCH),
        }
        | (meta or {}),
        "spec": body | spec,
        "status": found_status if status is None else status,
    }


def _condition(kind: str, met: bool, at: float, **extra: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True" if met else "False",
        "lastProbeTime": None,
        "lastTransitionTime": rfc3339(at),
    } | extra


def pod(
    group: int,
    role_name: str,
    ordinal: int,
    index: int = 0,
    *,
    serving: str = "qwen-chat",
    namespace: str = "llm-prod",
    uid: str | None = None,
    owner_uid: str = "ms-uid",
    state: str = "ready",
    node_name: str | None = "gpu-node-07",
    gpus: int = 8,
    created: float = EPOCH,
    ready_at: float | None = None,
    restarts: int = 0,
    deleted: float | None = None,
    grace: int = 30,
    revision: str = "6dc8754f69",
    template_hash: str | None = "5974fd88c5",
    labels: dict[str, str] | None = None,
    cost: str | None = None,
    message: str | None = None,
    reason: str | None = None,
    last: dict[str, Any] | None = None,
    managed: bool = True,
) -> dict[str, Any]:
    """One pod of a ModelServing.

    ``state``: unscheduled, unschedulable, image, imageerror, init, weights, started (probe passed, not
    ready), ready, lost (was ready, no restart), crash (waiting to be restarted), restarted, failed.
    """
    name = f"{serving}-{group}-{role_name}-{ordinal}-{index}"
    uid = uid or f"uid-{name}"
    found_labels = {
        "app": serving,
        LABEL + "name": serving,
        LABEL + "group-name": f"{serving}-{group}",
        LABEL + "role": role_name,
        LABEL + "role-id": f"{role_name}-{ordinal}",
        LABEL + "revision": revision,
    }
    if template_hash is not None:
        found_labels[LABEL + "role-template-hash"] = template_hash
    if index == 0:
        found_labels[LABEL + "entry"] = "true"
    meta: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "resourceVersion": "918274",
        "creationTimestamp": rfc3339(created),
        "labels": found_labels | (labels or {}),
        "annotations": {
            "scheduling.k8s.io/group-name": f"{serving}-{group}",
            "volcano.sh/task-spec": f"{role_name}-{ordinal}",
        },
        "ownerReferences": [
            {
                "apiVersion": "workload.serving.volcano.sh/v1alpha1",
                "kind": "ModelServing",
                "name": serving,
                "uid": owner_uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if cost is not None:
        meta["annotations"]["controller.kubernetes.io/pod-deletion-cost"] = cost
    if deleted is not None:
        meta |= {"deletionTimestamp": rfc3339(deleted), "deletionGracePeriodSeconds": grace}
    if managed:
        meta["managedFields"] = _managed_fields(created)
    placed = state not in ("unscheduled", "unschedulable")
    spec: dict[str, Any] = {
        "schedulerName": "volcano",
        "serviceAccountName": "default",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": grace,
        "dnsPolicy": "ClusterFirst",
        "hostname": name,
        "enableServiceLinks": True,
        "priority": 0,
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        ],
        "volumes": [
            {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "32Gi"}},
            {
                "name": "kube-api-access-x7x5v",
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}],
                },
            },
        ],
        "containers": [_engine(gpus)],
    }
    if placed and node_name is not None:
        spec["nodeName"] = node_name
    status = _pod_status(state, created, ready_at, restarts, message, reason, last)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def _pod_status(
    state: str,
    created: float,
    ready_at: float | None,
    restarts: int,
    message: str | None,
    reason: str | None,
    last: dict[str, Any] | None,
) -> dict[str, Any]:
    if state == "unscheduled":
        return {"phase": "Pending", "qosClass": "Burstable"}
    if state == "unschedulable":
        found = _condition("PodScheduled", False, created, reason=reason or "Unschedulable")
        found["message"] = message or "0/16 nodes are available: 16 Insufficient nvidia.com/gpu."
        return {"phase": "Pending", "conditions": [found], "qosClass": "Burstable"}
    ready = state == "ready"
    started_at = created + 6
    running = {"running": {"startedAt": rfc3339(started_at)}}
    states: dict[str, dict[str, Any]] = {
        "image": {"waiting": {"reason": reason or "ContainerCreating"}},
        "imageerror": {"waiting": {"reason": reason or "ImagePullBackOff", "message": message or ""}},
        "init": {"waiting": {"reason": "PodInitializing"}},
        "crash": {
            "waiting": {
                "reason": reason or "CrashLoopBackOff",
                "message": "back-off 2m40s restarting failed container=engine",
            }
        },
        "failed": {
            "terminated": {"reason": reason or "Error", "exitCode": 1, "message": message or ""},
        },
    }
    container_state = states.get(state, running)
    transition = (
        ready_at if ready_at is not None else (created + 60 if state in ("ready", "lost") else created)
    )
    container: dict[str, Any] = {
        "name": "engine",
        "image": IMAGE,
        "imageID": "ghcr.io/llm-d/llm-d-inference-sim@sha256:" + "0" * 64,
        "containerID": "containerd://" + "a" * 64,
        "ready": ready,
        "started": state in ("ready", "started", "lost"),
        "restartCount": restarts,
        "state": container_state,
        "lastState": {"terminated": last} if last else {},
    }
    status: dict[str, Any] = {
        "phase": {"failed": "Failed", "image": "Pending", "imageerror": "Pending", "init": "Pending"}.get(
            state, "Running"
        ),
        "conditions": [
            _condition("PodReadyToStartContainers", True, created + 3),
            _condition("Initialized", state != "init", created + 2),
            _condition("Ready", ready, transition),
            _condition("ContainersReady", ready, transition),
            _condition("PodScheduled", True, created + 1),
        ],
        "hostIP": "10.0.3.7",
        "podIP": "10.42.7.31",
        "startTime": rfc3339(created + 1),
        "qosClass": "Burstable",
        "containerStatuses": [container],
    }
    if state == "init":
        status["initContainerStatuses"] = [
            {"name": "download", "image": IMAGE, "ready": False, "restartCount": 0, "state": running}
        ]
    if state == "failed" and reason:
        status["reason"] = reason
    return status


def _managed_fields(created: float) -> list[dict[str, Any]]:
    def owned(*names: str) -> dict[str, Any]:
        return {f"f:{name}": {} for name in names}

    metadata: dict[str, Any] = {
        "f:labels": {
            ".": {},
            **{f"f:{LABEL}{name}": {} for name in ("name", "group-name", "role", "role-id")},
        },
        "f:ownerReferences": {".": {}, 'k:{"uid":"ms-uid"}': {}},
        "f:annotations": {".": {}, "f:scheduling.k8s.io/group-name": {}, "f:volcano.sh/task-spec": {}},
    }
    engine = owned("args", "image", "imagePullPolicy", "name", "ports", "readinessProbe", "startupProbe")
    engine["f:env"] = {
        ".": {},
        **{f'k:{{"name":"ENGINE_SETTING_{i}"}}': owned("name", "value") for i in range(10)},
    }
    engine["f:resources"] = {
        "f:limits": owned("cpu", "memory", "nvidia.com/gpu"),
        "f:requests": owned("cpu", "memory", "nvidia.com/gpu"),
    }
    spec = owned("dnsPolicy", "hostname", "restartPolicy", "schedulerName", "terminationGracePeriodSeconds")
    spec["f:containers"] = {'k:{"name":"engine"}': engine}
    conditions = {
        f'k:{{"type":"{kind}"}}': owned("lastProbeTime", "lastTransitionTime", "status", "type")
        for kind in ("ContainersReady", "Initialized", "Ready", "PodReadyToStartContainers")
    }
    status = owned("containerStatuses", "hostIP", "phase", "podIP", "startTime") | {
        "f:conditions": conditions
    }
    return [
        {
            "manager": "kthena-controller-manager",
            "operation": "Update",
            "apiVersion": "v1",
            "time": rfc3339(created),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": metadata, "f:spec": spec},
        },
        {
            "manager": "kubelet",
            "operation": "Update",
            "apiVersion": "v1",
            "time": rfc3339(created + 60),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:status": status},
            "subresource": "status",
        },
    ]


def pod_group(
    group: int,
    *,
    serving: str = "qwen-chat",
    namespace: str = "llm-prod",
    owner_uid: str = "ms-uid",
    phase: str = "Running",
    min_member: int = 3,
    message: str | None = None,
    deleted: float | None = None,
) -> dict[str, Any]:
    name = f"{serving}-{group}"
    meta: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"pg-{name}",
        "creationTimestamp": rfc3339(EPOCH),
        "ownerReferences": [
            {
                "apiVersion": "workload.serving.volcano.sh/v1alpha1",
                "kind": "ModelServing",
                "name": serving,
                "uid": owner_uid,
                "controller": True,
            }
        ],
    }
    if deleted is not None:
        meta["deletionTimestamp"] = rfc3339(deleted)
    status: dict[str, Any] = {"phase": phase}
    if message is not None:
        condition = _condition("Unschedulable", True, EPOCH, reason="NotEnoughResources", message=message)
        status["conditions"] = [condition]
    return {
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "kind": "PodGroup",
        "metadata": meta,
        "spec": {"minMember": min_member},
        "status": status,
    }


def node(name: str = "gpu-node-07", *, gpus: int = 8, ready: bool = True, **spec: Any) -> dict[str, Any]:
    capacity = {"cpu": "128", "memory": "2000Gi", "nvidia.com/gpu": str(gpus), "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"node-{name}", "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [_condition("Ready", ready, EPOCH)],
        },
    }


def event(
    name: str,
    reason: str,
    message: str,
    *,
    kind: str = "Pod",
    namespace: str = "llm-prod",
    uid: str | None = None,
    at: float = EPOCH,
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.17f0", "namespace": namespace, "uid": f"event-{name}-{reason}"},
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name, "uid": uid or f"uid-{name}"},
        "reason": reason,
        "message": message,
        "type": "Warning",
        "firstTimestamp": rfc3339(at),
        "lastTimestamp": rfc3339(at),
        "count": 1,
        "source": {"component": "volcano"},
    }


def endpoint_slice(
    service: str,
    endpoints: dict[str, bool],
    *,
    namespace: str = "llm-prod",
    port: int = 8000,
) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-abcde",
            "namespace": namespace,
            "uid": f"slice-{service}",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.42.7.31"],
                "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": name, "namespace": namespace, "uid": f"uid-{name}"},
            }
            for name, ready in endpoints.items()
        ],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }
