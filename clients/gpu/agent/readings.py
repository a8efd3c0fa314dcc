"""The NVML calls that are made for each GPU in each pass, and what their answers are called.

A reading is one call; a call that newer drivers renamed has the old one after it. Functions take a handle and
give values by dcgm-exporter's names in its units; they raise NVMLError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pynvml
from msgspec import Struct
from pynvml import NVMLError

from clients.gpu.agent.nvml_errors import Failure, failure

__all__ = ["EACH_MINUTE", "EACH_PASS", "MEMORY", "Fields", "Read", "Reading", "Values"]

Values = dict[str, float]
Read = Callable[[Any], Values]

_MIB = 1 << 20


class Reading(Struct, frozen=True):
    """What is read, in words, and how: the first call that the driver knows."""

    what: str
    calls: tuple[Read, ...]


def _utilisation(handle: Any) -> Values:
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    return {"DCGM_FI_DEV_GPU_UTIL": rates.gpu, "DCGM_FI_DEV_MEM_COPY_UTIL": rates.memory}


def _memory(handle: Any) -> Values:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    return {
        "DCGM_FI_DEV_FB_USED": memory.used // _MIB,
        "DCGM_FI_DEV_FB_FREE": memory.free // _MIB,
        "DCGM_FI_DEV_FB_RESERVED": memory.reserved // _MIB,
    }


def _memory_before_510(handle: Any) -> Values:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "DCGM_FI_DEV_FB_USED": memory.used // _MIB,
        "DCGM_FI_DEV_FB_FREE": memory.free // _MIB,
    }


def _power(handle: Any) -> Values:
    return {"DCGM_FI_DEV_POWER_USAGE": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _power_limit(handle: Any) -> Values:
    return {"DCGM_FI_DEV_ENFORCED_POWER_LIMIT": pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000}


def _temperature(handle: Any) -> Values:
    return {"DCGM_FI_DEV_GPU_TEMP": pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU)}


def _temperature_before_575(handle: Any) -> Values:
    return {"DCGM_FI_DEV_GPU_TEMP": pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)}


def _sm_clock(handle: Any) -> Values:
    return {"DCGM_FI_DEV_SM_CLOCK": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)}


def _memory_clock(handle: Any) -> Values:
    return {"DCGM_FI_DEV_MEM_CLOCK": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)}


def _clock_reasons(handle: Any) -> Values:
    return {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)}


def _clock_reasons_before_535(handle: Any) -> Values:
    return {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)}


MEMORY = Reading("memory", (_memory, _memory_before_510))

EACH_PASS = (
    Reading("utilisation", (_utilisation,)),
    MEMORY,
    Reading("power", (_power,)),
    Reading("temperature", (_temperature, _temperature_before_575)),
    Reading("SM clock", (_sm_clock,)),
    Reading("memory clock", (_memory_clock,)),
    Reading("clock reasons", (_clock_reasons, _clock_reasons_before_535)),
)

EACH_MINUTE = (Reading("power limit", (_power_limit,)),)
"""What a person or a tool changes, not the load."""

_FIELDS: dict[int, tuple[str, str, float]] = {
    pynvml.NVML_FI_DEV_POWER_INSTANT: ("power at this moment", "DCGM_FI_DEV_POWER_USAGE_INSTANT", 0.001),
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION: ("energy", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 1),
    pynvml.NVML_FI_DEV_MEMORY_TEMP: ("memory temperature", "DCGM_FI_DEV_MEMORY_TEMP", 1),
    pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL: ("corrected ECC errors", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", 1),
    pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL: ("uncorrected ECC errors", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 1),
    pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL: (
        "corrected ECC errors of its life",
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        1,
    ),
    pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL: (
        "uncorrected ECC errors of its life",
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        1,
    ),
    pynvml.NVML_FI_DEV_REMAPPED_COR: (
        "rows remapped after corrected errors",
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        1,
    ),
    pynvml.NVML_FI_DEV_REMAPPED_UNC: (
        "rows remapped after uncorrected errors",
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        1,
    ),
    pynvml.NVML_FI_DEV_REMAPPED_PENDING: ("pending row remapping", "DCGM_FI_DEV_ROW_REMAP_PENDING", 1),
    pynvml.NVML_FI_DEV_REMAPPED_FAILURE: ("failed row remapping", "DCGM_FI_DEV_ROW_REMAP_FAILURE", 1),
    pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER: ("PCIe retries", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", 1),
}
"""Field id: what it is in words, its metric, and the factor to the metric's unit."""

_MEMBERS = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
}


class Fields:
    """Everything that NVML knows as a field, in one call; a field that is not supported leaves the batch."""

    what = "fields"

    def __init__(self) -> None:
        self._wanted = list(_FIELDS)
        self.unsupported: list[str] = []

    def read(self, handle: Any) -> Values:
        """The values that were there this time.

        Raises:
            NVMLError: of the call; or of a field, if it says that the whole GPU cannot be read.
        """
        if not self._wanted:
            return {}
        found: Values = {}
        for one in pynvml.nvmlDeviceGetFieldValues(handle, self._wanted):
            what, metric, factor = _FIELDS[one.fieldId]
            if one.nvmlReturn == pynvml.NVML_SUCCESS:
                member = _MEMBERS.get(one.valueType)
                if member is not None:
                    value = getattr(one.value, member)
                    found[metric] = value if factor == 1 else value * factor
                continue
            kind = failure(error := NVMLError(one.nvmlReturn))
            if kind in (Failure.LOST, Failure.GONE):
                raise error
            if kind in (Failure.UNSUPPORTED, Failure.DENIED):
                self._wanted.remove(one.fieldId)
                self.unsupported.append(what)
        return found
