"""Samples of devices joined with who has them, again and again: only nodes that changed cost anything.

A thousand nodes with exporters that sample every half minute bring 30 new pages a second, and a screen wants
to know each second. So what was joined is kept by node, and sums are made anew only of who has devices there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from itertools import chain
from operator import is_
from typing import Generic, TypeVar

from msgspec import Struct

from clients.serving.gpu_use import DeviceView, GpuUse, Place, Use
from clients.serving.gpus import GpuMark, GpuSample, busy_of
from clients.serving.keys import WorkloadKey

__all__ = ["GpuJoin", "join"]

_ORDER = tuple(GpuMark)
_NEVER = float("inf")
_Pod = tuple[str, str]
Key = TypeVar("Key", bound=Hashable)


class GpuJoin:
    """All devices of one cluster, with who has them."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._workloads: _Uses[WorkloadKey] = _Uses()
        self._groups: _Uses[tuple[WorkloadKey, str]] = _Uses()
        self._replicas: _Uses[tuple[WorkloadKey, str, str, str]] = _Uses()
        self._use = GpuUse()

    def join(
        self,
        samples: Iterable[GpuSample],
        places: Mapping[_Pod, Place],
        now: float,
        *,
        silent: Collection[str] = (),
        held: Mapping[str, int] | None = None,
    ) -> GpuUse:
        """Devices with their places, and sums; the same object where nothing changed.

        ``now`` is in monotonic seconds, and not before that of the last call. ``silent`` are nodes whose
        newest question had no good answer; ``held`` is how many GPUs the pods of each node hold by what the
        cluster says, ``None`` if that is not known.
        """
        by_node: dict[str, list[GpuSample]] = {}
        for sample in samples:
            by_node.setdefault(sample.key.node, []).append(sample)
        changed = False
        for name in self._nodes.keys() - by_node.keys():
            self._put(name, None)
            changed = True
        for name, found in by_node.items():
            quiet = name in silent
            unheld = held is not None and not held.get(name, 0)
            before = self._nodes.get(name)
            if before is None or not before.stands(found, places, now, quiet, unheld):
                self._put(name, _joined(found, places, now, quiet, unheld))
                changed = True
        if changed:
            nodes = [self._nodes[name] for name in sorted(self._nodes)]
            self._use = GpuUse(
                tuple(chain.from_iterable(node.views for node in nodes)),
                self._workloads.settled(),
                self._groups.settled(),
                self._replicas.settled(),
                fresh=sum(node.fresh for node in nodes),
                busy=sum(node.busy for node in nodes),
                idle=sum(node.idle for node in nodes),
                stale=sum(node.stale for node in nodes),
            )
        return self._use

    def _put(self, name: str, node: _Node | None) -> None:
        """Has a node's devices as they are now; ``None``: it has none any more."""
        before = self._nodes.pop(name, None)
        if node is not None:
            self._nodes[name] = node
        old, new = (() if one is None else one.views for one in (before, node))
        self._workloads.put(name, *(_by(views, _workload) for views in (old, new)))
        self._groups.put(name, *(_by(views, _group) for views in (old, new)))
        self._replicas.put(name, *(_by(views, _replica) for views in (old, new)))


def join(
    samples: Iterable[GpuSample],
    places: Mapping[_Pod, Place],
    now: float,
    *,
    silent: Collection[str] = (),
    held: Mapping[str, int] | None = None,
) -> GpuUse:
    """The same once."""
    return GpuJoin().join(samples, places, now, silent=silent, held=held)


class _Node(Struct, frozen=True):
    """A node's devices, as long as it ``stands``."""

    samples: list[GpuSample]
    pods: tuple[tuple[_Pod, Place | None], ...]
    silent: bool
    unheld: bool
    until: float
    """Some of its values grow old after this moment."""
    views: tuple[DeviceView, ...]
    fresh: int
    """Devices that somebody has, with values that are not old."""
    busy: int
    idle: int
    stale: int

    def stands(
        self, samples: list[GpuSample], places: Mapping[_Pod, Place], now: float, silent: bool, unheld: bool
    ) -> bool:
        """Whether the same would come of it now."""
        return (
            (silent, unheld) == (self.silent, self.unheld)
            and now <= self.until
            and len(samples) == len(self.samples)
            and all(map(is_, samples, self.samples))
            and all(places.get(pod) == place for pod, place in self.pods)
        )


def _joined(
    samples: list[GpuSample], places: Mapping[_Pod, Place], now: float, silent: bool, unheld: bool
) -> _Node:
    pods: dict[_Pod, Place | None] = {}
    views = []
    for sample in samples:
        marks = sample.marks
        if now > sample.fresh_until or silent:
            marks = (*marks, GpuMark.STALE)
        who = [(holder.namespace, holder.pod) for holder in sample.holders]
        for pod in who:
            pods[pod] = places.get(pod)
        at = tuple(sorted({place for pod in who if (place := pods[pod]) is not None}))
        views.append(DeviceView(sample, at, _allocated(sample, unheld), marks))
    views.sort(key=_number)
    told = [view.sample.idle for view in views if view.allocated and not view.stale]
    return _Node(
        samples,
        tuple(pods.items()),
        silent,
        unheld,
        min((sample.fresh_until for sample in samples if sample.fresh_until >= now), default=_NEVER),
        tuple(views),
        len(told),
        told.count(False),
        told.count(True),
        sum(view.stale for view in views),
    )


def _number(view: DeviceView) -> tuple[int, str, int]:
    key, index = view.sample.key, view.sample.index
    return (
        1 << 30 if index is None else index,
        key.uuid,
        -1 if key.instance is None else key.instance,
    )


def _allocated(sample: GpuSample, unheld: bool) -> bool | None:
    if sample.holders:
        return True
    return False if sample.attributed or unheld else None


def _workload(place: Place) -> WorkloadKey:
    return place.workload


def _group(place: Place) -> tuple[WorkloadKey, str]:
    return (place.workload, place.group)


def _replica(place: Place) -> tuple[WorkloadKey, str, str, str]:
    return (place.workload, place.group, place.role, place.replica)


def _by(views: Iterable[DeviceView], of: Callable[[Place], Key]) -> dict[Key, list[DeviceView]]:
    found: dict[Key, list[DeviceView]] = {}
    for view in views:
        for key in {of(place) for place in view.places}:
            found.setdefault(key, []).append(view)
    return found


class _Uses(Generic[Key]):
    """The use of devices by whatever has them, kept by node."""

    def __init__(self) -> None:
        self._of: dict[Key, dict[str, list[DeviceView]]] = {}
        self._touched: set[Key] = set()
        self._uses: dict[Key, Use] = {}

    def put(self, node: str, old: Mapping[Key, object], new: Mapping[Key, list[DeviceView]]) -> None:
        """What of a node who has now."""
        for key in old.keys() - new.keys():
            nodes = self._of[key]
            del nodes[node]
            if not nodes:
                del self._of[key]
        for key, views in new.items():
            self._of.setdefault(key, {})[node] = views
        self._touched |= old.keys() | new.keys()

    def settled(self) -> Mapping[Key, Use]:
        """The sums; not changed by what comes later."""
        if self._touched:
            self._uses = dict(self._uses)
            for key in self._touched:
                nodes = self._of.get(key)
                if nodes is None:
                    self._uses.pop(key, None)
                else:
                    self._uses[key] = _use([view for node in sorted(nodes) for view in nodes[node]])
            self._touched = set()
        return self._uses


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
