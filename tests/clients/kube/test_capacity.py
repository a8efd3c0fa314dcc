from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube.capacity import GpuLedger
from clients.kube.gpu_room import PodNeed, Unit
from clients.kube.rows import NodeRow, PodRow
from clients.serving.backend import GpuTotals
from clients.serving.keys import WorkloadKey
from clients.serving.placement import Expression, Placement, Term
from clients.serving.workload import RoleSpec


def node(name: str, gpus: int = 8, **more: object) -> NodeRow:
    return NodeRow(f"uid-{name}", name, gpus, bool(more.pop("ready", True)), **more)  # type: ignore[arg-type]


def pod(
    uid: str, where: str | None, gpus: int, phase: str = "Running", deleted: float | None = None
) -> PodRow:
    return PodRow(uid, "llm", uid, where, phase, True, gpus, deleted=deleted)


def ledger(*nodes: NodeRow) -> GpuLedger:
    made = GpuLedger()
    for one in nodes:
        made.put_node(one)
    return made


def test_totals_follow_pods_and_nodes() -> None:
    made = ledger(node("a"), node("b", unschedulable=True), node("c", ready=False))
    made.put_pod(pod("p", "a", 3))
    made.put_pod(pod("q", "b", 2, deleted=1.0))
    assert made.totals() == GpuTotals(24, 5, 5, 14)
    made.put_pod(pod("p", "a", 3, "Succeeded"))
    assert made.totals() == GpuTotals(24, 2, 8, 14)
    made.put_pod(pod("w", None, 8, "Pending"))
    assert made.totals().allocated == 2, "a pod that waits holds nothing"
    made.put_pod(pod("w", "a", 8))
    assert made.totals().free == 0
    made.drop_pod("w")
    made.drop_pod("w")
    made.drop_node("b")
    assert made.totals() == GpuTotals(16, 0, 8, 8)


def test_a_pod_may_come_before_its_node_and_outlive_it() -> None:
    made = GpuLedger()
    made.put_pod(pod("p", "a", 3))
    assert made.totals() == GpuTotals(0, 0, 0, 0)
    made.put_node(node("a"))
    assert made.totals() == GpuTotals(8, 3, 5, 0)
    made.put_node(node("a", 4))
    assert made.totals() == GpuTotals(4, 3, 1, 0)
    made.drop_node("a")
    made.drop_pod("p")
    made.put_node(node("a"))
    assert made.totals() == GpuTotals(8, 0, 8, 0)


def test_without_rights_nothing_is_claimed() -> None:
    made = ledger(node("a"))
    made.pods_seen = False
    assert made.totals() == GpuTotals(8, None, None)
    found = made.fits([PodNeed(4)])
    assert (found.total, found.free, found.fits, found.needed) == (8, None, None, 4)
    made.nodes_seen = False
    assert made.totals() == GpuTotals(None, None, None)
    assert made.fits([PodNeed(4)]).total is None


def test_it_fits_pod_by_pod_and_not_in_sum() -> None:
    made = ledger(node("a", 4), node("b", 4))
    made.put_pod(pod("p", "a", 1))
    assert made.fits([PodNeed(4, 1), PodNeed(1, 3)]).fits is True
    assert made.fits([PodNeed(3, 2)]).fits is True
    scattered = made.fits([PodNeed(2, 3), PodNeed(1, 1)])
    assert (scattered.free, scattered.needed, scattered.fits) == (7, 7, True)
    assert made.fits([PodNeed(4, 2)]).fits is False
    assert made.fits([]).fits is True


def test_only_nodes_that_the_pods_may_use() -> None:
    taint = (("gpu", "h100", "NoSchedule"),)
    made = ledger(
        node("a", labels={"pool": "x"}),
        node("b", labels={"pool": "y"}, taints=taint),
        node("c", labels={"pool": "y"}, taints=(("soft", "", "PreferNoSchedule"),)),
        node("d", labels={"pool": "y"}, unschedulable=True),
    )
    there = made.fits([PodNeed(4, 1, Placement((("pool", "y"),)))])
    assert (there.nodes, there.free, there.unschedulable) == (1, 8, 16)
    tolerant = PodNeed(4, 1, Placement((("pool", "y"),), (("gpu", "Equal", "h100", "NoSchedule"),)))
    found = made.fits([tolerant])
    assert (found.nodes, found.unschedulable) == (2, 8)
    found = made.fits([PodNeed(4, 1, Placement((("pool", "z"),)))])
    assert (found.fits, found.free, found.unschedulable) == (False, 0, 0)
    there = made.fits([PodNeed(1, 1, in_zone("a"))])
    assert (there.nodes, there.total, there.fits) == (0, 0, False)
    made.put_node(node("e", labels={"zone": "a"}))
    assert made.fits([PodNeed(8, 1, in_zone("a"))]).fits is True
    assert made.fits([PodNeed(8, 2, in_zone("a"))]).fits is False


def in_zone(zone: str) -> Placement:
    return Placement(affinity=(Term((Expression("zone", "In", (zone,)),)),))


def test_what_is_not_weighed_can_only_make_it_less() -> None:
    made = ledger(node("a"), node("b"))
    apart = Placement(unlooked=("topology spread",))
    enough = made.fits([PodNeed(4, 2, apart), PodNeed(1, 1, Placement(unlooked=("pod anti-affinity",)))])
    assert (enough.fits, enough.usable) == (None, 9)
    assert enough.unlooked == ("pod anti-affinity", "topology spread")
    short = made.fits([PodNeed(4, 5, apart)])
    assert (short.fits, short.usable, short.unlooked) == (False, 16, ("topology spread",))


def test_free_is_what_some_workload_could_use() -> None:
    keys = [WorkloadKey("c", "kthena", "llm", "ModelServing", name) for name in "xy"]
    taint = (("nvidia.com/gpu", "present", "NoSchedule"),)
    made = ledger(
        node("a"),
        node("b", taints=taint),
        node("c", taints=taint, unschedulable=True),
        node("d", taints=(("soft", "", "PreferNoSchedule"),)),
    )
    made.put_pod(pod("p", "b", 3))
    assert made.totals() == GpuTotals(32, 3, 16, 13), "nobody tolerates the taint"
    tolerant = Placement(tolerations=(("nvidia.com/gpu", "Exists", "", ""),))
    made.put_asking(keys[0], [RoleSpec("router", 1, 0, placement=tolerant)])
    assert made.totals().free == 16, "it asks for no GPU"
    for key in keys:
        made.put_asking(key, [RoleSpec("decode", 1, 1, gpus_worker=8, worker_placement=tolerant)])
    assert made.totals() == GpuTotals(32, 3, 21, 8), "a cordon is not tolerated"
    plan = made.fits([PodNeed(1, 1, tolerant)])
    assert (plan.free, plan.unschedulable) == (made.totals().free, made.totals().unschedulable)
    made.drop_asking(keys[0])
    assert made.totals().free == 21
    made.put_asking(keys[1], [RoleSpec("decode", 1, 0, gpus_entry=8)])
    assert made.totals() == GpuTotals(32, 3, 16, 13)


def group(*needs: PodNeed) -> Unit:
    """All of it at once, or nothing."""
    return Unit(together=needs)


def test_whole_groups_where_they_are_placed_at_once() -> None:
    made = ledger(node("a"), node("b"))
    made.put_pod(pod("p", "a", 3))
    twelve = (PodNeed(4), PodNeed(2, 4))
    gang, loose = made.room_for([group(*twelve)] * 2), made.room_for([Unit(each=twelve)] * 2)
    assert (gang.needed, gang.free, gang.fits, gang.usable) == (24, 13, False, 12)
    assert (loose.needed, loose.free, loose.fits, loose.usable) == (24, 13, False, 12)
    # One pod more than there is room for: pod by pod the others come all the same.
    made.put_pod(pod("q", "b", 1))
    one = (PodNeed(4), PodNeed(4), PodNeed(4), PodNeed(4))
    assert made.room_for([group(*one)]).usable == 0
    assert made.room_for([Unit(each=one)]).usable == 8
    # The minimum at once, the rest as it comes.
    assert made.room_for([Unit(together=one[:2], each=one[2:])]).usable == 8
    assert made.room_for([Unit(together=one[:3], each=one[3:])]).usable == 0
    # A group that finds no room leaves it to a smaller one.
    assert made.room_for([group(*one), group(PodNeed(4))]).usable == 4


def test_of_what_use_free_gpus_are_depends_on_the_node_of_each_pod() -> None:
    taint = (("gpu", "", "NoSchedule"),)
    made = ledger(
        node("a", 8, labels={"nvidia.com/gpu.product": "H100", "pool": "x"}),
        node("b", 8, labels={"nvidia.com/gpu.product": "L4"}),
        node("c", 8, taints=taint),
    )
    entry, worker = (
        PodNeed(2, 2, Placement((("pool", "x"),))),
        PodNeed(4, 3, Placement((("nvidia.com/gpu.product", "L4"),))),
    )
    found = made.room_for([group(entry, worker)])
    assert (found.free, found.nodes, found.fits, found.usable) == (16, 2, False, 0)
    assert found.models == (("H100", 8), ("L4", 8))
    assert made.room_for([Unit(each=(entry, worker))]).usable == 12
    found = made.room_for([group(PodNeed(8, 3, Placement(tolerations=(("gpu", "Exists", "", ""),))))])
    assert (found.free, found.fits, found.models) == (24, True, (("", 8), ("H100", 8), ("L4", 8)))


def test_far_too_many_groups_are_counted_soon() -> None:
    made = ledger(*(node(f"n{at}") for at in range(500)))
    found = made.room_for([group(PodNeed(3, 2))] * 100_000)
    assert (found.fits, found.usable) == (False, 3000)


def test_models_of_the_nodes_that_count() -> None:
    label = "nvidia.com/gpu.product"
    made = ledger(node("a", labels={label: "H100"}), node("b", labels={label: "L4"}, unschedulable=True))
    assert made.models([PodNeed(1)]) == {"H100"}
    assert made.models([PodNeed(0)]) == frozenset()


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_many_alike(gpus: int) -> None:
    made = ledger(*(node(f"n{at}") for at in range(500)))
    assert made.fits([PodNeed(gpus, 4000 // gpus)]).fits is True
    assert made.fits([PodNeed(gpus, 4000 // gpus + 1)]).fits is False


@given(st.integers(0, 10_000))
def test_the_sums_are_those_of_a_fresh_count(seed: int) -> None:
    chance = random.Random(seed)
    made = GpuLedger()
    nodes: dict[str, NodeRow] = {}
    pods: dict[str, PodRow] = {}
    for _ in range(60):
        name = f"n{chance.randrange(4)}"
        uid = f"p{chance.randrange(8)}"
        match chance.randrange(4):
            case 0:
                nodes[name] = node(
                    name,
                    chance.choice([0, 4, 8]),
                    ready=chance.random() < 0.8,
                    unschedulable=chance.random() < 0.2,
                )
                made.put_node(nodes[name])
            case 1:
                nodes.pop(name, None)
                made.drop_node(name)
            case 2:
                phase = chance.choice(["Running", "Pending", "Succeeded", "Failed"])
                pods[uid] = pod(uid, chance.choice([None, name, name]), chance.randrange(5), phase)
                made.put_pod(pods[uid])
            case _:
                pods.pop(uid, None)
                made.drop_pod(uid)
    used = dict.fromkeys(nodes, 0)
    for one in pods.values():
        if one.node in used and one.phase in ("Running", "Pending"):
            used[one.node] += one.gpus
    rooms = {name: max(0, row.gpus - used[name]) for name, row in nodes.items()}
    open_nodes = {name for name, row in nodes.items() if row.ready and not row.unschedulable}
    assert made.totals() == GpuTotals(
        sum(row.gpus for row in nodes.values()),
        sum(used.values()),
        sum(room for name, room in rooms.items() if name in open_nodes),
        sum(room for name, room in rooms.items() if name not in open_nodes),
    )
