"""The metrics of the page, in dcgm-exporter's names, types and units (dcgm-exporter 4.5 to 4.8, DCGM 4)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["COUNTER", "GAUGE", "METRICS", "XID", "Metric"]

GAUGE, COUNTER = "gauge", "counter"

XID = "DCGM_FI_DEV_XID_ERRORS"


class Metric(Struct, frozen=True):
    """One metric: what stands in its ``# TYPE`` and ``# HELP`` lines."""

    name: str
    type: str
    help: str


METRICS = (
    Metric("DCGM_FI_DEV_GPU_UTIL", GAUGE, "Share of time in which any kernel ran (%)."),
    Metric("DCGM_FI_DEV_MEM_COPY_UTIL", GAUGE, "Share of time in which memory was read or written (%)."),
    Metric("DCGM_FI_PROF_GR_ENGINE_ACTIVE", GAUGE, "Share of time in which the engine was busy (0 to 1)."),
    Metric("DCGM_FI_PROF_SM_ACTIVE", GAUGE, "Share of multiprocessors that were busy (0 to 1)."),
    Metric("DCGM_FI_PROF_SM_OCCUPANCY", GAUGE, "Share of warps that were resident (0 to 1)."),
    Metric("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", GAUGE, "Share of time in which tensor cores worked (0 to 1)."),
    Metric("DCGM_FI_PROF_DRAM_ACTIVE", GAUGE, "Share of the memory bandwidth in use (0 to 1)."),
    Metric("DCGM_FI_PROF_PCIE_TX_BYTES", GAUGE, "Sent over PCIe (bytes per second)."),
    Metric("DCGM_FI_PROF_PCIE_RX_BYTES", GAUGE, "Received over PCIe (bytes per second)."),
    Metric("DCGM_FI_PROF_NVLINK_TX_BYTES", GAUGE, "Sent over NVLink (bytes per second)."),
    Metric("DCGM_FI_PROF_NVLINK_RX_BYTES", GAUGE, "Received over NVLink (bytes per second)."),
    Metric("DCGM_FI_DEV_FB_USED", GAUGE, "Memory in use (MiB)."),
    Metric("DCGM_FI_DEV_FB_FREE", GAUGE, "Memory free (MiB)."),
    Metric("DCGM_FI_DEV_FB_RESERVED", GAUGE, "Memory that the driver keeps for itself (MiB)."),
    Metric("DCGM_FI_DEV_POWER_USAGE", GAUGE, "Power (W), averaged by the GPU as its generation does."),
    Metric("DCGM_FI_DEV_POWER_USAGE_INSTANT", GAUGE, "Power at this moment (W)."),
    Metric("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", GAUGE, "Power limit in force (W)."),
    Metric("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", COUNTER, "Energy since the driver was loaded (mJ)."),
    Metric("DCGM_FI_DEV_GPU_TEMP", GAUGE, "GPU temperature (C)."),
    Metric("DCGM_FI_DEV_MEMORY_TEMP", GAUGE, "Memory temperature (C)."),
    Metric("DCGM_FI_DEV_SM_CLOCK", GAUGE, "SM clock (MHz)."),
    Metric("DCGM_FI_DEV_MEM_CLOCK", GAUGE, "Memory clock (MHz)."),
    Metric("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", GAUGE, "Why clocks are held down (bits as in NVML)."),
    Metric(XID, GAUGE, "The last XID since the agent started, 0 if none."),
    Metric("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", COUNTER, "Corrected ECC errors since the driver was loaded."),
    Metric("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", COUNTER, "Uncorrected ECC errors since the driver was loaded."),
    Metric("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", COUNTER, "Corrected ECC errors in the GPU's life."),
    Metric("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", COUNTER, "Uncorrected ECC errors in the GPU's life."),
    Metric("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", COUNTER, "Rows remapped after corrected errors."),
    Metric("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", COUNTER, "Rows remapped after uncorrected errors."),
    Metric("DCGM_FI_DEV_ROW_REMAP_PENDING", GAUGE, "Whether a row will be remapped at the next reset."),
    Metric("DCGM_FI_DEV_ROW_REMAP_FAILURE", GAUGE, "Whether remapping of rows has failed."),
    Metric("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", COUNTER, "PCIe retries."),
)
