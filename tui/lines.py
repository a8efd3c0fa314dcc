"""All backends of one run: at most one Kubernetes context, and any number of zones and regions of clouds.

They share the fleet store, the audit log, pins and learned durations; a key's cluster says whose it is. The
context may be left for another one: the clouds' rows stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress

from clients.clock import Clock
from clients.kube.config import ClusterConfig
from clients.serving.backend import BackendError
from clients.serving.follow import ActorHint
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.spending import Spending, Spent, SpentInAll
from clients.serving.workload import Driver, Workload
from tui.audit import AuditLog
from tui.cloud_line import CloudLine
from tui.fleet import Fleet
from tui.learned import LearnedDurations
from tui.line import KubeLine, Line, scaling_of
from tui.managed import open_managed
from tui.pins import Pins
from tui.start import Start
from tui.state import StateDir, StateError
from tui.succession import Offers, offers

__all__ = ["Lines"]

_PRICE_EVERY = 2.0
"""Seconds between two looks at what everything costs."""
_RECONSIDER_EVERY = 5.0
"""Seconds between two looks at what was sent without an answer."""


class Lines:
    """What reads and what writes. Everything belongs to one event loop."""

    def __init__(self, start: Start, fleet: Fleet, clock: Clock) -> None:
        state = StateDir(start.state)
        self.pins = Pins(state)
        self.pins.refresh()
        self.kube: KubeLine | None = None
        self._start = start
        self._fleet = fleet
        self._clock = clock
        self._audit = AuditLog.in_directories(start.state, start.runtime, clock)
        self._learned = LearnedDurations(state)
        with suppress(StateError):  # Without a past there is "no history"; nothing else is lost.
            self._learned.load()
        self._saved = self._learned.durations.version
        self._managed: dict[str, Line] = {}
        self._spending = Spending()
        self._priced: set[WorkloadKey] = set()
        self._priced_at = -math.inf
        self.spent_in_all: SpentInAll | None = None
        """What everything has cost since this run began to look, as of the last look."""
        self.offers: Offers = {}
        """What may go to zero now, as of the last look."""
        self._settled: set[Line] = set()
        """Lines whose unfinished operations were taken up."""
        self._reconsidered_at = -math.inf

    @classmethod
    async def open(cls, start: Start, fleet: Fleet, clock: Clock) -> Lines:
        """Prepares the clouds that the settings name, and attaches the fleet; nobody is asked anything yet.

        Raises:
            BackendError: what the settings say of a cloud cannot work.
        """
        lines = cls(start, fleet, clock)
        for name, backend in open_managed(start, clock, lines._learned.durations):
            scaling = scaling_of(start, name, backend, lines._audit, lines.pins)
            lines._managed[backend.cluster] = CloudLine(name, backend, scaling)
        fleet.attach(
            lines._learned.durations,
            times=lines.clock,
            actor=lines._actor,
            bounded=lines._bounded,
            ended=lines._ended,
            mark=lines.pins.mark,
            limit=start.settings.operation_timeout,
        )
        for line in lines.managed:
            lines._resume(line, lambda cluster, own=line.backend.cluster: cluster == own)  # type: ignore[misc]
        return lines

    async def open_kube(self, config: ClusterConfig, namespaces: tuple[str, ...] | None) -> KubeLine:
        """Prepares a context; the one before must be closed.

        Raises:
            KubeError: the configuration cannot work.
        """
        self.kube = await KubeLine.open(
            self._start,
            config,
            self._fleet,
            self._clock,
            namespaces,
            durations=self._learned.durations,
            audit=self._audit,
            pins=self.pins,
        )
        self._resume(self.kube, lambda cluster: cluster not in self._managed)
        return self.kube

    async def close_kube(self) -> None:
        """Leaves the context."""
        kube, self.kube = self.kube, None
        if kube is not None:
            self._settled.discard(kube)
            await kube.close()

    def _resume(self, line: Line, own: Callable[[str], bool]) -> None:
        for operation in line.scaling.unfinished():
            if own(operation.key.cluster):
                self._fleet.resume(operation)

    # -- whose is what

    @property
    def managed(self) -> tuple[Line, ...]:
        """Zones and regions, in the settings' order."""
        return tuple(self._managed.values())

    @property
    def all(self) -> tuple[Line, ...]:
        """The context first."""
        return (*((self.kube,) if self.kube is not None else ()), *self.managed)

    @property
    def clouds(self) -> Mapping[str, Line]:
        """Zones and regions by what stands as the cluster in their keys."""
        return self._managed

    def of(self, key: WorkloadKey) -> Line | None:
        """Whose a workload is; ``None`` while there is no context."""
        return self._managed.get(key.cluster, self.kube)

    def clock(self, cluster: str | None) -> Clock:
        """A cluster's own time; this machine's while there is none."""
        line = self._managed.get(cluster or "", self.kube)
        return self._clock if line is None else line.backend.clock

    def _bounded(self, workload: Workload, driver: Driver) -> str | None:
        line = self.of(workload.key)
        return None if line is None else line.scaling.bounded(workload, driver)

    def _actor(self, before: Workload | None, after: Workload) -> ActorHint | None:
        line = self.of(after.key)
        return None if line is None else line.scaling.actor(before, after)

    def _ended(self, operation: Operation) -> None:
        line = self.of(operation.key)
        if line is not None:
            line.scaling.operation_ended(operation)

    # -- life

    def spent(self, key: WorkloadKey) -> Spent | None:
        """What a workload has cost since this run began to look; ``None`` where that was never known."""
        return self._spending.of(key, self.clock(key.cluster).now())

    def _spend(self) -> None:
        """Takes in what everything costs now: what its pods hold and where may have changed without it."""
        now = self._clock.monotonic()
        if not self._start.settings.prices or now < self._priced_at + _PRICE_EVERY:
            return
        self._priced_at = now
        workloads = self._fleet.view().workloads
        for key, workload in workloads.items():
            line = self.of(key)
            if line is not None:
                self._spending.see(key, line.backend.hourly(workload), line.backend.clock.now())
        for key in self._priced - workloads.keys():
            self._spending.stop(key, self.clock(key.cluster).now())
        self._priced = set(workloads)
        self.spent_in_all = self._spending.of_all(self._priced, lambda key: self.clock(key.cluster).now())

    def look(self) -> None:
        """Takes in what other consoles and people did to audit log and pins; joins GPUs if asked."""
        entries = self._audit.entries()
        self._spend()
        workloads = self._fleet.view().workloads
        self.offers = offers(entries, workloads, lambda cluster: self.clock(cluster).now())
        others = {key: workloads[key] for key in self.pins.refresh() if key in workloads}
        if others:
            self._fleet.publish(others, ())
        if self.kube is not None:
            self.kube.gpus.turn()
            self.kube.engines.turn()
            told = self.pins.check(workloads, self.kube.backend.clock.now(), self._clock.now())
            if told:
                self._fleet.events(told)

    def recheck(self) -> None:
        """Asks every right again, and tries now what waits."""
        for line in self.all:
            line.recheck()

    async def take_up(self) -> None:
        """Settles what an earlier run left unfinished, of each line once its first workloads are there.

        From then on also what this run sends without an answer.
        """
        now = self._clock.monotonic()
        waiting = [line for line in self.all if line not in self._settled]
        if not waiting and now < self._reconsidered_at + _RECONSIDER_EVERY:
            return
        self._reconsidered_at = now
        workloads = self._fleet.view().workloads.values()
        for line in self.all:
            own = [workload for workload in workloads if self.of(workload.key) is line]
            if own and line in waiting:
                self._settled.add(line)
                await line.scaling.take_up(own)
            elif own and (told := line.scaling.reconsider(own, self._clock.now())):
                self._fleet.events(told)

    def save(self) -> None:
        """Writes down what was learned, if there is anything new."""
        version = self._learned.durations.version
        if version != self._saved:
            with suppress(StateError):  # What could not be kept is learned again.
                self._learned.save()
            self._saved = version

    async def close(self) -> None:
        """Ends all of them."""
        await self.close_kube()
        for line in self.managed:
            with suppress(BackendError):
                await line.close()
        self.save()
