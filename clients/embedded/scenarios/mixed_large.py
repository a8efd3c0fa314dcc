"""A large cluster of all sorts: 1,000 ModelServings, 2,000 Deployments, 500 HPAs, 20,000 pods, 1,000 nodes.

Every fourth Deployment is scaled by an HPA on cpu; of those, one in 25 is under a demand that changes, as are
all ModelServings, which have the GPUs. With fewer pods there is less of everything, in the same proportions.
Each node's exporter comes on top.
"""

from __future__ import annotations

from clients.embedded.cluster import Cluster
from clients.embedded.controllers.hpa_objects import hpa_object, resource_metric
from clients.embedded.curves import Curve, Steady, Wave, chance
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.scenarios.changes import Changes
from clients.embedded.scenarios.ground import DAY, add_nodes, plant_all, under_demand
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving
from clients.embedded.workload_objects import Engine, deployment_object

__all__ = ["SCENARIO"]

_TEAMS = 20
_SHARE = 20
"""Pods of one ModelServing of two groups and of two Deployments."""
_PODS = 5
"""Of each Deployment, and of each group of a ModelServing."""
_SCALED = 4
_MOVING = 100
_TARGET = 60
"""Per cent of the requested cpu."""
_CAPACITY = 64.0
_LEVEL = _PODS * _CAPACITY * 0.6
"""Requests in flight at which an HPA keeps ``_PODS``."""


def _fill(cluster: Cluster, size: Size) -> None:
    add_nodes(cluster, size.nodes)
    shares = size.pods // _SHARE
    roles = (Role("prefill", 1, gpus=1), Role("decode", 2, workers=1, gpus=0))
    plans = [
        Serving(
            namespace=f"team-{index % _TEAMS:02d}",
            name=f"model-{index:04d}",
            model="Qwen/Qwen3-32B",
            groups=2,
            roles=roles,
            lean=True,
        )
        for index in range(shares)
    ]
    plant_all(cluster, plans)
    under_demand(cluster, plans)
    for index in range(2 * shares):
        _plant_deployment(cluster, index, DAY * (1 + 9 * (2 * shares - index) / (2 * shares)))
    Changes(cluster, size.event_rate)
    add_exporters(cluster)


def _plant_deployment(cluster: Cluster, index: int, age: float) -> None:
    namespace, name = f"team-{index % _TEAMS:02d}", f"engine-{index:04d}"
    engine = Engine(model="microsoft/phi-4-mini", cpu="2", memory="8Gi")
    cluster.workloads.deployment(deployment_object(namespace, name, _PODS, engine), age)
    if index % _SCALED:
        return
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    hpa = hpa_object(namespace, name, target, 2, 10, [resource_metric("cpu", _TARGET)])
    with cluster.clock.held_at(cluster.clock.now() - age):
        cluster.store.create("horizontalpodautoscalers.autoscaling", hpa, manager="helm")
    curve: Curve = Steady(_LEVEL)
    if index % _MOVING == 0:
        period = 1800.0
        curve = Wave(0.5 * _LEVEL, 1.8 * _LEVEL, period, period * chance(cluster.options.seed, name))
    cluster.demand.assign(namespace, name, {"app": name}, curve, capacity=_CAPACITY)


SCENARIO = Scenario(
    _fill, clouds=False, size=Size(pods=20_000, nodes=1000), sized=("pods", "nodes", "event_rate")
)
