"""Short texts about workloads, as they stand in cells and lines. Everything here is safe to draw."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.cloud_words import at_rest
from clients.serving.keys import item_label, pod_label
from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase
from clients.serving.plans import Eta
from clients.serving.reasons import trouble_text
from clients.serving.workload import Group, RoleReplica, Workload
from widgets.cells import UNKNOWN, fraction, percent, shown, span

__all__ = [
    "MOVING",
    "counts",
    "doing",
    "earlier",
    "group_label",
    "group_words",
    "grows",
    "initials",
    "item_label",
    "kind_short",
    "moving_group",
    "operation_short",
    "progress",
    "quiet",
    "remaining",
    "replica_words",
    "role_totals",
    "workload_name",
]

MOVING = frozenset((Phase.CREATING, Phase.SCALING, Phase.UPDATING, Phase.DELETING))
"""Phases in which something is going on."""

_KINDS = {
    "ModelServing": "MS",
    "InferenceService": "ISVC",
    "LeaderWorkerSet": "LWS",
    "StatefulSet": "STS",
    "Deployment": "Deploy",
    "Exoscale": "Exo",
    "ModelArts": "MA",
}


def kind_short(kind: str) -> str:
    """The kind in at most six letters, where it has a usual short name."""
    return _KINDS.get(kind, shown(kind, 40))


def workload_name(workload: Workload, *, with_namespace: bool) -> str:
    """``name``, or ``namespace/name`` where several namespaces are shown; ``name@zone`` of a cloud's."""
    key = workload.key
    if key.managed:
        return shown(key.label, 300)
    if with_namespace and key.namespace:
        return shown(f"{key.namespace}/{key.name}", 300)
    return shown(key.name, 300)


def group_label(group: Group) -> str:
    """``G-3``; a group without an ordinal goes by what tells it apart."""
    return shown(pod_label(group.name), 100) if group.ordinal is None else f"G-{group.ordinal}"


def initials(roles: Sequence[str]) -> dict[str, str]:
    """The shortest beginnings that tell the roles apart, the first letter upper case: ``P``, ``D``."""
    out: dict[str, str] = {}
    for role in roles:
        others = [other for other in roles if other != role]
        size = 1
        while size < len(role) and any(other.startswith(role[:size]) for other in others):
            size += 1
        text = shown(role[:size], 12)
        out[role] = text[:1].upper() + text[1:]
    return out


def role_totals(workload: Workload) -> list[tuple[str, int, int]]:
    """(role, ready, wanted) summed over the groups that are not on their way out, in spec order."""
    totals: dict[str, list[int]] = {spec.name: [0, 0] for spec in workload.role_specs}
    for group in workload.groups:
        if group.phase in (Phase.DELETING, Phase.ABSENT):
            continue
        for role in group.roles:
            total = totals.setdefault(role.name, [0, 0])
            total[0] += role.ready
            total[1] += role.desired
    return [(name, ready, wanted) for name, (ready, wanted) in totals.items()]


def quiet(workload: Workload) -> str:
    """``3 of 4 groups ready``: what there is to say where nothing goes on."""
    if workload.key.managed and not workload.desired and workload.phase is Phase.ABSENT:
        return at_rest(workload)
    if not workload.capabilities.ready_known:
        return f"{_count(workload.desired)} wanted; how many are ready is not told"
    ready = workload.ready
    return f"{_count(ready)} of {_count(workload.desired)} groups ready"


def counts(before: Count, after: Count) -> str:
    """``2>4``, with roles that change: ``2>4 decode 4>6``. What stays as it is, is left out."""
    parts: list[str] = []
    if before.groups != after.groups:
        parts.append(f"{_count(before.groups)}>{_count(after.groups)}")
    for role, wanted in after.roles:
        had = before.role(role)
        if had != wanted:
            parts.append(f"{shown(role, 40)} {_count(had)}>{wanted}")
    return " ".join(parts)


def group_words(group: Group) -> str:
    """A group in one sentence: its trouble, else what it does and why."""
    far = _far(group.phase, group.progress)
    cause = "" if group.cause is None else f", because of a {group.cause}"
    template = ", with an old template" if group.outdated else ""
    gpus = f"{group.gpus} GPU" + ("" if group.gpus == 1 else "s")
    doing_now = f"{group.phase}{far}{cause}{template}, {gpus}"
    return doing_now if group.trouble is None else f"{trouble_text(group.trouble)} ({doing_now})"


def replica_words(replica: RoleReplica) -> str:
    """A role replica in one sentence: its trouble, else how far its pods are, and where."""
    ready = sum(pod.ready for pod in replica.pods)
    stage = "" if replica.stage is None else f", {replica.stage}"
    far = _far(replica.phase, replica.progress)
    nodes = ", ".join(dict.fromkeys(shown(pod.node, 80) for pod in replica.pods if pod.node)) or "no node"
    pods = f"{ready} of {replica.need} pods ready, on {nodes}"
    doing_now = f"{replica.phase}{stage}{far}: {pods}"
    return doing_now if replica.trouble is None else f"{trouble_text(replica.trouble)} ({doing_now})"


def _far(phase: Phase, progress: int | None) -> str:
    """Per cent, of what is on its way and not all there."""
    return "" if progress is None or progress >= 100 or phase not in MOVING else f" {percent(progress)}"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def remaining(eta: Eta | None) -> str:
    """``~1m40s``, or nothing where there is no history."""
    return "" if eta is None else span(eta.low, eta.high)


def earlier(samples: int, *, growing: bool) -> str:
    """``from 20 earlier starts``: what an ETA was learned from; from none it is its vendor's word."""
    if not samples:
        return "as its vendor says"
    noun = "start" if growing else "end"
    return f"from {samples} earlier {noun}" + ("" if samples == 1 else "s")


def grows(before: Count, after: Count) -> bool:
    """Whether something is to be made: more groups, or more replicas of any role."""
    more = (after.groups or 0) > (before.groups or 0)
    return more or any(wanted > (before.role(role) or 0) for role, wanted in after.roles)


def moving_group(workload: Workload) -> Group | None:
    """The group to speak of while something goes on: the most advanced of those begun."""
    begun = [group for group in workload.groups if group.phase in MOVING]
    if not begun:
        return None
    return min(begun, key=lambda group: (-(group.progress or 0), group.ordinal or 0))


_COUNTED = frozenset((Phase.CREATING, Phase.DELETING))
"""Phases whose progress leads to their item being done."""


def progress(operation: Operation, workload: Workload) -> int | None:
    """The mean of what is done and of what is on its way, 0 to 100; ``None`` while neither is known.

    What is affected and not there (not begun, or gone already) counts by the operation's own ``done`` alone.
    """
    if operation.total <= 0:
        return None
    affected = frozenset(operation.affected)
    found: list[int] = []
    for group in workload.groups:
        if group.name in affected and group.phase in _COUNTED and group.progress is not None:
            found.append(group.progress)
        found += [
            replica.progress
            for role in group.roles
            for replica in role.replicas
            if f"{group.name}/{replica.id}" in affected
            and replica.phase in _COUNTED
            and replica.progress is not None
        ]
    if not found and not operation.done:
        return None
    return min(100, (100 * operation.done + sum(found)) // operation.total)


def operation_short(operation: Operation) -> str:
    """``2>4 1/2``: from, to, done of all."""
    what = counts(operation.before, operation.after)
    done = fraction(operation.done, operation.total)
    return f"{what} {done}" if what else done


def doing(workload: Workload, eta: str) -> str:
    """What the workload is doing, for one cell: its trouble, else its operation, else its phase."""
    parts: list[str] = []
    operation = workload.operation
    trouble = workload.trouble
    if trouble is not None:
        parts.append(trouble_text(trouble))
    running = operation is not None and operation.ended_at is None
    if running and operation is not None:
        parts.append(operation_short(operation))
    if trouble is None:
        group = moving_group(workload)
        if group is not None:
            far = _far(group.phase, group.progress)
            parts.append(f"{group_label(group)} {group.phase}{far}")
        elif workload.phase is not Phase.RUNNING and not running:
            parts.append(at_rest(workload))
    if running and operation is not None:
        if eta:
            parts.append(eta)
        parts.append(f"by {shown(operation.by, 60)}")
    if not parts and workload.warnings:
        parts.append(shown(workload.warnings[0]))
    return " ".join(parts)
