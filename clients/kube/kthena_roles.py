"""The roles of one ServingGroup: role replicas that exist, that are wanted, and that are only remembered."""

from __future__ import annotations

from collections.abc import Mapping

from clients.kube.kthena_names import group_ordinal, pod_name
from clients.kube.kthena_ordinals import MOST_QUEUED, free_ordinals
from clients.kube.kthena_parts import GroupContext, GroupNode
from clients.kube.kthena_replicas import (
    ReplicaContext,
    ReplicaNode,
    derive_replica,
    gone_replica,
    queued_replica,
    unmade_replica,
)
from clients.kube.rows import RoleRow
from clients.serving.phase import Cause, ControllerState
from clients.serving.workload import Role, RoleReplica

__all__ = ["derive_roles", "derive_roles_again"]


def derive_roles_again(
    node: GroupNode,
    before: tuple[Role, ...],
    touched: list[ReplicaNode],
    deleting: bool,
    first: bool,
    now: float,
) -> tuple[Role, ...]:
    """The roles when nothing around the role replicas has changed: only touched ones are derived."""
    changed: dict[str, RoleReplica] = {}
    names: set[str] = set()
    for replica in touched:
        old = replica.value
        assert replica.context is not None
        value = derive_replica(replica, old, replica.context, first, now)
        if value is not old:
            changed[replica.id] = value
            names.add(replica.role)
    if not changed:
        return before
    by_role = node.by_role
    return tuple(
        [
            Role(
                role.name,
                role.desired,
                0 if deleting else _ready(by_role[role.name]),
                tuple([changed.get(item.id, item) for item in role.replicas]),
            )
            if role.name in names
            else role
            for role in before
        ]
    )


def _ready(nodes: list[ReplicaNode]) -> int:
    """Role replicas with every pod ready."""
    ready = 0
    for node in nodes:
        if node.context is not None and node.live_ready >= node.context.need:
            ready += 1
    return ready


def derive_roles(
    node: GroupNode,
    old: Mapping[str, RoleReplica],
    context: GroupContext,
    outdated: frozenset[str],
    deleting: bool,
    cause: Cause | None,
    now: float,
) -> tuple[Role, ...]:
    """The roles, in the order of the spec, then those that are not in it. ``old``: last values, by id."""
    by_role = node.by_role
    node.strays = bool(by_role.keys() - context.by_name.keys())
    before = {role.name: role for role in node.value.roles} if node.value is not None else {}
    found: list[Role] = []
    for role in context.roles:
        nodes = by_role.get(role.name, [])
        found.append(_role(node, role, nodes, old, context, outdated, deleting, cause, before, now))
    for name in sorted(by_role.keys() - context.by_name.keys()):
        stray = RoleRow(name=name, index=-1, replicas=0, workers=0)
        found.append(_role(node, stray, by_role[name], old, context, outdated, deleting, cause, before, now))
    roles = tuple(found)
    return node.value.roles if node.value is not None and node.value.roles == roles else roles


def _role(
    group: GroupNode,
    role: RoleRow,
    nodes: list[ReplicaNode],
    old: Mapping[str, RoleReplica],
    context: GroupContext,
    outdated: frozenset[str],
    deleting: bool,
    cause: Cause | None,
    before: Mapping[str, Role],
    now: float,
) -> Role:
    stored = len(nodes)
    excess = stored > role.replicas
    values: list[RoleReplica] = []
    surroundings: ReplicaContext | None = None
    for node in nodes:
        need = 1 + role.workers if role.index >= 0 else max(1, node.count)
        own = ReplicaContext(
            need,
            deleting,
            cause,
            excess,
            node.id in outdated,
            context.role_rollout,
            context.recovery == "None",
            _held(group, node, need, context),
        )
        if own != surroundings:
            surroundings = own
        if node.dirty or node.value is None or node.context != surroundings:
            values.append(derive_replica(node, old.get(node.id), surroundings, context.first, now))
        else:
            values.append(node.value)
    ready = 0 if deleting else _ready(nodes)
    taken = {node.ordinal for node in nodes if node.ordinal is not None}
    if deleting:
        values += _all_gone(role.name, group, old, cause)
    elif context.recovery == "None" and stored < role.replicas:
        for item in _still_stored(role, group, old, now)[: role.replicas - stored]:
            values.append(item)
            taken.add(item.ordinal or 0)
            stored += 1
    missing = min(role.replicas - stored, MOST_QUEUED)
    if missing > 0 and not deleting:
        for ordinal in free_ordinals(taken, role.replicas, missing, append=context.append):
            name = f"{role.name}-{ordinal}"
            held = None
            if context.held and group.ordinal is not None:
                entry = pod_name(context.serving, group.ordinal, name, 0)
                held = entry if entry in context.held else None
            since = None if context.first else now
            values.append(queued_replica(role, ordinal, old.get(name), cause, held, since, now))
    if len(values) > len(nodes):
        values.sort(key=lambda item: (1 << 30 if item.ordinal is None else item.ordinal, item.id))
    known = before.get(role.name)
    if (
        known is not None
        and known.desired == role.replicas
        and known.ready == ready
        and known.replicas == tuple(values)
    ):
        return known
    return Role(role.name, role.replicas, ready, tuple(values))


def _all_gone(
    role: str, group: GroupNode, old: Mapping[str, RoleReplica], cause: Cause | None
) -> list[RoleReplica]:
    """Role replicas of a group being deleted whose pods are gone: the controller holds them to the end."""
    return [
        gone_replica(before, cause)
        for name, before in old.items()
        if name not in group.replicas
        and before.controller_state is not None
        and (group_ordinal(role, name) is not None)
    ]


def _still_stored(
    role: RoleRow, group: GroupNode, old: Mapping[str, RoleReplica], now: float
) -> list[RoleReplica]:
    """Role replicas without pods that the controller still holds under recovery policy None.

    It does nothing when their pods go, and makes them again in place in some later pass (#1661).
    """
    found: list[RoleReplica] = []
    for name, before in old.items():
        if name in group.replicas or before.ordinal is None or name != f"{role.name}-{before.ordinal}":
            continue
        if before.controller_state in (ControllerState.RUNNING, ControllerState.CREATING):
            found.append(unmade_replica(before, 1 + role.workers, now))
    return sorted(found, key=lambda item: item.ordinal or 0)


def _held(group: GroupNode, node: ReplicaNode, need: int, context: GroupContext) -> str | None:
    """A pod name that this role replica is missing and that a namesake's pod bears."""
    if not context.held or node.count >= need or group.ordinal is None:
        return None
    names = (pod_name(context.serving, group.ordinal, node.id, index) for index in range(min(need, 1000)))
    return next((name for name in names if name in context.held), None)
