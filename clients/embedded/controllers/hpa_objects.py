"""HPA objects as scenarios and other controllers write them, with the API server's defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping

from clients.embedded.apiserver.hpa_rules import fill_hpa
from clients.embedded.apiserver.objects import Json

__all__ = ["external_metric", "hpa_object", "pods_metric", "resource_metric", "serving_reference"]


def serving_reference(name: str) -> dict[str, str]:
    """A ``scaleTargetRef`` to a ModelServing."""
    return {"apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing", "name": name}


def resource_metric(name: str, percent: int) -> Json:
    """cpu or memory, in per cent of what the pods ask for."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def pods_metric(name: str, average: str) -> Json:
    """A custom metric of the pods."""
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def external_metric(name: str, average: str, labels: Mapping[str, str]) -> Json:
    """A metric from elsewhere, per replica."""
    target = {"type": "AverageValue", "averageValue": average}
    metric = {"name": name, "selector": {"matchLabels": dict(labels)}}
    return {"type": "External", "external": {"metric": metric, "target": target}}


def hpa_object(
    namespace: str,
    name: str,
    target: Mapping[str, str],
    least: int,
    most: int,
    metrics: list[Json],
    behavior: Json | None = None,
) -> Json:
    """An HPA. ``target`` has apiVersion, kind and name; a behavior of ``{}`` gets all its defaults."""
    spec: Json = {
        "scaleTargetRef": dict(target),
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": metrics,
    }
    if behavior is not None:
        spec["behavior"] = behavior
    made: Json = {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    fill_hpa(made)
    return made
