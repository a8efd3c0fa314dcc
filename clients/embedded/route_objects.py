"""The objects by which workloads are reached from outside, as teams write them."""

from __future__ import annotations

from collections.abc import Mapping

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kserve_objects import DOMAIN
from clients.embedded.controllers.kthena_labels import GROUP, NAME, ROLE
from clients.embedded.servings import Serving

__all__ = ["ingress_object", "model_route_object", "model_server_object", "service_object"]

_API_VERSION = "networking.serving.volcano.sh/v1alpha1"
_PORT = 8000


def model_server_object(plan: Serving) -> Json:
    """The ModelServer of a ModelServing; prefill and decode are paired within a group."""
    selector: Json = {"matchLabels": {NAME: plan.name}}
    roles = {role.name for role in plan.roles}
    spec: Json = {
        "workloadSelector": selector,
        "workloadPort": {"port": _PORT, "protocol": "http"},
        "model": plan.name,
        "inferenceEngine": "vLLM",
    }
    if {"prefill", "decode"} <= roles:
        selector["pdGroup"] = {
            "groupKey": GROUP,
            "prefillLabels": {ROLE: "prefill"},
            "decodeLabels": {ROLE: "decode"},
        }
        spec["kvConnector"] = {"type": "nixl"}
    return _networking("ModelServer", plan, spec)


def model_route_object(plan: Serving) -> Json:
    """The ModelRoute that leads to it by the name of the ModelServing."""
    rule = {"name": "default", "targetModels": [{"modelServerName": plan.name, "weight": 100}]}
    return _networking("ModelRoute", plan, {"modelName": plan.name, "rules": [rule]})


def _networking(kind: str, plan: Serving, spec: Json) -> Json:
    metadata = {"name": plan.name, "namespace": plan.namespace, "labels": {"app": plan.name}}
    return {"kind": kind, "apiVersion": _API_VERSION, "metadata": metadata, "spec": spec}


def service_object(namespace: str, name: str, selector: Mapping[str, str]) -> Json:
    """A Service for the engines of a workload."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": _PORT}],
            "selector": dict(selector),
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }


def ingress_object(namespace: str, name: str) -> Json:
    """An Ingress that leads to the Service of the same name, by a host of its own."""
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "kind": "Ingress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": f"{name}-{namespace}.{DOMAIN}", "http": {"paths": [path]}}],
        },
        "status": {"loadBalancer": {}},
    }
