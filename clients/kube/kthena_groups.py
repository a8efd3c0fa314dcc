"""The value of one ServingGroup: its role replicas, what it is doing, why, and what is wrong with it."""

from __future__ import annotations

from clients.kube.kthena_group_state import group_state, is_deleting
from clients.kube.kthena_names import pod_name
from clients.kube.kthena_parts import GroupContext, GroupNode
from clients.kube.kthena_replicas import (
    ReplicaNode,
    known_progress,
    name_held,
    shares_pod,
    survey,
)
from clients.kube.kthena_roles import derive_roles, derive_roles_again
from clients.kube.pod_look import STEPS
from clients.kube.pod_reasons import worst
from clients.serving.phase import Cause, ControllerState, Phase, Trouble
from clients.serving.workload import Group, Role, RoleReplica

__all__ = ["derive_group", "queued_group"]


def derive_group(node: GroupNode, before: Group | None, context: GroupContext, now: float) -> Group:
    """The value of a group of which something exists; ``before`` is its last value, by name."""
    known = before is not None and before is node.value
    if known and node.steady and (node.wake is None or node.wake > now):
        assert before is not None
        value = _derive_steady(node, before, context, now)
        if value is not None:
            return value
    touched = _survey(node, before, known, context, now)
    past = before if before is not None and _continues(node, before, context) else None
    outdated, old_template = _outdated(node, context)
    deleting = is_deleting(node, past, context, node.count, node.live, bool(outdated))
    cause = _deletion_cause(past, context, bool(outdated)) if deleting else _inherited(before, past)
    terms = (context, deleting, cause, outdated)
    if known and node.terms == terms and not context.held and not node.strays:
        assert before is not None
        roles = derive_roles_again(node, before.roles, touched, deleting, context.first, now)
    else:
        roles = derive_roles(node, _by_id(before), context, outdated, deleting, cause, now)
        node.terms = terms
    state = group_state(node, roles, past, before, context, deleting)
    phase = _phase(node, state, roles, context, bool(outdated))
    value = Group(
        node.name,
        node.ordinal,
        phase,
        state,
        roles,
        _trouble(roles),
        _cause(phase, state, past, roles, cause),
        None,
        known_progress(phase, _progress(node, roles, deleting)),
        _since(node, phase, past, context, now),
        state is ControllerState.RUNNING or (past is not None and past.served),
        node.revision or (past.revision if past is not None else None),
        old_template,
        node.gpus,
        node.deletion_cost,
        past.created_seq if past is not None and past.created_seq is not None else node.first_seq,
        _deleting_seq(node, past) if deleting else None,
    )
    node.dirty = False
    node.touched.clear()
    node.whole = state is ControllerState.RUNNING and _whole(roles, context)
    node.steady = (
        phase is Phase.RUNNING
        and node.live == node.count
        and node.terms is not None
        and not (old_template or node.strays or context.held or context.recovery == "None")
    )
    if node.value is not None and roles is node.value.roles and value == node.value:
        return node.value
    node.value = value
    return value


def _derive_steady(node: GroupNode, before: Group, context: GroupContext, now: float) -> Group | None:
    """The short way for a group that runs on: pods lost or gained readiness. ``None`` if there is more to it.

    The state is kept whatever the readiness, so only what shows it is built again.
    """
    assert node.terms is not None
    if node.terms[0] is not context:
        return None
    hints = context.hints
    hints.pod_group = node.pod_group
    gpus, cost, wake = node.gpus, node.deletion_cost, node.wake
    for replica in node.touched:
        gpus -= replica.gpus
        cost -= replica.cost
        survey(replica, context.by_name[replica.role].startup_probe, replica.value, hints, now)
        if replica.live != replica.count or replica.errors:
            return None
        gpus += replica.gpus
        cost += replica.cost
        if replica.wake is not None and (wake is None or replica.wake < wake):
            wake = replica.wake
    roles = derive_roles_again(node, before.roles, node.touched, False, context.first, now)
    node.gpus, node.deletion_cost, node.wake = gpus, cost, wake
    node.dirty = False
    node.touched.clear()
    if roles is before.roles and gpus == before.gpus and cost == before.deletion_cost:
        return before
    node.whole = _whole(roles, context)
    node.value = Group(
        before.name,
        before.ordinal,
        before.phase,
        before.controller_state,
        roles,
        _trouble(roles),
        before.cause,
        None,
        100 if node.whole else _progress(node, roles, False),
        before.since,
        True,
        before.revision,
        before.outdated,
        gpus,
        cost,
        before.created_seq,
        before.deleting_seq,
    )
    return node.value


def _by_id(before: Group | None) -> dict[str, RoleReplica]:
    return {item.id: item for role in before.roles for item in role.replicas} if before is not None else {}


def _survey(
    node: GroupNode, before: Group | None, known: bool, context: GroupContext, now: float
) -> list[ReplicaNode]:
    """Counts what the group has; returns the role replicas of which something is new."""
    hints = context.hints
    hints.pod_group = node.pod_group
    old: dict[str, RoleReplica] | None = None
    touched: list[ReplicaNode] = []
    wake: float | None = None
    first_seq: int | None = None
    newest = -1
    count = live = gpus = cost = 0
    for replica in node.replicas.values():
        if replica.dirty or (replica.wake is not None and replica.wake <= now):
            if known:
                last = replica.value
            else:
                old = _by_id(before) if old is None else old
                last = old.get(replica.id)
            role = context.by_name.get(replica.role)
            survey(replica, role is not None and role.startup_probe, last, hints, now)
            replica.dirty = True
            touched.append(replica)
        count += replica.count
        live += replica.live
        gpus += replica.gpus
        cost += replica.cost
        if replica.wake is not None and (wake is None or replica.wake < wake):
            wake = replica.wake
        if first_seq is None or replica.first_seq < first_seq:
            first_seq = replica.first_seq
        if replica.newest_seq > newest:
            newest, node.revision = replica.newest_seq, replica.revision
    if not count:
        node.revision = None
    node.count, node.live, node.gpus, node.deletion_cost = count, live, gpus, cost
    node.wake, node.first_seq = wake, first_seq
    return touched


def _continues(node: GroupNode, before: Group, context: GroupContext) -> bool:
    """It is the group that it was, not one made anew under the same ordinal: some pod is still the same.

    If none is, it may still be a group whose one role replica was refilled.
    """
    if before.controller_state is None:
        return False
    if not node.replicas:
        return True
    had = False
    for role in before.roles:
        for item in role.replicas:
            replica = node.replicas.get(item.id)
            had = had or bool(item.pods)
            if replica is not None and shares_pod(replica, item):
                return True
    if before.controller_state is ControllerState.DELETING:
        return False
    return not had or (len(node.replicas) == 1 and context.recovery != "ServingGroupRecreate")


_NONE_OUTDATED: frozenset[str] = frozenset()


def _outdated(node: GroupNode, context: GroupContext) -> tuple[frozenset[str], bool]:
    """Role ids that a rollout is to replace, and whether anything in the group has an old template."""
    wanted = context.update_revision
    if wanted is None:
        return _NONE_OUTDATED, False
    if context.role_rollout:
        if not context.rollout_pending and not context.unobserved:
            return _NONE_OUTDATED, False
        return _outdated_replicas(node, context, wanted)
    behind = [replica.id for replica in node.replicas.values() if _behind(replica, wanted)]
    if not behind:
        return _NONE_OUTDATED, False
    return (_NONE_OUTDATED if node.protected else frozenset(behind)), True


def _behind(replica: ReplicaNode, wanted: str) -> bool:
    """Some pod was made when the role templates were others, as far as its labels tell."""
    for pod in replica.pods:
        revision = pod.labels.revision
        if revision is not None and revision != wanted:
            return True
    return False


def _outdated_replicas(node: GroupNode, context: GroupContext, wanted: str) -> tuple[frozenset[str], bool]:
    """The same where role replicas are replaced one by one, and only the roles whose template changed."""
    found: list[str] = []
    old = False
    for role, replicas in node.by_role.items():
        spared = context.partitions.get(role, 0)
        targets = context.target_hashes.get(role)
        for position, replica in enumerate(replicas):
            if context.unobserved and not replica.live:
                behind = True
            elif targets is not None:
                hashes = {pod.labels.template_hash for pod in replica.pods}
                behind = not hashes <= {*targets, None}
            else:
                # No pod of the new template tells the role's hash yet, but this one is being replaced.
                behind = (
                    context.rollout_pending
                    and not replica.live
                    and all(pod.labels.revision != wanted for pod in replica.pods)
                )
            old = old or behind
            if behind and position >= spared:
                found.append(replica.id)
    return frozenset(found), old


def _deletion_cause(past: Group | None, context: GroupContext, outdated: bool) -> Cause | None:
    if past is not None and past.phase is Phase.DELETING:
        # The status tells the wanted revision only after the first deletions of a rollout.
        return Cause.ROLLOUT if past.cause is Cause.RECOVERY and outdated else past.cause
    if context.ending:
        return None
    if context.excess:
        return Cause.SCALE
    return Cause.ROLLOUT if outdated or context.unobserved else Cause.RECOVERY


def _inherited(before: Group | None, past: Group | None) -> Cause | None:
    """Why a group is being made that went before, or that was already being made."""
    if before is None or before.cause is Cause.SCALE:
        return None
    phases = (Phase.CREATING,) if past is not None else (Phase.DELETING, Phase.QUEUED)
    return before.cause if before.phase in phases else None


def _phase(
    node: GroupNode,
    state: ControllerState,
    roles: tuple[Role, ...],
    context: GroupContext,
    outdated: bool,
) -> Phase:
    if state is ControllerState.DELETING or (node.count and not node.live and len(node.replicas) == 1):
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
    failing = any(item.cause is Cause.RECOVERY for role in roles for item in role.replicas)
    if past is None and failing:
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


def _progress(node: GroupNode, roles: tuple[Role, ...], deleting: bool) -> int:
    """Stations passed by all its pods of all that they have to pass; pods gone, for one being deleted."""
    passed = total = 0
    for role in roles:
        for item in role.replicas:
            stations = item.need * STEPS
            total += stations
            if item.pods or deleting:
                replica = node.replicas.get(item.id)
                passed += stations if replica is None else replica.passed
    return passed * 100 // total if total else 100


def _since(
    node: GroupNode, phase: Phase, past: Group | None, context: GroupContext, now: float
) -> float | None:
    if past is not None and past.phase is phase:
        return past.since
    found: float | None = None
    if phase is Phase.RUNNING:
        found = max((item.ready_since or 0.0 for item in node.replicas.values()), default=0.0) or None
    elif phase is Phase.CREATING and past is None and not any(one.errors for one in node.replicas.values()):
        made = [item.first_created for item in node.replicas.values() if item.first_created is not None]
        found = min(made, default=None)
    elif phase is Phase.DELETING:
        found = min(
            (
                pod.deleted - (pod.grace or 0.0)
                for item in node.replicas.values()
                for pod in item.pods
                if pod.deleted
            ),
            default=None,
        )
    if found is None:
        return None if context.first else now
    return min(found, now)


def _deleting_seq(node: GroupNode, past: Group | None) -> int | None:
    if past is not None and past.deleting_seq is not None:
        return past.deleting_seq
    terms = (pod.term_seq for item in node.replicas.values() for pod in item.pods if pod.term_seq)
    return min(terms, default=None)


def _whole(roles: tuple[Role, ...], context: GroupContext) -> bool:
    """Running by each pod's own word too, and no pod missing."""
    return all(role.ready >= role.desired for role in roles[: len(context.roles)])


def queued_group(
    name: str,
    ordinal: int | None,
    roles: tuple[Role, ...],
    before: Group | None,
    context: GroupContext,
    now: float,
) -> Group:
    """A group that is wanted and of which nothing exists; ``roles`` hold its queued role replicas."""
    cause = _inherited(before, None) or Cause.SCALE
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
