"""Runs the pollers of one managed cloud and hands on what changed, at most once a tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from clients.managed.poller import Poller
from clients.serving.backend import Sink
from clients.serving.keys import WorkloadKey
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload

__all__ = ["Feed"]

_TICK = 0.05
"""Seconds between two deliveries: whatever arrives within goes together."""


class Feed:
    """``workloads`` tells all there are as of now, ``None`` before the first list is in.

    ``origin`` names the backend to the sink: the zone or region.
    """

    def __init__(self, origin: str, workloads: Callable[[], Mapping[WorkloadKey, Workload] | None]) -> None:
        self._origin = origin
        self._workloads = workloads
        self._touched = asyncio.Event()
        self._shown: Mapping[WorkloadKey, Workload] = {}
        self._told: tuple[SourceStatus, ...] | None = None

    def touch(self) -> None:
        """Something may have changed."""
        self._touched.set()

    async def run(
        self,
        sink: Sink,
        pollers: Sequence[Poller[Any]],
        beside: Sequence[Coroutine[Any, Any, None]] = (),
    ) -> None:
        """Reads and delivers until cancelled; ``beside`` runs as long. Raises what any of them raises."""
        self._touched.set()
        async with asyncio.TaskGroup() as tasks:
            for poller in pollers:
                tasks.create_task(poller.run())
            for other in beside:
                tasks.create_task(other)
            tasks.create_task(self._deliver(sink, pollers))

    async def _deliver(self, sink: Sink, pollers: Sequence[Poller[Any]]) -> None:
        while True:
            await self._touched.wait()
            self._touched.clear()
            self._publish(sink)
            statuses = tuple(poller.status for poller in pollers)
            if statuses != self._told:  # After what they brought: until then nothing of theirs is news.
                self._told = statuses
                sink.sources(self._origin, statuses)
            await asyncio.sleep(_TICK)

    def _publish(self, sink: Sink) -> None:
        found = self._workloads()
        if found is None:
            return
        changed = {key: value for key, value in found.items() if self._shown.get(key) != value}
        gone = [key for key in self._shown if key not in found]
        self._shown = dict(found)
        if changed or gone:
            sink.publish(changed, gone)
