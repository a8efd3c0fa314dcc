"""Deployments, StatefulSets, LeaderWorkerSets and InferenceServices as teams write them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.quantity import GPU

__all__ = [
    "VLLM",
    "Engine",
    "deployment_object",
    "inference_service_object",
    "leader_worker_set_object",
    "stateful_set_object",
]

VLLM = "docker.io/vllm/vllm-openai:v0.11.0"


class Engine(Struct, frozen=True, kw_only=True):
    """The one container of a workload's pods."""

    image: str = VLLM
    model: str = ""
    """What an inference engine loads; empty for other programs."""
    gpus: int = 0
    cpu: str = "4"
    memory: str = "16Gi"
    port: int = 8000
    name: str = "engine"

    def container(self, command: tuple[str, ...] = ()) -> Json:
        """As a pod has it."""
        requests = {"cpu": self.cpu, "memory": self.memory}
        resources: Json = {"requests": requests, "limits": dict(requests)}
        if self.gpus:
            resources["limits"][GPU] = resources["requests"][GPU] = str(self.gpus)
        made: Json = {
            "name": self.name,
            "image": self.image,
            "ports": [{"name": "http", "containerPort": self.port, "protocol": "TCP"}],
            "resources": resources,
        }
        words = command
        if self.model and not words:
            words = ("vllm", "serve", self.model, f"--port={self.port}")
        if words:
            made["command"] = list(words)
        if self.model:
            made["readinessProbe"] = {
                "httpGet": {"path": "/health", "port": self.port, "scheme": "HTTP"},
                "periodSeconds": 5,
                "timeoutSeconds": 5,
                "successThreshold": 1,
                "failureThreshold": 3,
            }
        return made


def _object(kind: str, api_version: str, namespace: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata, "spec": spec}


def _template(engine: Engine, labels: Mapping[str, str]) -> Json:
    return {"metadata": {"labels": dict(labels)}, "spec": {"containers": [engine.container()]}}


def deployment_object(namespace: str, name: str, replicas: int, engine: Engine) -> Json:
    """A Deployment."""
    labels = {"app": name}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": _template(engine, labels),
    }
    return _object("Deployment", "apps/v1", namespace, name, spec)


def stateful_set_object(namespace: str, name: str, replicas: int, engine: Engine) -> Json:
    """A StatefulSet, one pod after the other."""
    labels = {"app": name}
    spec = {
        "replicas": replicas,
        "serviceName": name,
        "selector": {"matchLabels": labels},
        "template": _template(engine, labels),
    }
    return _object("StatefulSet", "apps/v1", namespace, name, spec)


def leader_worker_set_object(
    namespace: str, name: str, groups: int, size: int, leader: Engine, worker: Engine
) -> Json:
    """A LeaderWorkerSet of ``groups`` with ``size`` pods each."""
    spec = {
        "replicas": groups,
        "leaderWorkerTemplate": {
            "size": size,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": _template(leader, {"role": "leader"}),
            "workerTemplate": _template(worker, {"role": "worker"}),
        },
    }
    return _object("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1", namespace, name, spec)


def inference_service_object(
    namespace: str, name: str, engine: Engine, *, autoscaler: str = "", command: str = "", **predictor: object
) -> Json:
    """An InferenceService as ``arena serve kserve`` writes it; ``predictor`` has bounds and metric."""
    container = engine.container(("sh", "-c", command) if command else ())
    container["name"] = "kserve-container"
    made = _object(
        "InferenceService",
        "serving.kserve.io/v1beta1",
        namespace,
        name,
        {"predictor": {**predictor, "containers": [container]}},
    )
    made["metadata"]["labels"] = {"servingName": name, "servingType": "kserve", "release": name}
    made["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "RawDeployment"}
    if autoscaler:
        made["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] = autoscaler
    return made
