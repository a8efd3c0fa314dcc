"""One role replica: an entry pod and its workers, and what Kthena's controller makes of them.

The controller's memory of a role replica has three states. ``Creating`` from its making; ``Running`` once as
many pods as it needs are ready, and then whatever their readiness, until one of them fails; ``Deleting``
when the whole replica was chosen to go. A single pod that somebody deletes changes nothing until it is gone.
"""

from __future__ import annotations

from msgspec import Struct

from clients.kube.kthena_names import REVISION, TEMPLATE_HASH
from clients.kube.kthena_pods import STEPS, PodFacts, look_at
from clients.kube.kthena_reasons import Hints, worst
from clients.kube.rows import PodRow, RoleRow
from clients.serving.phase import Cause, ControllerState, Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import PodView, RoleReplica

__all__ = [
    "ReplicaContext",
    "ReplicaNode",
    "derive_replica",
    "gone_replica",
    "name_held",
    "queued_replica",
    "survey",
    "unmade_replica",
]


class ReplicaContext(Struct, frozen=True):
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
    first: bool = False
    """There is no memory: servegrid has just begun to look."""
    in_place: bool = False
    """Recovery policy None: pods that are gone are made again in place, the replica stays what it was."""
    held: str | None = None
    """Name of a pod that it misses and that a pod of an earlier namesake still bears."""


class ReplicaNode:
    """The pods of one role replica, what was counted of them, and the last value."""

    __slots__ = (
        "context",
        "count",
        "dirty",
        "errors",
        "facts",
        "failed",
        "first_created",
        "gpus",
        "id",
        "indexes",
        "live",
        "live_ready",
        "name_order",
        "ordinal",
        "passed",
        "pods",
        "ready_since",
        "role",
        "total",
        "value",
        "wake",
    )

    def __init__(self, role: str, role_id: str, ordinal: int | None) -> None:
        self.role = role
        self.id = role_id
        self.ordinal = ordinal
        self.pods: dict[str, PodRow] = {}
        self.indexes: dict[str, int | None] = {}
        self.facts: dict[str, PodFacts] = {}
        self.name_order: list[str] | None = None
        self.value: RoleReplica | None = None
        self.context: ReplicaContext | None = None
        self.dirty = True
        self.count = self.live = self.live_ready = self.errors = self.failed = self.gpus = 0
        self.passed = 0
        self.total = STEPS
        self.first_created: float | None = None
        self.ready_since: float | None = None
        self.wake: float | None = None

    def put(self, pod: PodRow, index: int | None) -> None:
        """A new or changed pod."""
        if pod.uid not in self.pods:
            self.name_order = None
        self.pods[pod.uid] = pod
        self.indexes[pod.uid] = index
        self.facts.pop(pod.uid, None)
        self.dirty = True

    def drop(self, uid: str) -> None:
        """A pod that is gone."""
        del self.pods[uid]
        del self.indexes[uid]
        self.facts.pop(uid, None)
        self.name_order = None
        self.dirty = True

    def forget(self) -> None:
        """Everything is to be looked at again: what surrounds the pods has changed."""
        self.facts.clear()
        self.dirty = True

    def labels(self, key: str) -> set[str]:
        """The values of a label over all pods."""
        return {pod.labels[key] for pod in self.pods.values() if key in pod.labels}

    @property
    def revisions(self) -> set[str]:
        """Hashes of all role templates at the time its pods were made."""
        return self.labels(REVISION)

    @property
    def hashes(self) -> set[str]:
        """Hashes of this role's template."""
        return self.labels(TEMPLATE_HASH)


def _order(node: ReplicaNode) -> list[str]:
    order = node.name_order
    if order is None:
        indexes, pods = node.indexes, node.pods

        def key(uid: str) -> tuple[int, str, str]:
            index = indexes[uid]
            return (1 << 30 if index is None else index, pods[uid].name, uid)

        order = node.name_order = sorted(pods, key=key)
    return order


def survey(
    node: ReplicaNode, startup_probe: bool, before: RoleReplica | None, hints: Hints, now: float
) -> None:
    """Counts what there is. Facts of unchanged pods are kept until their time has come."""
    facts = node.facts
    if len(facts) < len(node.pods) or node.wake is not None:
        views = {view.uid: view for view in before.pods} if before is not None else {}
        for uid, pod in node.pods.items():
            known = facts.get(uid)
            if known is None or (known.wake is not None and known.wake <= now):
                index = node.indexes[uid]
                facts[uid] = look_at(pod, index, startup_probe, views.get(uid), hints, now)
    live = live_ready = errors = gpus = passed = failed = 0
    created = ready_since = wake = None
    for uid, pod in node.pods.items():
        fact = facts[uid]
        gpus += pod.gpus
        if pod.created is not None and (created is None or pod.created < created):
            created = pod.created
        if pod.deleted is None:
            live += 1
            passed += fact.passed
            if fact.error:
                errors += 1
            if fact.view.ready:
                live_ready += 1
                if pod.ready_at is not None and (ready_since is None or pod.ready_at > ready_since):
                    ready_since = pod.ready_at
        elif before is not None and _failed_meanwhile(fact.view, before):
            failed += 1
        if fact.wake is not None and (wake is None or fact.wake < wake):
            wake = fact.wake
    node.count = len(node.pods)
    node.live, node.live_ready, node.errors, node.gpus, node.passed = live, live_ready, errors, gpus, passed
    node.failed = failed
    node.first_created, node.ready_since, node.wake = created, ready_since, wake


def _failed_meanwhile(view: PodView, before: RoleReplica) -> bool:
    """A pod that now terminates had failed since the last value, which did not see it in between."""
    for old in before.pods:
        if old.uid == view.uid:
            return view.restarts > old.restarts or (view.phase == "Failed" and not old.terminating)
    return False


def _state(node: ReplicaNode, before: RoleReplica | None, context: ReplicaContext) -> ControllerState:
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
    if context.first and node.live >= context.need and _only_lost_readiness(node):
        return ControllerState.RUNNING
    return ControllerState.CREATING


def _guess(node: ReplicaNode) -> ControllerState:
    """Of pods on their way out that were never seen alive: it ran, unless one of them had failed."""
    failed = any(fact.view.restarts for fact in node.facts.values())
    return ControllerState.CREATING if failed else ControllerState.RUNNING


def _all_failed(node: ReplicaNode, before: RoleReplica | None) -> bool:
    """Every pod had failed before it was deleted: each was deleted by itself, not the replica as a whole."""
    if before is not None and before.controller_state is ControllerState.RUNNING:
        return node.failed == node.count
    return all(fact.view.restarts for fact in node.facts.values())


def _only_lost_readiness(node: ReplicaNode) -> bool:
    for uid, fact in node.facts.items():
        if node.pods[uid].deleted is None and not fact.view.ready:
            trouble = fact.view.trouble
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
    context: ReplicaContext,
    now: float,
) -> float | None:
    if before is not None and before.phase is phase and (same or phase is not Phase.DELETING):
        return before.since
    found: float | None = None
    if phase is Phase.RUNNING:
        found = node.ready_since
    elif phase is Phase.DELETING:
        asked = [pod.deleted - (pod.grace or 0.0) for pod in node.pods.values() if pod.deleted]
        found = min(asked, default=None)
    elif phase is Phase.CREATING and (before is None or not same):
        found = node.first_created
    if found is None:
        return None if context.first else now
    return min(found, now)


def _trouble(
    node: ReplicaNode,
    state: ControllerState,
    before: RoleReplica | None,
    context: ReplicaContext,
    views: tuple[PodView, ...],
    now: float,
) -> Trouble | None:
    gravest: PodView | None = None
    for view in views:
        if view.trouble is not None and (
            gravest is None or worst((gravest.trouble, view.trouble)) is not gravest.trouble
        ):
            gravest = view
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
    node: ReplicaNode, before: RoleReplica | None, context: ReplicaContext, now: float
) -> RoleReplica:
    """The value of a role replica that has pods and was surveyed. ``before`` is its last value, by id."""
    same = before is not None and any(view.uid in node.pods for view in before.pods)
    state = _state(node, before if same or context.in_place else None, context)
    phase = _phase(node, state, context)
    facts = node.facts
    views = tuple([facts[uid].view for uid in _order(node)])
    need = context.need
    node.total = need * STEPS
    if phase is Phase.DELETING:
        stage, passed = Stage.TERMINATING, max(0, need - node.count) * STEPS
    else:
        stage, passed = _slowest(node), node.passed
    node.passed = min(passed, node.total)
    node.context = context
    node.dirty = False
    value = RoleReplica(
        node.id,
        node.ordinal,
        phase,
        state,
        views,
        need,
        _trouble(node, state, before, context, views, now),
        _cause(node, phase, before, same, context),
        stage,
        node.passed * 100 // node.total,
        _since(node, phase, before, same, context, now),
        state is ControllerState.RUNNING or (same and before is not None and before.served),
    )
    if value == node.value:
        assert node.value is not None
        return node.value
    node.value = value
    return value


def _slowest(node: ReplicaNode) -> Stage:
    """The stage of the live pod that has passed the fewest stations."""
    if node.live_ready == node.live:
        return Stage.READY
    facts = [node.facts[uid] for uid, pod in node.pods.items() if pod.deleted is None]
    return min(facts, key=lambda fact: fact.passed).view.stage


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
    role: RoleRow, ordinal: int, before: RoleReplica | None, context: ReplicaContext, now: float
) -> RoleReplica:
    """A role replica that is wanted and of which nothing exists."""
    cause = context.group_cause or Cause.SCALE
    since = None if context.first else now
    if before is not None:
        if before.phase is Phase.QUEUED:
            since, cause = before.since, before.cause or cause
        if before.cause in (Cause.ROLLOUT, Cause.RECOVERY):
            cause = before.cause
        elif before.served and before.cause is not Cause.SCALE:
            cause = Cause.RECOVERY
    trouble = None
    if context.held is not None:
        trouble = name_held(context.held, before.trouble if before is not None else None, now)
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
