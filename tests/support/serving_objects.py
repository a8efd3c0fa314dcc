"""Workloads of every system and what drives them, as people apply them."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.servings import Role, Serving, serving_object
from tests.support.simworld import NAMESPACE

__all__ = [
    "CRON_HPAS",
    "HPAS",
    "ISVC",
    "LWS",
    "POLICIES",
    "SCALED_OBJECTS",
    "STOP",
    "cron_hpa",
    "group_set",
    "hpa",
    "model_serving",
    "policy",
    "scaled_object",
    "service",
]

ISVC = "inferenceservices.serving.kserve.io"
LWS = "leaderworkersets.leaderworkerset.x-k8s.io"
CRON_HPAS = "cronhorizontalpodautoscalers.autoscaling.alibabacloud.com"
HPAS = "horizontalpodautoscalers.autoscaling"
SCALED_OBJECTS = "scaledobjects.keda.sh"
POLICIES = "autoscalingpolicies.workload.serving.volcano.sh"
_WAITING = "vllm:num_requests_waiting"
STOP = "serving.kserve.io/stop"


def _engine(name: str) -> Json:
    resources = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "1", "nvidia.com/gpu": "1"}}
    return {"name": name, "image": "engine:1", "resources": resources}


def _meta(name: str, **more: Any) -> Json:
    return {"name": name, "namespace": NAMESPACE, **more}


def group_set(name: str = "ds", replicas: int = 2, size: int = 3, **spec: Any) -> Json:
    """A LeaderWorkerSet of one GPU a pod."""
    templates = {f"{one}Template": {"spec": {"containers": [_engine(one)]}} for one in ("leader", "worker")}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": _meta(name),
        "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": size, **templates}, **spec},
    }


def service(scaler: str = "hpa", name: str = "iris", *, stopped: bool = False, **predictor: Any) -> Json:
    """An InferenceService of one GPU a pod."""
    marks = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": scaler}
    if stopped:
        marks[STOP] = "true"
    if scaler == "keda":
        metric = {
            "backend": "prometheus",
            "serverAddress": "http://prometheus:9090",
            "query": "sum(vllm:num_requests_waiting)",
        }
        external = {"metric": metric, "target": {"type": "Value", "value": "5"}}
        predictor.setdefault("autoScaling", {"metrics": [{"type": "External", "external": external}]})
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": _meta(name, annotations=marks),
        "spec": {"predictor": {"containers": [_engine("kserve-container")], **predictor}},
    }


def hpa(target: str = "web", least: int = 2, most: int = 6, *, name: str = "web-hpa", **spec: Any) -> Json:
    """An HPA on a Deployment, by its cpu."""
    wanted = {"type": "Utilization", "averageUtilization": 60}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": wanted}}],
            **spec,
        },
    }


def scaled_object(target: str = "web", least: int = 2, most: int = 6) -> Json:
    """A ScaledObject on a Deployment, by a query of Prometheus."""
    query = {"serverAddress": "http://prometheus:9090", "query": "sum(vllm:num_requests_waiting)"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _meta("web-keda"),
        "spec": {
            "scaleTargetRef": {"name": target},
            "minReplicaCount": least,
            "maxReplicaCount": most,
            "triggers": [{"type": "prometheus", "metadata": {**query, "threshold": "5"}}],
        },
    }


def model_serving(groups: int = 2) -> Json:
    """A ModelServing called ``chat``."""
    roles = (Role("prefill"), Role("decode"))
    plan = Serving(namespace=NAMESPACE, name="chat", model="microsoft/phi-4-mini", groups=groups, roles=roles)
    return serving_object(plan)


def policy(least: int = 2, most: int = 6) -> Json:
    """An AutoscalingPolicy of HEAD on the ModelServing ``chat``."""
    return {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "AutoscalingPolicy",
        "metadata": _meta("chat-policy"),
        "spec": {
            "metrics": [{"name": _WAITING, "targetValue": "5"}],
            "homogeneousTarget": {
                "target": {
                    "targetRef": {"kind": "ModelServing", "name": "chat"},
                    "metricSources": {_WAITING: {"pod": {"name": _WAITING}}},
                },
                "minReplicas": least,
                "maxReplicas": most,
            },
        },
    }


def cron_hpa(target: str, jobs: dict[str, tuple[str, int]]) -> Json:
    """A CronHPA on a Deployment: jobs by name, each with its schedule and its size."""
    return {
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "kind": "CronHorizontalPodAutoscaler",
        "metadata": _meta("office"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "jobs": [
                {"name": name, "schedule": line, "targetSize": size} for name, (line, size) in jobs.items()
            ],
        },
    }
