"""Devices joined with the grid of the workloads that hold them."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clients.serving.gpu_join import GpuJoin, join
from clients.serving.gpu_use import GpuUse, Place, places_of
from clients.serving.gpus import Busy, DeviceKey, GpuMark, GpuSample, Holder, Measure
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Stage
from clients.serving.workload import Group, PodView, Role, RoleReplica, Workload

CHAT = WorkloadKey("c", "kthena", "llm", "ModelServing", "chat")
GIB = 1 << 30


def pod(name: str) -> PodView:
    return PodView(name, name, 0, "n", "Running", True, False, Stage.READY, 1, 0, 0.0)


def workload(key: WorkloadKey = CHAT) -> Workload:
    def replica(group: str, ordinal: int) -> RoleReplica:
        made = (pod(f"{group}-decode-{ordinal}-0"),)
        return RoleReplica(f"decode-{ordinal}", ordinal, Phase.RUNNING, None, made, 1)

    groups = tuple(
        Group(name, at, Phase.RUNNING, None, (Role("decode", 2, 2, (replica(name, 0), replica(name, 1))),))
        for at, name in enumerate((f"{key.name}-0", f"{key.name}-1"))
    )
    return Workload(key, "u", 2, 2, Phase.RUNNING, groups)


def sample(index: int, *pods: str, **more: Any) -> GpuSample:
    return GpuSample(
        key=DeviceKey(more.pop("node", "n"), f"GPU-{index}", more.pop("instance", None)),
        taken_at=more.pop("taken_at", 90.0),
        fresh_until=more.pop("fresh_until", 200.0),
        index=index,
        holders=tuple(Holder("llm", name) for name in pods),
        **{"tensor": 50.0, "memory_used": 40 * GIB, "memory_total": 80 * GIB, "power": 400.0, **more},
    )


def joined(*samples: GpuSample, now: float = 100.0, **how: Any) -> GpuUse:
    return join(samples, places_of([workload()]), now, **how)


def test_a_device_leads_to_its_place_in_the_grid() -> None:
    use = joined(sample(0, "chat-1-decode-0-0"))
    (view,) = use.devices
    assert view.places == (Place(CHAT, "chat-1", "decode", "decode-0", "chat-1-decode-0-0"),)
    assert set(use.workloads) == {CHAT}
    assert set(use.groups) == {(CHAT, "chat-1")}
    assert set(use.replicas) == {(CHAT, "chat-1", "decode", "decode-0")}


def test_a_group_adds_up_memory_and_power_and_averages_how_busy_it_is() -> None:
    use = joined(
        sample(0, "chat-0-decode-0-0", tensor=80.0),
        sample(1, "chat-0-decode-1-0", tensor=20.0),
        sample(2, "chat-1-decode-0-0", tensor=10.0),
    ).groups[(CHAT, "chat-0")]
    assert (use.devices, use.busy, use.memory_percent, use.power) == (
        2, Busy(50.0, Measure.TENSOR), 50.0, 800.0,
    )  # fmt: skip


def test_devices_are_compared_by_a_measure_that_all_of_them_have() -> None:
    use = joined(
        sample(0, "chat-0-decode-0-0", tensor=80.0, utilisation=100.0),
        sample(1, "chat-0-decode-1-0", tensor=None, utilisation=60.0),
    )
    assert use.workloads[CHAT].busy == Busy(80.0, Measure.UTILISATION)


def test_what_one_device_does_not_tell_is_not_known_of_the_group() -> None:
    use = joined(sample(0, "chat-0-decode-0-0"), sample(1, "chat-0-decode-1-0", memory_used=None, power=None))
    told = use.workloads[CHAT]
    assert (told.memory_used, told.memory_percent, told.power, told.memory_total) == (
        None,
        None,
        None,
        160 * GIB,
    )


def test_instances_of_one_gpu_have_one_power_in_common() -> None:
    parts = [
        sample(0, f"chat-0-decode-{n}-0", instance=n + 3, memory_used=GIB, memory_total=20 * GIB)
        for n in (0, 1)
    ]
    told = joined(*parts).workloads[CHAT]
    assert (told.devices, told.power, told.memory_total) == (2, 400.0, 40 * GIB)


def test_a_shared_device_counts_for_each_who_shares_it_and_once_for_all() -> None:
    use = joined(sample(0, "chat-0-decode-0-0", "chat-1-decode-0-0"))
    assert len(use.devices) == 1
    assert [use.groups[(CHAT, f"chat-{n}")].devices for n in (0, 1)] == [1, 1]
    assert use.workloads[CHAT].devices == 1


def test_old_values_are_marked_and_do_not_count_beside_fresh_ones() -> None:
    use = joined(
        sample(0, "chat-0-decode-0-0", tensor=80.0),
        sample(1, "chat-0-decode-1-0", tensor=20.0, fresh_until=99.0, taken_at=10.0),
    )
    told = use.workloads[CHAT]
    assert (told.devices, told.stale, told.busy) == (2, 1, Busy(80.0, Measure.TENSOR))
    assert told.marks == ((GpuMark.STALE, 1),)
    assert [view.stale for view in use.devices] == [False, True]
    silent = joined(sample(0, "chat-0-decode-0-0", tensor=80.0), silent={"n"}).workloads[CHAT]
    assert (silent.stale, silent.busy, silent.taken_at) == (1, Busy(80.0, Measure.TENSOR), 90.0)


def test_marks_are_counted_the_worst_first() -> None:
    use = joined(
        sample(0, "chat-0-decode-0-0", tensor=0.0),
        sample(1, "chat-0-decode-1-0", tensor=0.0, xid=79),
        sample(2, "chat-1-decode-1-0", memory_used=79 * GIB),
    )
    assert use.workloads[CHAT].marks == ((GpuMark.XID, 1), (GpuMark.MEMORY, 1), (GpuMark.IDLE, 2))


def test_whether_it_is_allocated_is_only_told_where_it_is_known() -> None:
    free, unknown, other = sample(0), sample(1, attributed=False), sample(2, "notebook")
    told = [view.allocated for view in joined(free, unknown, other).devices]
    assert told == [False, None, True]
    held: list[dict[str, int]] = [{}, {"n": 1}]
    assert [joined(unknown, held=one).devices[0].allocated for one in held] == [False, None]
    (_, _, view) = joined(free, unknown, other).devices
    assert (view.places, view.sample.holders[0].pod) == ((), "notebook")


def test_devices_stand_in_the_order_of_nodes_and_numbers() -> None:
    use = joined(
        sample(10, node="b"), sample(2, node="b"), sample(0, node="b", instance=4), sample(3, node="a")
    )
    assert [(v.sample.key.node, v.sample.index) for v in use.devices] == [
        ("a", 3),
        ("b", 0),
        ("b", 2),
        ("b", 10),
    ]


@given(st.randoms(use_true_random=False))
def test_what_is_kept_from_one_join_to_the_next_changes_nothing(chance: Random) -> None:
    kept, now = GpuJoin(), 100.0
    pods = [f"chat-{group}-decode-{ordinal}-0" for group in (0, 1) for ordinal in (0, 1)] + ["notebook"]
    samples: dict[tuple[str, int], GpuSample] = {}
    places = places_of([workload()])
    for _ in range(12):
        now += chance.choice([0.0, 1.0, 30.0])
        for node in chance.sample("abc", chance.randrange(3)):
            for index in range(3):
                samples.pop((node, index), None)
                if chance.random() < 0.8:
                    samples[(node, index)] = sample(
                        index,
                        *chance.sample(pods, chance.randrange(3)),
                        node=node,
                        taken_at=now,
                        fresh_until=now + chance.choice([0.0, 20.0]),
                        tensor=chance.choice([0.0, 40.0, None]),
                        attributed=chance.random() < 0.8,
                    )
        if chance.random() < 0.3:
            places = places_of([workload()] if chance.random() < 0.5 else [])
        silent = {node for node in "abc" if chance.random() < 0.2}
        held = chance.choice([None, {}, {"a": 1}])
        told = kept.join(samples.values(), places, now, silent=silent, held=held)
        assert told == join(samples.values(), places, now, silent=silent, held=held)
        assert kept.join(samples.values(), places, now, silent=silent, held=held) is told
