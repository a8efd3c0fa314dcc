"""Everything that goes wrong with inference clusters, at once, next to workloads that are well.

crash-loop: CUDA out of memory · oom-killed: its container's memory · image-missing: a rollout to a tag that
does not exist · stuck: a pod whose deletion never ends · lost: a pod on a node that fell silent · too-big:
more GPUs than are free, pod by pod · gang-blocked: the same as a gang · flapping: a probe that comes and
goes; GPUs that are hot and throttled, full, idle though held, one with an XID, one node whose exporter has
nothing. Other systems have their share (``broken_systems``).
"""

from __future__ import annotations

from random import Random

from clients.embedded.cluster import Cluster
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.gpus import Ailment
from clients.embedded.scenarios.broken_systems import plant_broken_systems
from clients.embedded.scenarios.ground import DAY, add_nodes, notebook, plant_all, route_all, under_demand
from clients.embedded.scenarios.happenings import Happenings
from clients.embedded.scenarios.scenario import Scenario, Size
from clients.embedded.servings import Role, Serving

__all__ = ["SCENARIO"]

_PD = (Role("prefill", 1), Role("decode", 2))
_LONG_GRACE = 7200
"""Seconds that Kthena lets a failed pod try again, so that it is seen failing."""


def _serving(name: str, groups: int = 2, *, grace: int = 0, scheduler: str = "volcano") -> Serving:
    return Serving(
        namespace="llm-prod",
        name=name,
        model="Qwen/Qwen3-32B",
        groups=groups,
        roles=_PD,
        restart_grace=grace,
        scheduler=scheduler,
    )


_PLANS = (
    Serving(namespace="default", name="healthy-chat", model="Qwen/Qwen3-32B", groups=2, roles=_PD),
    Serving(namespace="default", name="healthy-code", model="Qwen/Qwen3-Coder-30B", groups=3, roles=_PD),
    _serving("crash-loop", grace=_LONG_GRACE),
    _serving("flapping", grace=_LONG_GRACE),
    _serving("gang-blocked"),
    _serving("image-missing"),
    _serving("lost"),
    _serving("oom-killed", grace=_LONG_GRACE),
    _serving("stuck", groups=3),
    _serving("too-big", scheduler="default-scheduler"),
)


_AILMENTS = (
    ("default", "healthy-chat-1-decode-0-0", Ailment(idle=True)),
    ("default", "healthy-code-0-decode-1-0", Ailment(full=True)),
    ("default", "healthy-code-1-decode-0-0", Ailment(hotter=24, reasons=0x20)),
    ("default", "healthy-code-2-prefill-0-0", Ailment(xid=94)),
    ("research", "training-2", Ailment(idle=True)),
)


def _break_gpus(cluster: Cluster) -> None:
    """What is wrong with some GPUs, said by the pod that has them at the start."""
    for namespace, name, ailment in _AILMENTS:
        pod = cluster.pods.get(namespace, name)
        assert pod is not None
        for index in cluster.gpus.of(pod):
            cluster.gpus.afflict(pod.node, index, ailment)


def _fill(cluster: Cluster, _size: Size) -> None:
    add_nodes(cluster, 12)
    plant_all(cluster, _PLANS)
    route_all(cluster, _PLANS)
    for index in range(3):
        cluster.ground.plant_pod(notebook("research", f"training-{index}", 8), 5 * DAY)
    under_demand(cluster, _PLANS)
    _break_gpus(cluster)
    add_exporters(cluster, silent=("gpu-node-10",))
    happenings, faults = Happenings(cluster, "trouble"), cluster.faults
    plant_broken_systems(cluster, happenings)

    def crashes() -> None:
        memory = Fault(FaultKind.CRASH, "llm-prod", "crash-loop-0-decode-1-0", CUDA_OOM)
        killed = Fault(
            FaultKind.CRASH, "llm-prod", "oom-killed-1-prefill-0-0", "", "OOMKilled", exit_code=137
        )
        for fault in (memory, killed):
            faults.add(fault)
            cluster.kubelets.crash(fault.namespace, fault.name, fault)

    def missing_image() -> None:
        faults.add(Fault(FaultKind.IMAGE, "llm-prod", "image-missing-1-*"))
        happenings.roll_out("llm-prod", "image-missing", "docker.io/vllm/vllm-openai:v0.12.0-rc9", "argocd")

    def stuck() -> None:
        faults.add(Fault(FaultKind.STUCK, "llm-prod", "stuck-2-decode-0-0"))
        happenings.scale("llm-prod", "stuck", 2, "kubectl")

    def lose_node() -> None:
        record = cluster.store.record("pods", "llm-prod", "lost-1-decode-0-0")
        if record is not None:
            cluster.kubelets.lose_node(record.fields[0])

    def too_much() -> None:
        happenings.scale("llm-prod", "too-big", 12, "kubectl")
        happenings.at(60, lambda: happenings.scale("llm-prod", "gang-blocked", 3, "kubectl"))

    def flap(rng: Random) -> None:
        happenings.flap_one("llm-prod", "flapping", rng, 20.0)

    happenings.at(5, crashes)
    happenings.at(10, missing_image)
    happenings.at(15, stuck)
    happenings.at(25, lose_node)
    happenings.at(40, too_much)
    happenings.now_and_then("flapping", 40, 50, flap)


SCENARIO = Scenario(_fill, history=300.0)
