"""A simulated cluster behind a real port, with one workload of any system, and a backend that reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import httpx

from clients.clock import SystemClock
from clients.embedded.api import make_app, serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.objects import Json
from clients.kube.backend import KubeBackend
from clients.serving.backend import GpuTotals, NotShown
from clients.serving.changes import Change
from clients.serving.events import Event
from clients.serving.guards import Guard
from clients.serving.keys import WorkloadKey
from clients.serving.plans import ScalePlan
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload
from tests.support.kube import SHORT, config_for, until
from tests.support.simworld import NAMESPACE, World

__all__ = ["Rig", "guard", "rig"]


class _Fleet:
    """The newest value of each workload."""

    def __init__(self) -> None:
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.not_there = NotShown()

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        self.workloads.update(changed)
        for key in removed:
            self.workloads.pop(key, None)

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        pass

    def events(self, events: Sequence[Event]) -> None:
        pass

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        pass

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        self.not_there = objects


class Rig:
    """What a test does with it. The cluster lives only while it is told to."""

    def __init__(self, world: World, backend: KubeBackend, fleet: _Fleet) -> None:
        self.world = world
        self.backend = backend
        self._fleet = fleet

    def find(self, kind: str, name: str) -> Workload | None:
        """A workload as it was told last."""
        return next(
            (one for key, one in self._fleet.workloads.items() if (key.kind, key.name) == (kind, name)), None
        )

    def see(self, kind: str, name: str) -> Workload:
        """The same, which is there."""
        found = self.find(kind, name)
        assert found is not None, list(self._fleet.workloads)
        return found

    async def live_until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Lives on while the backend reads, until ``condition`` holds; fails when it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            told = {str(key): (one.ready, one.desired) for key, one in self._fleet.workloads.items()}
            assert time.monotonic() < end, f"the condition did not come true: {told}"
            self.world.live(1)
            await asyncio.sleep(0.01)

    async def plan(self, kind: str, name: str, change: Change) -> ScalePlan:
        """The plan with the server's word on it."""
        return await self.backend.dry_run(await self.backend.plan(self.see(kind, name), change))

    def set(self, resource: str, name: str, change: Callable[[Json], None]) -> None:
        """As somebody else would."""
        assert self.world.store.mutate(resource, NAMESPACE, name, change, manager="somebody") is not None

    def get(self, resource: str, name: str) -> Json:
        """An object as the server has it."""
        found = self.world.store.get(resource, NAMESPACE, name)
        assert found is not None, name
        return found


def guard(plan: ScalePlan, name: str) -> Guard:
    """One guard of a plan."""
    return next(one for one in plan.guards if one.id == name)


@asynccontextmanager
async def rig(*objects: tuple[str, Json], nodes: int = 8) -> AsyncIterator[Rig]:
    """The objects are posted as kubectl does it; nothing has happened to them yet."""
    world = World(nodes=nodes).started()
    app = make_app(world.store, identity=Identity({}), clock_rate=lambda: 1.0, bookmark_seconds=0.5)
    runner, port = await serve(app, 0)
    server = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=server, trust_env=False) as kubectl:
        for resource, obj in objects:
            plural, path = resource.partition(".")[0], "/api" if "/" not in obj["apiVersion"] else "/apis"
            path += f"/{obj['apiVersion']}/namespaces/{NAMESPACE}/{plural}"
            reply = await kubectl.post(path, json=obj, params={"fieldManager": "kubectl-create"})
            assert reply.status_code == 201, reply.text
    backend = await KubeBackend.open(config_for(server), clock=SystemClock(), timing=SHORT)
    fleet = _Fleet()
    reading = asyncio.ensure_future(backend.run(fleet))
    try:
        await until(lambda: fleet.workloads)
        yield Rig(world, backend, fleet)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await backend.close()
        await runner.cleanup()
