"""A fake zone of Exoscale behind a real port, and a backend that reads it; its time moves when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from clients.clock import SystemClock
from clients.embedded.api import serve
from clients.embedded.engine import Engine
from clients.embedded.exoscale.server import ZoneServer
from clients.embedded.exoscale.signature import Account
from clients.embedded.exoscale.zone import Deployment, Family, Model, Switches, Zone
from clients.embedded.simclock import SimClock
from clients.exoscale.backend import ExoscaleBackend
from clients.exoscale.credentials import Credentials
from clients.managed.secret import Secret
from clients.managed.terms import Terms
from clients.serving.backend import GpuTotals, NotShown
from clients.serving.changes import Change, ReplicasChange
from clients.serving.eta import Durations
from clients.serving.events import Event
from clients.serving.guards import Guard
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support.kube import until

MODEL = Model("acme/demo-7b")
ZONE = "at-vie-2"
LIMIT = 30.0


class Taken:
    """What a backend delivered."""

    def __init__(self) -> None:
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.statuses: dict[str, tuple[SourceStatus, ...]] = {}
        self.told: list[Event] = []
        self.hidden = NotShown()

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        self.workloads.update(changed)
        for key in removed:
            self.workloads.pop(key, None)

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        self.statuses[origin] = tuple(statuses)

    def events(self, events: Sequence[Event]) -> None:
        self.told += events

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        pass

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        self.hidden = objects

    def named(self, name: str) -> Workload:
        return next(workload for key, workload in self.workloads.items() if key.name == name)

    def has(self, name: str) -> bool:
        return any(key.name == name for key in self.workloads)


def credentials(account: Account) -> Credentials:
    """What signs for it."""
    return Credentials(Secret(account.key), Secret(account.secret))


class Rig:
    """One zone and all that a test does with it. Its clock stands unless ``pass_time`` moves it."""

    def __init__(
        self, zone: Zone, engine: Engine, server: ZoneServer, url: str, backend: ExoscaleBackend
    ) -> None:
        self.zone = zone
        self.engine = engine
        self.server = server
        self.url = url
        self.backend = backend
        self.taken = Taken()

    def pass_time(self, seconds: float) -> None:
        """Simulated seconds go by."""
        self.engine.run_until(self.engine.clock.now() + seconds)

    def deployment(self, name: str = "demo") -> Deployment:
        """As the cloud has it."""
        return next(one for one in self.zone if one.name == name)

    def row(self, name: str = "demo") -> Workload:
        """As the backend shows it."""
        return self.taken.named(name)

    def state(self) -> SourceState:
        """Of the list of deployments."""
        return self.backend.sources[0].state

    async def plan(self, wanted: int | Change, name: str = "demo") -> ScalePlan:
        """Of a count, or of any change."""
        change = ReplicasChange(wanted) if isinstance(wanted, int) else wanted
        return await self.backend.plan(self.row(name), change)

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[None]:
        """Another program reads the zone from here on; it knows nothing of what the first one sent."""
        self.taken = Taken()
        account = credentials(self.server.account)
        self.backend = ExoscaleBackend.open(ZONE, account, Terms(clock=SystemClock(), endpoint=self.url))
        async with _reading(self.backend, self.taken):
            yield

    @property
    def writes(self) -> list[tuple[str, str, bytes]]:
        """Requests that were to change something."""
        return [(one.method, one.path, one.body) for one in self.server.faults.seen if one.method != "GET"]


def guard(plan: ScalePlan, name: str) -> Guard | None:
    """The guard of this id."""
    return next((one for one in plan.guards if one.id == name), None)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks many times a second, so that tests wait for what happens and not for the next look."""
    for place in ("zone.IDLE", "zone.MOVING", "zone._QUOTA", "zone._RARE", "following._FIRST"):
        monkeypatch.setattr(f"clients.exoscale.{place}", 0.02)
    monkeypatch.setattr("clients.managed.poller.FIRST", 0.05)


@asynccontextmanager
async def running(
    *deployments: Deployment,
    switches: Switches | None = None,
    families: tuple[Family, ...] = (Family("gpua5000", 8), Family("gpurtx6000pro", -1)),
    models: tuple[Model, ...] = (MODEL,),
    prices: Mapping[str, Money] | None = None,
    limit: float = LIMIT,
    durations: Durations | None = None,
) -> AsyncIterator[Rig]:
    """A zone with these deployments (by default one: 2 GPUs each, one replica), read by a backend."""
    engine = Engine(SimClock(speed=0.0))
    zone = Zone(ZONE, engine, families, models, switches)
    for deployment in deployments or (Deployment("demo", MODEL, "gpua5000", 2, 1),):
        zone.add(deployment)
    zones: dict[str, str] = {}
    server = ZoneServer(zone, lambda: zones)
    runner, port = await serve(server.app)
    url = zones[ZONE] = f"http://127.0.0.1:{port}/v2"
    backend = ExoscaleBackend.open(
        ZONE,
        credentials(server.account),
        Terms(
            clock=SystemClock(),
            endpoint=url,
            prices=prices or {},
            durations=durations or Durations(),
            limit=limit,
        ),
    )
    rig = Rig(zone, engine, server, url, backend)
    try:
        async with _reading(backend, rig.taken):
            yield rig
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _reading(backend: ExoscaleBackend, taken: Taken) -> AsyncIterator[None]:
    reading = asyncio.create_task(backend.run(taken))
    try:
        await until(lambda: taken.workloads, LIMIT)
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await backend.close()
