"""How the GPUs of one cluster are read: through its API server, and from Prometheus where one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from clients.clock import Clock
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
        self._options = options
        self._nodes = nodes
        place = options.prometheus
        self._web = WebDoor(place.url) if place is not None and place.url else None
        self.watch = self._made()

    def renew(self) -> GpuWatch:
        """Another reader, with nothing of the last one's: another cluster answers under this address."""
        self.watch = self._made()
        return self.watch

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
