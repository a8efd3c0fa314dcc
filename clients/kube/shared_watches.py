"""Resources that several systems read. Equal specs are read once, so they are said once."""

from __future__ import annotations

from clients.kube.resources import ResourceSpec, Scope

__all__ = ["ENDPOINT_SLICES", "EVENTS", "NODES", "PODS"]

PODS = ResourceSpec("pods", "", "pods", "Pod", ("v1",), required=True)
"""All of them, of whatever workload: each may hold GPUs."""
NODES = ResourceSpec("nodes", "", "nodes", "Node", ("v1",), scope=Scope.CLUSTER)
EVENTS = ResourceSpec("events", "", "events", "Event", ("v1",))
ENDPOINT_SLICES = ResourceSpec("endpoints", "discovery.k8s.io", "endpointslices", "EndpointSlice", ("v1",))
