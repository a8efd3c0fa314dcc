"""One role replica: an entry pod and its workers, and what Kthena's controller makes of them.

The controller's memory of a role replica has three states. ``Creating`` from its making; ``Running`` once as
many pods as it needs are ready, and then whatever their readiness, until one of them fails; ``Deleting``
when the whole replica was chosen to go. A single pod that somebody deletes changes nothing until it is gone.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from msgspec import Struct

from clients.kube.pod_look import STEPS, UNSEEN, PodFacts, look_at
from clients.kube.pod_reasons import Hints, worst
from clients.kube.rows import PodRow, RoleRow
from clients.serving.phase import Cause, ControllerState, Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import PodView, RoleReplica

__all__ = [
    "ReplicaContext",
    "ReplicaNode",
    "derive_replica",
    "gone_replica",
    "known_progress",
    "name_held",
    "queued_replica",
    "shares_pod",
    "survey",
    "unmade_replica",
]


class ReplicaContext(Struct, frozen=True, gc=False):
    """What a role replica has to know of its surroundings. Equal contexts and pods give equal values."""

    need: int
    group_deleting: bool = False
    group_cause: Cause | None = None
    excess: bool = False
    """There are more replicas of the role than wanted, or the role is not in the spec any more."""
    outdated: bool = False
    """Not of the wanted template, and no partition protects it."""
    role_rollout: bool = False
    """Outdated role replicas are replaced one by one; else only whole groups are."""
    in_place: bool = False
    """Recovery policy None: pods that are gone are made again in place, the replica stays what it was."""
    held: str | None = None
    """Name of a pod that it misses and that a pod of an earlier namesake still bears."""


class PodNode(Struct, gc=False):
    """One pod: its newest row, and what was derived from it."""

    row: PodRow
    facts: PodFacts = UNSEEN


class ReplicaNode:
    """The pods of one role replica, what was counted of them, and the last value."""

    __slots__ = (
        "context",
        "cost",
        "count",
        "dirty",
        "errors",
        "failed",
        "first_created",
        "first_seq",
        "gpus",
        "group",
        "id",
        "live",
        "live_ready",
        "members",
        "newest_seq",
        "ordinal",
        "passed",
        "ready_since",
        "revision",
        "role",
        "value",
        "wake",
    )

    def __init__(self, group: str, role: str, role_id: str, ordinal: int | None) -> None:
        self.group = group
        """Its name: a node that knew its group's node would make a cycle."""
        self.role = role
        self.id = role_id
        self.ordinal = ordinal
        self.members: tuple[PodNode, ...] = ()
        """The entry pod first, then the workers."""
        self.value: RoleReplica | None = None
        self.context: ReplicaContext | None = None
        self.dirty = True
        self.count = self.live = self.live_ready = self.errors = self.failed = self.gpus = 0
        self.cost = self.first_seq = 0
        self.newest_seq = -1
        self.revision: str | None = None
        self.passed = 0
        self.first_created: float | None = None
        self.ready_since: float | None = None
        self.wake: float | None = None

    @property
    def pods(self) -> Iterator[PodRow]:
        """The rows of its pods."""
        return (member.row for member in self.members)

    def member(self, uid: str) -> PodNode | None:
        """One of its pods: there are seldom more than a few."""
        for member in self.members:
            if member.row.uid == uid:
                return member
        return None

    def put(self, pod: PodRow) -> None:
        """A new or changed pod."""
        member = self.member(pod.uid)
        if member is None:
            members = list(self.members)
            insort(members, PodNode(pod), key=_place)
            self.members = tuple(members)
        else:
            member.row, member.facts = pod, UNSEEN
        self.dirty = True

    def drop(self, uid: str) -> None:
        """A pod that is gone."""
        self.members = tuple([member for member in self.members if member.row.uid != uid])
        self.dirty = True

    def forget(self) -> None:
        """Everything is to be looked at again: what surrounds the pods has changed."""
        for member in self.members:
            member.facts = UNSEEN
        self.dirty = True


def _place(member: PodNode) -> tuple[int, str, str]:
    pod = member.row
    return (1 << 30 if pod.index is None else pod.index, pod.name, pod.uid)


def survey(
    node: ReplicaNode, startup_probe: bool, before: RoleReplica | None, hints: Hints, now: float
) -> None:
    """Counts what there is. What was derived from unchanged pods is kept until its time has come."""
    live = live_ready = errors = gpus = passed = failed = cost = 0
    created = ready_since = wake = first_seq = None
    newest = -1
    for member in node.members:
        pod, facts = member.row, member.facts
        if facts.wake is not None and facts.wake <= now:
            facts = look_at(pod, pod.index, startup_probe, _view(before, pod.uid), hints, now)
            member.facts = facts
        gpus += pod.gpus
        cost += pod.deletion_cost
        if pod.created is not None and (created is None or pod.created < created):
            created = pod.created
        if first_seq is None or pod.seq < first_seq:
            first_seq = pod.seq
        if pod.seq > newest:
            newest, node.revision = pod.seq, pod.labels.revision
        if pod.deleted is None:
            live += 1
            passed += facts.passed
            if facts.error:
                errors += 1
            if facts.view.ready:
                live_ready += 1
                if pod.ready_at is not None and (ready_since is None or pod.ready_at > ready_since):
                    ready_since = pod.ready_at
        elif before is not None and _failed_meanwhile(facts.view, before):
            failed += 1
        if facts.wake is not None and (wake is None or facts.wake < wake):
            wake = facts.wake
    node.count, node.live, node.live_ready, node.errors = len(node.members), live, live_ready, errors
    node.gpus, node.passed, node.failed, node.cost = gpus, passed, failed, cost
    node.first_seq, node.newest_seq = first_seq or 0, newest
    node.first_created, node.ready_since, node.wake = created, ready_since, wake


def _view(before: RoleReplica | None, uid: str) -> PodView | None:
    if before is not None:
        for view in before.pods:
            if view.uid == uid:
                return view
    return None


def _failed_meanwhile(view: PodView, before: RoleReplica) -> bool:
    """A pod that now terminates had failed since the last value, which did not see it in between."""
    for old in before.pods:
        if old.uid == view.uid:
            return view.restarts > old.restarts or (view.phase == "Failed" and not old.terminating)
    return False


def _state(
    node: ReplicaNode, before: RoleReplica | None, context: ReplicaContext, first: bool
) -> ControllerState:
    """The controller's word for a replica that has pods; ``before`` only if it had one of these pods."""
    known = before.controller_state if before is not None else None
    leaves = context.excess or (context.outdated and context.role_rollout)
    if node.live == 0:
        if context.group_deleting:
            # Only the group is marked; its role replicas keep the state they had.
            return known or _guess(node)
        if known is ControllerState.DELETING or leaves:
            return ControllerState.DELETING
        if (node.count < context.need and not context.in_place) or (
            node.count > 1 and not _all_failed(node, before)
        ):
            return ControllerState.DELETING
        if node.failed:
            return ControllerState.CREATING
        return known or _guess(node)
    if node.live < node.count and (leaves or known is ControllerState.DELETING):
        return ControllerState.DELETING
    if node.live_ready >= context.need:
        return ControllerState.RUNNING
    if node.errors or node.failed:
        return ControllerState.CREATING
    if known is ControllerState.RUNNING:
        return ControllerState.RUNNING
    if first and node.live >= context.need and _only_lost_readiness(node):
        return ControllerState.RUNNING
    return ControllerState.CREATING


def _guess(node: ReplicaNode) -> ControllerState:
    """Of pods on their way out that were never seen alive: it ran, unless one of them had failed."""
    failed = any(member.facts.view.restarts for member in node.members)
    return ControllerState.CREATING if failed else ControllerState.RUNNING


def _all_failed(node: ReplicaNode, before: RoleReplica | None) -> bool:
    """Every pod had failed before it was deleted: each was deleted by itself, not the replica as a whole."""
    if before is not None and before.controller_state is ControllerState.RUNNING:
        return node.failed == node.count
    return all(member.facts.view.restarts for member in node.members)


def _only_lost_readiness(node: ReplicaNode) -> bool:
    for member in node.members:
        view = member.facts.view
        if member.row.deleted is None and not view.ready:
            trouble = view.trouble
            if trouble is None or trouble.kind is not TroubleKind.DEGRADED:
                return False
    return True


def _phase(node: ReplicaNode, state: ControllerState, context: ReplicaContext) -> Phase:
    if node.live == 0 or state is ControllerState.DELETING or context.group_deleting:
        return Phase.DELETING
    if context.outdated:
        return Phase.UPDATING
    return Phase.RUNNING if state is ControllerState.RUNNING else Phase.CREATING


def _cause(
    node: ReplicaNode, phase: Phase, before: RoleReplica | None, same: bool, context: ReplicaContext
) -> Cause | None:
    if phase is Phase.RUNNING:
        return None
    if phase is Phase.UPDATING:
        return Cause.ROLLOUT
    if (
        before is not None
        and before.phase is phase
        and before.cause is not None
        and (same or phase is not Phase.DELETING)
    ):
        return before.cause
    if phase is Phase.DELETING:
        if context.group_deleting:
            return context.group_cause
        if context.excess:
            return Cause.SCALE
        return Cause.ROLLOUT if context.outdated and context.role_rollout else Cause.RECOVERY
    if before is not None and before.cause in (Cause.ROLLOUT, Cause.RECOVERY):
        return before.cause
    if node.errors or (before is not None and before.served and before.cause is not Cause.SCALE):
        return Cause.RECOVERY
    return context.group_cause or Cause.SCALE


def _since(
    node: ReplicaNode,
    phase: Phase,
    before: RoleReplica | None,
    same: bool,
    first: bool,
    now: float,
) -> float | None:
    if before is not None and before.phase is phase and (same or phase is not Phase.DELETING):
        return before.since
    found: float | None = None
    if phase is Phase.RUNNING:
        found = node.ready_since
    elif phase is Phase.DELETING:
        asked = [pod.deleted - (pod.grace or 0.0) for pod in node.pods if pod.deleted]
        found = min(asked, default=None)
    elif phase is Phase.CREATING and (before is None or not same) and not node.errors:
        found = node.first_created
    if found is None:
        return None if first else now
    return min(found, now)


def _trouble(
    node: ReplicaNode,
    state: ControllerState,
    before: RoleReplica | None,
    context: ReplicaContext,
    gravest: PodView | None,
    now: float,
) -> Trouble | None:
    if gravest is not None and gravest.trouble is not None:
        found = gravest.trouble
        if context.need > 1 and gravest.index is not None:
            where = f"worker {gravest.index}" if gravest.index else "entry"
            return Trouble(found.kind, found.reason, f"{where}: {found.message}", found.since)
        return found
    if context.held is not None:
        return name_held(context.held, before.trouble if before is not None else None, now)
    if state is ControllerState.RUNNING and 0 < node.live < context.need:
        short = context.need - node.live
        message = f"{short} of {context.need} pods {'are' if short > 1 else 'is'} missing or leaving"
        old = before.trouble if before is not None else None
        since = old.since if old is not None and old.reason == "PodMissing" else now
        return Trouble(TroubleKind.DEGRADED, "PodMissing", message, since)
    return None


def name_held(name: str, old: Trouble | None, now: float) -> Trouble:
    """Nothing can be made under this pod's name; ``old`` is the trouble that was there before."""
    message = f"pod {name} of an earlier ModelServing of this name is still there and holds the name"
    since = old.since if old is not None and old.reason == "NameHeld" else now
    return Trouble(TroubleKind.BLOCKED, "NameHeld", message, since)


def derive_replica(
    node: ReplicaNode, before: RoleReplica | None, context: ReplicaContext, first: bool, now: float
) -> RoleReplica:
    """The value of a role replica that has pods and was surveyed. ``before`` is its last value, by id.

    ``first``: there is no memory, servegrid has just begun to look.
    """
    same = before is not None and shares_pod(node, before)
    state = _state(node, before if same or context.in_place else None, context, first)
    phase = _phase(node, state, context)
    need = context.need
    views: list[PodView] = []
    gravest: PodView | None = None
    slowest: PodFacts | None = None
    for member in node.members:
        facts = member.facts
        view = facts.view
        views.append(view)
        if view.trouble is not None and (
            gravest is None or worst((gravest.trouble, view.trouble)) is not gravest.trouble
        ):
            gravest = view
        if not view.terminating and (slowest is None or facts.passed < slowest.passed):
            slowest = facts
    total = need * STEPS
    if phase is Phase.DELETING or slowest is None:
        stage, passed = Stage.TERMINATING, max(0, need - node.count) * STEPS
    else:
        stage, passed = slowest.view.stage, min(node.passed, total)
    node.passed = passed
    node.context = context
    node.dirty = False
    value = RoleReplica(
        node.id,
        node.ordinal,
        phase,
        state,
        tuple(views),
        need,
        _trouble(node, state, before, context, gravest, now),
        _cause(node, phase, before, same, context),
        stage,
        known_progress(phase, passed * 100 // total),
        _since(node, phase, before, same, first, now),
        state is ControllerState.RUNNING or (same and before is not None and before.served),
        node.cost,
        before.created_seq if same and before is not None and before.created_seq else node.first_seq,
        _deleting_seq(node) if phase is Phase.DELETING else None,
    )
    if node.value is not None and value == node.value:
        return node.value
    node.value = value
    return value


def known_progress(phase: Phase, progress: int) -> int | None:
    """How far it is. Of what is being deleted nothing is known until its first pod is gone."""
    return None if phase is Phase.DELETING and not progress else progress


def _deleting_seq(node: ReplicaNode) -> int | None:
    """Arrival order of the first termination of any of its pods."""
    return min((pod.term_seq for pod in node.pods if pod.term_seq), default=None)


def shares_pod(node: ReplicaNode, before: RoleReplica) -> bool:
    """One of its pods is still the same."""
    return any(node.member(view.uid) is not None for view in before.pods)


def gone_replica(before: RoleReplica, cause: Cause | None) -> RoleReplica:
    """A role replica without pods in a group of which other pods are still on their way out."""
    return RoleReplica(
        before.id,
        before.ordinal,
        Phase.DELETING,
        before.controller_state,
        (),
        before.need,
        cause=cause,
        stage=Stage.TERMINATING,
        progress=100,
        since=before.since if before.phase is Phase.DELETING else None,
        served=before.served,
    )


def unmade_replica(before: RoleReplica, need: int, now: float) -> RoleReplica:
    """A role replica that the controller still holds although none of its pods is there."""
    message = "its pods are gone, and recovery policy None makes them again only in some later pass"
    old = before.trouble
    since = old.since if old is not None and old.reason == "PodMissing" else now
    return RoleReplica(
        before.id,
        before.ordinal,
        Phase.QUEUED,
        before.controller_state,
        (),
        need,
        trouble=Trouble(TroubleKind.DEGRADED, "PodMissing", message, since),
        cause=Cause.RECOVERY,
        progress=0,
        since=before.since if before.phase is Phase.QUEUED else now,
        served=before.served,
    )


def queued_replica(
    role: RoleRow,
    ordinal: int,
    before: RoleReplica | None,
    group_cause: Cause | None,
    held: str | None,
    since: float | None,
    now: float,
) -> RoleReplica:
    """A role replica that is wanted and of which nothing exists, ``since`` when if it was not so before."""
    cause = group_cause or Cause.SCALE
    if before is not None:
        if before.phase is Phase.QUEUED:
            since, cause = before.since, before.cause or cause
        if before.cause in (Cause.ROLLOUT, Cause.RECOVERY):
            cause = before.cause
        elif before.served and before.cause is not Cause.SCALE:
            cause = Cause.RECOVERY
    trouble = None
    if held is not None:
        trouble = name_held(held, before.trouble if before is not None else None, now)
    return RoleReplica(
        f"{role.name}-{ordinal}",
        ordinal,
        Phase.QUEUED,
        None,
        (),
        1 + role.workers,
        trouble=trouble,
        cause=cause,
        progress=0,
        since=since,
        served=False,
    )
