"""One connection for one command: the backend runs in the command's own loop and delivers into a fleet."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from clients.clock import Clock, SystemClock
from clients.kube.config import load
from clients.kube.errors import ErrorKind, KubeError
from clients.serving.backend import GpuTotals, NotShown
from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.fleet import Fleet, FleetDelta
from tui.line import Line
from tui.start import Start

__all__ = ["Connection", "WakingSink", "connected", "synced"]

_SYNCED = (SourceState.LIVE, SourceState.QUIET)
_ANSWERED = (*_SYNCED, SourceState.DENIED, SourceState.ABSENT, SourceState.LOGIN)
_OPTIONAL_SECONDS = 3.0
"""How long a snapshot waits for sources that are not required once those that are have answered."""
_TICK = 0.5
"""Seconds after which operations are looked at again although nothing changed: they may have timed out."""
_CANCEL_AGAIN = 0.5
"""Seconds after which a cancellation without effect is repeated."""


def synced(sources: Sequence[SourceStatus]) -> bool:
    """Whether every required source has told all it has."""
    required = [source for source in sources if source.required]
    return bool(required) and all(source.state in _SYNCED for source in required)


class WakingSink:
    """Hands everything to the fleet and wakes the command that waits for it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.arrived = asyncio.Event()
        self.told: tuple[SourceStatus, ...] = ()

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        """New and gone workloads."""
        self._fleet.publish(changed, removed)
        self.arrived.set()

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        """The state of every source."""
        self.told = tuple(statuses)
        self._fleet.sources(origin, statuses)
        self.arrived.set()

    def events(self, events: Sequence[Event]) -> None:
        """Hints that a system saw itself."""
        self._fleet.events(events)
        self.arrived.set()

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        """GPUs of a cluster."""
        self._fleet.totals(cluster, totals)
        self.arrived.set()

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        """What of a cluster is no row."""
        self._fleet.not_shown(cluster, objects)
        self.arrived.set()


class Connection:
    """What a command reads and writes through. Made by ``connected``."""

    def __init__(self, line: Line, fleet: Fleet, sink: WakingSink) -> None:
        self.config = line.config
        self.backend = line.backend
        self.scaling = line.scaling
        self.fleet = fleet
        self._line = line
        self._sink = sink
        self._missed: list[Event] = []
        self._reading = asyncio.ensure_future(line.backend.run(sink))

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source as the backend told it last, in step with the workloads of the fleet."""
        return self._sink.told or self.backend.sources

    async def wait(self, seconds: float = _TICK) -> FleetDelta | None:
        """What changed, as soon as something did; ``None`` when nothing did for that long."""
        arrived = asyncio.ensure_future(self._sink.arrived.wait())
        try:
            await asyncio.wait((arrived, self._reading), timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            arrived.cancel()
        if self._reading.done():
            self._reading.result()
        self._sink.arrived.clear()
        self.fleet.tick()
        return self.fleet.drain()

    async def first_sync(self, seconds: float) -> bool:
        """Waits until every required source has told all it has, or said that it never will.

        Sources that are not required get a short time more, so that a snapshot has the drivers too. Events
        that happen meanwhile are handed over by ``missed``.
        """
        whole = await self._first_sync(seconds)
        if whole:
            await self.scaling.take_up(self.fleet.view().workloads.values())
        return whole

    async def _first_sync(self, seconds: float) -> bool:
        clock = self.backend.clock
        end = clock.monotonic() + seconds
        optional_end = end
        while True:
            sources = self.sources
            required = [source for source in sources if source.required]
            if required and all(source.state in _ANSWERED for source in required):
                optional_end = min(optional_end, clock.monotonic() + _OPTIONAL_SECONDS)
                if all(source.state is not SourceState.SYNCING for source in sources):
                    return synced(sources)
            left = min(end, optional_end) - clock.monotonic()
            if left <= 0:
                return synced(sources)
            await self.pause(min(left, _TICK))

    async def pause(self, seconds: float) -> None:
        """Waits for the next change, at most so long; what it brings is kept for ``missed``."""
        delta = await self.wait(seconds)
        if delta is not None:
            self._missed += delta.events

    def missed(self) -> list[Event]:
        """Events that came in ``first_sync`` or ``pause``; the next call has none of them."""
        events, self._missed = self._missed, []
        return events

    def remaining(self, workload: Workload) -> float | None:
        """Seconds that its running operation will probably still take: the far end of what was learned."""
        if workload.operation is None or workload.operation.ended_at is not None:
            return None
        now = self.backend.clock.now()
        left = self.fleet.durations.remaining(workload, workload.operation, now)
        return None if left is None else left[1]

    async def close(self) -> None:
        """Ends reading and the connections.

        A cancellation that meets a finished wait is lost on the way (``asyncio.wait_for`` before Python 3.12,
        python/cpython#86296), so it is repeated until it took effect.
        """
        while not self._reading.done():
            self._reading.cancel()
            await asyncio.wait((self._reading,), timeout=_CANCEL_AGAIN)
        with suppress(asyncio.CancelledError):
            self._reading.result()
        await self._line.close()


@asynccontextmanager
async def connected(start: Start, clock: Clock | None = None) -> AsyncIterator[Connection]:
    """Opens the cluster that the command line names, and closes it in the end.

    Raises:
        Stop: the kubeconfig cannot be used, or the login failed.
    """
    base = SystemClock() if clock is None else clock
    fleet = Fleet(base)
    try:
        config = load(start.connect, environ=start.environ, interactive=sys.stdin.isatty())
        line = await Line.open(start, config, fleet, base, start.scope(config))
    except KubeError as error:
        code = Exit.USAGE if error.kind is ErrorKind.CONFIG else Exit.UNREACHABLE
        raise Stop(code, error.message) from None
    connection = Connection(line, fleet, WakingSink(fleet))
    try:
        yield connection
    finally:
        await connection.close()
