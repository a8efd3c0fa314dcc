"""How GPUs and engines of one cluster are read: through its API server, GPUs also from a Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Struct

from clients.clock import Clock
from clients.gpu.engine_watch import EngineWatch
from clients.gpu.prometheus import PrometheusPlace
from clients.gpu.watch import GpuWatch
from clients.gpu.web_door import WebDoor
from clients.kube.proxied import ClusterDoor
from clients.kube.session import Session

__all__ = ["ClusterGpus", "GpuOptions"]


class GpuOptions(Struct, frozen=True):
    """What the user says of it."""

    prometheus: PrometheusPlace | None = None
    """Asked before any exporter."""
    token: str | None = None
    """Shown to our node agents."""
    always: bool = False
    """Whether or not anybody looks."""


class ClusterGpus:
    """Makes readers, and owns the connection to a Prometheus server outside."""

    def __init__(
        self, session: Session, clock: Clock, options: GpuOptions, nodes: Callable[[], Iterable[str]]
    ) -> None:
        """``nodes`` are those with GPUs, as far as they are known."""
        self._door = ClusterDoor(session)
        self._clock = clock
        self._rate = lambda: session.clock.rate
        self._options = options
        self._nodes = nodes
        place = options.prometheus
        self._web = WebDoor(place.url) if place is not None and place.url else None
        self.renew()

    def renew(self) -> ClusterGpus:
        """Other readers, with nothing of the last ones': another cluster answers under this address."""
        self.watch = self._made()
        self.engines = EngineWatch(self._door, self._clock, rate=self._rate)
        return self

    async def run(self) -> None:
        """Reads until it is cancelled."""
        async with asyncio.TaskGroup() as reading:
            reading.create_task(self.watch.run())
            reading.create_task(self.engines.run())

    def wake(self) -> None:
        """What had no good answer is asked for again now."""
        self.watch.wake()
        self.engines.wake()

    async def close(self) -> None:
        """Ends connections."""
        if self._web is not None:
            await self._web.close()

    def _made(self) -> GpuWatch:
        options = self._options
        place = options.prometheus
        return GpuWatch(
            self._door,
            self._clock,
            prometheus=None if place is None else (place, self._web or self._door),
            token=options.token,
            always=options.always,
            gpu_nodes=self._nodes,
        )
