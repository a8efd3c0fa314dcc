"""One zone of Exoscale behind the grid: deployments polled, changes planned, sent and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from clients.clock import ClusterClock
from clients.exoscale import planning
from clients.exoscale.api import ENDPOINT, Api
from clients.exoscale.changing import Changing
from clients.exoscale.creation import CreationError, read_creation
from clients.exoscale.credentials import Credentials
from clients.exoscale.decode import Deployment
from clients.exoscale.grid import SYSTEM, gpus_of
from clients.exoscale.zone import Zone
from clients.managed.backend import ManagedBackend
from clients.managed.calls import CloudError
from clients.managed.feed import Feed
from clients.managed.terms import Terms
from clients.serving.backend import NotShown, Sink, Ticket
from clients.serving.changes import Change, ObjectChange, ReplicasChange, Verb
from clients.serving.cost import hourly
from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.workload import Workload

__all__ = ["ExoscaleBackend"]

_LOG_LINES = 200


class ExoscaleBackend(ManagedBackend):
    """One zone. Made with ``open``; everything on one event loop."""

    def __init__(self, zone: str, api: Api, clock: ClusterClock, terms: Terms) -> None:
        self._api = api
        self._prices = terms.prices
        self._durations = terms.durations
        self._sink: Sink | None = None
        self._told_hidden = NotShown()
        self._feed = Feed(f"{SYSTEM}/{zone}", self._workloads)
        self._zone = Zone(zone, api, clock, self._feed.touch)
        self._changing = Changing(api, self._zone, clock, self._came_to_nothing)
        super().__init__(self._zone, self._changing, clock)

    @classmethod
    def open(cls, zone: str, credentials: Credentials, terms: Terms) -> ExoscaleBackend:
        """Prepares the connection; nobody is asked anything yet.

        An endpoint in ``terms`` ends in ``/v2``; prices are of a GPU an hour, by GPU type.
        """
        time = ClusterClock(terms.clock, rate=terms.rate)
        endpoint = terms.endpoint or ENDPOINT.format(zone=zone)
        api = Api(endpoint, credentials, time, proxy=terms.proxy, limit=terms.limit)
        return cls(zone, api, time, terms)

    # -- reading

    async def run(self, sink: Sink) -> None:
        """Reads until cancelled."""
        self._sink = sink
        await self._feed.run(sink, self._zone.pollers)

    def _workloads(self) -> Mapping[WorkloadKey, Workload] | None:
        if self._sink is not None and self._zone.hidden != self._told_hidden:
            self._told_hidden = self._zone.hidden
            self._sink.not_shown(self._zone.name, self._zone.hidden)
        return self._zone.workloads()

    def _came_to_nothing(self, key: WorkloadKey, asked: str, why: str) -> None:
        if self._sink is not None:
            now = self._clock.now()
            told = Event(now, now, key.cluster, EventKind.ACTION, key, after=asked, reason=why)
            self._sink.events((told,))

    async def autoscaling(self, workload: Workload) -> None:
        """Nothing drives a deployment but people."""

    def hourly(self, workload: Workload) -> Money | None:
        """Its GPUs by the price of their type."""
        known = self._zone.deployments.get(workload.key)
        gpus = None if known is None else gpus_of(known, workload.desired)
        if known is None or known.gpu_type is None or gpus is None:
            return None
        return hourly(gpus, (known.gpu_type,), self._prices)

    # -- changing

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        """The plan with every guard; Exoscale has no dry run.

        A new deployment is an ``ObjectChange`` that creates, with ``Creation.text`` as its body; ``workload``
        is then the one that it takes the place of. Raises CloudError: it is gone, or there is no such change.
        """
        deployment = self._known(workload.key)
        following = self._zone.followings.get(workload.key)
        ground = await self._zone.ground(self._prices, self._durations)
        match change:
            case ReplicasChange(roles=()) if deployment.replicas is not None:
                return planning.plan_scale(workload, deployment, following, change, ground)
            case ReplicasChange(roles=()):
                raise CloudError("Exoscale does not tell how many replicas it has", sent=False)
            case ReplicasChange():
                raise CloudError("an Exoscale deployment has no roles: scale its replicas", sent=False)
            case ObjectChange(verb=Verb.CREATE):
                return await self._creation(change, workload.key)
            case ObjectChange(verb=Verb.DELETE):
                return planning.plan_deletion(workload, deployment, following, change, ground)
            case ObjectChange():
                return planning.plan_fixed(workload, deployment, change, ground)
        raise CloudError("an Exoscale deployment takes a number of replicas, and nothing else", sent=False)

    async def plan_new(self, change: ObjectChange) -> ScalePlan:
        """The plan for a deployment that takes nobody's place. Raises CloudError: it cannot be like that."""
        return await self._creation(change, None)

    async def _creation(self, change: ObjectChange, instead_of: WorkloadKey | None) -> ScalePlan:
        try:
            creation = read_creation(change.body)
        except CreationError as error:
            raise CloudError(str(error), sent=False) from None
        taken = any(one.name == creation.name for one in self._zone.deployments.values())
        ground = await self._zone.ground(self._prices, self._durations)
        return planning.plan_creation(creation, change, taken, instead_of, ground)

    def _known(self, key: WorkloadKey) -> Deployment:
        found = self._zone.deployments.get(key)
        if found is None:
            raise CloudError(f"{key} is gone", sent=False)
        return found

    async def poll(self, ticket: Ticket) -> Workload | None:
        """The workload re-read; ``None`` if it is gone. Raises CloudError."""
        await self._changing.reread(ticket.key)
        return (self._zone.workloads() or {}).get(ticket.key)

    # -- looking closer

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """The deployment as Exoscale has it now, which holds no secret. Raises CloudError."""
        return await self._api.whole(self._id(key))

    async def logs(self, key: WorkloadKey) -> AsyncIterator[str]:
        """The engine's last lines; what follows is not told. Hostile until passed through ``plain``.

        Raises CloudError.
        """
        for line in await self._api.logs(self._id(key), _LOG_LINES):
            yield " ".join(part for part in (line.time, line.node, line.message) if part)

    def _id(self, key: WorkloadKey) -> str:
        found = self._known(key).id
        if found is None:
            raise CloudError("Exoscale tells no id of it", sent=False)
        return found

    async def close(self) -> None:
        """Ends connections."""
        await self._changing.close()
        await self._api.close()
