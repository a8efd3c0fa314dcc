"""Groups of a workload whose pods tell where they belong: one pod each, or a leader with its workers.

Deployments, StatefulSets, LeaderWorkerSets and KServe services. A system module says of each pod which member
it is, and of the whole what is asked; here pods become groups with phases, causes and troubles. Nothing of a
controller's memory is needed: what these controllers do next follows from what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from clients.kube.kthena_pods import STEPS, is_error, look_at
from clients.kube.kthena_reasons import Hints, worst
from clients.kube.rows import EventRow, PodRow
from clients.serving.phase import Cause, Phase, Stage, Trouble
from clients.serving.workload import Group, PodView, Role, RoleReplica, RoleSpec

__all__ = ["Asked", "Member", "Members", "Seen"]


class Member(NamedTuple):
    """Where a pod stands in its workload."""

    group: str
    ordinal: int | None
    role: str
    replica: int
    """Ordinal of the role replica, which is one pod here."""
    outdated: bool = False
    """Not of the template that is wanted now."""


class Asked(Struct, frozen=True):
    """What the spec wants of the whole."""

    roles: tuple[RoleSpec, ...]
    counts: tuple[tuple[str, int], ...]
    """Groups wanted. One entry where each group holds all roles, else one for each role with its count."""
    first: int | None = None
    """The lowest ordinal, where groups are named by ordinal; ``None`` where names are made at random."""
    prefix: str = ""
    """What stands before the ordinal in a group's name."""
    whole: bool = False
    """Every group holds all roles."""
    rolling: bool = False
    """Pods of an older template are being replaced."""
    ending: bool = False
    probed: frozenset[str] = frozenset()
    """Roles whose pods have a startup probe."""

    @property
    def desired(self) -> int:
        """Groups wanted in all."""
        return sum(count for _, count in self.counts)

    def wants(self, ordinal: int | None) -> bool:
        """Whether a group of this ordinal is to exist; only where names are made of ordinals."""
        return self.first is not None and ordinal is not None and 0 <= ordinal - self.first < self.desired


class Seen(Struct, frozen=True):
    """What there is."""

    groups: tuple[Group, ...]
    ready: int
    gpus: int
    wake: float | None
    """Cluster time at which time alone may change it."""
    lingering: int
    """Failed or ended pods that count for nothing and that nobody has removed."""


class _Node:
    """The pods of one group, and the last value made of them."""

    __slots__ = ("begun", "dirty", "leaving", "name", "ordinal", "pods", "ready", "role", "value", "wake")

    def __init__(self, member: Member) -> None:
        self.name, self.ordinal, self.role = member.group, member.ordinal, member.role
        self.pods: dict[str, tuple[PodRow, Member]] = {}
        self.value: Group | None = None
        self.dirty = True
        self.ready = False
        self.wake: float | None = None
        self.begun: Cause | None = None
        self.leaving: Cause | None = None

    @property
    def live(self) -> bool:
        return any(pod.deleted is None for pod, _ in self.pods.values())


class Members:
    """The pods of one workload, by group. Rows come in one by one; ``derive`` makes the groups."""

    def __init__(self, *, inactive_count: bool) -> None:
        """``inactive_count``: Failed and Succeeded pods count as members, since their controller removes them

        (StatefulSet); a ReplicaSet ignores them and makes others instead.
        """
        self._inactive_count = inactive_count
        self._nodes: dict[str, _Node] = {}
        self._places: dict[str, str] = {}
        self._lingering: set[str] = set()
        self._events: dict[str, EventRow] = {}
        self._lost: set[str] = set()
        self._asked: Asked | None = None
        self._seq = 0
        self._owed: dict[str, int] = {}
        """Members of a role that were lost to a failure and that are being made again."""

    # -- in

    def put(self, pod: PodRow, member: Member) -> None:
        """A new or changed pod."""
        place = self._places.get(pod.uid)
        if pod.phase in ("Failed", "Succeeded") and not self._inactive_count:
            self.drop(pod.uid)
            self._lingering.add(pod.uid)
            return
        self._lingering.discard(pod.uid)
        if place is not None and place != member.group:
            self.drop(pod.uid)
        node = self._nodes.get(member.group)
        if node is None:
            node = self._nodes[member.group] = _Node(member)
        old = node.pods.get(pod.uid)
        if old is None:
            self._seq += 1
            pod.seq = self._seq
        else:
            pod.seq, pod.term_seq = old[0].seq, old[0].term_seq
        if pod.deleted is not None and not pod.term_seq:
            self._seq += 1
            pod.term_seq = self._seq
        node.pods[pod.uid] = (pod, member)
        node.dirty = True
        self._places[pod.uid] = member.group

    def drop(self, uid: str) -> None:
        """A pod that is gone."""
        self._lingering.discard(uid)
        name = self._places.pop(uid, None)
        if name is not None:
            node = self._nodes[name]
            del node.pods[uid]
            node.dirty = True

    def put_event(self, event: EventRow) -> None:
        """What was said of a pod, by its name; the newest counts."""
        known = self._events.get(event.name)
        if known is None or (event.at or 0.0) >= (known.at or 0.0):
            self._events[event.name] = event
            for node in self._nodes.values():
                node.dirty = node.dirty or any(pod.name == event.name for pod, _ in node.pods.values())

    def put_node(self, name: str, *, reports: bool) -> None:
        """A node stops or begins to report."""
        (self._lost.discard if reports else self._lost.add)(name)
        self.forget()

    def forget(self) -> None:
        """All groups are to be made again."""
        for node in self._nodes.values():
            node.dirty = True

    @property
    def pods(self) -> Iterable[PodRow]:
        """All pods that count."""
        return (pod for node in self._nodes.values() for pod, _ in node.pods.values())

    # -- out

    def derive(self, asked: Asked, before: Mapping[str, Group], now: float, *, first: bool) -> Seen:
        """The groups as they are. ``before``: the last ones, by name; ``first``: nothing was seen before."""
        if asked != self._asked:
            self._asked = asked
            self.forget()
        self._account(asked, before, first=first)
        hints = Hints("default-scheduler", events=self._events, lost_nodes=self._lost)
        for name, node in list(self._nodes.items()):
            if not node.pods:
                del self._nodes[name]
            elif node.dirty or (node.wake is not None and node.wake <= now):
                _make(node, asked, before.get(name), hints, now, first=first)
        groups = [node.value for node in self._nodes.values() if node.value is not None]
        groups += self._queued(asked, before, now, first=first)
        groups.sort(key=lambda group: (1 << 30 if group.ordinal is None else group.ordinal, group.name))
        wakes = [node.wake for node in self._nodes.values() if node.wake is not None]
        present = {pod.name for pod in self.pods}
        for name in [name for name in self._events if name not in present]:
            del self._events[name]
        return Seen(
            tuple(groups),
            sum(node.ready for node in self._nodes.values()),
            sum(pod.gpus for pod in self.pods),
            min(wakes, default=None),
            len(self._lingering),
        )

    def _account(self, asked: Asked, before: Mapping[str, Group], *, first: bool) -> None:
        """Finds out why groups begin and leave: they all do so by the counts, or by ordinals."""
        if asked.first is not None:
            for node in self._nodes.values():
                self._by_ordinal(node, asked, before.get(node.name), first=first)
            return
        for role, wanted in asked.counts:
            self._by_count(role, wanted, asked, before, first=first)

    def _by_ordinal(self, node: _Node, asked: Asked, was: Group | None, *, first: bool) -> None:
        outdated = any(member.outdated for _, member in node.pods.values())
        if node.pods and not node.live:
            if node.leaving is None:
                gone = not asked.wants(node.ordinal)
                node.leaving = Cause.SCALE if gone else Cause.ROLLOUT if outdated else Cause.RECOVERY
            return
        node.leaving = None
        if node.begun is not None and not (was is not None and was.phase in (Phase.DELETING, Phase.QUEUED)):
            return
        if was is None or was.phase is Phase.ABSENT:
            node.begun = _first_cause(node) if first else Cause.SCALE
        elif was.phase in (Phase.DELETING, Phase.QUEUED, Phase.CREATING):
            node.begun = was.cause or Cause.SCALE
        else:
            node.begun = Cause.ROLLOUT if asked.rolling else Cause.RECOVERY

    def _by_count(
        self, role: str, wanted: int, asked: Asked, before: Mapping[str, Group], *, first: bool
    ) -> None:
        mine = [node for node in self._nodes.values() if node.role == role]
        stood = {name for name, group in before.items() if group.phase is not Phase.DELETING}
        kept = sum(1 for node in mine if node.live and node.name in stood)
        leaving = [
            node
            for node in mine
            if node.leaving is None and not node.live and (node.name in stood or node.pods)
        ]
        leaving.sort(key=lambda node: node.name)
        surplus = kept + len(leaving) - wanted
        for node in leaving:
            outdated = any(member.outdated for _, member in node.pods.values())
            if outdated or (asked.rolling and surplus <= 0):
                node.leaving = Cause.ROLLOUT
            elif surplus > 0:
                node.leaving, surplus = Cause.SCALE, surplus - 1
            else:
                node.leaving = Cause.RECOVERY
                if not first:
                    self._owed[role] = self._owed.get(role, 0) + 1
        for node in sorted((node for node in mine if node.begun is None and node.live), key=_arrival):
            if asked.rolling:
                node.begun = Cause.ROLLOUT
            elif first:
                node.begun = _first_cause(node)
            elif self._owed.get(role, 0) > 0:
                self._owed[role] -= 1
                node.begun = Cause.RECOVERY
            else:
                node.begun = Cause.SCALE

    def _queued(
        self, asked: Asked, before: Mapping[str, Group], now: float, *, first: bool
    ) -> Iterable[Group]:
        """Groups that are wanted and of which nothing exists, where their names are known."""
        if asked.first is None or asked.ending:
            return
        for ordinal in range(asked.first, asked.first + asked.desired):
            name = f"{asked.prefix}{ordinal}"
            if name in self._nodes:
                continue
            was = before.get(name)
            since = was.since if was is not None and was.phase is Phase.QUEUED else None if first else now
            cause = Cause.SCALE
            if was is not None and was.phase is not Phase.ABSENT:
                fallback = Cause.ROLLOUT if asked.rolling else Cause.RECOVERY
                cause = was.cause or fallback
            roles = tuple(
                Role(
                    spec.name, spec.replicas, 0, tuple(_queued(spec, index) for index in range(spec.replicas))
                )
                for spec in asked.roles
            )
            group = Group(name, ordinal, Phase.QUEUED, None, roles, None, cause, progress=0, since=since)
            yield was if was == group else group


def _arrival(node: _Node) -> int:
    return min((pod.seq for pod, _ in node.pods.values()), default=0)


def _first_cause(node: _Node) -> Cause:
    """Why something is being made that was never seen before: it fails, so it comes back; else it is new."""
    return Cause.RECOVERY if any(is_error(pod) for pod, _ in node.pods.values()) else Cause.SCALE


def _queued(spec: RoleSpec, index: int, cause: Cause = Cause.SCALE) -> RoleReplica:
    return RoleReplica(_id(spec.name, index), index, Phase.QUEUED, None, (), 1, cause=cause, progress=0)


def _id(role: str, index: int) -> str:
    return f"{role}-{index}"


def _make(node: _Node, asked: Asked, before: Group | None, hints: Hints, now: float, *, first: bool) -> None:
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
            found += [_queued(spec, index, cause) for index in range(spec.replicas) if index not in there]
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
    node: _Node,
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
        phase, cause = Phase.DELETING, node.leaving or Cause.RECOVERY
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
    node: _Node,
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
        outdated=any(member.outdated for _, member in node.pods.values()),
        gpus=sum(pod.gpus for pod, _ in node.pods.values()),
        deletion_cost=sum(pod.deletion_cost for pod, _ in node.pods.values()),
        created_seq=_arrival(node),
        deleting_seq=min((pod.term_seq for pod, _ in node.pods.values() if pod.term_seq), default=None),
    )
