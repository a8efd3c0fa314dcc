"""libnvidia-ml.so.1 as far as the agent calls it, in Python, where NVIDIA's binding would load the library.

Everything above the C functions is real: pynvml with its structures, versions and errors. What a call answers
is set on the ``FakeGpu``s of a ``FakeNvml``, at any time and from any thread.
"""

from __future__ import annotations

import ctypes
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynvml

GIB = 1 << 30
_EVENT_SET, _FIRST_GPU, _FIRST_SAMPLE = 0x100, 0x1000, 0x100000

FIELDS = {
    pynvml.NVML_FI_DEV_POWER_INSTANT: 655_250,
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION: 9_876_543_210_123,
    pynvml.NVML_FI_DEV_MEMORY_TEMP: 81,
    pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL: 2,
    pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL: 0,
    pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL: 7,
    pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL: 1,
    pynvml.NVML_FI_DEV_REMAPPED_COR: 3,
    pynvml.NVML_FI_DEV_REMAPPED_UNC: 1,
    pynvml.NVML_FI_DEV_REMAPPED_PENDING: 1,
    pynvml.NVML_FI_DEV_REMAPPED_FAILURE: 0,
    pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER: 5,
}
ACTIVITY = {
    pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL: 92.0,
    pynvml.NVML_GPM_METRIC_SM_UTIL: 88.0,
    pynvml.NVML_GPM_METRIC_SM_OCCUPANCY: 41.5,
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: 61.25,
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: 73.0,
    pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC: 512.0,
    pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC: 256.0,
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC: 1024.0,
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC: 1024.0,
}


@dataclass
class FakeInstance:
    """A MIG instance."""

    gi: int
    uuid: str
    ci: int = 0
    profile: str = "1g.10gb"
    used: int = 4 * GIB
    total: int = 10 * GIB
    tensor: float = 12.5


@dataclass
class FakeGpu:
    """A GPU and what it answers."""

    uuid: str
    bus_id: str = "00000000:17:00.0"
    minor: int = 0
    name: str = "NVIDIA H100 80GB HBM3"
    busy: int = 93
    memory_busy: int = 48
    used: int = 70 * GIB
    reserved: int = GIB
    total: int = 80 * GIB
    power: int = 612_345
    limit: int = 700_000
    temperature: int = 72
    sm_clock: int = 1755
    memory_clock: int = 2619
    reasons: int = 0x4
    fields: dict[int, int] = field(default_factory=lambda: dict(FIELDS))
    activity: dict[int, float] | None = field(default_factory=lambda: dict(ACTIVITY))
    instances: list[FakeInstance] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Return codes by function; ``*`` stands for every function that takes the GPU's handle."""
    refused_fields: dict[int, int] = field(default_factory=dict)


class _Function:
    """A C function: ctypes lets its users set attributes such as ``restype``."""

    def __init__(self, library: FakeNvml, name: str) -> None:
        self._library, self._name = library, name

    def __call__(self, *arguments: Any) -> int:
        library = self._library
        library.calls[self._name] += 1
        if self._name in library.refused:
            return library.refused[self._name]
        if self._name not in _WITHOUT_INIT and not library.open:
            return int(pynvml.NVML_ERROR_UNINITIALIZED)
        answer: Callable[..., int] = getattr(library, f"_{self._name}")
        return answer(*arguments)


_WITHOUT_INIT = {"nvmlInitWithFlags", "nvmlShutdown"}


class FakeNvml:
    """The library with its GPUs."""

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = list(gpus)
        self.absent = False
        """No library on this machine."""
        self.missing: set[str] = set()
        """Functions that this driver's library does not have."""
        self.refused: dict[str, int] = {}
        """Return codes by function, whatever the GPU."""
        self.events: deque[tuple[int, int]] = deque()
        """XIDs to tell: index of the GPU and code."""
        self.calls: Counter[str] = Counter()
        self.open = 0
        self.samples = 0
        """GPM samples that were allocated and not freed."""
        self._allocated = 0
        self._taken: dict[int, tuple[int, FakeGpu, FakeInstance | None]] = {}
        """By the address of a GPM sample: how many were taken before it, and of what."""

    def __getattr__(self, name: str) -> _Function:
        if not name.startswith("nvml") or name in self.missing or not hasattr(type(self), f"_{name}"):
            raise AttributeError(name)
        return _Function(self, name)

    # The library

    def _nvmlInitWithFlags(self, _: int) -> int:
        self.open += 1
        return 0

    def _nvmlShutdown(self) -> int:
        self.open -= 1
        return 0

    def _nvmlSystemGetDriverVersion(self, text: Any, _: Any) -> int:
        text.value = b"580.95.05"
        return 0

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = len(self.gpus)
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        gpu = self.gpus[index.value]
        _point(handle, _FIRST_GPU + index.value * 0x100)
        code: int = gpu.refused.get("nvmlDeviceGetHandleByIndex_v2", gpu.refused.get("*", 0))
        return code

    def _of(self, function: str, handle: Any) -> tuple[FakeGpu, FakeInstance | None, int]:
        address = _address(handle)
        index, part = divmod(address - _FIRST_GPU, 0x100)
        if not 0 <= index < len(self.gpus):
            return FakeGpu(""), None, int(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        gpu = self.gpus[index]
        refused = gpu.refused.get(function, gpu.refused.get("*", 0))
        if part > len(gpu.instances):
            return gpu, None, int(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return gpu, gpu.instances[part - 1] if part else None, refused

    # Events

    def _nvmlEventSetCreate(self, event_set: Any) -> int:
        _point(event_set, _EVENT_SET)
        return 0

    def _nvmlEventSetFree(self, _: Any) -> int:
        return 0

    def _nvmlDeviceRegisterEvents(self, handle: Any, types: Any, _: Any) -> int:
        assert types.value == pynvml.nvmlEventTypeXidCriticalError
        return self._of("nvmlDeviceRegisterEvents", handle)[2]

    def _nvmlEventSetWait_v2(self, _: Any, data: Any, timeout: Any) -> int:
        assert timeout.value == 0, "the pass must not wait"
        if not self.events:
            return int(pynvml.NVML_ERROR_TIMEOUT)
        index, code = self.events.popleft()
        _point_at(ctypes.addressof(data._obj), _FIRST_GPU + index * 0x100)
        data._obj.eventType = pynvml.nvmlEventTypeXidCriticalError
        data._obj.eventData = code
        return 0

    # Activity

    def _nvmlGpmQueryDeviceSupport(self, handle: Any, support: Any) -> int:
        gpu, _, code = self._of("nvmlGpmQueryDeviceSupport", handle)
        support._obj.isSupportedDevice = gpu.activity is not None
        return code

    def _nvmlGpmSampleAlloc(self, sample: Any) -> int:
        self.samples += 1
        self._allocated += 1
        _point(sample, _FIRST_SAMPLE + self._allocated)
        return 0

    def _nvmlGpmSampleFree(self, _: Any) -> int:
        self.samples -= 1
        return 0

    def _nvmlGpmSampleGet(self, handle: Any, sample: Any) -> int:
        gpu, _, code = self._of("nvmlGpmSampleGet", handle)
        self._take(sample, gpu, None)
        return code

    def _nvmlGpmMigSampleGet(self, handle: Any, number: int, sample: Any) -> int:
        gpu, _, code = self._of("nvmlGpmMigSampleGet", handle)
        self._take(sample, gpu, next(one for one in gpu.instances if one.gi == number))
        return code

    def _take(self, sample: Any, gpu: FakeGpu, instance: FakeInstance | None) -> None:
        self._taken[_address(sample)] = (self.calls.total(), gpu, instance)

    def _nvmlGpmMetricsGet(self, asked: Any) -> int:
        request = asked._obj
        assert request.version == 1
        before, *of = self._taken[_address(request.sample1)]
        after, gpu, instance = self._taken[_address(request.sample2)]
        assert before < after, "from the older sample to the newer"
        assert of == [gpu, instance], "two samples of the same"
        for place in range(request.numMetrics):
            one = request.metrics[place]
            one.nvmlReturn = 0
            assert gpu.activity is not None
            one.value = gpu.activity[one.metricId]
            if instance is not None and one.metricId == pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL:
                one.value = instance.tensor
        return 0

    # One GPU

    def _nvmlDeviceGetUUID(self, handle: Any, text: Any, _: Any) -> int:
        gpu, instance, code = self._of("nvmlDeviceGetUUID", handle)
        text.value = (instance or gpu).uuid.encode()
        return code

    def _nvmlDeviceGetName(self, handle: Any, text: Any, _: Any) -> int:
        gpu, instance, code = self._of("nvmlDeviceGetName", handle)
        text.value = (gpu.name if instance is None else f"{gpu.name} MIG {instance.profile}").encode()
        return code

    def _nvmlDeviceGetPciInfo_v3(self, handle: Any, info: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetPciInfo_v3", handle)
        info._obj.busId = gpu.bus_id.encode()
        return code

    def _nvmlDeviceGetMinorNumber(self, handle: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetMinorNumber", handle, number, "minor")

    def _nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetUtilizationRates", handle)
        if gpu.instances:
            return int(pynvml.NVML_ERROR_NOT_SUPPORTED)
        rates._obj.gpu, rates._obj.memory = gpu.busy, gpu.memory_busy
        return code

    def _nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        gpu, instance, code = self._of("nvmlDeviceGetMemoryInfo", handle)
        one = instance or gpu
        memory._obj.total, memory._obj.used, memory._obj.free = one.total, one.used, one.total - one.used
        return code

    def _nvmlDeviceGetMemoryInfo_v2(self, handle: Any, memory: Any) -> int:
        gpu, instance, code = self._of("nvmlDeviceGetMemoryInfo_v2", handle)
        if memory._obj.version != pynvml.nvmlMemory_v2:
            return int(pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
        one, reserved = instance or gpu, 0 if instance else gpu.reserved
        memory._obj.total, memory._obj.used, memory._obj.reserved = one.total, one.used, reserved
        memory._obj.free = one.total - one.used - reserved
        return code

    def _nvmlDeviceGetPowerUsage(self, handle: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetPowerUsage", handle, number, "power")

    def _nvmlDeviceGetEnforcedPowerLimit(self, handle: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetEnforcedPowerLimit", handle, number, "limit")

    def _nvmlDeviceGetTemperatureV(self, handle: Any, told: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetTemperatureV", handle)
        told._obj.temperature = gpu.temperature
        return code

    def _nvmlDeviceGetTemperature(self, handle: Any, _: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetTemperature", handle, number, "temperature")

    def _nvmlDeviceGetClockInfo(self, handle: Any, kind: Any, number: Any) -> int:
        of = "sm_clock" if kind.value == pynvml.NVML_CLOCK_SM else "memory_clock"
        return self._number("nvmlDeviceGetClockInfo", handle, number, of)

    def _nvmlDeviceGetCurrentClocksEventReasons(self, handle: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetCurrentClocksEventReasons", handle, number, "reasons")

    def _nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Any, number: Any) -> int:
        return self._number("nvmlDeviceGetCurrentClocksThrottleReasons", handle, number, "reasons")

    def _nvmlDeviceGetFieldValues(self, handle: Any, count: Any, values: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetFieldValues", handle)
        for one in values._obj[: count.value]:
            number = one.fieldId
            one.nvmlReturn = gpu.refused_fields.get(
                number, 0 if number in gpu.fields else pynvml.NVML_ERROR_NOT_SUPPORTED
            )
            one.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
            one.value.ullVal = gpu.fields.get(number, 0)
        return code

    def _number(self, function: str, handle: Any, number: Any, attribute: str) -> int:
        gpu, _, code = self._of(function, handle)
        number._obj.value = getattr(gpu, attribute)
        return code

    # MIG

    def _nvmlDeviceGetMigMode(self, handle: Any, current: Any, pending: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetMigMode", handle)
        current._obj.value = pending._obj.value = int(bool(gpu.instances))
        return code

    def _nvmlDeviceGetMaxMigDeviceCount(self, handle: Any, count: Any) -> int:
        count._obj.value = 7
        return self._of("nvmlDeviceGetMaxMigDeviceCount", handle)[2]

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: Any, found: Any) -> int:
        gpu, _, code = self._of("nvmlDeviceGetMigDeviceHandleByIndex", handle)
        if index.value >= len(gpu.instances):
            return int(pynvml.NVML_ERROR_NOT_FOUND)
        _point(found, _address(handle) + 1 + index.value)
        return code

    def _nvmlDeviceGetGpuInstanceId(self, handle: Any, number: Any) -> int:
        _, instance, code = self._of("nvmlDeviceGetGpuInstanceId", handle)
        number._obj.value = instance.gi if instance else 0
        return code

    def _nvmlDeviceGetComputeInstanceId(self, handle: Any, number: Any) -> int:
        _, instance, code = self._of("nvmlDeviceGetComputeInstanceId", handle)
        number._obj.value = instance.ci if instance else 0
        return code


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _point(by_reference: Any, address: int) -> None:
    _point_at(ctypes.addressof(by_reference._obj), address)


def _point_at(where: int, address: int) -> None:
    ctypes.c_void_p.from_address(where).value = address


@contextmanager
def installed(library: FakeNvml) -> Iterator[FakeNvml]:
    """Lets the binding find this library instead of the machine's."""

    def load(name: str) -> FakeNvml:
        assert name == "libnvidia-ml.so.1"
        if library.absent:
            raise OSError(f"{name}: cannot open shared object file")
        return library

    before = pynvml.CDLL
    pynvml.CDLL = load
    _forget()
    try:
        yield library
    finally:
        pynvml.CDLL = before
        _forget()


def _forget() -> None:
    pynvml.nvmlLib = None
    pynvml._nvmlGetFunctionPointer_cache.clear()
