"""The clusters that budgets are measured on: ModelServings alone, and the mix of ``mixed-large``."""

from __future__ import annotations

from contextlib import AbstractContextManager

from msgspec import Struct

from benchmarks.cluster import Cluster, embedded

__all__ = ["Load", "mixed_large", "synthetic"]


class Load(Struct, frozen=True):
    """One scenario of a size."""

    scenario: str
    workloads: int
    groups: int
    """In all."""
    pods: int
    options: tuple[str, ...]
    namespaces: str
    """What the name of each namespace begins with."""

    def embedded(self, *, event_rate: int = 0, speed: float = 1.0) -> AbstractContextManager[Cluster]:
        """The cluster as a child process, with so many pod changes a second."""
        return embedded(self.scenario, *self.options, "--event-rate", str(event_rate), speed=speed)

    def row(self, what: str) -> str:
        """The name of a figure that is measured here."""
        return f"{what} ({self.scenario}, {self.pods:,} pods in {self.workloads:,} workloads)"


def synthetic(workloads: int, groups: int, pods: int, nodes: int) -> Load:
    """ModelServings of so many groups each, and nothing else."""
    sizes = {"--workloads": workloads, "--groups": groups, "--pods": pods, "--nodes": nodes}
    options = tuple(word for name, size in sizes.items() for word in (name, str(size)))
    return Load("synthetic", workloads, workloads * groups, pods, options, "load-")


def mixed_large(pods: int = 20_000) -> Load:
    """Half of the pods are in ModelServings of two groups of five, half in Deployments of five pods, each a

    group of its own; every fourth Deployment has an HPA.
    """
    shares = pods // 20
    return Load("mixed-large", 3 * shares, 12 * shares, pods, ("--pods", str(pods)), "team-")
