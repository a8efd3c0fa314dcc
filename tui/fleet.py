"""The fleet store: the newest value of every workload, and what follows from the differences.

It lives on the data thread, where backends deliver to it as their sink, and is read from any other: a view
is immutable, and ``drain`` hands over what changed since the last call. Latest wins; nothing queues up
but events, and of those a bounded number.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from clients.clock import Clock
from clients.serving.backend import GpuTotals, NotShown
from clients.serving.differences import differences
from clients.serving.eta import Durations
from clients.serving.events import Event, EventKind
from clients.serving.follow import DEFAULT_LIMIT, ActorHint, follow
from clients.serving.keys import WorkloadKey
from clients.serving.marks import stamp
from clients.serving.operation import Operation
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Driver, Workload

__all__ = ["Fleet", "FleetDelta", "FleetView"]

_EVENTS_KEPT = 5_000


class FleetView(Struct, frozen=True):
    """Everything as it is at one moment."""

    version: int
    workloads: Mapping[WorkloadKey, Workload]
    sources: tuple[SourceStatus, ...] = ()
    totals: GpuTotals | None = None
    events: tuple[Event, ...] = ()
    """Newest last, bounded."""
    not_shown: NotShown = NotShown()


class FleetDelta(Struct, frozen=True):
    """What became different since the last ``drain``."""

    view: FleetView
    changed: frozenset[WorkloadKey]
    removed: frozenset[WorkloadKey]
    events: tuple[Event, ...]
    sources_changed: bool


class Fleet:
    """Takes what backends deliver, follows operations, tells events; see the module's text."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` is this machine's."""
        self._clock = clock
        self.attach(Durations())
        self._workloads: dict[WorkloadKey, Workload] = {}
        self._finished: dict[WorkloadKey, Operation] = {}
        self._resumed: dict[WorkloadKey, Operation] = {}
        self._since: dict[str, float] = {}
        """Cluster time at which each cluster was first seen whole: what is made later is new."""
        self._sources: dict[str, tuple[SourceStatus, ...]] = {}
        self._totals: dict[str, GpuTotals] = {}
        self._not_shown: dict[str, NotShown] = {}
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._lock = threading.Lock()
        self._view = FleetView(version=0, workloads=MappingProxyType({}))
        self._changed: set[WorkloadKey] = set()
        self._removed: set[WorkloadKey] = set()
        self._fresh: list[Event] = []
        self._sources_changed = False

    def attach(
        self,
        durations: Durations,
        *,
        times: Callable[[str], Clock] | None = None,
        actor: Callable[[Workload | None, Workload], ActorHint | None] = lambda before, after: None,
        bounded: Callable[[Workload, Driver], str | None] = lambda workload, driver: None,
        ended: Callable[[Operation], None] = lambda operation: None,
        mark: Callable[[Workload], Workload] = lambda workload: workload,
        limit: float = DEFAULT_LIMIT,
    ) -> None:
        """What it learns into and asks, before anything is delivered; again when another context comes.

        ``times`` gives each cluster's own clock; ``actor`` tells who asked for a change, from the audit log,
        and ``bounded`` who set the bounds that a driver has; ``ended`` hears of finished operations; ``mark``
        adds what only this user's state tells of a workload. ``limit`` is in cluster seconds, after which an
        operation is given up.
        """
        self.durations = durations
        self._times = times
        self._actor = actor
        self._bounded = bounded
        self._ended = ended
        self._mark = mark
        self._limit = limit

    # -- out, from any thread

    def view(self) -> FleetView:
        """Everything as it is now."""
        with self._lock:
            return self._view

    def drain(self) -> FleetDelta | None:
        """What changed since the last call, or ``None``. For one reader."""
        with self._lock:
            if not (self._changed or self._removed or self._fresh or self._sources_changed):
                return None
            delta = FleetDelta(
                view=self._view,
                changed=frozenset(self._changed),
                removed=frozenset(self._removed),
                events=tuple(self._fresh),
                sources_changed=self._sources_changed,
            )
            self._changed, self._removed, self._fresh = set(), set(), []
            self._sources_changed = False
            return delta

    def finished(self, key: WorkloadKey) -> Operation | None:
        """The workload's last operation that has ended, with its prediction and outcome."""
        return self._finished.get(key)

    # -- in, on the data thread

    def resume(self, operation: Operation) -> None:
        """Takes up an operation that an earlier run has left unfinished; call it before the first look."""
        self._resumed[operation.key] = operation

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        """New values of workloads, and keys of those that are gone."""
        seen_at = self._clock.now()
        told: list[Event] = []
        workloads = dict(self._workloads)
        for key, value in changed.items():
            before = workloads.get(key)
            workload, ended = self._follow(before, self._mark(value))
            if workload is before and ended is None:
                continue
            workloads[key] = workload
            new = before is None and self._is_new(workload)
            found = differences(
                before,
                workload,
                self._now(key.cluster),
                seen_at,
                ended=ended,
                new=new,
                bounded=partial(self._bounded, workload),
            )
            told += self._without_first_drivers(key.cluster, found)
        for key in removed:
            before = workloads.pop(key, None)
            if before is None:
                continue
            now = self._now(key.cluster)
            result = follow(before.operation, before, None, now)
            if result.ended is not None:
                self._end(result.ended)
            self.durations.see(before, None, now)
            told += differences(before, None, now, seen_at, ended=result.ended)
        self._workloads = workloads
        for key in changed:
            self._look_begins(key.cluster)
        self._show(
            changed={key for key in changed if key in workloads},
            removed={key for key in removed if key not in workloads},
            events=told,
        )

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        """The state of every source of one backend."""
        if not statuses:
            return
        cluster = statuses[0].cluster
        old = {status.name: status for status in self._sources.get(origin, ())}
        self._sources[origin] = tuple(statuses)
        now, seen_at = self._now(cluster), self._clock.now()
        told = []
        for status in statuses:
            before = old.get(status.name)
            if before is not None and before.state is not status.state:
                told.append(
                    Event(
                        at=now,
                        seen_at=seen_at,
                        cluster=cluster,
                        kind=EventKind.SOURCE,
                        before=str(before.state),
                        after=str(status.state),
                        reason=status.detail,
                        detail={"source": status.name},
                    )
                )
        self._show(events=told, sources=True)

    def events(self, events: Sequence[Event]) -> None:
        """Hints that a system saw itself."""
        self._show(events=list(events))

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        """GPUs of one cluster. They are told once its workloads were, if there are any."""
        self._look_begins(cluster)
        if self._totals.get(cluster) != totals:
            self._totals[cluster] = totals
            self._show(sources=True)

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        """What of a cluster is read and is no workload here."""
        if self._not_shown.get(cluster, NotShown()) != objects:
            self._not_shown[cluster] = objects
            self._show(sources=True)

    def tick(self) -> None:
        """Lets time pass for running operations: they may time out though nothing changes."""
        running = {
            key: workload for key, workload in self._workloads.items() if workload.operation is not None
        }
        if running:
            self.publish(running, ())

    def cut_off(self, cluster: str, detail: str) -> None:
        """Reading it broke off by a fault of this program: it must not look as if nothing happened."""
        for origin, statuses in self._sources.items():
            if statuses[0].cluster == cluster:
                broken = [replace(one, state=SourceState.STALE, detail=detail) for one in statuses]
                self.sources(origin, broken)
                return

    def forget(self, keep: Container[str] = frozenset()) -> None:
        """Empties the store: another context is coming. What is of the clusters in ``keep`` stays."""
        self._workloads = {key: value for key, value in self._workloads.items() if key.cluster in keep}
        self._sources = {name: told for name, told in self._sources.items() if told[0].cluster in keep}
        for by_cluster in (self._totals, self._not_shown, self._since):
            for cluster in [one for one in by_cluster if one not in keep]:
                del by_cluster[cluster]
        for by_key in (self._finished, self._resumed):
            for key in [one for one in by_key if one.cluster not in keep]:
                del by_key[key]
        with self._lock:
            self._removed |= set(self._view.workloads.keys() - self._workloads.keys())
            self._changed.intersection_update(self._workloads)
            self._fresh = [event for event in self._fresh if event.cluster in keep]
            self._events = deque((one for one in self._events if one.cluster in keep), maxlen=_EVENTS_KEPT)
            self._view = replace(self._view, events=tuple(self._events))
        self._show(sources=True)

    def _look_begins(self, cluster: str) -> None:
        if cluster not in self._since:
            self._since[cluster] = self._now(cluster)

    def _without_first_drivers(self, cluster: str, events: list[Event]) -> list[Event]:
        """A driver that comes while its source is still read for the first time was there before."""
        reading = any(
            status.state is SourceState.SYNCING and status.cluster == cluster
            for statuses in self._sources.values()
            for status in statuses
        )
        if not reading:
            return events
        return [event for event in events if event.kind is not EventKind.DRIVER or event.before is not None]

    def _is_new(self, workload: Workload) -> bool:
        """Whether it was made since its cluster was first seen; creation times are whole seconds."""
        since, created = self._since.get(workload.key.cluster), workload.created
        return since is not None and created is not None and created >= int(since)

    def _now(self, cluster: str) -> float:
        return (self._times(cluster) if self._times is not None else self._clock).now()

    def _follow(self, before: Workload | None, after: Workload) -> tuple[Workload, Operation | None]:
        """The new value with its operation and marks, and the operation that has just ended."""
        key, now = after.key, self._now(after.key.cluster)
        running = before.operation if before is not None else self._resumed.pop(key, None)
        result = follow(running, before, after, now, hint=self._actor(before, after), limit=self._limit)
        if result.ended is not None:
            self._end(result.ended)
        if before is not after:
            self.durations.see(before, after, now)
        if result.operation == after.operation:
            return after, result.ended
        return stamp(after, result.operation), result.ended

    def _end(self, operation: Operation) -> None:
        self._finished[operation.key] = operation
        self._ended(operation)

    def _show(
        self,
        *,
        changed: Collection[WorkloadKey] = (),
        removed: Collection[WorkloadKey] = (),
        events: Sequence[Event] = (),
        sources: bool = False,
    ) -> None:
        self._events.extend(events)
        view = FleetView(
            version=self._view.version + 1,
            workloads=MappingProxyType(self._workloads),
            sources=tuple(status for statuses in self._sources.values() for status in statuses),
            totals=_sum(self._totals.values()),
            events=tuple(self._events) if events else self._view.events,
            not_shown=sum(self._not_shown.values(), NotShown()),
        )
        with self._lock:
            self._view = view
            self._changed.update(changed)
            self._changed.difference_update(removed)
            self._removed.difference_update(changed)
            self._removed.update(removed)
            self._fresh.extend(events)
            if len(self._fresh) > _EVENTS_KEPT:
                del self._fresh[:-_EVENTS_KEPT]
            self._sources_changed = self._sources_changed or sources


def _sum(totals: Collection[GpuTotals]) -> GpuTotals | None:
    """GPUs of all clusters; a number that one of them does not know is not known."""
    if not totals:
        return None

    def add(values: Sequence[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    return GpuTotals(
        total=add([one.total for one in totals]),
        allocated=add([one.allocated for one in totals]),
        free=add([one.free for one in totals]),
        unschedulable=add([one.unschedulable for one in totals]),
    )
