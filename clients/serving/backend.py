"""What every system behind the grid offers, and where it delivers what it sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from clients.clock import Clock
from clients.serving.autoscaling import Autoscaling
from clients.serving.changes import Change, ObjectChange
from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.plans import Money, ScalePlan
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload

__all__ = [
    "Backend",
    "BackendError",
    "CloudBackend",
    "GpuTotals",
    "MakesWorkloads",
    "NotShown",
    "Result",
    "Sink",
    "TellsLogs",
    "Ticket",
]

_MESSAGE = 400
"""Characters of an error's line."""


class BackendError(Exception):
    """A question or a write that came to nothing: one plain line of what happened and what to do.

    ``sent`` is False when a request certainly never reached the other side; True means it may have (an answer
    came, or the connection broke after sending), so a write must be looked at before it is made again.
    ``lost``: the other side did not answer, or not to this user.
    """

    def __init__(self, message: str, *, sent: bool = False, lost: bool = False) -> None:
        self.message = plain(message, _MESSAGE)
        super().__init__(self.message)
        self.sent = sent
        self.lost = lost


class GpuTotals(Struct, frozen=True):
    """GPUs of a cluster; ``None`` where the right to see nodes or all pods is missing."""

    total: int | None
    allocated: int | None
    free: int | None
    unschedulable: int | None = None
    """Free ones that are not counted in ``free``: on nodes that are cordoned, not ready, or tainted against
    all pods here that ask for GPUs."""


class NotShown(Struct, frozen=True):
    """Objects that could be workloads and are not shown, for nothing says that they serve."""

    counts: tuple[tuple[str, int], ...] = ()
    """(kind, how many), by kind."""

    def __add__(self, other: NotShown) -> NotShown:
        counts = dict(self.counts)
        for kind, count in other.counts:
            counts[kind] = counts.get(kind, 0) + count
        return NotShown(tuple(sorted(counts.items())))

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        """``31 Deployments and 1 StatefulSet not shown``."""
        parts = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in self.counts]
        return f"{' and '.join(parts)} not shown" if parts else ""


class Result(StrEnum):
    """What became of a write."""

    ACCEPTED = "accepted"
    CONFLICT = "conflict"
    """Somebody else changed it meanwhile; nothing was applied and nothing is sent again."""
    REFUSED = "refused"
    """The server, its schema, a webhook or a missing right said no; nothing was applied."""
    UNKNOWN = "unknown"
    """The connection broke after sending: it may or may not have been applied; read before anything else."""


class Ticket(Struct, frozen=True):
    """What the server answered to one plan's write."""

    key: WorkloadKey
    result: Result
    sent_at: float
    """Cluster time."""
    message: str = ""
    """One line: what happened and what to do."""
    generation: int | None = None
    status: int | None = None
    """HTTP status, where there was one."""


class Sink(Protocol):
    """Where a backend delivers; called on the data thread only."""

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        """New values of workloads, and keys of those that are gone."""
        ...

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        """The state of every source of one backend, whenever one changed; ``origin`` names the backend.

        It is a context or a zone, known before the cluster's own identity is.
        """
        ...

    def events(self, events: Sequence[Event]) -> None:
        """Hints that a system saw itself, such as a driver's own events."""
        ...

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        """GPUs of a cluster."""
        ...

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        """What of a cluster is read and is no row of the fleet."""
        ...


class Backend(Protocol):
    """One cluster or cloud zone. All coroutines run on the data thread's loop."""

    @property
    def cluster(self) -> str:
        """Its identity in every key."""
        ...

    @property
    def clock(self) -> Clock:
        """Its own time."""
        ...

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """The state of everything it reads."""
        ...

    async def run(self, sink: Sink) -> None:
        """Reads until cancelled. Faults become source states; it never raises but on cancellation."""
        ...

    async def autoscaling(self, workload: Workload) -> Autoscaling | None:
        """What drives it and what that decides now; ``None`` where the system has nothing that does."""
        ...

    def hourly(self, workload: Workload) -> Money | None:
        """What it costs an hour as it is, by the user's prices; ``None``: not known, or paid otherwise."""
        ...

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        """The plan with every guard that can be known without sending it."""
        ...

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The same plan with the server's own word on it as a guard."""
        ...

    async def apply(self, plan: ScalePlan) -> Ticket:
        """Sends the plan's write once."""
        ...

    async def poll(self, ticket: Ticket) -> Workload | None:
        """The workload as it is now, re-read; ``None`` if it is gone."""
        ...

    async def close(self) -> None:
        """Ends connections."""
        ...


class CloudBackend(Backend, Protocol):
    """A zone or region of a managed cloud: what runs there has no pods that could be looked at."""

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """The workload as the cloud tells it, without secrets. Raises BackendError."""
        ...

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at it: it is read more often while this is said again every second or so."""
        ...


@runtime_checkable
class TellsLogs(Protocol):
    """A cloud that gives out logs."""

    def logs(self, key: WorkloadKey) -> AsyncIterator[str]:
        """Its last lines, hostile as they come. Raises BackendError."""
        ...


@runtime_checkable
class MakesWorkloads(Protocol):
    """A backend through which workloads can be made that take nobody's place."""

    async def plan_new(self, change: ObjectChange) -> ScalePlan:
        """The plan with every guard. Raises BackendError: it cannot be like that."""
        ...
