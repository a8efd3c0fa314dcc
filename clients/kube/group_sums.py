"""What the groups of a workload add up to, whatever its system: phase, cause, worst trouble, endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clients.kube.pod_reasons import worst
from clients.kube.rows import EndpointSliceRow
from clients.serving.phase import Cause, Phase, Trouble, TroubleKind
from clients.serving.workload import Group

__all__ = ["NO_PODS", "exposure", "phase_and_cause", "share", "worst_of"]

NO_PODS = Trouble(TroubleKind.BLOCKED, "NoRight", "no right to list pods: the state of its groups is unknown")
"""Stands in for all that only pods tell."""


def phase_and_cause(groups: Sequence[Group], desired: int, *, ending: bool) -> tuple[Phase, Cause | None]:
    """What the workload is doing, from what its groups do.

    An ongoing rollout outweighs a scaling, that a recovery; a group that only waits counts as being scaled.
    """
    if ending:
        return Phase.DELETING, None
    exists = served = scaling = rolling = recovering = False
    for group in groups:
        exists = exists or group.phase is not Phase.QUEUED
        served = served or group.served
        cause = group.cause
        if cause is None:
            continue
        scaling = scaling or cause is Cause.SCALE
        rolling = rolling or cause is Cause.ROLLOUT
        recovering = recovering or cause is Cause.RECOVERY
    if not exists:
        return (Phase.QUEUED, Cause.SCALE) if desired else (Phase.ABSENT, None)
    if desired == 0:
        return Phase.DELETING, Cause.SCALE
    if rolling:
        return Phase.UPDATING, Cause.ROLLOUT
    if scaling:
        return (Phase.SCALING if served else Phase.CREATING), Cause.SCALE
    return (Phase.CREATING, Cause.RECOVERY) if recovering else (Phase.RUNNING, None)


def share(group: Group) -> str:
    """A group's short name on the screen: ``G-2``."""
    return group.name if group.ordinal is None else f"G-{group.ordinal}"


def worst_of(groups: Iterable[Group]) -> Trouble | None:
    """The gravest trouble of any group, with the group named."""
    found: Trouble | None = None
    where = ""
    for group in groups:
        trouble = group.trouble
        if trouble is not None and (found is None or worst((found, trouble)) is not found):
            found, where = trouble, share(group)
    if found is None:
        return None
    return Trouble(found.kind, found.reason, f"{where} {found.message}", found.since)


def exposure(
    slices: Iterable[EndpointSliceRow], namespace: str, entries: frozenset[str]
) -> tuple[str | None, tuple[int, int] | None]:
    """The URL inside the cluster, and endpoints (ready, all), of the Service in front of the pods.

    ``entries`` names Services that do not count: Kthena's own headless ones (one per role replica, named like
    its entry pod) publish pods that are not ready and say nothing about rotation. Of several Services the one
    with the most endpoints counts.
    """
    counts: dict[str, tuple[int, int, int | None]] = {}
    for item in slices:
        if not item.service or item.service in entries:
            continue
        ready, total, port = counts.get(item.service, (0, 0, item.port))
        counts[item.service] = (ready + item.ready, total + item.total, port)
    if not counts:
        return None, None
    service = min(counts, key=lambda name: (-counts[name][1], name))
    ready, total, port = counts[service]
    url = f"http://{service}.{namespace}.svc" + (f":{port}" if port else "")
    return url, (ready, total)
