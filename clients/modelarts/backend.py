"""One region of ModelArts behind the grid: services polled, changes planned, sent once and followed."""

from __future__ import annotations

from typing import Any

from clients.clock import ClusterClock
from clients.managed.backend import ManagedBackend
from clients.managed.calls import CloudError
from clients.managed.feed import Feed
from clients.managed.terms import Terms
from clients.modelarts import planning
from clients.modelarts.api import ENDPOINT, Api
from clients.modelarts.autoscaler import autoscaling
from clients.modelarts.changing import Changing
from clients.modelarts.cost import hourly
from clients.modelarts.credentials import AccessKey
from clients.modelarts.grid import SYSTEM, Row, derive
from clients.modelarts.region import Region
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import Sink, Ticket
from clients.serving.changes import Change, ReplicasChange, RunChange
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.workload import Workload

__all__ = ["ModelArtsBackend"]


class ModelArtsBackend(ManagedBackend):
    """The real-time services of one region and project. Made with ``open``; everything on one event loop."""

    def __init__(self, region: str, api: Api, clock: ClusterClock, terms: Terms) -> None:
        self._api = api
        self._prices = terms.prices
        self._durations = terms.durations
        self._feed = Feed(f"{SYSTEM}/{region}", lambda: self._region.workloads())
        self._region = Region(region, api, clock, self._feed.touch)
        self._changing = Changing(api, self._region, clock)
        super().__init__(self._region, self._changing, clock)

    @classmethod
    def open(cls, region: str, project: str, credentials: AccessKey, terms: Terms) -> ModelArtsBackend:
        """Prepares the connection; nobody is asked anything yet.

        ``project``: id of the project in this region. An endpoint in ``terms`` has no path; prices are of one
        instance an hour, by the flavor's exact name.
        """
        time = ClusterClock(terms.clock, rate=terms.rate)
        where = terms.endpoint or ENDPOINT.format(region=region)
        api = Api(where, project, credentials, time, proxy=terms.proxy, limit=terms.limit)
        return cls(region, api, time, terms)

    # -- reading

    async def run(self, sink: Sink) -> None:
        """Reads until cancelled."""
        await self._feed.run(sink, self._region.pollers)

    async def autoscaling(self, workload: Workload) -> Autoscaling | None:
        """The deployment's own autoscaler, as far as ModelArts tells of it; ``None`` without one."""
        return autoscaling(workload.key, self._known(workload.key).hpa, self._clock.now())

    def hourly(self, workload: Workload) -> Money | None:
        """Its instances by the price of their flavor, before package hours; a dedicated pool is prepaid."""
        row = self._region.row(workload.key)
        return None if row is None else hourly(row.deployment, workload.desired, self._prices)

    # -- changing

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        """The plan with every guard; ModelArts has no dry run.

        Raises CloudError: it is gone, or there is no such change.
        """
        ground = await self._region.ground(self._known(workload.key), self._prices, self._durations)
        row = self._known(workload.key)
        match change:
            case ReplicasChange(roles=()) if row.deployment.desired is not None:
                return planning.plan_scale(workload, row, change, ground)
            case ReplicasChange(roles=()):
                raise CloudError("ModelArts does not tell how many instances are wanted", sent=False)
            case ReplicasChange():
                raise CloudError("a ModelArts deployment has no roles: scale its instances", sent=False)
            case RunChange():
                return planning.plan_run(workload, row, change, ground)
        raise CloudError(
            "a ModelArts deployment is scaled, stopped and started, and nothing else", sent=False
        )

    def _known(self, key: WorkloadKey) -> Row:
        found = self._region.row(key)
        if found is None:
            raise CloudError(f"{key} is gone", sent=False)
        return found

    async def poll(self, ticket: Ticket) -> Workload | None:
        """The workload re-read; ``None`` if it is gone. Raises CloudError."""
        row = await self._changing.reread(ticket.key)
        return None if row is None else derive(ticket.key, row, self._region.flavors)

    # -- looking closer

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """The deployment's service as ModelArts has it now. Raises CloudError."""
        return await self._api.whole(self._known(key).service.id)

    async def close(self) -> None:
        """Ends connections."""
        await self._api.close()
