"""Which deployments stand only until what was made in their place is ready, by the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase
from clients.serving.plain import plain
from clients.serving.workload import Workload

if TYPE_CHECKING:
    from tui.audit import Entry

__all__ = ["Offers", "offer_words", "offers"]

Offers = Mapping[WorkloadKey, WorkloadKey]
"""By the one that may go, the one that is ready in its place."""

_OFFERED = 86_400.0
"""Cluster seconds after which both of them are there because somebody wants both."""


def offers(
    entries: Iterable[Entry], workloads: Mapping[WorkloadKey, Workload], now: Callable[[str], float]
) -> Offers:
    """What may be scaled to zero now. ``now``: the time of a zone; ``entries``: oldest first.

    Whatever is changed of the old one afterwards, also to zero and back, is a person's answer to it.
    """
    made: dict[WorkloadKey, Entry] = {}
    for entry in entries:
        if not entry.applied:
            continue
        made.pop(entry.intent.key, None)
        if entry.intent.replaces is not None:
            made[entry.intent.replaces] = entry
    return {
        old: entry.intent.key
        for old, entry in made.items()
        if now(old.cluster) - entry.at <= _OFFERED
        and _serves(workloads.get(entry.intent.key))
        and _may_go(workloads.get(old))
    }


def offer_words(successor: WorkloadKey) -> str:
    """Of the one that may go."""
    return f"{plain(successor.name, 60)} is ready in its place: s scales this one to 0"


def _serves(made: Workload | None) -> bool:
    return made is not None and made.phase is Phase.RUNNING and made.operation is None and bool(made.desired)


def _may_go(old: Workload | None) -> bool:
    return old is not None and bool(old.desired) and old.operation is None
