"""What the backends of all managed clouds have in common: its place, and the way of a plan through it."""

from __future__ import annotations

from typing import Any, Protocol

from clients.clock import ClusterClock
from clients.managed.poller import Poller
from clients.serving.backend import Ticket
from clients.serving.keys import WorkloadKey
from clients.serving.plans import ScalePlan
from clients.serving.sources import SourceStatus

__all__ = ["ManagedBackend"]


class Place(Protocol):
    """A zone or region, kept up to date by its pollers."""

    name: str
    pollers: tuple[Poller[Any], ...]

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at this row now."""
        ...


class Changes(Protocol):
    """The writes of one place."""

    async def checked(self, plan: ScalePlan) -> ScalePlan:
        """The plan with what the cloud tells now."""
        ...

    async def send(self, plan: ScalePlan) -> Ticket:
        """Sends the plan's write once."""
        ...


class ManagedBackend:
    """One place of a managed cloud; everything on one event loop."""

    def __init__(self, place: Place, changes: Changes, clock: ClusterClock) -> None:
        self._place = place
        self._changes = changes
        self._clock = clock

    @property
    def cluster(self) -> str:
        """The zone's or region's name."""
        return self._place.name

    @property
    def clock(self) -> ClusterClock:
        """Its time."""
        return self._clock

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Rows, without which there is nothing to show, and what plans are better with."""
        return tuple(poller.status for poller in self._place.pollers)

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at this row: it is read more often for as long as that goes on being said."""
        self._place.attend(key)

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The plan after its workload was read again: as much as can be asked where there is no dry run."""
        return await self._changes.checked(plan)

    async def apply(self, plan: ScalePlan) -> Ticket:
        """Reads again, and sends the plan's write once."""
        return await self._changes.send(plan)
