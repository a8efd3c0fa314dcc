"""Workloads as lines of text: the fleet's columns, and one workload's groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

from clients.serving.backend import GpuTotals
from clients.serving.cloud_words import at_rest, each
from clients.serving.driver_words import driver_words
from clients.serving.eta import spell
from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase, Trouble
from clients.serving.plain import plain
from clients.serving.reasons import trouble_text
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Group, Role, RoleReplica, Workload
from tui.headless.output import aligned
from tui.headless.snapshot import Remaining

__all__ = ["fleet_table", "group_table", "source_lines", "totals_line"]

UNKNOWN = "–"

_ORDER = (
    Phase.RUNNING,
    Phase.CREATING,
    Phase.SCALING,
    Phase.UPDATING,
    Phase.QUEUED,
    Phase.DELETING,
)
_COMING = (Phase.CREATING, Phase.SCALING, Phase.UPDATING)


def fleet_table(workloads: Sequence[Workload], remaining: Remaining, width: int | None) -> list[str]:
    """One row a workload, nothing for none; the namespace column only where there are several."""
    if not workloads:
        return []
    spread = len({workload.key.namespace for workload in workloads if not workload.key.managed}) > 1
    head = ["NAME", "KIND", "READY", "GROUPS", "ROLES", "GPUS", "DRIVER", "DOING"]
    rows = [[*(["NAMESPACE"] if spread else []), *head]]
    for workload in workloads:
        rows.append(
            [
                *([("" if workload.key.managed else workload.key.namespace or "")] if spread else []),
                workload.key.label,
                workload.key.kind,
                f"{_number(workload.ready)}/{_number(workload.desired)}",
                UNKNOWN if workload.desired is None else _phases(workload.groups),
                _roles(workload.groups) or each(workload),
                str(workload.gpus),
                driver_words(workload.drivers),
                _doing(workload, remaining(workload)),
            ]
        )
    return aligned(rows, width)


def group_table(workload: Workload, width: int | None) -> list[str]:
    """One row a group: its phase, its roles, and what a person needs to know of it."""
    if not workload.groups:
        return ["no groups"]
    rows = [["GROUP", "PHASE", "MARK", "ROLES", "GPUS", "WHAT"]]
    for group in workload.groups:
        rows.append(
            [
                group.name,
                group.phase,
                group.mark or "",
                " ".join(f"{role.name} {role.ready}/{role.desired}" for role in group.roles),
                str(group.gpus),
                _what(group),
            ]
        )
    return aligned(rows, width)


def totals_line(totals: GpuTotals | None) -> str | None:
    """GPUs of the cluster, where anything is known of them."""
    if totals is None or totals.total is None:
        return None
    shut = f", unschedulable {totals.unschedulable}" if totals.unschedulable else ""
    return f"GPUs {_number(totals.allocated)}/{totals.total}, free {_number(totals.free)}{shut}"


def source_lines(sources: Iterable[SourceStatus], clouds: Container[str] = ()) -> list[str]:
    """What does not tell the truth of this moment: a line for each required source, one for all others.

    ``clouds``: zones and regions, which are named with their sources.
    """
    lines, others = [], []
    for source in sources:
        if source.state in (SourceState.LIVE, SourceState.QUIET):
            continue
        name = f"{source.cluster} {source.name}" if source.cluster in clouds else source.name
        if source.required:
            detail = f": {source.detail}" if source.detail else ""
            lines.append(plain(f"{name}: {source.state}{detail}", 400))
        elif source.state is not SourceState.ABSENT:
            others.append(f"{name} {source.state}")
    if others:
        lines.append(plain(f"not required, and not read: {', '.join(others)}", 400))
    return lines


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _phases(groups: Sequence[Group]) -> str:
    counts = Counter(group.phase for group in groups)
    parts = [f"{counts[phase]} {phase}" for phase in _ORDER if counts[phase]]
    failed = sum(group.trouble is not None for group in groups)
    if failed:
        parts.append(f"({failed} in trouble)")
    return " ".join(parts) or "none"


def _roles(groups: Sequence[Group]) -> str:
    """Ready of desired role replicas, summed over the groups that are to stay."""
    ready: Counter[str] = Counter()
    desired: Counter[str] = Counter()
    for group in groups:
        if group.phase is not Phase.DELETING:
            for role in group.roles:
                ready[role.name] += role.ready
                desired[role.name] += role.desired
    return " ".join(f"{name} {ready[name]}/{desired[name]}" for name in desired)


def _doing(workload: Workload, eta: float | None) -> str:
    parts = []
    operation = workload.operation
    if operation is not None and operation.ended_at is None:
        parts.append(_operation(operation, eta))
    if workload.trouble is not None:
        parts.append(_trouble(workload.trouble))
    if not parts and workload.phase is not Phase.RUNNING:
        parts.append(at_rest(workload))
    return "; ".join(parts)


def _operation(operation: Operation, eta: float | None) -> str:
    left = "no history" if eta is None else f"~{spell(eta)}"
    done = f"{operation.done}/{operation.total}"
    return f"{moves(operation.before, operation.after)} by {operation.by}: {done}, {left}"


def moves(before: Count, after: Count) -> str:
    """What changes between two counts: ``2 to 4 groups, decode 1 to 2``."""
    parts = []
    if before.groups != after.groups:
        parts.append(f"{_number(before.groups)} to {_number(after.groups)} groups")
    parts += [
        f"{name} {_number(before.role(name))} to {replicas}"
        for name, replicas in after.roles
        if before.role(name) != replicas
    ]
    return ", ".join(parts) or "no change"


def _what(group: Group) -> str:
    """Its trouble; without one what holds it up."""
    if group.trouble is not None:
        return _trouble(group.trouble)
    slow = slowest(group.roles) if group.phase in _COMING else None
    return "" if slow is None else f"{slow.id} {slow.stage or slow.phase} {_number(slow.progress)}%"


def slowest(roles: Sequence[Role]) -> RoleReplica | None:
    """The role replica that is furthest from running, or ``None`` if all run."""
    coming = [
        replica
        for role in roles
        for replica in role.replicas
        if replica.phase in (Phase.CREATING, Phase.QUEUED, Phase.UPDATING)
    ]
    return min(coming, key=lambda replica: replica.progress or 0, default=None)


def _trouble(trouble: Trouble) -> str:
    said = trouble_text(trouble)
    return f"{trouble.kind}: {said}" if said else str(trouble.kind)
