"""What our node agent writes is what the console reads."""

from __future__ import annotations

from clients.gpu.agent.page import Pods, page
from clients.gpu.agent.samples import Device, DeviceSample, Instance, NodeSample
from clients.gpu.dcgm import WANTED, samples_of
from clients.gpu.exposition import Labels, read_page
from clients.serving.gpus import DeviceState, GpuMark, GpuSample, Holder

GPU = Device(0, "GPU-0", "00000000:10:00.0", 0, "NVIDIA H100 80GB HBM3")
VALUES = {
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.5,
    "DCGM_FI_DEV_FB_USED": 1000,
    "DCGM_FI_DEV_FB_FREE": 79_000,
    "DCGM_FI_DEV_POWER_USAGE": 612.5,
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": 700,
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x40,
    "DCGM_FI_DEV_XID_ERRORS": 63,
}


def read(
    sample: NodeSample | None, pods: Pods, now: float = 100.0
) -> tuple[tuple[GpuSample, ...], tuple[str, ...]]:
    found = read_page(page(sample, pods, now, "node-a").encode(), Labels(), wanted=WANTED)
    return samples_of(found.rows, "node-a", 500.0, 1.0, fresh_for=30.0).samples, found.notes


def test_a_gpu_with_a_hostile_holder() -> None:
    holder = Holder(namespace="llm", pod='chat"},\\\n0', container="engine")
    device = DeviceSample(GPU, DeviceState.LIVE, VALUES, xid_seen_at=1_700_000_000.0)
    ((sample,), _) = read(NodeSample(98.5, 0.01, (device,), "580"), Pods([(holder,)]))
    assert (sample.key.uuid, sample.taken_at, sample.spread) == ("GPU-0", 498.5, 1.0)
    assert (sample.tensor, sample.power, sample.power_limit) == (50.0, 612.5, 700.0)
    assert (sample.memory_used, sample.memory_total) == (1000 << 20, 80_000 << 20)
    assert (sample.holders[0].pod, sample.xid_at) == (holder.pod, 1_700_000_000.0)
    assert sample.marks == (GpuMark.XID, GpuMark.THROTTLED)


def test_instances_and_sharers() -> None:
    parts = tuple(
        DeviceSample(GPU, DeviceState.LIVE, VALUES, Instance(number, "1g.20gb", ())) for number in (3, 4)
    )
    sharers = [Holder(namespace="llm", pod=pod, container="c", share=pod) for pod in ("a", "b")]
    held = [tuple(sharers), ()]
    (samples, _) = read(NodeSample(100.0, 0.01, parts, "580"), Pods(held))
    assert [(s.key.instance, s.profile, [h.pod for h in s.holders]) for s in samples] == [
        (3, "1g.20gb", ["a", "b"]),
        (4, "1g.20gb", []),
    ]
    assert all(s.memory_used == 1000 << 20 and s.attributed for s in samples)


def test_a_lost_gpu_and_pods_that_are_not_known() -> None:
    device = DeviceSample(GPU, DeviceState.LOST, {}, reason="GPU is lost")
    ((sample,), notes) = read(NodeSample(100.0, 0.01, (device,), "580"), Pods([()], "no kubelet socket"))
    assert (sample.marks, sample.reason, sample.attributed) == ((GpuMark.LOST,), "GPU is lost", False)
    assert notes == ("servegrid: pods are not known: no kubelet socket",)


def test_no_driver_is_no_gpu_and_a_note_that_says_why() -> None:
    samples, notes = read(NodeSample(100.0, 0.0, absent="the driver is not loaded"), Pods([]))
    assert (samples, notes) == ((), ("servegrid: the driver is not loaded",))
