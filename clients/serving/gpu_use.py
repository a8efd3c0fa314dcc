"""Devices with the workloads whose pods hold them, and what comes of it for each group: plain records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from clients.serving.gpus import Busy, GpuMark, GpuSample
from clients.serving.keys import WorkloadKey
from clients.serving.workload import Workload

__all__ = ["DeviceView", "GpuUse", "Place", "Use", "places_of"]


class Place(Struct, frozen=True, order=True, gc=False):
    """A pod's place in the grid of its workload."""

    workload: WorkloadKey
    group: str
    role: str
    replica: str
    """The role replica's id, such as ``decode-0``."""
    pod: str


class DeviceView(Struct, frozen=True, gc=False):
    """A device as a cell shows it."""

    sample: GpuSample
    places: tuple[Place, ...]
    """Who of the fleet has it; a holder that belongs to no workload is in ``sample.holders`` alone."""
    allocated: bool | None
    """``None``: its exporter does not say who has it, and the cluster does not say that nobody does."""
    marks: tuple[GpuMark, ...]
    """The worst first."""

    @property
    def stale(self) -> bool:
        """Whether its values are old: draw them grey, with their age."""
        return GpuMark.STALE in self.marks


class Use(Struct, frozen=True):
    """What the devices of a workload, a group or a role replica do together.

    Means and sums are of the devices whose values are fresh, or of all if none are. A shared device counts
    whole for each who shares it.
    """

    devices: int
    stale: int
    """Of them."""
    busy: Busy | None
    memory_used: int | None
    memory_total: int | None
    power: float | None
    marks: tuple[tuple[GpuMark, int], ...]
    """How many devices have it, the worst first."""
    taken_at: float
    """Of the oldest values in it."""

    @property
    def memory_percent(self) -> float | None:
        """Share of the memory in use."""
        if self.memory_used is None or not self.memory_total:
            return None
        return 100.0 * self.memory_used / self.memory_total


class GpuUse(Struct, frozen=True):
    """All devices, and their use by whoever has them."""

    devices: tuple[DeviceView, ...] = ()
    """By node and number."""
    workloads: Mapping[WorkloadKey, Use] = {}
    groups: Mapping[tuple[WorkloadKey, str], Use] = {}
    replicas: Mapping[tuple[WorkloadKey, str, str, str], Use] = {}
    """By workload, group, role and role replica."""
    fresh: int = 0
    """Devices that somebody has, with values that are not old."""
    busy: int = 0
    """Of them, those that work."""
    idle: int = 0
    """Of them, those that do nothing."""
    stale: int = 0
    """Devices with values that are old, whoever has them."""

    def of(self, workload: WorkloadKey) -> GpuUse:
        """One workload's part of it, without the devices."""
        return GpuUse(
            workloads={key: use for key, use in self.workloads.items() if key == workload},
            groups={key: use for key, use in self.groups.items() if key[0] == workload},
            replicas={key: use for key, use in self.replicas.items() if key[0] == workload},
        )


def places_of(workloads: Iterable[Workload]) -> dict[tuple[str, str], Place]:
    """Where each pod belongs, by namespace and name."""
    return {
        (workload.key.namespace or "", pod.name): Place(
            workload.key, group.name, role.name, replica.id, pod.name
        )
        for workload in workloads
        for group in workload.groups
        for role in group.roles
        for replica in role.replicas
        for pod in replica.pods
    }
