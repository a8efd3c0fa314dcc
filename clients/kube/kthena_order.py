"""In which order Kthena's controller makes and removes ServingGroups and role replicas, by version.

Versions disagree with each other and with their own documents (fact sheet ``kthena``, section 5), so a
prediction is made by the rule of the version that was found, and is only ever a prediction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from clients.serving.phase import ControllerState, Phase
from clients.serving.workload import Group, Role, Workload

__all__ = [
    "RULES",
    "UNKNOWN",
    "Fill",
    "Move",
    "OrderRule",
    "Victims",
    "from_schema",
    "predict_groups",
    "predict_groups_down",
    "predict_groups_up",
    "predict_overshoot",
    "predict_roles",
    "resolve_partition",
    "rule_for",
    "schema_fields",
]


class Fill(StrEnum):
    """Which ordinals new ones get."""

    EVERY_GAP = "every gap"
    """Every missing ordinal below the target, however many exist beyond it."""
    GAPS = "gaps"
    """The lowest missing ordinals, at most as many as are short."""
    APPEND = "append"
    """After the highest ordinal; gaps are refilled only below the partition."""


class Victims(StrEnum):
    """Which ones go first."""

    BEYOND = "beyond"
    """Every ordinal from the target up, in the order of their names as strings."""
    COST = "cost"
    """Lowest deletion cost, then highest ordinal; readiness is ignored."""
    READY_COST = "ready cost"
    """Not ready, then lowest deletion cost, then highest ordinal."""
    LAST = "last"
    """Highest ordinal, whatever its state."""


class OrderRule(Struct, frozen=True):
    """How one version orders its work."""

    version: str
    fill: Fill
    victims: Victims
    partition: bool = True
    """The first groups by list position are spared on the way down, their gaps refilled on the way up."""
    role_partition: bool = False
    """The same for role replicas on the way down."""
    staged: bool = False
    """One at a time, each waiting for the one before; else all in one pass."""
    walk_down: bool = False
    """Role changes visit groups from the last to the first; else from the first."""
    known: bool = True


UNKNOWN = OrderRule("unknown", Fill.GAPS, Victims.READY_COST, known=False)
"""Victims are chosen as at head, which every version agrees with where all run and nothing is missing."""

RULES: Mapping[str, OrderRule] = {
    rule.version: rule
    for rule in (
        OrderRule("v0.1", Fill.EVERY_GAP, Victims.BEYOND, partition=False),
        OrderRule("v0.2", Fill.APPEND, Victims.COST, partition=False),
        OrderRule("v0.3", Fill.APPEND, Victims.READY_COST),
        OrderRule("v0.4", Fill.APPEND, Victims.READY_COST),
        OrderRule("v1.0", Fill.APPEND, Victims.READY_COST),
        OrderRule("head", Fill.GAPS, Victims.READY_COST, role_partition=True),
        OrderRule("documented", Fill.GAPS, Victims.LAST, partition=False, staged=True, walk_down=True),
        UNKNOWN,
    )
}


def rule_for(version: str | None) -> OrderRule:
    """The rule of a version by name; ``unknown`` for a name that is none."""
    return RULES.get(version or "unknown", UNKNOWN)


def schema_fields(schema: Mapping[str, Any]) -> frozenset[str]:
    """The field paths of a ModelServing's structural schema: ``spec.template.roles[].partition``.

    Pod templates are not entered; a string's permitted values appear as ``path=value``.
    """
    found: set[str] = set()

    def enter(node: Mapping[str, Any], path: str) -> None:
        for value in node.get("enum") or ():
            found.add(f"{path}={value}")
        properties = node.get("properties")
        for name, child in properties.items() if isinstance(properties, Mapping) else ():
            below = f"{path}.{name}" if path else str(name)
            found.add(below)
            if isinstance(child, Mapping) and name not in ("entryTemplate", "workerTemplate", "metadata"):
                enter(child, below)
        items = node.get("items")
        if isinstance(items, Mapping):
            enter(items, f"{path}[]")

    enter(schema, "")
    return frozenset(found)


_SIGNS = (
    ("spec.template.roles[].partition", "head"),
    ("spec.template.roles[].maxUnavailable", "v1.0"),
    ("spec.rolloutStrategy.type=RoleRollingUpdate", "v0.4"),
    ("status.currentRevision", "v0.3"),
    ("spec.topologySpreadConstraints", "v0.1"),
    ("spec.template.roles", "v0.2"),
)


def from_schema(fields: Collection[str]) -> str | None:
    """The newest version whose own field the server's schema has; ``None`` if it is no ModelServing's.

    ``documented`` is an order that no released controller has; only a setting can say it.
    """
    return next((version for sign, version in _SIGNS if sign in fields), None)


def resolve_partition(partition: str | None, replicas: int) -> int:
    """A partition of ``2`` or ``30%`` (rounded up) as a number of list positions; none is 0."""
    text = (partition or "").strip()
    try:
        if text.endswith("%"):
            return max(0, -(-replicas * int(text[:-1]) // 100))
        return max(0, int(text or "0"))
    except ValueError:
        return 0


class Move(Struct, frozen=True):
    """One group or role replica that will be made or removed."""

    name: str
    create: bool
    reason: str | None = None
    certain: bool = True
    """False where its place depends on which of several deleted ones is gone first."""


class _Member(Struct, frozen=True):
    """What the controller holds in its list."""

    name: str
    ordinal: int
    running: bool
    cost: int
    deleting: bool


def _grow(members: Sequence[_Member], target: int, rule: OrderRule, partition: int) -> list[int]:
    """Ordinals in the order in which they will be made, deleting ones assumed to vanish meanwhile."""
    held = list(members)
    made: list[int] = []
    while True:
        taken = {member.ordinal for member in held} | set(made)
        made += _fresh(taken, target - len(held) - len(made), target, rule, partition)
        staying = [member for member in held if not member.deleting]
        if len(staying) == len(held):
            return made
        held = staying


def _fresh(taken: set[int], room: int, target: int, rule: OrderRule, partition: int) -> list[int]:
    """What one pass makes. Refilling below the partition does not look at how many are short."""
    missing = [ordinal for ordinal in range(target) if ordinal not in taken]
    if rule.fill is Fill.EVERY_GAP:
        return missing
    if room <= 0:
        return []
    if rule.fill is Fill.GAPS:
        return missing[:room]
    below = [ordinal for ordinal in missing if ordinal < partition]
    first = max(taken.union(below), default=-1) + 1
    return below + list(range(first, first + max(0, room - len(below))))


def _key(rule: OrderRule, member: _Member) -> tuple[Any, ...]:
    if rule.victims is Victims.BEYOND:
        return (member.name,)
    if rule.victims is Victims.COST:
        return (member.cost, -member.ordinal)
    if rule.victims is Victims.LAST:
        return (-member.ordinal,)
    return (member.running and not member.deleting, member.cost, -member.ordinal)


def _queue(members: Sequence[_Member], rule: OrderRule, partition: int) -> list[_Member]:
    """All members in the order in which they would be removed down to none."""
    listed = sorted(members, key=lambda member: member.ordinal)
    return [
        *sorted(listed[partition:], key=lambda member: _key(rule, member)),
        *sorted(listed[:partition], key=lambda member: _key(rule, member)),
    ]


def _shrink(
    members: Sequence[_Member], target: int, rule: OrderRule, partition: int, *, skip: bool
) -> list[Move]:
    """What goes, in order, with the reason why it is this one.

    Groups that are deleted already take part in the choice; role replicas (``skip``) do not.
    """
    queue = _queue(members, rule, partition)
    if skip:
        queue = [member for member in queue if not member.deleting]
    if rule.victims is Victims.BEYOND:
        chosen = [member for member in queue if member.ordinal >= target]
    else:
        chosen = queue[: max(0, len(queue) - target)]
    staying = [member for member in queue if member not in chosen]
    return [
        Move(member.name, False, _reason(member, staying or queue[index + 1 :], rule))
        for index, member in enumerate(chosen)
        if not member.deleting
    ]


def _reason(member: _Member, behind: Sequence[_Member], rule: OrderRule) -> str:
    if rule.victims is Victims.READY_COST and not member.running and any(m.running for m in behind):
        return "not ready, goes first"
    costs = rule.victims in (Victims.READY_COST, Victims.COST)
    if costs and any(member.cost < other.cost and member.ordinal < other.ordinal for other in behind):
        return f"lowest deletion cost, {member.cost}"
    if any(member.ordinal < other.ordinal for other in behind):
        return "not spared by the partition"
    return "highest ordinal"


def _running(state: ControllerState | None, phase: Phase) -> bool:
    return phase is Phase.RUNNING if state is None else state is ControllerState.RUNNING


def _groups(workload: Workload) -> list[_Member]:
    return [
        _Member(
            group.name,
            group.ordinal,
            _running(group.controller_state, group.phase),
            group.deletion_cost,
            group.phase is Phase.DELETING or group.controller_state is ControllerState.DELETING,
        )
        for group in workload.groups
        if group.ordinal is not None and group.phase not in (Phase.QUEUED, Phase.ABSENT)
    ]


def _unborn(ordinals: Iterable[int], prefix: str) -> list[_Member]:
    """What is not there yet: not ready, and free of cost."""
    return [_Member(f"{prefix}-{ordinal}", ordinal, False, 0, False) for ordinal in ordinals]


def _moves(
    members: list[_Member],
    counts: tuple[int, int],
    rule: OrderRule,
    partitions: tuple[int, int],
    prefix: str,
    *,
    skip: bool,
) -> list[Move]:
    """Moves from the one count to the other, not repeating those that the first one already brings."""
    desired, target = counts
    promised = set(_grow(members, desired, rule, partitions[0]))
    made = _unborn(_grow(members, target, rule, partitions[1]), prefix)
    taken = {member.ordinal for member in members}
    at_once = set(_fresh(taken, target - len(members), target, rule, partitions[1]))
    rivals = sum(member.deleting for member in members) > 1
    up = [
        Move(member.name, True, certain=member.ordinal in at_once or not rivals)
        for member in made
        if member.ordinal not in promised
    ]
    if target < desired and not rule.staged:
        # A pass that has begun makes all it found missing before the next one removes any.
        begun = _fresh(taken, desired - len(members), desired, rule, partitions[0])
        held = members + _unborn(begun, prefix)
    elif made:
        held = [member for member in members if not member.deleting] + made
    else:
        held = members
    doomed = {move.name for move in _shrink(members, desired, rule, partitions[0], skip=skip)}
    down = _shrink(held, target, rule, partitions[1], skip=skip)
    return up + [move for move in down if move.name not in doomed]


def predict_groups(
    workload: Workload, target: int, rule: OrderRule, partition: str | None = None
) -> tuple[Move, ...]:
    """Groups made and removed, in order, once ``target`` groups are wanted instead of the present count."""
    members = _groups(workload)
    desired = len(members) if workload.desired is None else workload.desired
    text = partition if rule.partition else None
    partitions = (resolve_partition(text, desired), resolve_partition(text, target))
    return tuple(_moves(members, (desired, target), rule, partitions, workload.key.name, skip=False))


def predict_overshoot(
    workload: Workload,
    removed: Collection[str],
    roles: Iterable[Move],
    target: int,
    rule: OrderRule,
    partition: str | None = None,
) -> tuple[str, ...]:
    """Groups that may go although they should stay, while ``removed`` ones are still on their way out.

    Where readiness decides, a group being deleted competes in every pass with all others that are not ready,
    as those are whose ``roles`` the same change scales. Costs count only pods that still exist, so they move
    meanwhile: what may become the dearest victim is held against what may become the cheapest to stay.
    """
    if rule.victims is not Victims.READY_COST or not removed:
        return ()
    leaving: dict[str, set[str]] = {}
    for move in roles:
        group, _, role_id = move.name.partition("/")
        leaving.setdefault(group, set()).update(() if move.create else (role_id,))
    groups = {group.name: group for group in workload.groups}
    members = [
        msgspec.structs.replace(
            member,
            running=member.running and member.name not in leaving,
            deleting=member.deleting or member.name in removed,
            cost=_extreme(groups[member.name], leaving.get(member.name, ()), dear=member.name in removed),
        )
        for member in _groups(workload)
    ]
    spared = resolve_partition(partition if rule.partition else None, target)
    return tuple(move.name for move in _shrink(members, target, rule, spared, skip=False))


def _extreme(group: Group, leaving: Collection[str], *, dear: bool) -> int:
    """The highest cost that a group may have while its pods go, or the lowest while some of its roles do."""
    costs = {replica.id: replica.deletion_cost for role in group.roles for replica in role.replicas}
    if dear:
        return max(group.deletion_cost, sum(max(0, cost) for cost in costs.values()))
    return group.deletion_cost - sum(max(0, cost) for name, cost in costs.items() if name in leaving)


def predict_groups_up(
    workload: Workload, target: int, rule: OrderRule, partition: str | None = None
) -> tuple[str, ...]:
    """Names of the groups that will be made, in order."""
    return tuple(move.name for move in predict_groups(workload, target, rule, partition) if move.create)


def predict_groups_down(
    workload: Workload, target: int, rule: OrderRule, partition: str | None = None
) -> tuple[str, ...]:
    """Names of the groups that will be removed, in order."""
    return tuple(move.name for move in predict_groups(workload, target, rule, partition) if not move.create)


def _replicas(role: Role) -> list[_Member]:
    return [
        _Member(
            replica.id,
            replica.ordinal,
            _running(replica.controller_state, replica.phase),
            replica.deletion_cost,
            replica.phase is Phase.DELETING or replica.controller_state is ControllerState.DELETING,
        )
        for replica in role.replicas
        if replica.ordinal is not None and replica.phase not in (Phase.QUEUED, Phase.ABSENT)
    ]


def _visited(workload: Workload, rule: OrderRule, without: Collection[str]) -> Iterable[Group]:
    standing = [
        group
        for group in workload.groups
        if group.ordinal is not None
        and group.name not in without
        and group.phase not in (Phase.QUEUED, Phase.ABSENT, Phase.DELETING)
    ]
    return sorted(standing, key=lambda group: group.ordinal or 0, reverse=rule.walk_down)


def predict_roles(
    workload: Workload,
    changes: Mapping[str, int],
    rule: OrderRule,
    partitions: Mapping[str, str | None] | None = None,
    without: Collection[str] = (),
) -> tuple[Move, ...]:
    """Role replicas (``group/role-id``) made and removed, in order, in every standing group.

    ``without`` names groups that the same change removes: groups come before roles in each pass.
    """
    moves: list[Move] = []
    for group in _visited(workload, rule, without):
        for spec in workload.role_specs:
            target = changes.get(spec.name)
            if target is None:
                continue
            role = next((role for role in group.roles if role.name == spec.name), None)
            members = _replicas(role) if role else []
            text = (partitions or {}).get(spec.name) if rule.role_partition else None
            spared = (resolve_partition(text, spec.replicas), resolve_partition(text, target))
            for move in _moves(members, (spec.replicas, target), rule, spared, spec.name, skip=True):
                moves.append(Move(f"{group.name}/{move.name}", move.create, move.reason, move.certain))
    return tuple(moves)
