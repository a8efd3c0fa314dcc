"""All that is known of a cluster's GPUs at one moment: what the screens draw."""

from __future__ import annotations

from msgspec import Struct

from clients.serving.backend import GpuTotals
from clients.serving.gpu_use import GpuUse
from clients.serving.gpus import AgentStatus
from clients.serving.sources import SourceState

__all__ = ["GpuCounts", "GpuView", "counts_of"]


class GpuView(Struct, frozen=True):
    """Devices with who has them, their use by workload, group and role replica, and how they are read."""

    version: int = 0
    """Another number for other content."""
    use: GpuUse = GpuUse()
    agents: tuple[AgentStatus, ...] = ()
    totals: GpuTotals | None = None
    """By what the cluster's nodes offer and its pods request."""
    state: SourceState = SourceState.QUIET
    """``quiet``: nobody has looked yet."""
    detail: str | None = None
    """What is wrong, in a line."""


class GpuCounts(Struct, frozen=True):
    """How many GPUs; ``None`` is not known."""

    total: int | None
    allocated: int | None
    busy: int | None
    """Measured devices that somebody has, and that work. An instance of a GPU is a device of its own."""
    idle: int | None
    """Measured devices that somebody has, and that do nothing."""
    free: int | None
    unschedulable: int | None
    stale: int
    """Devices whose values are old: neither busy nor idle."""


def counts_of(view: GpuView) -> GpuCounts:
    """What stands on top of the GPUs."""
    totals, use = view.totals, view.use
    return GpuCounts(
        total=None if totals is None else totals.total,
        allocated=None if totals is None else totals.allocated,
        busy=use.busy if use.fresh else None,
        idle=use.idle if use.fresh else None,
        free=None if totals is None else totals.free,
        unschedulable=None if totals is None else totals.unschedulable,
        stale=use.stale,
    )
