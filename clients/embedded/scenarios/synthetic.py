"""Load for measurements: so many workloads, groups, pods and nodes, and so many pod changes a second.

The pods that are told are those of workloads; each node's exporter comes on top, and does not change.
Nothing else happens.
"""

from __future__ import annotations

from clients.embedded.cluster import Cluster
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.scenarios.changes import Changes
from clients.embedded.scenarios.ground import DAY, add_nodes, notebook, plant_all
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO"]

_GPUS = 8


def _plans(size: Size) -> list[Serving]:
    """As many pods a group as fit evenly; some workloads get one more in each group."""
    each, rest = divmod(size.pods, size.workloads * size.groups)
    larger = rest // size.groups
    gpu_for_all = size.pods <= size.nodes * _GPUS
    gpu_for_some = size.workloads * size.groups <= size.nodes * _GPUS
    plans = []
    for index in range(size.workloads):
        pods = each + (1 if index < larger else 0)
        if pods == 0:
            continue
        roles = [Role("prefill", 1, gpus=int(gpu_for_all or gpu_for_some))]
        if pods > 1:
            roles.append(Role("decode", pods - 1, gpus=int(gpu_for_all)))
        plans.append(
            Serving(
                namespace=f"load-{index % 10}",
                name=f"model-{index:04d}",
                model="Qwen/Qwen3-32B",
                groups=size.groups,
                roles=tuple(roles),
                lean=True,
            )
        )
    return plans


def _fill(cluster: Cluster, size: Size) -> None:
    limit = max(110, -(-size.pods // max(1, size.nodes)) + 20)
    add_nodes(cluster, size.nodes, pods_limit=limit)
    plans = _plans(size)
    plant_all(cluster, plans)
    planted = sum(plan.groups * sum(role.replicas for role in plan.roles) for plan in plans)
    cluster.namespaces(["load-0"])
    for index in range(size.pods - planted):
        cluster.ground.plant_pod(notebook("load-0", f"single-{index}", 0), DAY)
    Changes(cluster, size.event_rate)
    add_exporters(cluster)


SCENARIO = Scenario(_fill, clouds=False, sized=("workloads", "groups", "pods", "nodes", "event_rate"))
