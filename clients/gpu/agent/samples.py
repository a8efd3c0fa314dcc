"""What one pass over the node's GPUs found: plain values, handed from the sampling thread to the page."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.serving.gpus import DeviceState

__all__ = ["Device", "DeviceSample", "Instance", "NodeSample"]


class Device(Struct, frozen=True):
    """Which GPU. Empty strings where a lost GPU never told."""

    index: int
    uuid: str = ""
    bus_id: str = ""
    minor: int | None = None
    """The number in ``/dev/nvidiaN``."""
    model: str = ""


class Instance(Struct, frozen=True):
    """Which MIG instance of a GPU."""

    number: int
    """The GPU instance's id, dcgm-exporter's ``GPU_I_ID``."""
    profile: str
    """Such as ``1g.10gb``; empty if the driver does not say."""
    ids: tuple[str, ...]
    """The names under which a device plugin may hand it, or a compute instance of it, to a container."""


class DeviceSample(Struct, frozen=True):
    """A GPU, or a MIG instance of one with the values of its GPU where it has none of its own."""

    device: Device
    state: DeviceState
    values: Mapping[str, float]
    """By dcgm-exporter's metric names, in its units. What is not known is not in it."""
    instance: Instance | None = None
    reason: str = ""
    """Why it is not live."""
    unsupported: tuple[str, ...] = ()
    """What this GPU or driver does not tell, in words."""
    failing: tuple[str, ...] = ()
    """What failed this time, with its error."""
    xid_seen_at: float | None = None
    """UTC seconds of the last XID since the agent started."""


class NodeSample(Struct, frozen=True):
    """All GPUs at one moment."""

    taken: float
    """Monotonic seconds at the end of the pass."""
    duration: float
    """Seconds that the pass took."""
    devices: tuple[DeviceSample, ...] = ()
    driver: str = ""
    """The driver's version."""
    absent: str = ""
    """Why no GPU can be read at all; empty while NVML is open."""
