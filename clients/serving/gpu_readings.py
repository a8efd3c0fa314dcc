"""All that was read of a cluster's GPUs, at one moment."""

from __future__ import annotations

from msgspec import Struct

from clients.serving.gpus import AgentStatus, GpuSample
from clients.serving.sources import SourceState

__all__ = ["GpuReadings"]


class GpuReadings(Struct, frozen=True):
    """The newest value of every device, and how each node is read."""

    version: int = 0
    """Another number for other content."""
    samples: tuple[GpuSample, ...] = ()
    agents: tuple[AgentStatus, ...] = ()
    state: SourceState = SourceState.QUIET
    """``quiet``: nobody has looked yet."""
    detail: str | None = None
    """What is wrong, in a line; the missing right or network."""

    @property
    def silent(self) -> frozenset[str]:
        """Nodes whose newest question had no good answer."""
        return frozenset(agent.node for agent in self.agents if agent.failing)
