"""Nodes with their exporters, and no workload."""

from __future__ import annotations

from clients.embedded.cluster import Cluster
from clients.embedded.gpu_exporters import add_exporters
from clients.embedded.scenarios.ground import add_nodes
from clients.embedded.scenarios.scenario import Scenario, Size

__all__ = ["SCENARIO"]


def _fill(cluster: Cluster, _size: Size) -> None:
    add_nodes(cluster, 16)
    add_exporters(cluster)


SCENARIO = Scenario(_fill, clouds=False)
