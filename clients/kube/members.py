"""Groups of a workload whose pods tell where they belong: one pod each, or a leader with its workers.

Deployments, StatefulSets, LeaderWorkerSets and KServe services. A system module says of each pod which member
it is, and of the whole what is asked; here pods become groups with phases, causes and troubles. Nothing of a
controller's memory is needed: what these controllers do next follows from what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from clients.kube.member_groups import Node, arrival, first_cause, make, queued
from clients.kube.membership import Asked, Member
from clients.kube.pod_look import looks_the_same
from clients.kube.pod_reasons import Hints
from clients.kube.rows import EventRow, PodRow
from clients.serving.phase import Cause, Phase
from clients.serving.workload import Group, Role

__all__ = ["Members", "Seen"]


_MOST_QUEUED = 1_000
"""Groups of which nothing exists that are told one by one; a slip of the hand may ask for a million."""


class Seen(Struct, frozen=True):
    """What there is."""

    groups: tuple[Group, ...]
    ready: int
    gpus: int
    wake: float | None
    """Cluster time at which time alone may change it."""
    lingering: int
    """Failed or ended pods that count for nothing and that nobody has removed."""
    settled: bool = True
    """There are as many groups as are wanted, and none that is not."""


class Members:
    """The pods of one workload, by group. Rows come in one by one; ``derive`` makes the groups."""

    def __init__(self, *, inactive_count: bool) -> None:
        """``inactive_count``: Failed and Succeeded pods count as members, since their controller removes them

        (StatefulSet); a ReplicaSet ignores them and makes others instead.
        """
        self._inactive_count = inactive_count
        self._nodes: dict[str, Node] = {}
        self._places: dict[str, str] = {}
        self._lingering: set[str] = set()
        self._events: dict[str, EventRow] = {}
        self._lost: set[str] = set()
        self._asked: Asked | None = None
        self._seen: Seen | None = None
        """The last answer; none after a pod came, changed or went."""
        self._seq = 0
        self._owed: dict[str, int] = {}
        """Members of a role that were lost to a failure and that are being made again."""

    # -- in

    def put(self, pod: PodRow, member: Member) -> bool:
        """A new or changed pod; says whether it makes any difference to the groups."""
        place = self._places.get(pod.uid)
        if pod.phase in ("Failed", "Succeeded") and not self._inactive_count:
            self.drop(pod.uid)
            self._lingering.add(pod.uid)
            return True
        if pod.uid in self._lingering:
            self.drop(pod.uid)
        if place is not None and place != member.group:
            self.drop(pod.uid)
        node = self._nodes.get(member.group)
        if node is None:
            node = self._nodes[member.group] = Node(member)
        old = node.pods.get(pod.uid)
        if old is None:
            self._seq += 1
            pod.seq = self._seq
        else:
            pod.seq, pod.term_seq = old[0].seq, old[0].term_seq
            if old[1] == member and looks_the_same(old[0], pod):
                node.pods[pod.uid] = (pod, old[1])
                return False
        if pod.deleted is not None and not pod.term_seq:
            self._seq += 1
            pod.term_seq = self._seq
        node.pods[pod.uid] = (pod, member)
        node.dirty = True
        self._places[pod.uid] = member.group
        return True

    def drop(self, uid: str) -> None:
        """A pod that is gone."""
        self._seen = None
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

    def member(self, uid: str) -> Member | None:
        """Where a pod stands that counts."""
        place = self._places.get(uid)
        return self._nodes[place].pods[uid][1] if place is not None else None

    @property
    def uids(self) -> Iterable[str]:
        """Every pod that was put in, also one that does not count."""
        return (*self._places, *self._lingering)

    @property
    def pods(self) -> Iterable[PodRow]:
        """All pods that count."""
        return (pod for node in self._nodes.values() for pod, _ in node.pods.values())

    # -- out

    def derive(self, asked: Asked, before: tuple[Group, ...], now: float, *, first: bool) -> Seen:
        """The groups as they are. ``before``: the last ones; ``first``: nothing was seen before."""
        if asked is not self._asked and asked != self._asked:
            self._asked = asked
            self._seen = None
            self.forget()
        due = [node for node in self._nodes.values() if node.due(now)]
        seen = self._seen
        if seen is not None and not due and before is seen.groups and not first:
            return seen
        known = {group.name: group for group in before}
        for node in due:
            node.live = node.lives(asked.head)
        self._account(due, asked, known, first=first)
        hints = Hints("default-scheduler", events=self._events, lost_nodes=self._lost)
        for node in due:
            if node.pods:
                make(node, asked, known.get(node.name), hints, now, first=first)
            else:
                del self._nodes[node.name]
        if self._events:
            present = {pod.name for pod in self.pods}
            for name in [name for name in self._events if name not in present]:
                del self._events[name]
        seen = self._seen = self._added_up(asked, known, now, first=first)
        return seen

    def _added_up(self, asked: Asked, before: Mapping[str, Group], now: float, *, first: bool) -> Seen:
        groups: list[Group] = []
        ready = gpus = 0
        wake = None
        for node in self._nodes.values():
            if node.value is not None:
                groups.append(node.value)
                gpus += node.value.gpus
            ready += node.ready
            if node.wake is not None and (wake is None or node.wake < wake):
                wake = node.wake
        groups += self._queued(asked, before, now, first=first)
        groups.sort(key=lambda group: (1 << 30 if group.ordinal is None else group.ordinal, group.name))
        return Seen(tuple(groups), ready, gpus, wake, len(self._lingering), self._settled(asked))

    def _settled(self, asked: Asked) -> bool:
        standing = [node for node in self._nodes.values() if node.live]
        if asked.first is not None:
            return len(standing) == asked.desired and all(asked.wants(node.ordinal) for node in standing)
        there = dict.fromkeys((role for role, _ in asked.counts), 0)
        for node in standing:
            there[node.role] = there.get(node.role, 0) + 1
        return there == dict(asked.counts)

    def _account(
        self, due: Sequence[Node], asked: Asked, before: Mapping[str, Group], *, first: bool
    ) -> None:
        """Finds out why groups begin and leave: they all do so by the counts, or by ordinals."""
        if asked.first is not None:
            for node in due:
                self._by_ordinal(node, asked, before.get(node.name), first=first)
        elif any((node.begun if node.live else node.leaving) is None for node in due):
            wanted = dict.fromkeys((node.role for node in self._nodes.values()), 0) | dict(asked.counts)
            for role, count in wanted.items():
                self._by_count(role, count, asked, before, first=first)

    def _by_ordinal(self, node: Node, asked: Asked, was: Group | None, *, first: bool) -> None:
        if node.pods and not node.live:
            if node.leaving in (None, Cause.RECOVERY):  # That its template is old may be told a little later.
                node.leaving = self._why_it_goes(node, asked)
            return
        node.leaving = None
        if node.begun is not None and not (was is not None and was.phase in (Phase.DELETING, Phase.QUEUED)):
            return
        if was is None or was.phase is Phase.ABSENT:
            surge = not asked.wants(node.ordinal)
            node.begun = first_cause(node, asked) if first else Cause.ROLLOUT if surge else Cause.SCALE
        elif was.phase in (Phase.DELETING, Phase.QUEUED, Phase.CREATING):
            node.begun = was.cause or Cause.SCALE
        else:
            node.begun = Cause.ROLLOUT if asked.rolling else Cause.RECOVERY

    @staticmethod
    def _why_it_goes(node: Node, asked: Asked) -> Cause:
        surge = node.begun is Cause.ROLLOUT
        if not asked.wants(node.ordinal):
            return Cause.ROLLOUT if surge else Cause.SCALE
        outdated = any(member.outdated for _, member in node.pods.values())
        return Cause.ROLLOUT if outdated else Cause.RECOVERY

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
        for node in sorted((node for node in mine if node.begun is None and node.live), key=arrival):
            if first or asked.rolling:
                node.begun = first_cause(node, asked)
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
        told = 0
        for ordinal in range(asked.first, asked.first + asked.desired):
            name = f"{asked.prefix}{ordinal}"
            if name in self._nodes:
                continue
            told += 1
            if told > _MOST_QUEUED:
                return
            was = before.get(name)
            since = was.since if was is not None and was.phase is Phase.QUEUED else None if first else now
            cause = Cause.SCALE
            if was is not None and was.phase is not Phase.ABSENT:
                fallback = Cause.ROLLOUT if asked.rolling else Cause.RECOVERY
                cause = was.cause or fallback
            roles = tuple(
                Role(
                    spec.name, spec.replicas, 0, tuple(queued(spec, index) for index in range(spec.replicas))
                )
                for spec in asked.roles
            )
            group = Group(name, ordinal, Phase.QUEUED, None, roles, None, cause, progress=0, since=since)
            yield was if was == group else group
