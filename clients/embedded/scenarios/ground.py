"""The ground of the scenarios: nodes with images on them, and pods that belong to no workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.ingress import INGRESSES
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.controllers.kthena_router import MODEL_ROUTES, MODEL_SERVERS
from clients.embedded.curves import Wave, chance
from clients.embedded.nodes import node_object
from clients.embedded.quantity import GPU
from clients.embedded.route_objects import (
    ingress_object,
    model_route_object,
    model_server_object,
    service_object,
)
from clients.embedded.servings import Serving

__all__ = ["DAY", "HOUR", "add_nodes", "notebook", "open_outside", "plant_all", "route_all", "under_demand"]

HOUR = 3600.0
DAY = 24 * HOUR

_CAPACITY = 64.0
_WAVE = 2400.0
_PRELOADED = ("docker.io/vllm/vllm-openai:v0.11.0", "ghcr.io/volcano-sh/downloader:v1.0.0")


def add_nodes(
    cluster: Cluster,
    count: int,
    *,
    pods_limit: int = 110,
    divided: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """GPU nodes with 8 GPUs each, some weeks old, with the usual images on them.

    ``divided`` is a label by node: its 8 are shares or instances of fewer GPUs (``clients.embedded.gpus``).
    """
    width = max(2, len(str(count - 1)))
    objects = []
    for index in range(count):
        made = node_object(f"gpu-node-{index:0{width}d}", index)
        for amounts in (made["status"]["capacity"], made["status"]["allocatable"]):
            amounts["pods"] = str(pods_limit)
        name = made["metadata"]["name"]
        if divided is not None and name in divided:
            made["metadata"]["labels"].update([divided[name]])
        objects.append(made)
    with cluster.clock.held_at(cluster.clock.now() - 40 * DAY):
        cluster.nodes.create(objects)
    for node in cluster.nodes:
        node.images.update(_PRELOADED)


def plant_all(cluster: Cluster, plans: Sequence[Serving]) -> None:
    """Plants ModelServings, the first the oldest: between two weeks and some hours."""
    cluster.namespaces(sorted({plan.namespace for plan in plans}))
    for index, plan in enumerate(plans):
        share = (index + 1) / (len(plans) + 1)
        cluster.ground.plant(plan, 14 * DAY * (1 - share) + 3 * HOUR)


def route_all(cluster: Cluster, plans: Iterable[Serving]) -> None:
    """A ModelServer and a ModelRoute for each ModelServing."""
    for plan in plans:
        cluster.store.create(MODEL_SERVERS, model_server_object(plan), manager=plan.manager)
        cluster.store.create(MODEL_ROUTES, model_route_object(plan), manager=plan.manager)


def open_outside(cluster: Cluster, namespace: str, name: str, selector: Mapping[str, str]) -> None:
    """A Service and an Ingress for the engines of a workload."""
    cluster.store.create("services", service_object(namespace, name, selector), manager="helm")
    cluster.store.create(INGRESSES, ingress_object(namespace, name), manager="helm")


def under_demand(cluster: Cluster, plans: Iterable[Serving]) -> None:
    """Puts ModelServings under demand: each in waves of its own, up to nearly all that its pods can take."""
    for plan in plans:
        entries = plan.groups * min(role.replicas for role in plan.roles)
        low, high, turn = (chance(cluster.options.seed, plan.name, word) for word in ("low", "high", "turn"))
        full = _CAPACITY * entries
        wave = Wave(full * (0.2 + 0.4 * low), full * (0.7 + 0.3 * high), _WAVE, _WAVE * turn)
        cluster.demand.assign(plan.namespace, plan.name, {NAME: plan.name}, wave, capacity=_CAPACITY)


def notebook(namespace: str, name: str, gpus: int) -> Json:
    """A pod of no workload that holds GPUs all the same."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "notebook"}},
        "spec": {
            "containers": [
                {
                    "name": "notebook",
                    "image": "quay.io/jupyter/pytorch-notebook:cuda12-latest",
                    "resources": {
                        "limits": {GPU: str(gpus)},
                        "requests": {"cpu": "8", "memory": "64Gi", GPU: str(gpus)},
                    },
                }
            ]
        },
    }
