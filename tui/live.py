"""What the screens draw from: the newest view, what is fresh in it, and what needs a person.

One ``pull`` a data tick. It hands on only what changed, so that a tick costs what changed and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import Struct

from clients.serving.digest import digest
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import EngineUses, Pod, engine_pods, engines_of
from clients.serving.events import Event
from clients.serving.gpu_view import GpuCounts, GpuView, counts_of
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.plans import Eta
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tui.cloud_sources import in_short
from tui.door import Door
from tui.fleet import FleetDelta, FleetView
from tui.fresh import Fresh
from tui.needs import Need, Needs, needs_of, of_sources, offered
from tui.succession import offer_words
from widgets.records import FleetRow, GridView, LaneSample, StatusView

__all__ = ["Frame", "Live"]

_SAMPLES = 500
"""Changes of a workload's counts that are remembered."""
_READ = 2_000
"""Events of a workload that its short account is made of, each time that something happens to it."""
_NEWS = 900.0
"""Cluster seconds for which the outcome of an operation stands above the grid."""
_CUT_OFF = {SourceState.STALE, SourceState.LOGIN}
_NO_GPUS = {SourceState.QUIET, SourceState.ABSENT, SourceState.DENIED}


class Frame(Struct, frozen=True):
    """What one data tick brings to a screen."""

    view: FleetView
    changed: frozenset[WorkloadKey]
    """To be drawn again: new values, faded changes, and running clocks once a second."""
    removed: frozenset[WorkloadKey]
    events: tuple[Event, ...]
    sources_changed: bool
    gpus_changed: bool
    beat: bool
    """A second has passed: ages and remaining times move."""
    whole: bool = False
    """Everything is to be drawn again."""


class Live:
    """The newest of everything, for the Textual loop only."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.fresh = Fresh()
        self.view = door.fleet.view()
        self.context = door.context
        """Where we are, as of the last second or change of a source."""
        self.notes: tuple[str, ...] = ()
        """What the program must say about itself in the status line."""
        self._needs = Needs()
        self._cut_off: frozenset[str] = frozenset()
        """Clusters with a required source that is cut off."""
        self._states: list[tuple[str, str, SourceState]] = []
        self._lanes: dict[WorkloadKey, deque[LaneSample]] = {}
        self._running: set[WorkloadKey] = set()
        self._second = -1
        self._offers = door.offers
        self.gpus = GpuView()
        """GPUs as they were read last, while a screen shows them."""
        self._counts: GpuCounts | None = None
        """Of the devices; only while they are read."""
        self._gpus_read_at: float | None = None
        """When a node's GPUs were read last."""
        self._readings: Mapping[Pod, EngineReading] = {}
        """The same of the engines in pods that a screen shows."""
        self._take_sources()
        for workload in self.view.workloads.values():
            self._take(workload)

    def pull(
        self, gpu_nodes: tuple[str, ...] | None = None, shown: WorkloadKey | None = None
    ) -> Frame | None:
        """What there is to draw since the last call; ``None``: nothing.

        ``gpu_nodes`` is what the screen on top says of them: with ``None`` nobody reads GPUs. ``shown`` is
        the workload whose engines it shows.
        """
        mono = self.door.monotonic()
        delta = self.door.fleet.drain()
        changed = set(self._take_in(delta, mono)) if delta else set()
        changed |= self.fresh.expire(mono)
        beat = int(mono) != self._second
        if beat:
            self._second = int(mono)
            self.context = self.door.context
            self._take_sources()
            for key in self._running:
                workload = self.view.workloads.get(key)
                if workload:
                    self._take(workload)
            changed |= self._running | self._take_offers()
        gpus_changed = beat and gpu_nodes is not None and self._look(gpu_nodes, changed)
        if gpu_nodes is None:
            self._counts = None
        if beat and shown is not None and self._look_into(shown):
            changed.add(shown)
        if not (delta or changed or beat):
            return None
        return Frame(
            view=self.view,
            changed=frozenset(changed),
            removed=delta.removed if delta else frozenset(),
            events=delta.events if delta else (),
            sources_changed=bool(delta and delta.sources_changed),
            gpus_changed=gpus_changed,
            beat=beat,
        )

    def whole(self) -> Frame:
        """Everything, for a screen that was not on top until now."""
        return Frame(self.view, frozenset(self.view.workloads), frozenset(), (), True, True, True, whole=True)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What needs a person, most urgent first."""
        return self._needs.all

    def offered(self, key: WorkloadKey) -> WorkloadKey | None:
        """What is ready in the place of a workload that may go to zero now."""
        return self._offers.get(key)

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The newest value, ``None`` when it is gone."""
        return self.view.workloads.get(key)

    def operation(self, key: WorkloadKey) -> Operation | None:
        """The running operation; without one the last, for as long as its outcome is news."""
        workload = self.view.workloads.get(key)
        if workload is not None and workload.operation is not None:
            return workload.operation
        last = self.door.fleet.finished(key)
        if last is None or last.ended_at is None or self.door.now(key.cluster) - last.ended_at > _NEWS:
            return None
        return last

    def eta(self, key: WorkloadKey) -> Eta | None:
        """What the running operation still takes."""
        remaining = self.door.eta(key) if key in self._running else None
        return Eta(remaining.low, remaining.high, remaining.samples) if remaining else None

    def events(self, key: WorkloadKey | None) -> tuple[Event, ...]:
        """All that are kept, newest first, of one workload or of all."""
        return tuple(self._about(key))

    def account(self, key: WorkloadKey, limit: int) -> tuple[Event, ...]:
        """What happened to a workload, in short, newest first."""
        return digest(islice(self._about(key), _READ), limit)

    def _about(self, key: WorkloadKey | None) -> Iterator[Event]:
        return (event for event in reversed(self.view.events) if key is None or event.key == key)

    def lanes(self, key: WorkloadKey) -> tuple[LaneSample, ...]:
        """How many groups were wanted and ready since the console looks, oldest first."""
        return tuple(self._lanes.get(key, ()))

    def stale(self, key: WorkloadKey) -> bool:
        """Whether what is shown of the workload may be old: a required source of its cluster is cut off."""
        return key.cluster in self._cut_off

    def row(self, workload: Workload) -> FleetRow:
        """The workload as a row of the fleet."""
        key = workload.key
        use = self.gpus.use.workloads.get(key)
        successor = self._offers.get(key)
        offer = "" if successor is None else offer_words(successor)
        return FleetRow(workload, self.fresh.row(key), self.eta(key), self.stale(key), use, offer)

    def grid(self, workload: Workload) -> GridView:
        """The workload as a grid."""
        key = workload.key
        return GridView(
            workload,
            self.fresh.parts(key),
            self.stale(key),
            self.gpus.use.of(key),
            self.engines(workload),
            measured=bool(workload.gpus) and not workload.key.managed and self.gpus.state not in _NO_GPUS,
        )

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every stream of data; GPUs are one, since somebody looked at them."""
        gpus, view = self.gpus, self.view
        nowhere = gpus.state is SourceState.ABSENT and not (view.totals and view.totals.total)
        if gpus.state is SourceState.QUIET or nowhere:
            return view.sources
        told = SourceStatus(
            self.context.cluster or "",
            "gpu",
            gpus.state,
            required=False,
            last_contact=self._gpus_read_at,
            detail=gpus.detail,
            have=len(gpus.use.devices),
        )
        return (*view.sources, told)

    def engines(self, workload: Workload) -> EngineUses:
        """What its engines do, by group and role replica, where that is read."""
        return engines_of(workload, self._readings)

    def status(self) -> StatusView:
        """The status line."""
        context = self.context
        loaded = any(source.state is not SourceState.SYNCING for source in self.view.sources)
        counts = self._counts
        return StatusView(
            context=context.name,
            namespaces=context.namespaces or (),
            user=context.user,
            mode=None if context.mode == "live" else str(context.mode),
            sources=in_short(self.sources, context.clouds),
            totals=self.view.totals,
            busy=None if counts is None else counts.busy,
            idle=None if counts is None else counts.idle,
            workloads=len(self.view.workloads) if loaded or self.view.workloads else None,
            scaling=len(self._running),
            notes=self.notes,
        )

    def _look(self, nodes: tuple[str, ...], changed: set[WorkloadKey]) -> bool:
        """Takes the newest of GPUs; whether there is anything new. Adds whose devices say something else."""
        before, self.gpus = self.gpus, self.door.gpus(nodes)
        if self.gpus.version == before.version:
            return False
        self._counts = counts_of(self.gpus)
        read = [agent.read_at for agent in self.gpus.agents if agent.read_at is not None]
        self._gpus_read_at = max(read, default=None)
        old, new = before.use, self.gpus.use
        changed |= {
            key
            for key in old.workloads.keys() | new.workloads.keys()
            if (was := old.workloads.get(key)) is not (now := new.workloads.get(key))
            and was != now
            and key in self.view.workloads
        }
        return True

    def _look_into(self, key: WorkloadKey) -> bool:
        """Takes the newest of a workload's engines; whether there is anything new."""
        workload = self.view.workloads.get(key)
        if workload is None:
            return False
        before, self._readings = self._readings, self.door.engines(tuple(engine_pods(workload)))
        return self._readings is not before

    def _take_in(self, delta: FleetDelta, mono: float) -> set[WorkloadKey]:
        self.view = delta.view
        for key in delta.removed:
            self.fresh.forget(key)
            self._needs.put(key, ())
            self._lanes.pop(key, None)
            self._running.discard(key)
        for key in delta.changed:
            workload = self.view.workloads.get(key)
            if workload:
                self.fresh.take(workload, mono)
                self._take(workload)
        changed = set(delta.changed)
        if delta.sources_changed and self._sources_differ():
            self.context = self.door.context  # A source may be the first word of a zone.
            before = self._cut_off
            self._take_sources()
            other = before ^ self._cut_off
            changed |= {key for key in self.view.workloads if key.cluster in other} if other else set()
        return changed

    def _sources_differ(self) -> bool:
        """Whether they are others, or in another state: most of the time only their ages move."""
        before, self._states = self._states, [(s.cluster, s.name, s.state) for s in self.view.sources]
        return self._states != before

    def _take(self, workload: Workload) -> None:
        key = workload.key
        operation = workload.operation
        if operation and operation.ended_at is None:
            self._running.add(key)
        else:
            self._running.discard(key)
        lane = self._lanes.setdefault(key, deque(maxlen=_SAMPLES))
        if not lane or (lane[-1].wanted, lane[-1].ready) != (workload.desired, workload.ready):
            lane.append(LaneSample(self.door.now(key.cluster), workload.desired, workload.ready))
        found = needs_of(workload, self.door.now(key.cluster))
        successor = self._offers.get(key)
        self._needs.put(key, found if successor is None else (*found, offered(key, successor)))

    def _take_offers(self) -> set[WorkloadKey]:
        """What may go to zero now, and what no longer; whose rows say something else by that."""
        before, self._offers = self._offers, self.door.offers
        if self._offers is before or self._offers == before:
            return set()
        changed = {key for key in before.keys() | self._offers.keys() if key in self.view.workloads}
        for key in changed:
            self._take(self.view.workloads[key])
        return changed

    def _take_sources(self) -> None:
        self._cut_off = frozenset(
            source.cluster for source in self.view.sources if source.required and source.state in _CUT_OFF
        )
        self._needs.put(None, of_sources(self.view.sources, self.context.name))
