"""One ServingGroup: its role replicas together, and what Kthena's controller makes of the group.

The controller's memory: ``Creating`` from its making, or once a pod of a running group fails; ``Running`` as
soon as every role has exactly the wanted number of role replicas and each of them runs; ``Scaling`` when role
replicas are added, removed or refilled, all groups together on a change of the spec; ``Deleting`` when the
whole group was chosen to go. A controller that restarts forgets ``Scaling`` and ``Deleting``; that cannot be
seen from outside, so here they are kept until the pods say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.kube.kthena_names import REVISION, pod_name
from clients.kube.kthena_pods import STEPS
from clients.kube.kthena_reasons import Hints, worst
from clients.kube.kthena_replicas import (
    ReplicaContext,
    ReplicaNode,
    derive_replica,
    name_held,
    queued_replica,
    survey,
)
from clients.kube.rows import PodGroupRow, RoleRow
from clients.serving.phase import Cause, ControllerState, Phase, Trouble
from clients.serving.workload import Group, Role, RoleReplica

__all__ = ["MOST_QUEUED", "GroupContext", "GroupNode", "derive_group", "queued_group"]

MOST_QUEUED = 1000
"""Queued groups, or queued replicas of a role, shown one by one: a mistyped million must not hang."""


class GroupContext(Struct):
    """What a group has to know of its ModelServing, the same for all its groups."""

    serving: str
    roles: tuple[RoleRow, ...]
    by_name: Mapping[str, RoleRow]
    hints: Hints
    role_rollout: bool
    update_revision: str | None
    target_hashes: Mapping[str, frozenset[str]]
    """By role: hashes that pods of the wanted revision bear; only during a role-wise rollout."""
    partitions: Mapping[str, int]
    """By role, only for a role-wise rollout: so many of the first list positions keep the old template."""
    pod_groups: bool
    """PodGroups of this ModelServing are seen at all."""
    excess: bool
    """There are more groups than wanted."""
    ending: bool
    """The ModelServing itself is being deleted."""
    append: bool
    first: bool
    held: frozenset[str]
    """Pod names that pods of an earlier namesake still bear."""


class GroupNode:
    """The role replicas of one group, its PodGroup, and the last value."""

    __slots__ = (
        "deletion_cost",
        "dirty",
        "name",
        "ordinal",
        "pod_group",
        "protected",
        "replicas",
        "roles",
        "stored",
        "value",
        "wake",
        "whole",
    )

    def __init__(self, name: str, ordinal: int | None) -> None:
        self.name = name
        self.ordinal = ordinal
        self.replicas: dict[str, ReplicaNode] = {}
        """By role id; a role's name and an ordinal make it unique within the group."""
        self.roles: dict[str, list[ReplicaNode]] | None = None
        self.pod_group: PodGroupRow | None = None
        self.protected = False
        self.value: Group | None = None
        self.dirty = True
        self.wake: float | None = None
        self.whole = False
        """Every wanted pod is there and ready."""

    def forget(self) -> None:
        """Everything in it is to be derived again."""
        self.dirty = True
        for node in self.replicas.values():
            node.forget()

    @property
    def by_role(self) -> dict[str, list[ReplicaNode]]:
        """Its role replicas by role, by ordinal."""
        found = self.roles
        if found is None:
            found = {}
            for node in self.replicas.values():
                found.setdefault(node.role, []).append(node)
            for nodes in found.values():
                nodes.sort(key=lambda node: (1 << 30 if node.ordinal is None else node.ordinal, node.id))
            self.roles = found
        return found


def derive_group(node: GroupNode, before: Group | None, context: GroupContext, now: float) -> Group:
    """The value of a group of which something exists; ``before`` is its last value, by name."""
    old = {item.id: item for role in before.roles for item in role.replicas} if before is not None else {}
    hints = context.hints
    hints.pod_group = node.pod_group
    wake: float | None = None
    count = live = gpus = 0
    for replica in node.replicas.values():
        if replica.dirty or (replica.wake is not None and replica.wake <= now):
            role = context.by_name.get(replica.role)
            survey(replica, role is not None and role.startup_probe, old.get(replica.id), hints, now)
            replica.dirty = True
        count += replica.count
        live += replica.live
        gpus += replica.gpus
        if replica.wake is not None and (wake is None or replica.wake < wake):
            wake = replica.wake
    node.wake = wake
    same = (
        before is not None and before.controller_state is not None and _continues(node, before, count, live)
    )
    past = before if same else None
    outdated, old_template = _outdated(node, context)
    deleting = _deleting(node, past, context, count, live, bool(outdated))
    cause = _deletion_cause(past, context, bool(outdated)) if deleting else _inherited(before)
    roles = _roles(node, old, context, outdated, deleting, cause, now)
    state = _state(node, past, context, old, deleting, count)
    phase = _phase(node, state, roles, context, bool(outdated), count, live)
    served = state is ControllerState.RUNNING or (past is not None and past.served)
    value = Group(
        node.name,
        node.ordinal,
        phase,
        state,
        roles,
        _trouble(roles),
        _cause(phase, state, past, roles, cause),
        None,
        _progress(node, context, deleting, count),
        _since(node, phase, past, context, now),
        served,
        _revision(node, past),
        old_template,
        gpus,
        sum(pod.deletion_cost for item in node.replicas.values() for pod in item.pods.values()),
        _created_seq(node, past),
        _deleting_seq(node, past) if deleting else None,
    )
    node.dirty = False
    node.whole = _whole(node, context, state)
    if value == node.value:
        assert node.value is not None
        return node.value
    node.value = value
    return value


def _continues(node: GroupNode, before: Group, count: int, live: int) -> bool:
    """It is the group that it was, not one made anew under the same ordinal."""
    return before.controller_state is not ControllerState.DELETING or not live or count == 0


def _outdated(node: GroupNode, context: GroupContext) -> tuple[frozenset[str], bool]:
    """Role ids that a rollout is to replace, and whether anything in the group has an old template."""
    wanted = context.update_revision
    if wanted is None:
        return frozenset(), False
    found: list[str] = []
    old = False
    for role, replicas in node.by_role.items():
        spared = context.partitions.get(role, 0)
        targets = context.target_hashes.get(role)
        for position, replica in enumerate(replicas):
            if context.role_rollout:
                behind = targets is not None and not replica.hashes <= targets
                protected = position < spared
            else:
                behind = any(revision != wanted for revision in replica.revisions)
                protected = node.protected
            old = old or behind
            if behind and not protected:
                found.append(replica.id)
    return frozenset(found), old


def _deleting(
    node: GroupNode, past: Group | None, context: GroupContext, count: int, live: int, outdated: bool
) -> bool:
    """Whether the controller chose the whole group to go, and not its pods or role replicas one by one."""
    pod_group = node.pod_group
    leaving = pod_group is not None and pod_group.deleted is not None
    known = past is not None and past.controller_state is ControllerState.DELETING
    if count == 0:
        return leaving or known
    if live:
        gone = context.pod_groups and (pod_group is None or leaving)
        return gone and live < count
    if known or context.excess or context.ending or leaving:
        return True
    if context.role_rollout:
        return context.pod_groups and pod_group is None
    if outdated or (context.pod_groups and pod_group is None):
        return True
    return len(node.replicas) > 1 and not _shrinks_to_nothing(context)


def _shrinks_to_nothing(context: GroupContext) -> bool:
    return not any(role.replicas for role in context.roles)


def _deletion_cause(past: Group | None, context: GroupContext, outdated: bool) -> Cause | None:
    if past is not None and past.phase is Phase.DELETING:
        return past.cause
    if context.ending:
        return None
    if context.excess:
        return Cause.SCALE
    return Cause.ROLLOUT if outdated else Cause.RECOVERY


def _inherited(before: Group | None) -> Cause | None:
    """Why a group that is made again went before."""
    if before is None or before.cause is Cause.SCALE:
        return None
    if before.phase in (Phase.DELETING, Phase.QUEUED, Phase.CREATING):
        return before.cause
    return None


def _roles(
    node: GroupNode,
    old: Mapping[str, RoleReplica],
    context: GroupContext,
    outdated: frozenset[str],
    deleting: bool,
    cause: Cause | None,
    now: float,
) -> tuple[Role, ...]:
    by_role = node.by_role
    before = {role.name: role for role in node.value.roles} if node.value is not None else {}
    found: list[Role] = []
    for role in context.roles:
        nodes = by_role.get(role.name, [])
        found.append(_role(node, role, nodes, old, context, outdated, deleting, cause, before, now))
    for name in sorted(by_role.keys() - context.by_name.keys()):
        stray = RoleRow(name=name, index=-1, replicas=0, workers=0)
        found.append(_role(node, stray, by_role[name], old, context, outdated, deleting, cause, before, now))
    return tuple(found)


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
    ready = 0
    for node in nodes:
        need = 1 + role.workers if role.index >= 0 else max(1, node.count)
        surroundings = ReplicaContext(
            need,
            deleting,
            cause,
            excess,
            node.id in outdated,
            context.role_rollout,
            context.first,
            _held(group, node, need, context),
        )
        if node.dirty or node.value is None or node.context != surroundings:
            values.append(derive_replica(node, old.get(node.id), surroundings, now))
        else:
            values.append(node.value)
        if node.live_ready >= need and not deleting:
            ready += 1
    missing = min(role.replicas - stored, MOST_QUEUED)
    if missing > 0 and not deleting:
        taken = {node.ordinal for node in nodes if node.ordinal is not None}
        for ordinal in free_ordinals(taken, role.replicas, missing, append=context.append):
            name = f"{role.name}-{ordinal}"
            held = None
            if context.held and group.ordinal is not None:
                entry = pod_name(context.serving, group.ordinal, name, 0)
                held = entry if entry in context.held else None
            surroundings = ReplicaContext(1 + role.workers, group_cause=cause, first=context.first, held=held)
            values.append(queued_replica(role, ordinal, old.get(name), surroundings, now))
        values.sort(key=lambda item: (1 << 30 if item.ordinal is None else item.ordinal, item.id))
    known = before.get(role.name)
    if (
        known is not None
        and known.desired == role.replicas
        and known.ready == ready
        and len(known.replicas) == len(values)
        and all(one is other for one, other in zip(known.replicas, values, strict=True))
    ):
        return known
    return Role(role.name, role.replicas, ready, tuple(values))


def _held(group: GroupNode, node: ReplicaNode, need: int, context: GroupContext) -> str | None:
    """A pod name that this role replica is missing and that a namesake's pod bears."""
    if not context.held or node.count >= need or group.ordinal is None:
        return None
    names = (pod_name(context.serving, group.ordinal, node.id, index) for index in range(min(need, 1000)))
    return next((name for name in names if name in context.held), None)


def free_ordinals(taken: set[int], wanted: int, missing: int, *, append: bool, below: int = 0) -> list[int]:
    """Ordinals that the controller gives to ``missing`` new ones, ascending.

    HEAD fills the lowest gaps below ``wanted``; v0.2 to v1.0 append after the highest and fill only gaps
    below the partition (``below``).
    """
    found: list[int] = []
    limit = below if append else wanted
    for ordinal in range(min(limit, len(taken) + missing)):
        if len(found) == missing:
            break
        if ordinal not in taken:
            found.append(ordinal)
    following = max(max(taken, default=-1) + 1, limit if append else 0)
    if append:
        while len(found) < missing:
            found.append(following)
            following += 1
    return found


def _state(
    node: GroupNode,
    past: Group | None,
    context: GroupContext,
    old: Mapping[str, RoleReplica],
    deleting: bool,
    count: int,
) -> ControllerState:
    """The controller's word for a group of which something exists."""
    if deleting:
        return ControllerState.DELETING
    known = past.controller_state if past is not None else None
    if count == 0:
        if past is not None and any(item.pods for item in old.values()):
            return ControllerState.SCALING
        return known or ControllerState.CREATING
    short = extra = failing = refilled = leaving = False
    complete = True
    for role in context.roles:
        nodes = node.by_role.get(role.name, ())
        short = short or len(nodes) < role.replicas
        extra = extra or len(nodes) > role.replicas
        for item in nodes:
            assert item.value is not None
            if item.value.controller_state is not ControllerState.RUNNING:
                complete = False
            if item.value.controller_state is ControllerState.DELETING:
                leaving = leaving or item.value.cause is not Cause.ROLLOUT
            failing = failing or item.errors > 0
            before = old.get(item.id)
            if before is not None and before.pods and not any(v.uid in item.pods for v in before.pods):
                refilled = True
    if complete and not short and not extra:
        return ControllerState.RUNNING
    if known is ControllerState.SCALING:
        return ControllerState.SCALING
    if known is ControllerState.RUNNING:
        if failing:
            return ControllerState.CREATING
        if short or extra:
            return ControllerState.SCALING
        if leaving:
            return ControllerState.CREATING
        return ControllerState.SCALING if refilled else ControllerState.RUNNING
    if known is None and context.first:
        return _first_guess(node, context, short or extra)
    if past is not None and (refilled or _lost_replica(node, context, old) or _rescaled(past, context)):
        return ControllerState.SCALING
    return ControllerState.CREATING


def _lost_replica(node: GroupNode, context: GroupContext, old: Mapping[str, RoleReplica]) -> bool:
    """A wanted role replica that existed is gone: it will be filled again."""
    return any(
        before.pods and role_id not in node.replicas and role_id.rpartition("-")[0] in context.by_name
        for role_id, before in old.items()
    )


def _rescaled(past: Group, context: GroupContext) -> bool:
    """The wanted number of a role's replicas has changed since, and no first making was under way."""
    for role in past.roles:
        wanted = context.by_name.get(role.name)
        if wanted is not None and wanted.replicas != role.desired:
            return all(item.phase is not Phase.QUEUED for item in role.replicas)
    return False


def _first_guess(node: GroupNode, context: GroupContext, uneven: bool) -> ControllerState:
    """Without memory: a role replica made after another one was ready shows that the group already ran."""
    ready_since = [
        item.ready_since
        for item in node.replicas.values()
        if item.ready_since is not None and item.value is not None and item.live_ready >= item.value.need
    ]
    if not ready_since:
        return ControllerState.CREATING
    if uneven:
        return ControllerState.SCALING
    for item in node.replicas.values():
        if item.value is None or item.value.controller_state is ControllerState.RUNNING or item.errors:
            continue
        if item.first_created is not None and item.first_created > min(ready_since):
            return ControllerState.SCALING
    return ControllerState.CREATING


def _phase(
    node: GroupNode,
    state: ControllerState,
    roles: tuple[Role, ...],
    context: GroupContext,
    outdated: bool,
    count: int,
    live: int,
) -> Phase:
    if state is ControllerState.DELETING or (count and not live and len(node.replicas) == 1):
        return Phase.DELETING
    if outdated:
        return Phase.UPDATING
    if context.role_rollout and any(item.cause is Cause.ROLLOUT for role in roles for item in role.replicas):
        return Phase.UPDATING
    if state is ControllerState.SCALING:
        return Phase.SCALING
    return Phase.RUNNING if state is ControllerState.RUNNING else Phase.CREATING


def _cause(
    phase: Phase, state: ControllerState, past: Group | None, roles: tuple[Role, ...], given: Cause | None
) -> Cause | None:
    if phase is Phase.RUNNING:
        return None
    if phase is Phase.UPDATING:
        return Cause.ROLLOUT
    if phase is Phase.DELETING:
        return given if state is ControllerState.DELETING else Cause.RECOVERY
    if phase is Phase.SCALING:
        moving = {item.cause for role in roles for item in role.replicas if item.cause is not None}
        if Cause.SCALE in moving or not moving:
            return Cause.SCALE
        return Cause.ROLLOUT if Cause.ROLLOUT in moving else Cause.RECOVERY
    if past is not None and past.phase is phase and past.cause is not None:
        return past.cause
    if past is not None and past.served:
        return Cause.RECOVERY
    return given or Cause.SCALE


def _trouble(roles: tuple[Role, ...]) -> Trouble | None:
    found: Trouble | None = None
    where = ""
    for role in roles:
        for item in role.replicas:
            if item.trouble is not None and (found is None or worst((found, item.trouble)) is not found):
                found, where = item.trouble, item.id
    if found is None:
        return None
    return Trouble(found.kind, found.reason, f"{where}: {found.message}", found.since)


def _progress(node: GroupNode, context: GroupContext, deleting: bool, count: int) -> int:
    expected = sum(role.replicas * (1 + role.workers) for role in context.roles)
    if deleting:
        return max(0, expected - count) * 100 // expected if expected else 0
    passed = total = 0
    for role in context.roles:
        nodes = node.by_role.get(role.name, ())
        for item in nodes:
            passed += item.passed
            total += item.total
        total += max(0, role.replicas - len(nodes)) * (1 + role.workers) * STEPS
    return passed * 100 // total if total else 100


def _since(
    node: GroupNode, phase: Phase, past: Group | None, context: GroupContext, now: float
) -> float | None:
    if past is not None and past.phase is phase:
        return past.since
    found: float | None = None
    if phase is Phase.RUNNING:
        found = max((item.ready_since or 0.0 for item in node.replicas.values()), default=0.0) or None
    elif phase is Phase.CREATING and past is None:
        made = [item.first_created for item in node.replicas.values() if item.first_created is not None]
        found = min(made, default=None)
    elif phase is Phase.DELETING:
        found = min(
            (
                pod.deleted - (pod.grace or 0.0)
                for item in node.replicas.values()
                for pod in item.pods.values()
                if pod.deleted
            ),
            default=None,
        )
    if found is None:
        return None if context.first else now
    return min(found, now)


def _revision(node: GroupNode, past: Group | None) -> str | None:
    """Of its newest pod."""
    newest = None
    for item in node.replicas.values():
        for pod in item.pods.values():
            if newest is None or pod.seq > newest.seq:
                newest = pod
    if newest is None:
        return past.revision if past is not None else None
    return newest.labels.get(REVISION)


def _created_seq(node: GroupNode, past: Group | None) -> int | None:
    if past is not None and past.created_seq is not None:
        return past.created_seq
    return min((pod.seq for item in node.replicas.values() for pod in item.pods.values()), default=None)


def _deleting_seq(node: GroupNode, past: Group | None) -> int | None:
    if past is not None and past.deleting_seq is not None:
        return past.deleting_seq
    terms = (pod.term_seq for item in node.replicas.values() for pod in item.pods.values() if pod.term_seq)
    return min(terms, default=None)


def _whole(node: GroupNode, context: GroupContext, state: ControllerState) -> bool:
    """Running by the controller's word and by each pod's own."""
    if state is not ControllerState.RUNNING:
        return False
    return all(
        item.live_ready >= item.value.need for item in node.replicas.values() if item.value is not None
    )


def queued_group(
    name: str,
    ordinal: int | None,
    roles: tuple[Role, ...],
    before: Group | None,
    context: GroupContext,
    now: float,
) -> Group:
    """A group that is wanted and of which nothing exists; ``roles`` hold its queued role replicas."""
    cause = _inherited(before) or Cause.SCALE
    since = None if context.first else now
    if before is not None and before.phase is Phase.QUEUED:
        since = before.since
    trouble: Trouble | None = None
    if context.held and ordinal is not None:
        for role in roles:
            for item in role.replicas:
                entry = pod_name(context.serving, ordinal, item.id, 0)
                if entry in context.held and trouble is None:
                    trouble = name_held(entry, before.trouble if before is not None else None, now)
    return Group(name, ordinal, Phase.QUEUED, None, roles, trouble, cause, progress=0, since=since)
