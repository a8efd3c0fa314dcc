"""Sources as they are told: of a cluster one by one; of a cloud in short one for each zone or region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from clients.serving.sources import SourceStatus
from tui.door import CloudView

__all__ = ["in_full", "in_short"]


def in_short(sources: Iterable[SourceStatus], clouds: Sequence[CloudView]) -> tuple[SourceStatus, ...]:
    """The cluster's first. Of a zone its workloads stand for it, by its name; plans alone need the rest."""
    names = [cloud.cluster for cloud in clouds]
    told: dict[str, SourceStatus] = {}
    found = []
    for source in sources:
        if source.cluster not in names:
            found.append(source)
        elif source.required:
            told[source.cluster] = replace(source, name=source.cluster)
    return (*found, *(told[name] for name in names if name in told))


def in_full(sources: Iterable[SourceStatus], clouds: Sequence[CloudView]) -> tuple[SourceStatus, ...]:
    """All of them, those of a zone with its name before their own."""
    names = frozenset(cloud.cluster for cloud in clouds)
    return tuple(
        replace(one, name=f"{one.cluster} {one.name}") if one.cluster in names else one for one in sources
    )
