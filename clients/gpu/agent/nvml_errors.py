"""What an NVML error says about the call, the GPU or the whole driver.

Codes and their meaning: NVML API reference, ``nvmlReturn_t`` (driver 580). A code that is not in the table,
from a newer driver, counts as passing.
"""

from __future__ import annotations

from enum import Enum

import pynvml
from pynvml import NVMLError

__all__ = ["Failure", "failure", "words"]


class Failure(Enum):
    """Whom an error concerns, and so what is done about it."""

    UNSUPPORTED = "unsupported"
    """This call will not work on this GPU with this driver: it is not asked again."""
    DENIED = "denied"
    """Nor will this one, for want of rights."""
    PASSING = "passing"
    """This time only."""
    LOST = "lost"
    """The GPU cannot be used until it is reset, repaired or found again."""
    GONE = "gone"
    """The library or the driver: no GPU can be read until NVML is opened anew."""


_TABLE: dict[int, tuple[Failure, str]] = {
    pynvml.NVML_ERROR_UNINITIALIZED: (Failure.GONE, "NVML is not open"),
    pynvml.NVML_ERROR_INVALID_ARGUMENT: (Failure.PASSING, "NVML takes this for an invalid argument"),
    pynvml.NVML_ERROR_NOT_SUPPORTED: (Failure.UNSUPPORTED, "not supported by this GPU"),
    pynvml.NVML_ERROR_NO_PERMISSION: (Failure.DENIED, "no permission"),
    pynvml.NVML_ERROR_ALREADY_INITIALIZED: (Failure.PASSING, "NVML is open already"),
    pynvml.NVML_ERROR_NOT_FOUND: (Failure.PASSING, "not found"),
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE: (Failure.PASSING, "the answer is larger than expected"),
    pynvml.NVML_ERROR_INSUFFICIENT_POWER: (Failure.LOST, "the GPU's power cables are not attached"),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (Failure.GONE, "the NVIDIA driver is not loaded"),
    pynvml.NVML_ERROR_TIMEOUT: (Failure.PASSING, "no answer in time"),
    pynvml.NVML_ERROR_IRQ_ISSUE: (Failure.LOST, "the kernel has an interrupt problem with this GPU"),
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
        Failure.GONE,
        "no NVIDIA driver here: libnvidia-ml.so.1 is not found",
    ),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: (Failure.UNSUPPORTED, "not known to this driver"),
    pynvml.NVML_ERROR_CORRUPTED_INFOROM: (Failure.PASSING, "the GPU's infoROM is corrupted"),
    pynvml.NVML_ERROR_GPU_IS_LOST: (Failure.LOST, "the GPU has fallen off the bus"),
    pynvml.NVML_ERROR_RESET_REQUIRED: (Failure.LOST, "the GPU must be reset"),
    pynvml.NVML_ERROR_OPERATING_SYSTEM: (Failure.PASSING, "the operating system blocked the request"),
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        Failure.GONE,
        "the driver was changed under its library: restart the agent (and the node, if that does not help)",
    ),
    pynvml.NVML_ERROR_IN_USE: (Failure.PASSING, "the GPU is in use"),
    pynvml.NVML_ERROR_MEMORY: (Failure.PASSING, "the driver has no memory left"),
    pynvml.NVML_ERROR_NO_DATA: (Failure.PASSING, "no data yet"),
    pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED: (Failure.UNSUPPORTED, "not supported with ECC and vGPU"),
    pynvml.NVML_ERROR_INSUFFICIENT_RESOURCES: (Failure.PASSING, "the driver lacks resources"),
    pynvml.NVML_ERROR_FREQ_NOT_SUPPORTED: (Failure.UNSUPPORTED, "frequency not supported"),
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: (Failure.UNSUPPORTED, "another version of this call"),
    pynvml.NVML_ERROR_DEPRECATED: (Failure.UNSUPPORTED, "no longer part of this driver"),
    pynvml.NVML_ERROR_NOT_READY: (Failure.PASSING, "the GPU is not ready"),
    pynvml.NVML_ERROR_GPU_NOT_FOUND: (Failure.LOST, "the driver finds no such GPU"),
    pynvml.NVML_ERROR_INVALID_STATE: (Failure.PASSING, "not possible in the GPU's present state"),
    pynvml.NVML_ERROR_RESET_TYPE_NOT_SUPPORTED: (Failure.UNSUPPORTED, "reset of this kind not supported"),
    pynvml.NVML_ERROR_UNKNOWN: (Failure.PASSING, "unknown error"),
}


def failure(error: NVMLError) -> Failure:
    """Whom the error concerns."""
    return _TABLE.get(error.value, (Failure.PASSING, ""))[0]


def words(error: NVMLError) -> str:
    """The error as one line, with its number: ``the GPU must be reset (NVML 16)``."""
    text = _TABLE.get(error.value, (Failure.PASSING, "unknown error"))[1]
    return f"{text} (NVML {error.value})"
