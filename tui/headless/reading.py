"""One backend, read into the fleet in a command's own loop; whoever waits is woken by whatever comes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from clients.serving.backend import GpuTotals, NotShown
from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tui.fleet import Fleet
from tui.line import Line

__all__ = ["Reading"]

_SYNCED = (SourceState.LIVE, SourceState.QUIET)
_ANSWERED = (*_SYNCED, SourceState.DENIED, SourceState.ABSENT, SourceState.LOGIN)
_CANCEL_AGAIN = 0.5
"""Seconds after which a cancellation without effect is repeated."""


class Reading:
    """Begins at once; ``arrived`` is set whenever something came."""

    def __init__(self, line: Line, fleet: Fleet, arrived: asyncio.Event) -> None:
        self.line = line
        self._sink = _Sink(fleet, arrived)
        self.task = asyncio.ensure_future(line.backend.run(self._sink))

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source as the backend told it last, in step with the workloads of the fleet."""
        return self._sink.told or self.line.backend.sources

    @property
    def synced(self) -> bool:
        """Whether every required source has told all it has."""
        required = [source for source in self.sources if source.required]
        return bool(required) and all(source.state in _SYNCED for source in required)

    @property
    def answered(self) -> bool:
        """Whether every required source has told all it has, or said that it never will."""
        required = [source for source in self.sources if source.required]
        return bool(required) and all(source.state in _ANSWERED for source in required)

    @property
    def failing(self) -> bool:
        """Whether a required source was asked and gave no answer, or none that could be read."""
        return any(source.required and source.state is SourceState.STALE for source in self.sources)

    @property
    def complete(self) -> bool:
        """Whether no source, required or not, is still being read for the first time."""
        return all(source.state is not SourceState.SYNCING for source in self.sources)

    async def end(self) -> None:
        """Ends reading; the connections stay.

        A cancellation that meets a finished wait is lost on the way (``asyncio.wait_for`` before Python 3.12,
        python/cpython#86296), so it is repeated until it took effect.
        """
        while not self.task.done():
            self.task.cancel()
            await asyncio.wait((self.task,), timeout=_CANCEL_AGAIN)
        with suppress(asyncio.CancelledError):
            self.task.result()


class _Sink:
    """Hands everything to the fleet and wakes the command that waits for it."""

    def __init__(self, fleet: Fleet, arrived: asyncio.Event) -> None:
        self._fleet = fleet
        self._arrived = arrived
        self.told: tuple[SourceStatus, ...] = ()

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        self._fleet.publish(changed, removed)
        self._arrived.set()

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        self.told = tuple(statuses)
        self._fleet.sources(origin, statuses)
        self._arrived.set()

    def events(self, events: Sequence[Event]) -> None:
        self._fleet.events(events)
        self._arrived.set()

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        self._fleet.totals(cluster, totals)
        self._arrived.set()

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        self._fleet.not_shown(cluster, objects)
        self._arrived.set()
