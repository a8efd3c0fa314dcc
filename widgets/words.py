"""Short texts about workloads, as they stand in cells and lines. Everything here is safe to draw."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase
from clients.serving.plans import Eta
from clients.serving.workload import Driver, Group, Workload
from widgets.cells import UNKNOWN, fraction, percent, shown, span

__all__ = [
    "MOVING",
    "counts",
    "doing",
    "driver",
    "earlier",
    "group_label",
    "grows",
    "initials",
    "item_label",
    "kind_short",
    "moving_group",
    "operation_short",
    "remaining",
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
}


def kind_short(kind: str) -> str:
    """The kind in at most six letters, where it has a usual short name."""
    return _KINDS.get(kind, shown(kind, 40))


def workload_name(workload: Workload, *, with_namespace: bool) -> str:
    """``name``, or ``namespace/name`` where several namespaces are shown."""
    key = workload.key
    if with_namespace and key.namespace:
        return shown(f"{key.namespace}/{key.name}", 300)
    return shown(key.name, 300)


def group_label(group: Group) -> str:
    """``G-3``; a group without an ordinal goes by its name."""
    return shown(group.name, 100) if group.ordinal is None else f"G-{group.ordinal}"


def item_label(name: str, workload: str) -> str:
    """An affected item, ``group`` or ``group/role-id``; ordered groups become ``G-n``."""
    group, slash, rest = name.partition("/")
    ordinal = group.removeprefix(f"{workload}-")
    label = f"G-{ordinal}" if ordinal != group and ordinal.isdecimal() else group
    return shown(label + slash + rest, 120)


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


def driver(drivers: Sequence[Driver]) -> str:
    """``HPA 2-8 cpu 72>60``; ``manual`` without one; the first one and how many more where several fight."""
    if not drivers:
        return "manual"
    first = drivers[0]
    parts = [shown(first.kind, 24)]
    if first.minimum is not None or first.maximum is not None:
        low = UNKNOWN if first.minimum is None else str(first.minimum)
        high = UNKNOWN if first.maximum is None else str(first.maximum)
        parts.append(f"{low}-{high}")
    if first.signal:
        parts.append(shown(first.signal, 60))
    if len(drivers) > 1:
        parts.append(f"+{len(drivers) - 1}")
    return " ".join(parts)


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


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def remaining(eta: Eta | None) -> str:
    """``~1m40s``, or nothing where there is no history."""
    return "" if eta is None else span(eta.low, eta.high)


def earlier(samples: int, *, growing: bool) -> str:
    """``from 20 earlier starts``: what an ETA was learned from."""
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
        reason = shown(trouble.reason, 60)
        parts.append(f"{reason}: {shown(trouble.message)}" if trouble.message else reason)
    running = operation is not None and operation.ended_at is None
    if running and operation is not None:
        parts.append(operation_short(operation))
    if trouble is None:
        group = moving_group(workload)
        if group is not None:
            far = "" if group.progress is None else f" {percent(group.progress)}"
            parts.append(f"{group_label(group)} {group.phase}{far}")
        elif workload.phase is not Phase.RUNNING and not running:
            parts.append(str(workload.phase))
    if running and operation is not None:
        if eta:
            parts.append(eta)
        parts.append(f"by {shown(operation.by, 60)}")
    if not parts and workload.warnings:
        parts.append(shown(workload.warnings[0]))
    return " ".join(parts)
