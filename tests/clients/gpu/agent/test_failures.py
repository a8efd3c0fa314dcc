"""What becomes of the page when NVML does not answer as it should: it is served, and says why."""

from __future__ import annotations

import pynvml
import pytest

from clients.gpu.agent.page import Pods, page
from clients.gpu.agent.sampler import Sampler
from tests.support.fake_nvml import FakeGpu, FakeInstance, FakeNvml, installed
from tests.support.gpu_agent import LeapingClock, Page, parse, running

CODES = {name: value for name, value in vars(pynvml).items() if name.startswith("NVML_ERROR_")}
FUNCTIONS = sorted(name[1:] for name in vars(FakeNvml) if name.startswith("_nvml"))
DEVICE = [name for name in FUNCTIONS if name.startswith(("nvmlDeviceGet", "nvmlGpm"))]


def whole_and_divided() -> FakeNvml:
    parts = [FakeInstance(1, "MIG-one"), FakeInstance(2, "MIG-two")]
    return FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-m", minor=1, instances=parts))


def read(sampler: Sampler, clock: LeapingClock) -> Page:
    sample = sampler.sample()
    return parse(page(sample, Pods([()] * len(sample.devices)), clock.monotonic(), "node"))


def up(found: Page) -> bool:
    return found.value("servegrid_driver_up") == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_error_of_every_function_is_survived_and_recovered_from(function: str) -> None:
    for name, code in CODES.items():
        clock, nvml = LeapingClock(), whole_and_divided()
        with installed(nvml):
            sampler = Sampler(clock)
            for _ in ("from the start", "while it runs"):
                nvml.refused = {function: code}
                clock.ahead += 61
                read(sampler, clock)
                nvml.refused = {}
                clock.ahead += 61
                found = read(sampler, clock)
                assert up(found), (function, name)
                assert [one.value for one in found.of("servegrid_gpu_up")] == [1, 1, 1], (function, name)
            sampler.close()


@pytest.mark.parametrize("function", DEVICE)
def test_an_error_of_one_gpu_is_no_matter_for_the_others(function: str) -> None:
    for name, code in CODES.items():
        gone = code in (1, 9, 12, 18)
        clock, nvml = LeapingClock(), whole_and_divided()
        with installed(nvml):
            sampler = Sampler(clock)
            read(sampler, clock)
            nvml.gpus[1].refused = {function: code}
            clock.ahead += 61
            found = read(sampler, clock)
            if not gone:
                assert found.value("servegrid_gpu_up", UUID="GPU-a") == 1, (function, name)
                assert found.value("DCGM_FI_DEV_GPU_TEMP", UUID="GPU-a") == 72, (function, name)
                assert found.of("servegrid_gpu_up", UUID="GPU-m"), (function, name)
            sampler.close()


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_error_of_a_field_costs_at_most_its_gpu(name: str) -> None:
    clock, nvml = LeapingClock(), whole_and_divided()
    refused = pynvml.NVML_FI_DEV_MEMORY_TEMP
    nvml.gpus[0].refused_fields = {refused: CODES[name]}
    with installed(nvml):
        sampler = Sampler(clock)
        found = read(sampler, clock)
        assert not found.of("DCGM_FI_DEV_MEMORY_TEMP", UUID="GPU-a")
        if up(found) and found.value("servegrid_gpu_up", UUID="GPU-a"):
            assert found.value("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", UUID="GPU-a") > 0
            assert found.of("DCGM_FI_DEV_MEMORY_TEMP", UUID="GPU-m")
        sampler.close()


async def test_what_is_not_supported_is_left_out_named_and_not_asked_again() -> None:
    gpu = FakeGpu("GPU-a", refused={"nvmlDeviceGetUtilizationRates": pynvml.NVML_ERROR_NOT_SUPPORTED})
    del gpu.fields[pynvml.NVML_FI_DEV_MEMORY_TEMP]
    gpu.activity = None
    async with running(FakeNvml(gpu)) as agent:
        found = await agent.passed()
        asked = agent.nvml.calls["nvmlDeviceGetUtilizationRates"]
        await agent.passed()
        assert agent.nvml.calls["nvmlDeviceGetUtilizationRates"] == asked == 1
    assert found.value("servegrid_gpu_up") == 1
    assert found.value("DCGM_FI_DEV_GPU_TEMP") == 72
    assert not found.of("DCGM_FI_DEV_GPU_UTIL")
    assert not found.of("DCGM_FI_DEV_MEMORY_TEMP")
    assert not found.of("DCGM_FI_PROF_GR_ENGINE_ACTIVE")
    (note,) = [line for line in found.comments if "does not tell" in line]
    assert all(word in note for word in ("utilisation", "memory temperature", "activity"))


async def test_what_fails_once_comes_back() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        agent.nvml.gpus[0].refused = {"nvmlDeviceGetPowerUsage": pynvml.NVML_ERROR_UNKNOWN}
        found = await agent.passed()
        assert not found.of("DCGM_FI_DEV_POWER_USAGE")
        assert any("failed this time: power: unknown error (NVML 999)" in line for line in found.comments)
        agent.nvml.gpus[0].refused = {}
        assert (await agent.passed()).value("DCGM_FI_DEV_POWER_USAGE") == 612.345


async def test_older_drivers_are_asked_in_the_older_way() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"))
    nvml.missing = {
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetTemperatureV",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlGpmQueryDeviceSupport",
    }
    async with running(nvml) as agent:
        found = await agent.passed()
    assert found.value("DCGM_FI_DEV_FB_USED") == 70 * 1024
    assert not found.of("DCGM_FI_DEV_FB_RESERVED"), "not known to it, so not told as 0"
    assert found.value("DCGM_FI_DEV_GPU_TEMP") == 72
    assert found.value("DCGM_FI_DEV_CLOCKS_EVENT_REASONS") == 4


async def test_without_a_driver_the_page_says_so_until_there_is_one() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"))
    nvml.absent = True
    async with running(nvml) as agent:
        found = await agent.passed()
        assert found.value("servegrid_driver_up") == 0
        assert (
            "# servegrid: no NVIDIA driver here: libnvidia-ml.so.1 is not found (NVML 12)" in found.comments
        )
        assert not [one for one in found.samples if one.name.startswith("DCGM_")]
        assert (await agent.client.get("/healthz")).status_code == 200
        nvml.absent = False
        agent.clock.ahead += 61
        found = await agent.until(up)
        assert found.value("DCGM_FI_DEV_GPU_TEMP") == 72
        assert agent.told == [
            "no NVIDIA driver here: libnvidia-ml.so.1 is not found (NVML 12)",
            "all GPUs are read, driver 580.95.05",
        ]


async def test_a_lost_gpu_is_told_with_its_xid_and_found_again() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b", minor=1))) as agent:
        await agent.passed()
        agent.nvml.events.append((1, 79))
        agent.nvml.gpus[1].refused = {"*": pynvml.NVML_ERROR_GPU_IS_LOST}
        found = await agent.passed()
        (lost,) = found.of("servegrid_gpu_up", UUID="GPU-b")
        assert lost.value == 0
        assert lost.labels["state"] == "lost"
        assert lost.labels["reason"] == "the GPU has fallen off the bus (NVML 15)"
        assert not found.of("DCGM_FI_DEV_GPU_TEMP", UUID="GPU-b"), (
            "no value of before is told as if it were of now"
        )
        assert found.value("DCGM_FI_DEV_XID_ERRORS", UUID="GPU-b") == 79
        assert found.value("DCGM_FI_DEV_GPU_TEMP", UUID="GPU-a") == 72
        opened = agent.nvml.calls["nvmlInitWithFlags"]
        await agent.passed()
        await agent.passed()
        assert agent.nvml.calls["nvmlInitWithFlags"] <= opened + 1, "it is not opened anew in every pass"
        agent.nvml.gpus[1].refused = {}
        agent.clock.ahead += 61
        found = await agent.until(lambda page: page.value("servegrid_gpu_up", UUID="GPU-b") == 1)
        assert found.value("DCGM_FI_DEV_GPU_TEMP", UUID="GPU-b") == 72


async def test_a_gpu_that_the_driver_forgets_is_not_dropped() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b", minor=1))) as agent:
        await agent.passed()
        gone = agent.nvml.gpus.pop()
        agent.nvml.gpus[0].refused = {"*": pynvml.NVML_ERROR_RESET_REQUIRED}
        await agent.passed()
        agent.nvml.gpus[0].refused = {}
        agent.clock.ahead += 61
        found = await agent.until(lambda page: page.value("servegrid_gpu_up", UUID="GPU-a") == 1)
        (lost,) = found.of("servegrid_gpu_up", UUID="GPU-b")
        assert lost.labels["reason"] == "the driver no longer lists it"
        assert (lost.value, lost.labels["device"]) == (0, "nvidia1")
        agent.nvml.gpus.append(gone)
        agent.clock.ahead += 61
        await agent.until(lambda page: page.value("servegrid_gpu_up", UUID="GPU-b") == 1)


async def test_a_driver_that_goes_and_comes() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        await agent.passed()
        mismatch = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
        agent.nvml.refused = {"nvmlInitWithFlags": mismatch, "nvmlDeviceGetMemoryInfo_v2": mismatch}
        found = await agent.until(lambda page: not up(page))
        assert any("the driver was changed under its library" in line for line in found.comments)
        assert not found.of("DCGM_FI_DEV_GPU_TEMP")
        agent.nvml.refused = {}
        agent.clock.ahead += 61
        await agent.until(up)


async def test_no_gpus_is_no_trouble() -> None:
    async with running(FakeNvml()) as agent:
        found = await agent.passed()
    assert found.value("servegrid_driver_up") == 1
    assert not found.of("servegrid_gpu_up")


async def test_a_binding_that_breaks_ends_nothing() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"))
    nvml._nvmlSystemGetDriverVersion = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]
    async with running(nvml) as agent:
        found = await agent.passed()
        assert found.value("servegrid_driver_up") == 0
        assert any("ZeroDivisionError" in line for line in found.comments)
        del nvml._nvmlSystemGetDriverVersion
        agent.clock.ahead += 61
        await agent.until(up)


async def test_how_a_gpu_is_divided_is_kept_while_it_cannot_be_asked() -> None:
    parts = [FakeInstance(1, "MIG-one"), FakeInstance(2, "MIG-two")]
    async with running(FakeNvml(FakeGpu("GPU-m", instances=parts))) as agent:
        await agent.passed()
        for function in ("nvmlDeviceGetMigMode", "nvmlDeviceGetMigDeviceHandleByIndex"):
            asked = agent.nvml.calls[function]
            agent.nvml.refused = {function: pynvml.NVML_ERROR_UNKNOWN}
            agent.clock.ahead += 61
            await agent.until(lambda _, name=function, before=asked: agent.nvml.calls[name] > before)  # type: ignore[misc]
            assert len((await agent.passed()).of("DCGM_FI_DEV_FB_USED")) == 2
            agent.nvml.refused = {}


async def test_activity_starts_from_a_sample_that_was_taken() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"))
    nvml.refused = {"nvmlGpmSampleGet": pynvml.NVML_ERROR_UNKNOWN}
    async with running(nvml) as agent:
        await agent.passed()
        nvml.refused = {}
        await agent.until(lambda page: bool(page.of("DCGM_FI_PROF_GR_ENGINE_ACTIVE")))
        assert agent.told == [], "no trouble"
