"""What widgets draw beyond the values of ``clients.serving``: small frozen records, made by the caller.

``now`` given to ``show`` is cluster time (UTC seconds). ``mono`` and every ``changed_at`` are this
machine's monotonic seconds, because the two seconds for which a change stays bold are a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from clients.serving.backend import GpuTotals
from clients.serving.engine_use import EngineUses
from clients.serving.events import Event
from clients.serving.gpu_use import GpuUse, Use
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.plans import Eta, ScalePlan
from clients.serving.sources import SourceStatus
from clients.serving.workload import Workload

__all__ = [
    "FRESH",
    "Check",
    "FleetRow",
    "FleetView",
    "GridView",
    "KeyHint",
    "LaneSample",
    "Need",
    "PlanShown",
    "StatusView",
    "StripView",
    "TimeView",
    "is_fresh",
]

FRESH = 2.0
"""Seconds for which a change of phase stays visible."""


def is_fresh(changed_at: float | None, mono: float) -> bool:
    """Whether it changed a moment ago (both monotonic seconds)."""
    return changed_at is not None and mono - changed_at < FRESH


class FleetRow(Struct, frozen=True):
    """One workload of the fleet table."""

    workload: Workload
    changed_at: float | None = None
    eta: Eta | None = None
    """What its running operation still takes."""
    stale: bool = False
    """Its source is cut off: drawn dim."""
    use: Use | None = None
    """What its devices do, where that is read."""
    offer: str = ""
    """What a person may do about it now; drawn while it does nothing."""


class FleetView(Struct, frozen=True):
    """The fleet table's value: rows in the caller's order, and what a filter hides."""

    rows: tuple[FleetRow, ...]
    hidden: int = 0
    hidden_failing: int = 0
    loading: bool = False
    """The first list still runs: an empty table then says so."""
    arriving: bool = False
    """Rows that go above these are still to come: a cursor that nobody moved stays on top."""
    note: str | None = None
    """What an empty table says instead of "no workloads"."""
    below: tuple[str, ...] = ()
    """What stands under the rows whatever they are: ``31 Deployments not shown``, what all of them cost."""


class GridView(Struct, frozen=True):
    """One workload's grid."""

    workload: Workload
    changed: Mapping[str, float] = field(default_factory=dict)
    """When ``group`` or ``group/role-id`` last changed its phase."""
    stale: bool = False
    use: GpuUse = GpuUse()
    """What the devices of its groups and role replicas do, where that is read."""
    engines: EngineUses = EngineUses()
    """The same of its engines."""
    measured: bool = False
    """Both are read: their lines have their place before the first figures come."""


class StripView(Struct, frozen=True):
    """A scale operation on top of the grid; ``None`` draws what the workload wants instead."""

    operation: Operation | None
    eta: Eta | None = None
    """What it still takes; ``None`` is drawn as "no history"."""
    quiet: str | None = None
    """What to say when no operation runs: ``4 of 4 ready, HPA 2-8``."""
    progress: int | None = None
    """How far what the operation touches is, 0 to 100; ``None``: not known, and no bar is drawn."""


class LaneSample(Struct, frozen=True):
    """Groups wanted and ready at one moment (cluster time)."""

    at: float
    wanted: int | None
    ready: int | None


class TimeView(Struct, frozen=True):
    """Events, newest first, and the lanes above them."""

    events: tuple[Event, ...]
    lanes: tuple[LaneSample, ...] = ()
    """Oldest first; none draws no graph."""
    span: float = 1800.0
    """Seconds that the lanes reach back."""
    utc_offset: float = 0.0
    """Seconds east of UTC in which times are shown."""
    named: bool = True
    """Each event says its workload; false on a screen of one workload."""


class StatusView(Struct, frozen=True):
    """The one line on top."""

    context: str
    namespaces: tuple[str, ...] = ()
    """None means all."""
    user: str | None = None
    mode: str | None = None
    """``read-only``, ``protected``, or nothing."""
    sources: tuple[SourceStatus, ...] = ()
    totals: GpuTotals | None = None
    busy: int | None = None
    """GPUs that somebody has and that work, where they are measured."""
    idle: int | None = None
    """The same of those that do nothing."""
    workloads: int | None = None
    scaling: int = 0
    notes: tuple[str, ...] = ()
    """What else must be said: why the wire is not kept short, that frames are skipped."""


class Need(Struct, frozen=True):
    """One thing that needs a person."""

    key: WorkloadKey
    where: str | None
    """Group and role replica: ``G-0 prefill-1``."""
    text: str
    failed: bool = True


class KeyHint(Struct, frozen=True):
    """A key that does something here and now."""

    key: str
    label: str
    enabled: bool = True


class Check(StrEnum):
    """Where the server's own word on a plan stands: its guard ``dry-run``."""

    HEARD = "heard"
    """As the guard says; it may say that nobody has asked."""
    FIRST = "first"
    """The server is being asked for the first time; the guard says nothing yet."""
    AGAIN = "again"
    """The guard is the answer to an earlier plan for the same numbers, and the server is asked again."""


class PlanShown(Struct, frozen=True):
    """A scale plan on the screen, with what the person is doing about it."""

    plan: ScalePlan
    check: Check = Check.HEARD
    typed: str = ""
    busy: str | None = None
    """What is going on now: ``asking the server``; the prompt is not shown meanwhile."""
    message: str | None = None
    """What the last try came to: a conflict, with old and new."""
    says: tuple[str, ...] = ()
    """What an edit changes, line by line: ``- `` goes, ``+ `` comes."""
