"""What is known of one region: services, their deployments and instances, autoscalers, flavors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from clients.clock import Clock
from clients.managed.attention import FOCUSED, Attention
from clients.managed.calls import CloudError
from clients.managed.poller import Poller, Polling
from clients.modelarts.api import Api
from clients.modelarts.decode import Deployment, Flavor, Hpa, Instance, Service
from clients.modelarts.grid import Row, derive, keyed
from clients.modelarts.planning import Ground
from clients.modelarts.statuses import FAILURES, SCALABLE, SETTLED, Status
from clients.serving.eta import Durations
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money
from clients.serving.workload import Workload

__all__ = ["Region"]

IDLE, MOVING, LONG = 30.0, 5.0, 15.0
"""Seconds between two readings: of what stands, of what moves, of what has moved for longer than that is
watched closely. ModelArts publishes no limits, so these are ours."""
_CLOSELY = 60.0
_HPA, _RARE = 60.0, 300.0
_AT_ONCE = 4
"""Requests under way at a time."""
_THROTTLED = 429
_CATEGORIES = ("GPU", "ASCEND", "CPU")
_WARNINGS = ("ABNORMAL", "WARNING")


class _Look(Struct):
    """The instances of one deployment, as they were when they were read."""

    at: float
    deployment: Deployment
    instances: tuple[Instance, ...]
    """Empty where they may not be read."""


class Region:
    """Kept up to date by ``pollers``; ``touched`` is called whenever anything changed."""

    def __init__(self, name: str, api: Api, clock: Clock, touched: Callable[[], None]) -> None:
        self.name = name
        self.flavors: Mapping[str, Flavor] = {}
        self._api = api
        self._clock = clock
        self._touched = touched
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._listed_at: float | None = None
        self._attention = Attention(clock)
        self._services: dict[str, Service] = {}
        self._looks: dict[tuple[str, str], _Look] = {}
        self._whys: dict[str, str] = {}
        self._hpas: dict[tuple[str, str], Hpa | None] = {}
        self._no_hpas: dict[tuple[str, str], str] = {}
        self._moving: dict[str, float] = {}
        """Since when a service moves, monotonic seconds."""
        self._sent: dict[str, float] = {}
        """When a change of a service was sent: it may be a while until it shows."""
        self._turn = 0
        self._turns: dict[str, int] = {}
        """By service, which reading is what is known of it."""
        poller = Polling(name, clock, touched)
        self._list = poller("services", self._read, len, self._pace, required=True)
        self._hpa = poller("autoscalers", self._read_hpas, len, lambda: _HPA)
        self._hpas_at = -_HPA
        """When all of them were asked for, monotonic seconds."""
        self.pollers: tuple[Poller[Any], ...] = (
            self._list,
            self._hpa,
            poller("flavors", self._read_flavors, self._take_flavors, lambda: _RARE),
        )

    # -- reading services

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at this row now: its service is read between two lists too."""
        row = self.row(key)
        if row is not None and self._attention.turn_to(row.service.id):
            self._list.hurry(FOCUSED)

    def _pace(self) -> float:
        now = self._clock.monotonic()
        paces = (MOVING if now - since < _CLOSELY else LONG for since in self._moving.values())
        return min(paces, default=IDLE if self._attention.on is None else FOCUSED)

    async def _read(self) -> Collection[Service]:
        """All services, or between two lists only those that move and the one that is looked at.

        What can be read is taken in as it comes; a service that cannot does not hide the others.
        """
        now = self._clock.monotonic()
        looked_at = self._attention.on
        wanted = {*self._moving, *(() if looked_at is None else (looked_at,))}
        if self._listed_at is None or not wanted or now - self._listed_at >= IDLE:
            found = await self._api.services()
            wanted = {service.id for service in found}
            self._forget(set(self._services) - wanted)
            self._listed_at = now
        await self._each(self.read, sorted((service,) for service in wanted), "services")
        return self._services.values()

    async def read(self, service_id: str) -> Service | None:
        """One service as it is now, with its instances where they may have changed; ``None``: it is gone.

        Raises CloudError.
        """
        self._turn += 1
        turn = self._turn
        try:
            service = await self._api.service(service_id)
        except CloudError as error:
            if error.status != 404:
                raise
            self._forget({service_id})
            self._touched()
            return None
        looks = [await self._look(service, deployment) for deployment in service.deployments]
        why = await self._why(service)
        if turn < self._turns.get(service_id, 0):
            return self._services.get(service_id)  # What is known was asked for later than this.
        self._turns[service_id] = turn
        self._looks.update({(service_id, look.deployment.name): look for look in looks if look is not None})
        self._services[service_id], self._whys[service_id] = service, why
        self._note_moves(service)
        if any(self._unasked(service, deployment) for deployment in service.deployments):
            self._hpa.wake()
        self._touched()
        return service

    async def _look(self, service: Service, deployment: Deployment) -> _Look | None:
        """Instances, read where anything may have changed; ``None`` while nothing of them is known.

        Without them counts are known all the same: a failure is no more than that.
        """
        known, now = self._looks.get((service.id, deployment.name)), self._clock.monotonic()
        still = not _moves(deployment) and deployment.status == Status.RUNNING
        if known is not None and still and now - known.at < _RARE and known.deployment == deployment:
            return known
        try:
            return _Look(now, deployment, await self._api.instances(service.id, deployment.name))
        except CloudError as error:
            if known is not None:
                return _Look(now, deployment, known.instances)
            # Their names must not change under an operation: a second try before it does without.
            again = service.id in self._services
            return _Look(now, deployment, ()) if error.refused or again else None

    async def _why(self, service: Service) -> str:
        """What its events say of what is wrong with it."""
        statuses = {service.status, *(one.status for one in service.deployments)}
        if not statuses & (FAILURES | {Status.CONCERNING}):
            return ""
        try:
            events = await self._api.events(service.id)
        except CloudError:  # That something is wrong is known; why comes another time.
            return self._whys.get(service.id, "")
        return next((event.text for event in events if event.kind in _WARNINGS), "")

    def _note_moves(self, service: Service) -> None:
        now = self._clock.monotonic()
        if any(_moves(deployment) for deployment in service.deployments):
            self._moving.setdefault(service.id, now)
        elif now - self._sent.get(service.id, -_CLOSELY) >= _CLOSELY:
            self._moving.pop(service.id, None)

    def _forget(self, ids: set[str]) -> None:
        for service_id in ids:
            self._services.pop(service_id, None)
            for facts in (self._moving, self._sent, self._turns, self._whys):
                facts.pop(service_id, None)
            for places in (self._looks, self._hpas, self._no_hpas):
                for place in [place for place in places if place[0] == service_id]:
                    del places[place]

    async def _each(
        self, read: Callable[..., Awaitable[object]], places: Sequence[tuple[str, ...]], what: str
    ) -> None:
        """Reads so many at a time; what failed is told in one line, after all that did not.

        Told to be patient, it asks for no more.
        """

        throttled: list[CloudError] = []

        async def one(place: tuple[str, ...]) -> CloudError | None:
            async with self._gate:
                if throttled:
                    return throttled[0]
                try:
                    await read(*place)
                except CloudError as error:
                    if error.status == _THROTTLED:
                        throttled.append(error)
                    return error
            return None

        answers = await asyncio.gather(*map(one, places))
        failures = [error for error in answers if error is not None]
        if failures:
            first = failures[0]
            waits = [error.retry_after for error in failures if error.retry_after is not None]
            raise CloudError(
                f"{len(failures)} of {len(answers)} {what} not read: {first.message}",
                status=first.status if len(failures) == len(answers) else None,
                retry_after=max(waits, default=None),
                lost=True,
            )

    # -- reading what is beside them

    def _unasked(self, service: Service, deployment: Deployment) -> bool:
        """Nobody has asked yet whether it has an autoscaler; without an id nobody can."""
        place = (service.id, deployment.id)
        return bool(deployment.id) and place not in self._hpas and place not in self._no_hpas

    async def _read_hpas(self) -> Collection[tuple[str, str]]:
        """All autoscalers, or between two such readings those of deployments that are new."""
        now = self._clock.monotonic()
        due = now - self._hpas_at >= _HPA
        if due and self._services:
            self._hpas_at = now
        places = [
            (service.id, deployment.id)
            for service in self._services.values()
            for deployment in service.deployments
            if (due and deployment.id) or self._unasked(service, deployment)
        ]
        await self._each(self.read_hpa, places, "autoscalers")
        return self._hpas

    async def read_hpa(self, service_id: str, deployment_id: str) -> None:
        """The autoscaler of a deployment as it is now. Raises CloudError."""
        place = (service_id, deployment_id)
        try:
            self._hpas[place] = await self._api.hpa(service_id, deployment_id)
        except CloudError as error:
            self._no_hpas[place] = error.message
            raise
        self._no_hpas.pop(place, None)

    async def _read_flavors(self) -> Collection[Flavor]:
        found: list[Flavor] = []
        for category in _CATEGORIES:
            found += await self._api.flavors(category)
        return found

    def _take_flavors(self, found: Collection[Flavor]) -> int:
        self.flavors = {flavor.id: flavor for flavor in found}
        return len(found)

    # -- telling

    def look_again(self, service_id: str) -> None:
        """A change was sent: the service is read now, and often until it has settled."""
        self._moving[service_id] = self._sent[service_id] = self._clock.monotonic()
        self._list.wake()

    def row(self, key: WorkloadKey) -> Row | None:
        """All that is known of a deployment; ``None``: there is none of that key."""
        for found, service, deployment in keyed(self.name, self._services.values()):
            if found == key:
                return self._row(service, deployment)
        return None

    def _row(self, service: Service, deployment: Deployment) -> Row:
        look = self._looks.get((service.id, deployment.name))
        return Row(
            service,
            deployment,
            None if look is None else look.instances,
            self._hpas.get((service.id, deployment.id)),
            self._whys.get(service.id, ""),
        )

    def workloads(self) -> Mapping[WorkloadKey, Workload] | None:
        """All rows as of now; ``None`` before the first list."""
        if self._listed_at is None:
            return None
        return {
            key: derive(key, self._row(service, deployment), self.flavors)
            for key, service, deployment in keyed(self.name, self._services.values())
        }

    async def ground(self, row: Row, prices: Mapping[str, Money], durations: Durations) -> Ground:
        """What plans are made on; an autoscaler that was never asked for is asked for first."""
        place = (row.service.id, row.deployment.id)
        if self._unasked(row.service, row.deployment):
            with suppress(CloudError):  # Kept, and told by the plan.
                await self.read_hpa(*place)
        return Ground(
            self._api.host,
            self.flavors,
            prices,
            durations,
            self._no_hpas.get(place),
            self._list.stale,
        )


def _moves(deployment: Deployment) -> bool:
    """Something of it changes by itself, or is about to."""
    if deployment.status not in SETTLED:
        return True
    return deployment.status in SCALABLE and deployment.running != deployment.desired
