"""A large cluster: 500 ModelServings, 20,000 pods, 500 nodes with 8 GPUs each, and a little going on.

On each node runs an exporter besides.
"""

from __future__ import annotations

from random import Random

from clients.embedded.cluster import Cluster
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.scenarios.ground import add_nodes, plant_all, under_demand
from clients.embedded.scenarios.happenings import Happenings
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO"]

_TEAMS = 20
_SERVINGS = 500
_GROUPS = 4
_ROLES = (Role("prefill", 1, gpus=1), Role("decode", 3, workers=2, gpus=0))
"""10 pods a group, one of them with a GPU."""

_PLANS = tuple(
    Serving(
        namespace=f"team-{index % _TEAMS:02d}",
        name=f"model-{index:03d}",
        model="Qwen/Qwen3-32B",
        groups=_GROUPS,
        roles=_ROLES,
        lean=True,
    )
    for index in range(_SERVINGS)
)


def _fill(cluster: Cluster, _size: Size) -> None:
    add_nodes(cluster, 500)
    plant_all(cluster, _PLANS)
    under_demand(cluster, _PLANS)
    add_exporters(cluster)
    happenings = Happenings(cluster, "large")

    def groups(rng: Random) -> None:
        plan = rng.choice(_PLANS)
        happenings.scale(plan.namespace, plan.name, rng.randint(3, 5), "autopilot")

    def failure(rng: Random) -> None:
        plan = rng.choice(_PLANS)
        fault = Fault(FaultKind.CRASH, plan.namespace, "*", CUDA_OOM)
        happenings.crash_one(plan.namespace, plan.name, rng, fault)

    happenings.now_and_then("groups", 6, 14, groups)
    happenings.now_and_then("failure", 20, 40, failure)


SCENARIO = Scenario(_fill, clouds=False)
