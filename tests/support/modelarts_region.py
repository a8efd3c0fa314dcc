"""A fake ModelArts region on a real port, whose time a test moves, and a backend that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from clients.clock import SystemClock
from clients.embedded.api import serve
from clients.embedded.cloud_faults import Seen
from clients.embedded.engine import Engine
from clients.embedded.modelarts.cloud import Cloud, Switches
from clients.embedded.modelarts.gateway import Account
from clients.embedded.modelarts.region import fill
from clients.embedded.modelarts.server import ModelArts
from clients.embedded.simclock import SimClock
from clients.managed.secret import Secret
from clients.managed.terms import Terms
from clients.modelarts.backend import ModelArtsBackend
from clients.modelarts.credentials import AccessKey
from clients.serving.backend import GpuTotals, NotShown, Result, Ticket
from clients.serving.events import Event
from clients.serving.follow import follow
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.plans import Money
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support.kube import until

__all__ = ["REGION", "Fleet", "Rig", "key_of", "modelarts"]

REGION = "cn-north-9"
PRICES = {"modelarts.demo.gpu.1": Money("2.50", "EUR")}


class Fleet:
    """The newest value of each workload, its operation followed as everywhere."""

    def __init__(self) -> None:
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.statuses: dict[str, SourceStatus] = {}
        self.running: dict[WorkloadKey, Operation] = {}
        self.ended: list[Operation] = []
        self.now: Callable[[], float] = SystemClock().now

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        for key, after in changed.items():
            before = self.workloads.get(key)
            result = follow(self.running.pop(key, None), before, after, self.now())
            if result.operation is not None:
                self.running[key] = result.operation
            if result.ended is not None:
                self.ended.append(result.ended)
            self.workloads[key] = msgspec.structs.replace(after, operation=result.operation)
        for key in removed:
            self.workloads.pop(key, None)

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        self.statuses = {status.name: status for status in statuses}

    def events(self, events: Sequence[Event]) -> None:
        raise AssertionError(events)

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        raise AssertionError(totals)

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        raise AssertionError(objects)

    def state(self, source: str = "services") -> SourceState:
        return self.statuses[source].state if source in self.statuses else SourceState.SYNCING


def key_of(account: Account) -> AccessKey:
    token = None if account.security_token is None else Secret(account.security_token)
    return AccessKey(Secret(account.access), Secret(account.secret), token)


class Rig:
    """What a test does with it. The region's time stands still but for ``live``."""

    def __init__(self, engine: Engine, fake: ModelArts, url: str, limit: float) -> None:
        self.engine = engine
        self.fake = fake
        self.url = url
        self.fleet = Fleet()
        self.backend = ModelArtsBackend.open(
            REGION,
            fake.account.project,
            key_of(fake.account),
            Terms(
                clock=SystemClock(),
                endpoint=url,
                prices=PRICES,
                rate=engine.clock.speed,
                limit=limit,
            ),
        )
        self.fleet.now = self.backend.clock.now

    def find(self, name: str) -> Workload | None:
        """``service/deployment``, as it was told last."""
        return next(
            (one for key, one in self.fleet.workloads.items() if f"{key.namespace}/{key.name}" == name),
            None,
        )

    def see(self, name: str) -> Workload:
        found = self.find(name)
        assert found is not None, [str(key) for key in self.fleet.workloads]
        return found

    async def synced(self) -> None:
        """Everything was read once, autoscalers of services that were not known before them too."""
        sources = ("services", "autoscalers", "flavors")
        await until(lambda: all(self.fleet.state(name) is SourceState.LIVE for name in sources))
        driven = {
            f"{service.name}/{one.name}": one.hpa is not None and one.hpa["status"] != "DELETED"
            for service in self.fake.cloud
            for one in service.deployments
        }

        def told(name: str) -> bool:
            found = self.find(name)
            return found is not None and (bool(found.drivers) or not driven[name])

        await until(lambda: all(map(told, driven)))

    async def live(self, seconds: float, name: str) -> Workload:
        """So many simulated seconds pass; then the deployment is read again."""
        self.engine.run_until(self.engine.clock.now() + seconds)
        return await self.look(name)

    async def look(self, name: str) -> Workload:
        """The deployment read now, past what is polled, and told to the fleet."""
        key = self.see(name).key
        read = await self.backend.poll(Ticket(key, Result.ACCEPTED, 0.0))
        assert read is not None

        def told() -> bool:
            shown = self.find(name)
            return shown is not None and msgspec.structs.replace(shown, operation=None) == read

        await until(told)
        return self.see(name)

    @property
    def writes(self) -> list[Seen]:
        """Every request that was no read."""
        return [seen for seen in self.fake.faults.seen if seen.method != "GET"]


@asynccontextmanager
async def modelarts(
    switches: Switches | None = None,
    *,
    fills: Callable[[Cloud], None] = fill,
    account: Account | None = None,
    start: float | None = None,
    limit: float = 10.0,
    reads: bool = True,
) -> AsyncIterator[Rig]:
    """``fills`` plants the services; ``start`` is the region's time; ``reads`` runs the backend."""
    clock = SimClock(speed=0.0, start=start)
    engine = Engine(clock)
    cloud = Cloud(engine, switches)
    fills(cloud)
    fake = ModelArts(cloud, clock, account)
    runner, port = await serve(fake.app)
    rig = Rig(engine, fake, f"http://127.0.0.1:{port}", limit)
    reading = asyncio.ensure_future(rig.backend.run(rig.fleet)) if reads else None
    try:
        yield rig
    finally:
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        await rig.backend.close()
        await runner.cleanup()
