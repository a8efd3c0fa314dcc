"""Reads the GPUs of one cluster while somebody looks: one reader for all screens, on the data thread.

A Prometheus server first, if one is named; then each node's dcgm-exporter, or our agent, through the API
server's proxy to pods. Never ``nodes/proxy``: that right is one to run programs. Pages are asked for no more
often than their exporter samples, spread out in time, a few at once; a node that stops answering keeps its
last values, with their age.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from heapq import heappop, heappush
from random import Random

from msgspec import Struct

from clients.clock import Clock
from clients.gpu.dcgm import WANTED, samples_of
from clients.gpu.discovery import DiscoveryError, ExporterPod, find_exporters
from clients.gpu.door import TEXT_FORMAT, Door, DoorError, pod_page, refusal
from clients.gpu.exposition import LONGEST_PAGE, Labels, PageError, read_page
from clients.gpu.history import GpuHistory
from clients.gpu.prometheus import PrometheusError, PrometheusPlace, read_fleet
from clients.gpu.refusals import Refusals
from clients.serving.gpu_readings import GpuReadings
from clients.serving.gpus import AgentKind, AgentStatus, DeviceKey, GpuSample
from clients.serving.plain import plain
from clients.serving.sources import SourceState

__all__ = ["GpuWatch", "Timing"]

_TOKEN = "X-Servegrid-Token"
_TURN = 0.03
"""Seconds between two turns, at least: what is due meanwhile is begun together, which costs less."""
_BEAT = 0.5
"""Fleet-wide reading goes by this beat: some pages together cost less than as many one by one."""
_PATIENT = 5.0
"""Seconds: nodes that are asked more often are not made to wait for the beat."""
_DOUBLINGS = 8
"""Of the wait after a failure."""
_PACE = 0.006
"""Seconds between two nodes asked for the first time: a sweep all at once stops the other threads."""


class Timing(Struct, frozen=True):
    """Seconds, and how many at once."""

    fleet: float = 15.0
    """Between two pages of a node; longer where its exporter samples more rarely."""
    calm: float = 8.0
    """Pages a second that are enough while nobody looks at any node closely: more nodes, longer sweeps."""
    near: float = 2.0
    """The same for a node that is looked at closely."""
    discover: float = 60.0
    linger: float = 60.0
    """Nobody has looked for so long: nobody looks."""
    again: float = 5.0
    """After a first failure; doubled up to ``longest``."""
    longest: float = 60.0
    forget: float = 3600.0
    """A node without an exporter, or a device that its exporter no longer tells of, is gone after this."""
    prometheus: float = 30.0
    at_once: int = 16
    most_nodes: int = 5000


class _Node:
    """What is known of one node's devices."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exporters: tuple[ExporterPod, ...] = ()
        """The first that answers is read."""
        self.samples: dict[DeviceKey, GpuSample] = {}
        self.status: AgentStatus | None = None
        self.due = 0.0
        self.covered_until = 0.0
        """Prometheus tells of it until then."""
        self.failures = 0
        self.read_at: float | None = None
        self.reading = False

    @property
    def interval(self) -> float:
        return self.exporters[0].interval if self.exporters else 0.0


class GpuWatch:
    """All nodes of one cluster. Made and used on one event loop."""

    def __init__(
        self,
        door: Door,
        clock: Clock,
        *,
        prometheus: tuple[PrometheusPlace, Door] | None = None,
        token: str | None = None,
        always: bool = False,
        gpu_nodes: Callable[[], Iterable[str]] = tuple,
        changed: Callable[[], None] = lambda: None,
        timing: Timing = Timing(),  # noqa: B008 -- frozen
        random: Random | None = None,
    ) -> None:
        """``door`` leads to the cluster; ``prometheus`` has its own, which may be the same.

        ``token`` is shown to our agents alone. ``always``: whether or not anybody looks. ``gpu_nodes`` are
        nodes with GPUs, to find exporters whose labels are not known. ``changed`` is called after each new
        value.
        """
        self._door = door
        self._clock = clock
        self._prometheus = prometheus
        self._token = token
        self._always = always
        self._gpu_nodes = gpu_nodes
        self._changed = changed
        self._timing = timing
        self._random = random or Random()
        self._labels = Labels()
        self._nodes: dict[str, _Node] = {}
        self._queue: list[tuple[float, str]] = []
        """A heap of moments at which a node may be due; one that was put off since has another entry."""
        self._next_turn = 0.0
        self._near: dict[str, float] = {}
        self._looked_at: float | None = None
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(timing.at_once)
        self._reading: set[asyncio.Task[None]] = set()
        self._exporters: dict[tuple[str, str], str] = {}
        self._discover_at = 0.0
        self._discovered = False
        self._discovery: DiscoveryError | None = None
        self._ask_prometheus_at = 0.0
        self._refusals = Refusals(clock, timing.longest)
        self._prometheus_error: PrometheusError | None = None
        self._version = 0
        self._readings = GpuReadings()
        self.history = GpuHistory(clock.monotonic())

    # -- for whoever looks

    def look(self, *nodes: str) -> None:
        """Somebody looks, and at these nodes closely; to be said again while they do."""
        now = self._clock.monotonic()
        news = not self._wanted() or any(name not in self._near for name in nodes)
        self._looked_at = now
        calm = not self._near
        for name in nodes:
            if name not in self._near and (node := self._nodes.get(name)) is not None:
                self._schedule(node, min(node.due, (node.read_at or now) + self._every(node, near=True)))
            self._near[name] = now
        if calm and self._near:
            self._hurry(now)
        if news:
            self._woken.set()

    def readings(self) -> GpuReadings:
        """Everything as it was read last; the same object until something changes."""
        if self._readings.version != self._version:
            nodes = self._nodes.values()
            state, detail = self._state()
            self._readings = GpuReadings(
                version=self._version,
                samples=tuple(sample for node in nodes for sample in node.samples.values()),
                agents=tuple(node.status for node in nodes if node.status is not None),
                state=state,
                detail=detail,
            )
        return self._readings

    def wake(self) -> None:
        """Asks again at once wherever the newest question had no good answer: rights may have been given."""
        now = self._clock.monotonic()
        self._refusals.forget()
        if self._discovery is not None or not self._exporters:
            self._discover_at = now
        if self._prometheus_error is not None:
            self._ask_prometheus_at = now
        for node in self._nodes.values():
            if node.failures:
                self._schedule(node, now)
        self._woken.set()

    async def run(self) -> None:
        """Reads until it is cancelled."""
        try:
            while True:
                self._woken.clear()
                wait = await self._turn() if self._wanted() else None
                try:
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._reading:
                task.cancel()
            await asyncio.gather(*self._reading, return_exceptions=True)

    # -- inside

    def _wanted(self) -> bool:
        if self._always:
            return True
        looked = self._looked_at
        return looked is not None and self._clock.monotonic() - looked <= self._timing.linger

    async def _turn(self) -> float:
        """Begins what is due; how long until something is due again."""
        now = self._clock.monotonic()
        if now >= self._discover_at:
            await self._discover()
        if self._prometheus is not None and now >= self._ask_prometheus_at:
            self._ask_prometheus_at = now + self._timing.prometheus
            self._begin(self._read_prometheus(*self._prometheus))
        now = self._clock.monotonic()
        self._near = {name: at for name, at in self._near.items() if now - at <= self._timing.linger}
        while self._queue and self._queue[0][0] <= now:
            due, name = heappop(self._queue)
            node = self._nodes.get(name)
            if node is None or node.due != due or node.reading or not node.exporters:
                continue
            if node.covered_until > now and name not in self._near:
                self._schedule(node, node.covered_until)
                continue
            node.reading = True
            self._begin(self._read(node))
        self._next_turn = min([now + 1.0, *(due for due, _ in self._queue[:1])])
        return max(_TURN, self._next_turn - self._clock.monotonic())

    def _schedule(self, node: _Node, due: float) -> None:
        node.due = due
        heappush(self._queue, (due, node.name))
        if due < self._next_turn - _TURN:
            self._woken.set()

    def _begin(self, reading: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(reading)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def _every(self, node: _Node, *, near: bool) -> float:
        """Seconds between two pages of a node."""
        if near:
            return max(self._timing.near, node.interval)
        enough = 0.0 if self._near else len(self._nodes) / self._timing.calm
        return max(self._timing.fleet, node.interval, enough)

    def _hurry(self, now: float) -> None:
        """Somebody looks closely, so all are read as often as that takes; those behind not all at once."""
        behind = 0
        for node in self._nodes.values():
            due = (node.read_at or now) + self._every(node, near=False)
            if due < node.due and not node.failures:
                behind += due < now
                self._schedule(node, max(due, now + behind * _PACE))

    async def _discover(self) -> None:
        try:
            found = await find_exporters(self._door, self._gpu_nodes())
        except DiscoveryError as error:
            wait = self._timing.discover if error.denied else self._timing.again
            self._discover_at = self._clock.monotonic() + wait
            self._discovery = error
            self._tell()
            return
        self._discover_at = self._clock.monotonic() + self._timing.discover
        self._discovered, self._discovery = True, None
        self._exporters = {(pod.namespace, pod.name): pod.node for pod in found}
        by_node: dict[str, list[ExporterPod]] = {}
        for pod in sorted(found, key=lambda pod: (pod.waits is not None, pod.kind is AgentKind.AGENT, pod)):
            by_node.setdefault(pod.node, []).append(pod)
        for name in by_node:
            if name not in self._nodes and len(self._nodes) < self._timing.most_nodes:
                self._nodes[name] = _Node(name)
        fresh = 0
        for node in list(self._nodes.values()):
            pods_now = tuple(by_node.get(node.name, ()))
            begins = bool(pods_now) and not node.exporters
            if node.exporters and not pods_now:
                self._failed(node, node.exporters[0], "its exporter's pod is gone", denied=False)
            node.exporters = pods_now
            if begins:
                fresh += 1
                self._schedule(node, self._clock.monotonic() + fresh * _PACE)
            self._forget(node)
        self._tell()

    def _forget(self, node: _Node) -> None:
        """Drops a node that has had no exporter for long."""
        idle = self._clock.monotonic() - (node.read_at or 0.0)
        if node.exporters or node.covered_until or node.reading or idle < self._timing.forget:
            return
        for key in node.samples:
            self.history.forget(key)
        del self._nodes[node.name]

    async def _read_prometheus(self, place: PrometheusPlace, door: Door) -> None:
        timing = self._timing
        asked = self._clock.monotonic()
        fresh_for = 3 * timing.prometheus
        try:
            found = await read_fleet(
                door, place, self._clock.monotonic, exporters=self._exporters, fresh_for=fresh_for
            )
        except PrometheusError as error:
            self._prometheus_error = error
            self._tell()
            return
        self._prometheus_error = None if found else PrometheusError(f"{place.where}: it has no GPU metrics")
        now = self._clock.monotonic()
        for name, samples in found.items():
            node = self._nodes.setdefault(name, _Node(name))
            node.covered_until = now + 2 * timing.prometheus
            if name not in self._near:
                self._schedule(node, node.covered_until)
            self._took(node, samples, AgentStatus(name, AgentKind.PROMETHEUS, place.where, now, asked))
        for node in self._nodes.values():
            if node.covered_until and node.name not in found:
                node.covered_until = 0.0
                self._schedule(node, now)
        self._tell()

    async def _read(self, node: _Node) -> None:
        """One page of a node, from the first of its exporters that has one."""
        asked_in = self._refusals.round
        try:
            async with self._slots:
                for exporter in node.exporters:
                    if await self._read_from(node, exporter, asked_in):
                        break
        finally:
            node.reading = False
            now = self._clock.monotonic()
            every = self._every(node, near=node.name in self._near)
            if node.failures:
                every = max(every, min(self._timing.longest, self._timing.again * 2 ** (node.failures - 1)))
                if node.status is not None and node.status.denied:
                    every = max(every, self._timing.longest)
                if asked_in != self._refusals.round:
                    every = 0.0  # Somebody wanted it asked again while this answer was on its way.
            due = now + every * self._random.uniform(0.9, 1.1)
            self._schedule(node, math.ceil(due / _BEAT) * _BEAT if every > _PATIENT else due)
            self._tell()

    async def _read_from(self, node: _Node, exporter: ExporterPod, asked_in: int) -> bool:
        if exporter.waits is not None:
            return self._failed(node, exporter, f"its pod is {exporter.waits}", denied=False)
        if (missing := self._refusals.of(exporter.namespace)) is not None:
            return self._failed(node, exporter, missing, denied=True)
        headers = dict(TEXT_FORMAT)
        if self._token is not None and exporter.kind is AgentKind.AGENT:
            headers[_TOKEN] = self._token
        asked = self._clock.monotonic()
        path = pod_page(exporter.namespace, exporter.name, exporter.port)
        try:
            reply = await self._door.fetch(path, None, headers=headers, limit=LONGEST_PAGE)
            refused = refusal(reply, "pods", exporter.namespace)
            if refused is not None:
                if refused.right:
                    self._refusals.put(exporter.namespace, refused.detail, asked_in)
                return self._failed(node, exporter, refused.detail, denied=refused.denied)
            page = read_page(reply.body, self._labels, wanted=WANTED)
            told = samples_of(
                page.rows,
                node.name,
                asked,
                exporter.interval,
                fresh_for=2.5 * self._every(node, near=False),
                not_holders=((exporter.namespace, exporter.name),),
            )
        except (DoorError, PageError) as error:
            return self._failed(node, exporter, str(error), denied=False)
        if not told.samples:
            why = (
                plain(page.notes[0].removeprefix("servegrid: ")) if page.notes else "its page tells of no GPU"
            )
            return self._failed(node, exporter, why, denied=False)
        status = AgentStatus(
            node.name, exporter.kind, exporter.where, self._clock.monotonic(), asked, notes=page.notes
        )
        self._took(node, told.samples, status)
        return True

    def _took(self, node: _Node, samples: Iterable[GpuSample], status: AgentStatus) -> None:
        node.failures, node.status, node.read_at = 0, status, status.read_at
        newest = {sample.key: sample for sample in samples}
        oldest = self._clock.monotonic() - self._timing.forget
        for key, sample in list(node.samples.items()):
            if key not in newest and sample.taken_at < oldest:
                del node.samples[key]
                self.history.forget(key)
        node.samples |= newest
        for sample in newest.values():
            self.history.add(sample)

    def _failed(self, node: _Node, exporter: ExporterPod, detail: str, *, denied: bool) -> bool:
        """Keeps what was read before; always False."""
        node.failures = min(_DOUBLINGS, node.failures + 1)
        node.status = AgentStatus(
            node.name,
            exporter.kind,
            exporter.where,
            node.read_at,
            self._clock.monotonic(),
            detail,
            denied,
        )
        return False

    def _tell(self) -> None:
        self._version += 1
        self._changed()

    def _state(self) -> tuple[SourceState, str | None]:
        """All of it as one source, and what is wrong in a line."""
        told = [node.status for node in self._nodes.values() if node.status is not None]
        failing = [status for status in told if status.failing]
        trouble = self._discovery or self._prometheus_error
        if failing:
            worst = next((status for status in failing if status.denied), failing[0])
            line = f"{len(failing)} of {len(told)} nodes: {worst.detail} ({worst.where})"
            if len(failing) < len(told):
                return SourceState.LIVE, line
            return (SourceState.DENIED if worst.denied else SourceState.STALE), line
        if told:
            return SourceState.LIVE, None if trouble is None else str(trouble)
        if trouble is not None:
            return (SourceState.DENIED if trouble.denied else SourceState.STALE), str(trouble)
        if self._nodes or not self._discovered:
            return SourceState.SYNCING, None
        return SourceState.ABSENT, "no dcgm-exporter or servegrid agent was found, and no Prometheus is set"
