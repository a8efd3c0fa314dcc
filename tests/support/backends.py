"""A backend over HTTP on a simulated cluster that stands still until it is told to live on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from clients.clock import SystemClock
from clients.embedded.accounts import bound_account
from clients.embedded.api import serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.command import application
from clients.kube.backend import KubeBackend
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import GpuTotals, NotShown
from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support.kube import SHORT, config_for, until
from tests.support.simworld import World

__all__ = ["Looked", "looking"]


class Looked:
    """A sink that keeps the newest of everything, and the backend that fills it."""

    def __init__(self, world: World, backend: KubeBackend) -> None:
        self.world = world
        self.backend = backend
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.statuses: dict[str, SourceStatus] = {}
        self.told: list[Event] = []

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        self.workloads.update(changed)
        for key in removed:
            self.workloads.pop(key, None)

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        self.statuses = {status.name: status for status in statuses}

    def events(self, events: Sequence[Event]) -> None:
        self.told += events

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        pass

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        pass

    def named(self, name: str) -> Workload | None:
        return next((value for key, value in self.workloads.items() if key.name == name), None)

    async def has(self, name: str, desired: int, drivers: int) -> None:
        """Until the watches have brought a workload with this count and as many drivers."""

        def come() -> bool:
            found = self.named(name)
            return found is not None and (found.desired, len(found.drivers)) == (desired, drivers)

        await until(come)

    async def all_read(self) -> None:
        """Until every source has told all that it has."""
        await until(
            lambda: (
                self.statuses
                and all(status.state is not SourceState.SYNCING for status in self.statuses.values())
            ),
            10,
        )

    async def autoscaling(self, name: str) -> Autoscaling:
        found = self.named(name)
        assert found is not None, list(self.workloads)
        await self.backend.object(found.key)  # Its answer tells what time it is: this clock stands still.
        return await self.backend.autoscaling(found)


@asynccontextmanager
async def looking(world: World, rules: Sequence[Mapping[str, Any]] | None = None) -> AsyncIterator[Looked]:
    """A backend that reads the world, with all rights or with those of ``rules``."""
    store = world.store
    identity = (
        Identity()
        if rules is None
        else Identity({"few": bound_account(store, "few", [dict(rule) for rule in rules])})
    )
    runner, port = await serve(application(world.cluster, identity), 0)
    token = None if rules is None else "few"
    config = config_for(f"http://127.0.0.1:{port}", token=token)
    backend = await KubeBackend.open(config, clock=SystemClock(), timing=SHORT)
    looked = Looked(world, backend)
    reading = asyncio.ensure_future(backend.run(looked))
    try:
        await until(lambda: looked.workloads)
        await looked.all_read()
        yield looked
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await backend.close()
        await runner.cleanup()
