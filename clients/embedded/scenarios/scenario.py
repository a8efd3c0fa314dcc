"""What a scenario is: how it fills a cluster, and what goes on in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from clients.embedded.cluster import Cluster
from clients.embedded.controllers.kthena_order import Flavour

__all__ = ["Scenario", "Size"]


class Size(Struct, frozen=True, kw_only=True):
    """How big a scenario is, as far as it can be told."""

    workloads: int = 50
    groups: int = 10
    """Of each workload."""
    pods: int = 5000
    """In all."""
    nodes: int = 100
    event_rate: float = 0.0
    """Pod status changes per simulated second."""


class Scenario(Struct, frozen=True):
    """One scenario."""

    fill: Callable[[Cluster, Size], None]
    """Puts everything in place and schedules what happens; called before the cluster starts."""
    flavours: Mapping[tuple[str, str], Flavour] = {}
    """ModelServings that follow another order than the cluster's, by (namespace, name)."""
    history: float = 0.0
    """Simulated seconds that are lived through before the cluster is served."""
    size: Size = Size()
    """Unless another is told."""
    clouds: bool = True
    """Whether the fakes of managed clouds stand beside it."""
    sized: tuple[str, ...] = ()
    """Which parts of its size can be told."""
