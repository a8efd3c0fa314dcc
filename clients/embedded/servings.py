"""ModelServing objects as teams write them: engine pods with probes, volumes and a downloader."""

from __future__ import annotations

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_labels import API_VERSION, NAME
from clients.embedded.quantity import GPU

__all__ = ["Role", "Serving", "endpoint_service", "pod_spec", "serving_object"]

_VLLM = "docker.io/vllm/vllm-openai:v0.11.0"
_DOWNLOADER = "ghcr.io/volcano-sh/downloader:v1.0.0"


class Role(Struct, frozen=True):
    """One role of a plan."""

    name: str
    replicas: int = 1
    workers: int = 0
    gpus: int = 1
    """Of each pod."""


class Serving(Struct, frozen=True, kw_only=True):
    """What a scenario says of one ModelServing."""

    namespace: str
    name: str
    model: str
    groups: int
    roles: tuple[Role, ...]
    image: str = _VLLM
    scheduler: str = "volcano"
    recovery: str = "RoleRecreate"
    by_role: bool = False
    max_unavailable: int = 1
    restart_grace: int = 0
    """Seconds."""
    gang: dict[str, int] = {}
    node_selector: dict[str, str] = {}
    lean: bool = False
    """Small pods without downloader, probes and mounts: for clusters with very many."""
    manager: str = "kubectl-client-side-apply"


_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "INFO",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NIXL_SIDE_CHANNEL_PORT": "5600",
    "HF_HOME": "/models/.cache/huggingface",
    "HF_HUB_OFFLINE": "1",
    "NCCL_DEBUG": "WARN",
    "NCCL_IB_HCA": "mlx5_0,mlx5_1,mlx5_2,mlx5_3",
    "NCCL_SOCKET_IFNAME": "eth0",
    "UCX_TLS": "rc,cuda_copy,cuda_ipc,tcp",
    "OMP_NUM_THREADS": "8",
    "PYTHONUNBUFFERED": "1",
}


def _field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _probe(path: str, period: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": 8000, "scheme": "HTTP"},
        "timeoutSeconds": 5,
        "periodSeconds": period,
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def pod_spec(plan: Serving, role: Role, *, entry: bool) -> Json:
    """The engine's pod."""
    kv_role = {"prefill": "kv_producer", "decode": "kv_consumer"}.get(role.name, "kv_both")
    arguments = [
        f"--model={plan.model}",
        f"--served-model-name={plan.name}",
        "--port=8000",
        f"--tensor-parallel-size={max(1, role.gpus)}",
        f'--kv-transfer-config={{"kv_connector":"NixlConnector","kv_role":"{kv_role}"}}',
    ]
    resources: Json = {
        "limits": {"cpu": "16", "memory": "160Gi"},
        "requests": {"cpu": "16", "memory": "160Gi"},
    }
    if plan.lean:
        resources = {"limits": {}, "requests": {"cpu": "2", "memory": "8Gi"}}
    if role.gpus:
        resources["limits"][GPU] = resources["requests"][GPU] = str(role.gpus)
    engine: Json = {
        "name": "engine",
        "image": plan.image,
        "args": arguments,
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "env": [{"name": name, "value": value} for name, value in _ENVIRONMENT.items()],
        "resources": resources,
        "readinessProbe": _probe("/health", 5, 3),
        "startupProbe": _probe("/health", 5, 120),
    }
    if plan.lean:
        engine["env"] = engine["env"][:2]
        return {"containers": [engine]}
    engine["env"] += [
        _field("POD_NAME", "metadata.name"),
        _field("POD_NAMESPACE", "metadata.namespace"),
        _field("POD_IP", "status.podIP"),
        _field("NODE_NAME", "spec.nodeName"),
    ]
    engine["command"] = ["vllm", "serve"] if entry else ["python3", "-m", "vllm.entrypoints.worker"]
    engine["livenessProbe"] = _probe("/health", 10, 6)
    engine["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 3"]}}}
    engine["volumeMounts"] = [
        {"name": "models", "mountPath": "/models"},
        {"name": "shm", "mountPath": "/dev/shm"},
        {"name": "config", "mountPath": "/etc/engine", "readOnly": True},
    ]
    spec: Json = {
        "initContainers": [
            {
                "name": "model-downloader",
                "image": _DOWNLOADER,
                "args": [f"--source={plan.model}", "--output-dir=/models"],
                "resources": {
                    "requests": {"cpu": "1", "memory": "4Gi"},
                    "limits": {"cpu": "4", "memory": "16Gi"},
                },
                "volumeMounts": [{"name": "models", "mountPath": "/models"}],
            }
        ],
        "containers": [engine],
        "volumes": [
            {"name": "models", "hostPath": {"path": "/var/lib/models", "type": "DirectoryOrCreate"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "32Gi"}},
            {"name": "config", "configMap": {"name": f"{plan.name}-engine", "defaultMode": 420}},
        ],
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
    }
    if plan.node_selector:
        spec["nodeSelector"] = dict(plan.node_selector)
    return spec


def _role_object(plan: Serving, role: Role) -> Json:
    labels = {"app": plan.name, "team": plan.namespace}
    made: Json = {
        "name": role.name,
        "replicas": role.replicas,
        "workerReplicas": role.workers,
        "maxUnavailable": 1,
        "entryTemplate": {"metadata": {"labels": labels}, "spec": pod_spec(plan, role, entry=True)},
    }
    if role.workers:
        made["workerTemplate"] = {"metadata": {"labels": labels}, "spec": pod_spec(plan, role, entry=False)}
    return made


def serving_object(plan: Serving) -> Json:
    """The ModelServing."""
    template: Json = {
        "restartGracePeriodSeconds": plan.restart_grace,
        "roles": [_role_object(plan, role) for role in plan.roles],
    }
    if plan.gang:
        template["gangPolicy"] = {"minRoleReplicas": dict(plan.gang)}
    rollout: Json = {"type": "RoleRollingUpdate" if plan.by_role else "ServingGroupRollingUpdate"}
    if not plan.by_role:
        rollout["rollingUpdateConfiguration"] = {"maxUnavailable": plan.max_unavailable}
    return {
        "kind": "ModelServing",
        "apiVersion": API_VERSION,
        "metadata": {"name": plan.name, "namespace": plan.namespace, "labels": {"app": plan.name}},
        "spec": {
            "replicas": plan.groups,
            "schedulerName": plan.scheduler,
            "recoveryPolicy": plan.recovery,
            "rolloutStrategy": rollout,
            "template": template,
        },
    }


def endpoint_service(plan: Serving) -> Json:
    """The service by which clients reach a ModelServing: the entry pods of its first role."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": plan.name, "namespace": plan.namespace, "labels": {"app": plan.name}},
        "spec": {
            "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8000}],
            "selector": {
                NAME: plan.name,
                "modelserving.volcano.sh/role": plan.roles[0].name,
                "modelserving.volcano.sh/entry": "true",
            },
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }
