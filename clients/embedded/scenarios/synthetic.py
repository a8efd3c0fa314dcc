"""Load for measurements: so many workloads, groups, pods and nodes, and so many pod changes a second.

Every change carries the next number of one sequence, in the pod's annotation ``servegrid.dev/sequence`` and
in its ``status.message`` (``sequence 17``), so that a reader can prove that it lost none. Pods take turns;
every tenth change turns a pod's readiness over. Nothing else happens.
"""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.cluster import Cluster
from clients.embedded.scenarios.ground import DAY, add_nodes, notebook, plant_all
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO", "SEQUENCE"]

SEQUENCE = "servegrid.dev/sequence"

_PERIOD = 0.02
_FLIP = 10
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


class _Changes:
    """The steady stream of changes."""

    def __init__(self, cluster: Cluster, rate: float) -> None:
        self._cluster = cluster
        self._rate = rate
        self._owed = 0.0
        self._sequence = 0
        self._keys = [record.key for record in cluster.store.records("pods")]
        self._unready: set[tuple[str, str]] = set()
        if rate > 0 and self._keys:
            cluster.engine.every(_PERIOD, self._tick)

    def _tick(self) -> None:
        self._owed += self._rate * _PERIOD
        while self._owed >= 1:
            self._owed -= 1
            self._one()

    def _one(self) -> None:
        number = self._sequence + 1
        turn, place = divmod(number, len(self._keys))
        key = self._keys[place]
        flips = (turn + place) % _FLIP == 0
        ready = key in self._unready
        now = timestamp(self._cluster.clock.now())

        def change(pod: Json) -> None:
            pod["metadata"].setdefault("annotations", {})[SEQUENCE] = str(number)
            status = pod["status"]
            status["message"] = f"sequence {number}"
            if not flips:
                return
            for container in status["containerStatuses"]:
                container["ready"] = ready
            for condition in status["conditions"]:
                if condition["type"] in ("Ready", "ContainersReady"):
                    condition["status"] = "True" if ready else "False"
                    condition["lastTransitionTime"] = now

        if self._cluster.store.mutate("pods", *key, change, manager="kubelet") is None:
            self._keys.remove(key)
            return
        self._sequence = number
        if flips:
            (self._unready.discard if ready else self._unready.add)(key)


def _fill(cluster: Cluster, size: Size) -> None:
    limit = max(110, -(-size.pods // max(1, size.nodes)) + 20)
    add_nodes(cluster, size.nodes, pods_limit=limit)
    plans = _plans(size)
    plant_all(cluster, plans)
    planted = sum(plan.groups * sum(role.replicas for role in plan.roles) for plan in plans)
    cluster.namespaces(["load-0"])
    for index in range(size.pods - planted):
        cluster.ground.plant_pod(notebook("load-0", f"single-{index}", 0), DAY)
    _Changes(cluster, size.event_rate)


SCENARIO = Scenario(_fill)
