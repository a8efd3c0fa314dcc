"""What the page says of GPUs that answer: dcgm-exporter's names, labels and units."""

from __future__ import annotations

from collections import deque

import pytest

from tests.support.fake_nvml import FakeGpu, FakeInstance, FakeNvml
from tests.support.gpu_agent import Page, running

EXPECTED = {
    "DCGM_FI_DEV_GPU_UTIL": 93,
    "DCGM_FI_DEV_MEM_COPY_UTIL": 48,
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.92,
    "DCGM_FI_PROF_SM_ACTIVE": 0.88,
    "DCGM_FI_PROF_SM_OCCUPANCY": 0.415,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.6125,
    "DCGM_FI_PROF_DRAM_ACTIVE": 0.73,
    "DCGM_FI_PROF_PCIE_TX_BYTES": 512 * 2**20,
    "DCGM_FI_PROF_PCIE_RX_BYTES": 256 * 2**20,
    "DCGM_FI_PROF_NVLINK_TX_BYTES": 2**30,
    "DCGM_FI_PROF_NVLINK_RX_BYTES": 2**30,
    "DCGM_FI_DEV_FB_USED": 70 * 1024,
    "DCGM_FI_DEV_FB_FREE": 9 * 1024,
    "DCGM_FI_DEV_FB_RESERVED": 1024,
    "DCGM_FI_DEV_POWER_USAGE": 612.345,
    "DCGM_FI_DEV_POWER_USAGE_INSTANT": 655.25,
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": 700,
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 9_876_543_210_123,
    "DCGM_FI_DEV_GPU_TEMP": 72,
    "DCGM_FI_DEV_MEMORY_TEMP": 81,
    "DCGM_FI_DEV_SM_CLOCK": 1755,
    "DCGM_FI_DEV_MEM_CLOCK": 2619,
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 4,
    "DCGM_FI_DEV_XID_ERRORS": 0,
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": 2,
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 0,
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": 7,
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": 1,
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": 3,
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 1,
    "DCGM_FI_DEV_ROW_REMAP_PENDING": 1,
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0,
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": 5,
}


def warm(page: Page) -> bool:
    """Activity is known from the second pass on."""
    return bool(page.of("DCGM_FI_PROF_GR_ENGINE_ACTIVE"))


async def test_every_value_under_dcgm_exporters_name_in_its_unit() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        page = await agent.until(warm)
    told = {one.name: one.value for one in page.samples if one.name.startswith("DCGM_")}
    assert told == EXPECTED
    labels = {
        "gpu": "0",
        "UUID": "GPU-a",
        "pci_bus_id": "00000000:17:00.0",
        "device": "nvidia0",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "gpu-node-1",
        "DCGM_FI_DRIVER_VERSION": "580.95.05",
    }
    assert all(one.labels == labels for one in page.samples if one.name in EXPECTED)
    counters = {name for name, kind in page.types.items() if kind == "counter"}
    assert {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER"} <= counters
    assert "DCGM_FI_DEV_XID_ERRORS" not in counters


async def test_values_are_of_now_and_say_how_old_they_are() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        assert (await agent.passed()).value("DCGM_FI_DEV_GPU_TEMP") == 72
        agent.nvml.gpus[0].temperature = 40
        page = await agent.passed()
        assert page.value("DCGM_FI_DEV_GPU_TEMP") == 40
        assert 0 <= page.value("servegrid_sample_age_seconds") < 10
        assert page.value("servegrid_sample_duration_seconds") > 0
        assert page.value("servegrid_driver_up") == 1


async def test_eight_gpus_each_with_its_own() -> None:
    gpus = [FakeGpu(f"GPU-{index}", minor=7 - index, temperature=40 + index) for index in range(8)]
    async with running(FakeNvml(*gpus)) as agent:
        page = await agent.passed()
    for index in range(8):
        found = page.of("DCGM_FI_DEV_GPU_TEMP", UUID=f"GPU-{index}", gpu=str(index))
        assert [(one.value, one.labels["device"]) for one in found] == [(40 + index, f"nvidia{7 - index}")]


async def test_handles_are_cached_and_fields_read_in_one_call() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b"))) as agent:
        await agent.passed()
        before = dict(agent.nvml.calls)
        await agent.passed()
        after = agent.nvml.calls
        passes = after["nvmlEventSetWait_v2"] - before["nvmlEventSetWait_v2"]
        assert passes >= 2
        for name in ("nvmlInitWithFlags", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"):
            assert after[name] == before[name], name
        assert after["nvmlDeviceGetFieldValues"] - before["nvmlDeviceGetFieldValues"] <= 2 * (passes + 1)


def divided() -> FakeGpu:
    first = FakeInstance(1, "MIG-one", profile="3g.40gb", used=30 << 30, total=40 << 30, tensor=80.0)
    second = FakeInstance(5, "MIG-two", used=2 << 30, tensor=5.0)
    return FakeGpu("GPU-m", minor=3, instances=[first, second])


async def test_a_divided_gpu_has_a_row_for_each_instance() -> None:
    async with running(FakeNvml(divided(), FakeGpu("GPU-w"))) as agent:
        page = await agent.until(warm)
    memory = page.of("DCGM_FI_DEV_FB_USED", UUID="GPU-m")
    told = [(one.labels["GPU_I_ID"], one.labels["GPU_I_PROFILE"], one.value) for one in memory]
    assert told == [("1", "3g.40gb", 30 * 1024), ("5", "1g.10gb", 2 * 1024)]
    assert page.value("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", UUID="GPU-m", GPU_I_ID="1") == 0.8
    assert page.value("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", UUID="GPU-m", GPU_I_ID="5") == 0.05
    assert [one.value for one in page.of("DCGM_FI_DEV_GPU_TEMP", UUID="GPU-m")] == [72, 72]
    assert not page.of("DCGM_FI_DEV_GPU_UTIL", UUID="GPU-m"), "NVML has none for a divided GPU"
    assert "GPU_I_ID" not in page.of("DCGM_FI_DEV_FB_USED", UUID="GPU-w")[0].labels


async def test_a_gpu_that_is_divided_anew_is_found_within_a_minute() -> None:
    async with running(FakeNvml(FakeGpu("GPU-m"))) as agent:
        page = await agent.passed()
        assert page.value("DCGM_FI_DEV_GPU_UTIL") == 93
        held = agent.nvml.samples
        for _ in range(3):
            agent.nvml.gpus[0].instances = divided().instances
            agent.clock.ahead += 61
            await agent.until(lambda page: len(page.of("DCGM_FI_DEV_FB_USED", UUID="GPU-m")) == 2)
            agent.nvml.gpus[0].instances = []
            agent.clock.ahead += 61
            await agent.until(lambda page: bool(page.of("DCGM_FI_DEV_GPU_UTIL")))
        assert agent.nvml.samples == held, "what the driver allocated was given back"
    assert agent.nvml.samples == 0
    assert agent.nvml.open == 0


async def test_compute_instances_of_one_gpu_instance_share_its_row() -> None:
    gpu = FakeGpu("GPU-m", instances=[FakeInstance(2, "MIG-a", ci=0), FakeInstance(2, "MIG-b", ci=1)])
    async with running(FakeNvml(gpu)) as agent:
        page = await agent.passed()
    assert [one.labels["GPU_I_ID"] for one in page.of("DCGM_FI_DEV_FB_USED")] == ["2"]


async def test_the_last_xid_with_its_time() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b"))) as agent:
        page = await agent.passed()
        assert not page.of("servegrid_xid_timestamp_seconds")
        agent.nvml.events.extend([(1, 31), (1, 63)])
        before = agent.clock.now()
        page = await agent.passed()
        assert page.value("DCGM_FI_DEV_XID_ERRORS", UUID="GPU-a") == 0
        assert page.value("DCGM_FI_DEV_XID_ERRORS", UUID="GPU-b") == 63
        seen = page.value("servegrid_xid_timestamp_seconds", UUID="GPU-b")
        assert before - 0.001 <= seen <= agent.clock.now()
        assert not page.of("servegrid_xid_timestamp_seconds", UUID="GPU-a")


class Storm(deque[tuple[int, int]]):
    """An event that is told again and again."""

    def popleft(self) -> tuple[int, int]:
        return self[0]


async def test_a_storm_of_xids_holds_nothing_up() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        await agent.passed()
        agent.nvml.events = Storm([(0, 31)])
        page = await agent.passed()
        assert page.value("DCGM_FI_DEV_GPU_TEMP") == 72
        assert page.value("DCGM_FI_DEV_XID_ERRORS") == 31


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "two\nlines", 'all\\"\n', "\x1b[31mred", "x" * 90])
async def test_names_cannot_break_the_page(name: str) -> None:
    async with running(FakeNvml(FakeGpu("GPU-a", name=name))) as agent:
        page = await agent.passed()
    assert page.of("DCGM_FI_DEV_GPU_TEMP")[0].labels["modelName"] == name
