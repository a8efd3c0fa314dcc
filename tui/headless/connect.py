"""One connection for one command: to the context, if there is one, and to the clouds of the settings."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from clients.clock import Clock, SystemClock
from clients.kube.errors import ErrorKind, KubeError
from clients.serving.backend import BackendError
from clients.serving.chain import Chains
from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.fleet import Fleet, FleetDelta
from tui.headless.reading import Reading
from tui.headless.tables import source_lines
from tui.line import Line
from tui.lines import Lines
from tui.start import Start

__all__ = ["Connection", "connected"]

_OPTIONAL_SECONDS = 3.0
"""How long a snapshot waits for sources that are not required, and for those that fail beside others."""
_TICK = 0.5
"""Seconds after which operations are looked at again although nothing changed: they may have timed out."""


class Connection:
    """What a command reads and writes through. Made by ``connected``."""

    def __init__(self, lines: Lines, fleet: Fleet, clock: Clock) -> None:
        """``clock`` is this machine's."""
        self.lines = lines
        self.fleet = fleet
        self._clock = clock
        self._arrived = asyncio.Event()
        self._missed: list[Event] = []
        self._readings = [Reading(line, fleet, self._arrived) for line in lines.all]

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source of every backend."""
        return self.sources_of(None)

    def sources_of(self, key: WorkloadKey | None) -> tuple[SourceStatus, ...]:
        """Those of a workload's own backend; without one all."""
        own = None if key is None else self.lines.of(key)
        found = [reading for reading in self._readings if own in (None, reading.line)]
        return tuple(source for reading in found for source in reading.sources)

    def doubts(self, key: WorkloadKey | None = None) -> list[str]:
        """What must be said of the sources, a line each: of a workload's own backend, without one of all."""
        return source_lines(self.sources_of(key), self.lines.clouds.keys())

    def chains(self) -> Chains:
        """How what was read of the cluster leads to workloads: walks over all of it."""
        kube = self.lines.kube
        return Chains((), ()) if kube is None else kube.backend.chains()

    def line(self, key: WorkloadKey) -> Line:
        """Whose a workload is."""
        line = self.lines.of(key)
        assert line is not None, "a workload comes from a line"
        return line

    def whole(self, key: WorkloadKey | None = None) -> bool:
        """Whether all that is required was read: of the workload's own backend, without one of all."""
        own = None if key is None else self.lines.of(key)
        return all(reading.synced for reading in self._readings if own in (None, reading.line))

    @property
    def some(self) -> bool:
        """Whether of several backends at least one has told all it has."""
        return len(self._readings) > 1 and any(reading.synced for reading in self._readings)

    @property
    def where(self) -> str:
        """The names of all that is read."""
        return ", ".join(line.name for line in self.lines.all)

    async def wait(self, seconds: float = _TICK) -> FleetDelta | None:
        """What changed, as soon as something did; ``None`` when nothing did for that long."""
        arrived = asyncio.ensure_future(self._arrived.wait())
        tasks = [reading.task for reading in self._readings]
        try:
            await asyncio.wait((arrived, *tasks), timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            arrived.cancel()
        for task in tasks:
            if task.done():
                task.result()
        self._arrived.clear()
        self.fleet.tick()
        return self.fleet.drain()

    async def first_sync(self, seconds: float, only: Line | None = None) -> bool:
        """Waits until every required source has told all it has, or said that it never will.

        ``only`` that line is waited for. Sources that are not required get a short time more, so that a
        snapshot has the drivers too; so does a backend that fails beside others that have answered. Events
        that happen meanwhile are handed over by ``missed``.
        """
        readings = [reading for reading in self._readings if only in (None, reading.line)]
        whole = await self._first_sync(seconds, readings)
        await self.lines.take_up()
        return whole

    async def _first_sync(self, seconds: float, readings: list[Reading]) -> bool:
        end = short_end = self._clock.monotonic() + seconds
        while True:
            waits = [reading for reading in readings if not reading.answered]
            if all(reading.failing for reading in waits) and len(waits) < len(readings):
                short_end = min(short_end, self._clock.monotonic() + _OPTIONAL_SECONDS)
                if not waits and all(reading.complete for reading in readings):
                    break
            left = min(end, short_end) - self._clock.monotonic()
            if left <= 0:
                break
            await self.pause(min(left, _TICK))
        return all(reading.synced for reading in readings)

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
        now = self.lines.clock(workload.key.cluster).now()
        left = self.fleet.durations.remaining(workload, workload.operation, now)
        return None if left is None else left[1]

    async def close(self) -> None:
        """Ends reading and the connections."""
        for reading in self._readings:
            await reading.end()
        await self.lines.close()


@asynccontextmanager
async def connected(start: Start, clock: Clock | None = None) -> AsyncIterator[Connection]:
    """Opens what the command line and the settings name, and closes it in the end.

    Raises:
        Stop: the kubeconfig or the settings of a cloud cannot be used, or the login failed.
    """
    base = SystemClock() if clock is None else clock
    fleet = Fleet(base)
    try:
        config = start.cluster(interactive=sys.stdin.isatty())
        lines = await Lines.open(start, fleet, base)
        if config is not None:
            await lines.open_kube(config, start.scope(config))
    except KubeError as error:
        code = Exit.USAGE if error.kind is ErrorKind.CONFIG else Exit.UNREACHABLE
        raise Stop(code, error.message) from None
    except BackendError as error:
        raise Stop(Exit.USAGE, error.message) from None
    connection = Connection(lines, fleet, base)
    try:
        yield connection
    finally:
        await connection.close()
