"""How busy a GPU's parts were between two passes: NVML's GPM, on Hopper and later.

Two samples are kept for each GPU or MIG instance; each pass replaces the older one and asks for the metrics
between the two. NVML API reference, "GPM functions".
"""

from __future__ import annotations

import math
from typing import Any

import pynvml

from clients.gpu.agent.readings import Values

__all__ = ["Activity", "told_by"]

_MIB = 1 << 20

_METRICS = {
    pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL: ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.01),
    pynvml.NVML_GPM_METRIC_SM_UTIL: ("DCGM_FI_PROF_SM_ACTIVE", 0.01),
    pynvml.NVML_GPM_METRIC_SM_OCCUPANCY: ("DCGM_FI_PROF_SM_OCCUPANCY", 0.01),
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.01),
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: ("DCGM_FI_PROF_DRAM_ACTIVE", 0.01),
    pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC: ("DCGM_FI_PROF_PCIE_TX_BYTES", _MIB),
    pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC: ("DCGM_FI_PROF_PCIE_RX_BYTES", _MIB),
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC: ("DCGM_FI_PROF_NVLINK_TX_BYTES", _MIB),
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC: ("DCGM_FI_PROF_NVLINK_RX_BYTES", _MIB),
}
"""NVML's per cent and MiB/s: the metric, and the factor to its unit."""


def told_by(handle: Any) -> bool:
    """Whether this GPU has GPM.

    Raises:
        NVMLError: of the call; unsupported on drivers before 520.
    """
    return bool(pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice)


class Activity:
    """The activity of one GPU, or of one MIG instance of it."""

    what = "activity"

    def __init__(self, instance: int | None = None) -> None:
        """Allocates two samples in the driver; ``close`` gives them back. ``instance`` is a GPU instance id.

        Raises:
            NVMLError: of the allocation.
        """
        self._instance = instance
        self._newer = pynvml.nvmlGpmSampleAlloc()
        self._older = pynvml.nvmlGpmSampleAlloc()
        self._warm = False
        self._asked = pynvml.c_nvmlGpmMetricsGet_t()
        self._asked.version = pynvml.NVML_GPM_METRICS_GET_VERSION
        self._asked.numMetrics = len(_METRICS)
        for place, metric in enumerate(_METRICS):
            self._asked.metrics[place].metricId = metric

    def read(self, handle: Any) -> Values:
        """The values since the last pass; none in the first.

        Raises:
            NVMLError: of either call. The next pass then starts anew, so that no value spans a gap.
        """
        self._older, self._newer = self._newer, self._older
        warm, self._warm = self._warm, False
        if self._instance is None:
            pynvml.nvmlGpmSampleGet(handle, self._newer)
        else:
            pynvml.nvmlGpmMigSampleGet(handle, self._instance, self._newer)
        self._warm = True
        if not warm:
            return {}
        asked = self._asked
        asked.sample1, asked.sample2 = self._older, self._newer
        pynvml.nvmlGpmMetricsGet(asked)
        found: Values = {}
        for place, (metric, factor) in enumerate(_METRICS.values()):
            one = asked.metrics[place]
            # The driver marks what it cannot tell by a code, or by no number.
            if one.nvmlReturn == pynvml.NVML_SUCCESS and math.isfinite(one.value):
                found[metric] = int(one.value * factor) if factor == _MIB else one.value * factor
        return found

    def close(self) -> None:
        """Gives the samples back to the driver."""
        for sample in (self._newer, self._older):
            pynvml.nvmlGpmSampleFree(sample)
