from __future__ import annotations

from clients.kube.capacity import GpuLedger
from clients.kube.held_cost import held_cost
from clients.kube.rows import NodeRow
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Stage
from clients.serving.plans import Money
from clients.serving.workload import Group, PodView, Role, RoleReplica, Workload

PRICES = {"H100": Money("2.50", "EUR"), "L40S": Money("0.90", "EUR"), "gpua5000": Money("9", "CHF")}
LABEL = "nvidia.com/gpu.product"


def pod(name: str, node: str | None, gpus: int) -> PodView:
    return PodView(name, name, 0, node, "Running", True, False, Stage.READY, gpus, 0, None)


def workload(*pods: PodView) -> Workload:
    replica = RoleReplica("decode-0", 0, Phase.RUNNING, None, pods, len(pods))
    group = Group("qwen-0", 0, Phase.RUNNING, None, (Role("decode", 1, 1, (replica,)),))
    key = WorkloadKey("c0ffee", "kthena", "llm", "ModelServing", "qwen")
    return Workload(key, "u", 1, 1, Phase.RUNNING, (group,))


def ledger(**models: str | None) -> GpuLedger:
    made = GpuLedger()
    for name, model in models.items():
        made.put_node(NodeRow(name, name, 8, True, labels={} if model is None else {LABEL: model}))
    return made


def test_each_gpu_costs_what_its_nodes_model_does() -> None:
    nodes = ledger(a="NVIDIA-H100-80GB-HBM3", b="NVIDIA-L40S")
    held = workload(pod("p", "a", 4), pod("q", "b", 1), pod("r", None, 8), pod("s", "a", 0))
    assert held_cost(held, nodes, PRICES) == Money("10.90", "EUR")


def test_a_model_that_is_not_told_or_not_priced_makes_no_number() -> None:
    nodes = ledger(a="NVIDIA-H100-80GB-HBM3", b=None, c="NVIDIA-A100")
    for other in ("b", "c", "gone"):
        assert held_cost(workload(pod("p", "a", 4), pod("q", other, 1)), nodes, PRICES) is None


def test_what_holds_nothing_costs_nothing() -> None:
    assert held_cost(workload(pod("p", None, 8)), ledger(), PRICES) == Money("0", "")
