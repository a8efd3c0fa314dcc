"""The value of one group, made of its pods: phases, causes, troubles, progress."""

from __future__ import annotations

from clients.kube.membership import Asked, Member
from clients.kube.pod_look import STEPS, is_error, look_at
from clients.kube.pod_reasons import Hints, worst
from clients.kube.rows import PodRow
from clients.serving.phase import Cause, Phase, Stage, Trouble
from clients.serving.workload import Group, PodView, Role, RoleReplica, RoleSpec

__all__ = ["Node", "arrival", "first_cause", "make", "queued"]


class Node:
    """The pods of one group, and the last value made of them."""

    __slots__ = (
        "begun", "dirty", "leaving", "live", "name", "ordinal", "pods", "ready", "role", "value", "wake",
    )  # fmt: skip

    def __init__(self, member: Member) -> None:
        self.name, self.ordinal, self.role = member.group, member.ordinal, member.role
        self.pods: dict[str, tuple[PodRow, Member]] = {}
        self.value: Group | None = None
        self.dirty = True
        self.live = False
        self.ready = False
        self.wake: float | None = None
        self.begun: Cause | None = None
        self.leaving: Cause | None = None

    def due(self, now: float) -> bool:
        """It is to be made again: something has changed, or its time has come."""
        return self.dirty or (self.wake is not None and self.wake <= now)

    def lives(self, head: str | None) -> bool:
        """Some pod of it is to stay: the head, where it has one."""
        return any(
            pod.deleted is None and (head is None or member.role == head)
            for pod, member in self.pods.values()
        )


def arrival(node: Node) -> int:
    """When its first pod was seen, as a running number."""
    return min((pod.seq for pod, _ in node.pods.values()), default=0)


def first_cause(node: Node, asked: Asked) -> Cause:
    """Why something is being made that was never seen before: it fails, so it comes back; else it is new."""
    if asked.rolling:
        return Cause.ROLLOUT
    return Cause.RECOVERY if any(is_error(pod) for pod, _ in node.pods.values()) else Cause.SCALE


def queued(spec: RoleSpec, index: int, cause: Cause = Cause.SCALE) -> RoleReplica:
    """A role replica that is wanted and of which nothing exists."""
    return RoleReplica(_id(spec.name, index), index, Phase.QUEUED, None, (), 1, cause=cause, progress=0)


def _id(role: str, index: int) -> str:
    return f"{role}-{index}"


def make(node: Node, asked: Asked, before: Group | None, hints: Hints, now: float, *, first: bool) -> None:
    """Makes the group's value; an equal one stays the same object."""
    known = {
        item.pods[0].uid: item
        for role in (before.roles if before is not None else ())
        for item in role.replicas
        if item.pods
    }
    node.wake = None
    by_role: dict[str, list[RoleReplica]] = {}
    for pod, member in node.pods.values():
        item, wake = _replica(node, pod, member, known.get(pod.uid), asked, hints, now, first=first)
        by_role.setdefault(member.role, []).append(item)
        if wake is not None and (node.wake is None or wake < node.wake):
            node.wake = wake
    roles = []
    for spec in asked.roles:
        found = by_role.pop(spec.name, [])
        if asked.whole and node.live:
            there = {item.ordinal for item in found}
            cause = node.begun or Cause.SCALE
            found += [queued(spec, index, cause) for index in range(spec.replicas) if index not in there]
        if found or asked.whole:
            roles.append(_role(spec.name, spec.replicas, found))
    roles += [_role(name, 0, found) for name, found in by_role.items()]
    value = _group(node, tuple(roles), before, asked, now, first=first)
    node.dirty = False
    node.ready = value.phase in (Phase.RUNNING, Phase.UPDATING) and all(
        role.ready >= role.desired for role in value.roles
    )
    node.value = before if before == value else value


def _role(name: str, desired: int, found: list[RoleReplica]) -> Role:
    found.sort(key=lambda item: (item.ordinal or 0, item.pods[0].name if item.pods else ""))
    ready = sum(1 for item in found if item.pods and item.pods[0].ready)
    return Role(name, desired, ready, tuple(found))


def _replica(
    node: Node,
    pod: PodRow,
    member: Member,
    before: RoleReplica | None,
    asked: Asked,
    hints: Hints,
    now: float,
    *,
    first: bool,
) -> tuple[RoleReplica, float | None]:
    view: PodView | None = before.pods[0] if before is not None else None
    fact = look_at(pod, member.replica, member.role in asked.probed, view, hints, now)
    served = fact.view.ready or (before is not None and before.served)
    phase, cause = Phase.CREATING, node.begun
    if pod.deleted is not None:
        phase, cause = Phase.DELETING, node.leaving or (Cause.ROLLOUT if member.outdated else Cause.RECOVERY)
    elif member.outdated and asked.rolling:
        phase, cause = Phase.UPDATING, Cause.ROLLOUT
    elif fact.view.ready or (served and not fact.error and fact.view.stage is Stage.PROBING):
        phase, cause = Phase.RUNNING, None
    elif served:
        cause = Cause.RECOVERY
    since: float | None
    if before is not None and before.phase is phase:
        since = before.since
    else:
        since = _since(pod, phase)
        since = (None if first else now) if since is None else min(since, now)
    return (
        RoleReplica(
            _id(member.role, member.replica),
            member.replica,
            phase,
            None,
            (fact.view,),
            1,
            fact.view.trouble,
            cause,
            fact.view.stage,
            0 if phase is Phase.DELETING else fact.passed * 100 // STEPS,
            since,
            served,
            pod.deletion_cost,
            pod.seq,
            pod.term_seq or None,
        ),
        fact.wake,
    )


def _since(pod: PodRow, phase: Phase) -> float | None:
    if phase is Phase.DELETING and pod.deleted is not None:
        return pod.deleted - (pod.grace or 0.0)
    if phase is Phase.RUNNING:
        return pod.ready_at
    return pod.created if phase is Phase.CREATING and not is_error(pod) else None


def _group(
    node: Node,
    roles: tuple[Role, ...],
    before: Group | None,
    asked: Asked,
    now: float,
    *,
    first: bool,
) -> Group:
    items = [item for role in roles for item in role.replicas]
    phases = {item.phase for item in items}
    if not node.live:
        phase, cause = Phase.DELETING, None if asked.ending else node.leaving
    elif Phase.UPDATING in phases:
        phase, cause = Phase.UPDATING, Cause.ROLLOUT
    elif phases == {Phase.RUNNING}:
        phase, cause = Phase.RUNNING, None
    else:
        moving = {item.cause for item in items if item.phase is not Phase.RUNNING}
        phase = Phase.CREATING
        cause = Cause.RECOVERY if Cause.RECOVERY in moving else node.begun or Cause.SCALE
    troubled = [item for item in items if item.trouble is not None]
    gravest = worst([item.trouble for item in troubled])
    trouble: Trouble | None = gravest
    if gravest is not None and len(items) > 1:
        where = next(item.id for item in troubled if item.trouble is gravest)
        trouble = Trouble(gravest.kind, gravest.reason, f"{where}: {gravest.message}", gravest.since)
    if before is not None and before.phase is phase:
        since = before.since
    else:
        times = [item.since for item in items if item.phase is phase and item.since is not None]
        since = (None if first else now) if not times else min(max(times), now)
    live = [item for item in items if item.phase is not Phase.DELETING]
    outdated, gpus, cost = False, 0, 0
    arrived = leaving = None
    for pod, member in node.pods.values():
        outdated = outdated or member.outdated
        gpus += pod.gpus
        cost += pod.deletion_cost
        if arrived is None or pod.seq < arrived:
            arrived = pod.seq
        if pod.term_seq and (leaving is None or pod.term_seq < leaving):
            leaving = pod.term_seq
    return Group(
        node.name,
        node.ordinal,
        phase,
        None,
        roles,
        trouble,
        cause,
        progress=sum(item.progress or 0 for item in live) // len(live) if live else 0,
        since=since,
        served=phase in (Phase.RUNNING, Phase.UPDATING) or (before is not None and before.served),
        outdated=outdated,
        gpus=gpus,
        deletion_cost=cost,
        created_seq=arrived or 0,
        deleting_seq=leaving,
    )
