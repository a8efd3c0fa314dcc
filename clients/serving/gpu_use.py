"""Samples of devices joined with the workloads whose pods hold them, and what comes of it for each group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from clients.serving.gpus import Busy, GpuMark, GpuSample, busy_of
from clients.serving.keys import WorkloadKey
from clients.serving.workload import Workload

__all__ = ["DeviceView", "GpuUse", "Place", "Use", "join", "places_of"]


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

    def of(self, workload: WorkloadKey) -> GpuUse:
        """One workload's part of it, without the devices."""
        return GpuUse(
            workloads={key: use for key, use in self.workloads.items() if key == workload},
            groups={key: use for key, use in self.groups.items() if key[0] == workload},
            replicas={key: use for key, use in self.replicas.items() if key[0] == workload},
        )


_ORDER = tuple(GpuMark)


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


def join(
    samples: Iterable[GpuSample],
    places: Mapping[tuple[str, str], Place],
    now: float,
    *,
    silent: Collection[str] = (),
    held: Mapping[str, int] | None = None,
) -> GpuUse:
    """Devices with their places, and sums. ``now`` is in monotonic seconds.

    ``silent`` are nodes whose newest question had no good answer; ``held`` is how many GPUs the pods of each
    node hold by what the cluster says, ``None`` if that is not known.
    """
    views: list[DeviceView] = []
    workloads: dict[WorkloadKey, list[DeviceView]] = {}
    groups: dict[tuple[WorkloadKey, str], list[DeviceView]] = {}
    replicas: dict[tuple[WorkloadKey, str, str, str], list[DeviceView]] = {}
    for sample in samples:
        marks = sample.marks
        if now > sample.fresh_until or sample.key.node in silent:
            marks = (*marks, GpuMark.STALE)
        found = [places.get((holder.namespace, holder.pod)) for holder in sample.holders]
        at = tuple(sorted({place for place in found if place is not None}))
        view = DeviceView(sample, at, _allocated(sample, held), marks)
        views.append(view)
        for workload in {place.workload for place in at}:
            workloads.setdefault(workload, []).append(view)
        for group in {(place.workload, place.group) for place in at}:
            groups.setdefault(group, []).append(view)
        for replica in {(place.workload, place.group, place.role, place.replica) for place in at}:
            replicas.setdefault(replica, []).append(view)
    views.sort(key=_by_node)
    return GpuUse(
        tuple(views),
        {key: _use(found) for key, found in workloads.items()},
        {key: _use(found) for key, found in groups.items()},
        {key: _use(found) for key, found in replicas.items()},
    )


def _by_node(view: DeviceView) -> tuple[str, int, str, int]:
    key, index = view.sample.key, view.sample.index
    return (
        key.node,
        1 << 30 if index is None else index,
        key.uuid,
        -1 if key.instance is None else key.instance,
    )


def _allocated(sample: GpuSample, held: Mapping[str, int] | None) -> bool | None:
    if sample.holders:
        return True
    if sample.attributed or (held is not None and not held.get(sample.key.node, 0)):
        return False
    return None


def _use(views: list[DeviceView]) -> Use:
    fresh = [view.sample for view in views if not view.stale]
    told = fresh or [view.sample for view in views]
    counts: dict[GpuMark, int] = {}
    for view in views:
        for mark in view.marks:
            counts[mark] = counts.get(mark, 0) + 1
    used = [s.memory_used for s in told]
    total = [s.memory_total for s in told]
    power = _once_per_gpu(told)
    return Use(
        devices=len(views),
        stale=len(views) - len(fresh),
        busy=busy_of(told),
        memory_used=None if None in used else sum(v for v in used if v is not None),
        memory_total=None if None in total else sum(v for v in total if v is not None),
        power=None if None in power else sum(v for v in power if v is not None),
        marks=tuple((mark, counts[mark]) for mark in _ORDER if mark in counts),
        taken_at=min(sample.taken_at for sample in told),
    )


def _once_per_gpu(samples: list[GpuSample]) -> list[float | None]:
    """Power is told of whole GPUs: instances of one have it in common."""
    return list({(s.key.node, s.key.uuid): s.power for s in samples}.values())
