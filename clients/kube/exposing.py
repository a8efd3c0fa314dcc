"""Services in front of a workload, as links: whoever names one is led to what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator

from clients.kube.rows import EndpointSliceRow
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef

__all__ = ["exposing"]


def exposing(row: EndpointSliceRow, behind: ObjectRef) -> Iterator[Link]:
    """A Service, its EndpointSlice and its Endpoints (of the same name) lead to what stands behind them."""
    for group, kind, name in (
        ("", "Service", row.service),
        ("", "Endpoints", row.service),
        ("discovery.k8s.io", "EndpointSlice", row.name),
    ):
        if name:
            yield Link(ObjectRef(group, kind, row.namespace, name), behind, LinkKind.EXPOSES)
