"""One region of ModelArts behind the grid: services polled, changes planned, sent once and followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.clock import Clock, ClusterClock
from clients.managed.calls import CloudError
from clients.managed.feed import Feed
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
from clients.serving.eta import Durations
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload

__all__ = ["ModelArtsBackend"]


class ModelArtsBackend:
    """The real-time services of one region and project. Made with ``open``; everything on one event loop."""

    def __init__(
        self, region: str, api: Api, clock: ClusterClock, prices: Mapping[str, Money], durations: Durations
    ) -> None:
        self._api = api
        self._clock = clock
        self._prices = prices
        self._durations = durations
        self._feed = Feed(f"{SYSTEM}/{region}", lambda: self._region.workloads())
        self._region = Region(region, api, clock, self._feed.touch)
        self._changing = Changing(api, self._region, clock)

    @classmethod
    def open(
        cls,
        region: str,
        project: str,
        credentials: AccessKey,
        *,
        clock: Clock,
        endpoint: str | None = None,
        prices: Mapping[str, Money] | None = None,
        durations: Durations | None = None,
        proxy: str | None = None,
        rate: float = 1.0,
        limit: float | None = None,
    ) -> ModelArtsBackend:
        """Prepares the connection; nobody is asked anything yet.

        ``project``: id of the project in this region. ``endpoint``: another base URL than the region's own,
        without a path. ``prices``: of one instance an hour, by the flavor's exact name. ``rate``: seconds of
        the region's clock in a second here; other than 1 only where it is simulated. ``limit``: seconds for
        one answer.
        """
        time = ClusterClock(clock, rate=rate)
        where = endpoint or ENDPOINT.format(region=region)
        api = Api(where, project, credentials, time, proxy=proxy, limit=limit)
        return cls(region, api, time, prices or {}, durations or Durations())

    # -- what it is

    @property
    def cluster(self) -> str:
        """The region's name."""
        return self._region.name

    @property
    def clock(self) -> ClusterClock:
        """The region's time."""
        return self._clock

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Services, without which there is nothing to show, their autoscalers, and flavors."""
        return tuple(poller.status for poller in self._region.pollers)

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

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The plan after the deployment was read again: as much as can be asked here."""
        return await self._changing.checked(plan)

    async def apply(self, plan: ScalePlan) -> Ticket:
        """Reads status and count again and sends the plan's write once."""
        return await self._changing.send(plan)

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
