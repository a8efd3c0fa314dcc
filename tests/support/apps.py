"""Workloads of apps/v1 as tests create them, and what tests ask of them."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from tests.support.simworld import NAMESPACE, World

DEPLOYMENTS = "deployments.apps"
REPLICA_SETS = "replicasets.apps"
STATEFUL_SETS = "statefulsets.apps"


def workload(kind: str, name: str = "web", replicas: int = 3, *, gpus: int = 0, **spec: Any) -> Json:
    """A Deployment or StatefulSet of one container."""
    labels = {"app": name}
    container: Json = {"name": "engine", "image": "engine:1"}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def status_of(world: World, resource: str, name: str = "web") -> Json:
    """Its status, empty before its controller saw it."""
    found = world.store.get(resource, NAMESPACE, name)
    assert found is not None
    told: Json = found.get("status") or {}
    return told


def change_spec(world: World, resource: str, name: str = "web", **fields: Any) -> None:
    """Sets top-level fields of the spec."""
    done = world.store.mutate(
        resource, NAMESPACE, name, lambda obj: obj["spec"].update(fields), manager="kubectl"
    )
    assert done is not None


def new_image(world: World, resource: str, image: str, name: str = "web") -> None:
    """Gives the template's container another image."""

    def change(obj: Json) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    assert world.store.mutate(resource, NAMESPACE, name, change, manager="kubectl") is not None


def condition(status: Json, kind: str) -> Json:
    """One condition, empty if there is none."""
    return next((c for c in status.get("conditions") or () if c["type"] == kind), {})
