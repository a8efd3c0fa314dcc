"""Everything known of one ModelServing, and its value derived from that: only what was touched is rebuilt."""

from __future__ import annotations

from collections.abc import Iterable

from clients.kube.kthena_groups import (
    MOST_QUEUED,
    GroupContext,
    GroupNode,
    derive_group,
    free_ordinals,
    queued_group,
)
from clients.kube.kthena_names import REVISION, TEMPLATE_HASH, group_name, group_ordinal, place_of
from clients.kube.kthena_reasons import Hints
from clients.kube.kthena_replicas import ReplicaContext, ReplicaNode, queued_replica
from clients.kube.kthena_workload import (
    CAPABILITIES,
    exposure,
    owner_of,
    phase_and_cause,
    role_specs,
    worst_of,
)
from clients.kube.rows import (
    EndpointSliceRow,
    EventRow,
    ModelServingRow,
    PodGroupRow,
    PodRow,
)
from clients.serving.keys import WorkloadKey
from clients.serving.phase import ControllerState
from clients.serving.workload import Group, Role, Workload

__all__ = ["ServingIndex", "derive"]

_TELLING = frozenset({"FailedScheduling", "Unschedulable", "Failed", "ErrImagePull", "FailedMount"})
"""Reasons of pod events whose text says more than the pod's status."""
_MOST_EVENTS = 256
"""Hints kept for one ModelServing; the oldest go."""
_ROLE_ROLLOUT = "RoleRollingUpdate"


class ServingIndex:
    """One ModelServing with its pods, PodGroups, events and endpoints. Used by one thread.

    ``derive`` depends on what was put in, on ``previous`` and on ``now`` alone: a fresh index with the same
    rows derives the same value. Hand it the value that it returned last (fields of others stamped on is fine,
    marks too): then only what was touched since is rebuilt, and untouched groups stay the same objects.
    Derive for the first time only once the first lists are complete: what appears later counts as new.
    """

    def __init__(self, cluster: str, row: ModelServingRow, *, append_after_max: bool = False) -> None:
        """``append_after_max``: new ordinals follow the highest one (v0.2 to v1.0), gaps are not filled."""
        self.cluster = cluster
        self.row = row
        self.uid = row.uid
        self._append = append_after_max
        self._groups: dict[str, GroupNode] = {}
        self._places: dict[str, tuple[GroupNode, ReplicaNode]] = {}
        self._foreign: dict[str, PodRow] = {}
        self._overridden: dict[str, tuple[str, str]] = {}
        self._pod_groups: dict[str, PodGroupRow] = {}
        self._events: dict[str, EventRow] = {}
        self._slices: dict[str, EndpointSliceRow] = {}
        self._lost_nodes: set[str] = set()
        self._seq = 0
        self._unstamped: list[PodRow] = []
        self._unterminated: list[PodRow] = []
        self._dirty_groups: dict[str, GroupNode] = {}
        self._all_dirty = True
        self._regroup = True
        self._touched = True
        self._order: list[GroupNode] = []
        self._context: GroupContext | None = None
        self._last: Workload | None = None
        self._last_groups: dict[str, Group] = {}
        self._queued_roles: tuple[Role, ...] = ()
        self._queued_groups: list[Group] = []
        self._wake: float | None = None
        self._exposure_dirty = False
        self._exposure: tuple[str | None, tuple[int, int] | None] = (None, None)
        self._specs = role_specs(row)
        self._owner = owner_of(row)
        self._labels = tuple(sorted(row.labels.items()))
        self._key = WorkloadKey(cluster, "kthena", row.namespace, "ModelServing", row.name)

    @property
    def append_after_max(self) -> bool:
        """Whether new ordinals follow the highest one; may be set once the version is known."""
        return self._append

    @append_after_max.setter
    def append_after_max(self, append: bool) -> None:
        if append != self._append:
            self._append = append
            self._touch_all()

    @property
    def wake(self) -> float | None:
        """Cluster time at which ``derive`` may tell something new although nothing arrives."""
        return self._wake

    # -- rows in

    def put_row(self, row: ModelServingRow) -> None:
        """The ModelServing has changed."""
        old, self.row = self.row, row
        self._touched = True
        if _derived_from(old) != _derived_from(row):
            self._touch_all()
        self._specs = role_specs(row)
        self._owner = owner_of(row)
        self._labels = tuple(sorted(row.labels.items()))

    def put_pod(self, pod: PodRow) -> None:
        """A new or changed pod; one of an earlier namesake (by owner uid) is only remembered as such."""
        self._touched = True
        if pod.owner is None or pod.owner.uid != self.uid:
            self._drop_place(pod.uid)
            self._foreign[pod.uid] = pod
            self._touch_all()
            return
        home = self._places.get(pod.uid)
        if home is not None:
            group, replica = home
            old = replica.pods[pod.uid]
            pod.seq, pod.term_seq = old.seq, old.term_seq
            index = replica.indexes[pod.uid]
            if old.labels != pod.labels:
                place, _ = place_of(self.row.name, pod)
                if place is None or place.group != group.name or place.role_id != replica.id:
                    self._drop_place(pod.uid)
                    home = None
        if home is None:
            if pod.uid in self._foreign:
                del self._foreign[pod.uid]
                self._touch_all()
            place, overridden = place_of(self.row.name, pod)
            if place is None:
                return
            if overridden is not None:
                self._overridden[pod.uid] = (pod.name, overridden)
            group = self._group(place.group, place.ordinal)
            found = group.replicas.get(place.role_id)
            if found is None:
                found = group.replicas[place.role_id] = ReplicaNode(
                    place.role, place.role_id, place.role_ordinal
                )
                group.roles = None
            replica, index = found, place.index
            self._places[pod.uid] = (group, replica)
            self._exposure_dirty = bool(self._slices)
        if not pod.seq:
            self._unstamped.append(pod)
        if pod.deleted is not None and not pod.term_seq:
            self._unterminated.append(pod)
        self._seq = max(self._seq, pod.seq, pod.term_seq)
        replica.put(pod, index)
        group.dirty = True
        self._dirty_groups[group.name] = group

    def drop_pod(self, uid: str) -> None:
        """A pod that is gone."""
        self._touched = True
        if self._foreign.pop(uid, None) is not None:
            self._touch_all()
        self._drop_place(uid)

    def put_pod_group(self, row: PodGroupRow) -> None:
        """A new or changed PodGroup; it bears its group's name."""
        if row.owner is not None and row.owner.uid != self.uid:
            return
        self._touched = True
        if not self._pod_groups:
            self._touch_all()
        self._pod_groups[row.name] = row
        group = self._group(row.name, group_ordinal(self.row.name, row.name))
        group.pod_group = row
        self._forget(group)

    def drop_pod_group(self, name: str) -> None:
        """A PodGroup that is gone."""
        if self._pod_groups.pop(name, None) is None:
            return
        self._touched = True
        group = self._groups.get(name)
        if group is not None:
            group.pod_group = None
            self._forget(group)
            self._tidy(group)
        if not self._pod_groups:
            self._touch_all()

    def put_event(self, event: EventRow) -> None:
        """A hint in words about one of the pods."""
        if event.kind != "Pod" or event.reason not in _TELLING:
            return
        known = self._events.get(event.name)
        if known is not None and (known.at or 0.0) > (event.at or 0.0):
            return
        self._events.pop(event.name, None)
        self._events[event.name] = event
        if len(self._events) > _MOST_EVENTS:
            del self._events[next(iter(self._events))]
        for group, replica in self._homes_of(event):
            self._touched = True
            replica.forget()
            group.dirty = True
            self._dirty_groups[group.name] = group

    def put_endpoints(self, row: EndpointSliceRow) -> None:
        """A new or changed EndpointSlice of a Service in front of its pods."""
        self._slices[row.name] = row
        self._touched = self._exposure_dirty = True

    def drop_endpoints(self, name: str) -> None:
        """An EndpointSlice that is gone."""
        if self._slices.pop(name, None) is not None:
            self._touched = self._exposure_dirty = True

    def put_node(self, name: str, *, reports: bool) -> None:
        """A node stopped or began to report (its Ready condition); only nodes with pods of ours matter."""
        if reports == (name not in self._lost_nodes):
            return
        if reports:
            self._lost_nodes.discard(name)
        else:
            self._lost_nodes.add(name)
        for group, replica in {id(home[1]): home for home in self._places.values()}.values():
            if any(pod.node == name for pod in replica.pods.values()):
                self._touched = True
                replica.forget()
                group.dirty = True
                self._dirty_groups[group.name] = group

    # -- places

    def _homes_of(self, event: EventRow) -> list[tuple[GroupNode, ReplicaNode]]:
        if event.object_uid:
            home = self._places.get(event.object_uid)
            return [home] if home is not None else []
        return [
            (group, replica)
            for uid, (group, replica) in self._places.items()
            if replica.pods[uid].name == event.name
        ]

    def _group(self, name: str, ordinal: int | None) -> GroupNode:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = GroupNode(name, ordinal)
            group.pod_group = self._pod_groups.get(name)
            self._regroup = True
            self._dirty_groups[name] = group
        return group

    def _forget(self, group: GroupNode) -> None:
        group.forget()
        self._dirty_groups[group.name] = group

    def _drop_place(self, uid: str) -> None:
        home = self._places.pop(uid, None)
        if home is None:
            return
        group, replica = home
        replica.drop(uid)
        self._overridden.pop(uid, None)
        if not replica.pods:
            del group.replicas[replica.id]
            group.roles = None
        group.dirty = True
        self._dirty_groups[group.name] = group
        self._tidy(group)

    def _tidy(self, group: GroupNode) -> None:
        if not group.replicas and group.pod_group is None:
            del self._groups[group.name]
            self._dirty_groups.pop(group.name, None)
            self._regroup = True

    def _touch_all(self) -> None:
        self._touched = True
        self._all_dirty = True

    def _stamp(self) -> None:
        """Gives arrival numbers. What arrived since the last value is ordered by its own times first:

        a first list comes by name, not by age.
        """
        if self._unstamped:
            for pod in sorted(self._unstamped, key=lambda pod: pod.created or 0.0):
                home = self._places.get(pod.uid)
                newest = home[1].pods[pod.uid] if home is not None else pod
                if not newest.seq:
                    self._seq += 1
                    newest.seq = self._seq
            self._unstamped.clear()
        if self._unterminated:
            for pod in sorted(self._unterminated, key=lambda pod: (pod.deleted or 0.0) - (pod.grace or 0.0)):
                home = self._places.get(pod.uid)
                newest = home[1].pods[pod.uid] if home is not None else pod
                if not newest.term_seq:
                    self._seq += 1
                    newest.term_seq = self._seq
            self._unterminated.clear()

    # -- value out

    def derive(self, previous: Workload | None, now: float) -> Workload:
        """The newest value. ``now`` is cluster time in UTC seconds; never raises, whatever the rows hold."""
        trusted = previous is not None and self._last is not None and previous.groups is self._last.groups
        due = self._wake is not None and self._wake <= now
        if trusted and not self._touched and not due:
            assert previous is not None
            return previous
        self._stamp()
        befores = self._befores(previous, trusted)
        self._raise_ghosts(befores)
        context = self._surroundings(first=previous is None)
        if self._all_dirty:
            self._queued_roles = self._roles_of_queued()
            for node in self._groups.values():
                node.forget()
        changed = self._derive_groups(befores, context, now, due=due)
        changed |= self._queued(befores, context, now)
        if changed or self._regroup or self._all_dirty or self._last is None:
            groups = self._assemble()
        else:
            groups = self._last.groups
        self._all_dirty = self._regroup = self._touched = False
        self._dirty_groups.clear()
        value = self._workload(groups)
        self._last_groups = (
            self._last_groups
            if self._last is not None and groups is self._last.groups
            else {group.name: group for group in groups}
        )
        self._last = value
        return value

    def _befores(self, previous: Workload | None, trusted: bool) -> dict[str, Group]:
        """The last value of each group; what differs from the memory of this index is derived again."""
        if trusted:
            return self._last_groups
        befores = {group.name: group for group in previous.groups} if previous is not None else {}
        for name, node in self._groups.items():
            before, known = befores.get(name), self._last_groups.get(name)
            if before is not known and not _same_memory(before, known):
                self._forget(node)
            elif known is not None:
                befores[name] = known
        return befores

    def _raise_ghosts(self, befores: dict[str, Group]) -> None:
        """Groups all of whose pods are gone although the group was not deleted: their roles are refilled.

        The controller still holds such a group, and its ordinal, until its new pods come.
        """
        ghosts = {
            name: node for name, node in self._groups.items() if not node.replicas and node.pod_group is None
        }
        if not ghosts and not self._regroup and not self._all_dirty and befores is self._last_groups:
            return
        for name in ghosts:
            del self._groups[name]
        room = self.row.replicas - len(self._groups) if self.row.deleted is None else 0
        lost = [
            group
            for name, group in befores.items()
            if name not in self._groups and group.ordinal is not None and _refills(group)
        ]
        lost.sort(key=lambda group: group.ordinal or 0)
        for group in lost[: max(0, room)]:
            node = ghosts.pop(group.name, None)
            if node is None:
                node = GroupNode(group.name, group.ordinal)
                self._regroup = True
                self._dirty_groups[group.name] = node
            self._groups[group.name] = node
        if ghosts:
            self._regroup = True

    def _surroundings(self, *, first: bool) -> GroupContext:
        row = self.row
        old = self._context
        excess = len(self._groups) > row.replicas
        pod_groups = bool(self._pod_groups)
        targets = self._target_hashes()
        if self._regroup or self._all_dirty:
            self._sort()
        if (
            old is not None
            and not self._all_dirty
            and old.excess == excess
            and old.pod_groups == pod_groups
            and old.target_hashes == targets
        ):
            old.first = first
            return old
        role_rollout = row.rollout_type == _ROLE_ROLLOUT
        context = self._context = GroupContext(
            serving=row.name,
            roles=row.roles,
            by_name={role.name: role for role in row.roles},
            hints=Hints(row.scheduler, events=self._events, lost_nodes=self._lost_nodes),
            role_rollout=role_rollout,
            update_revision=row.update_revision,
            target_hashes=targets,
            partitions={
                role.name: _partition(role.partition, role.replicas) for role in row.roles if role_rollout
            },
            pod_groups=pod_groups,
            excess=excess,
            ending=row.deleted is not None,
            append=self._append,
            first=first,
            held=frozenset(pod.name for pod in self._foreign.values()),
        )
        for node in self._groups.values():
            node.dirty = True
            self._dirty_groups[node.name] = node
        return context

    def _target_hashes(self) -> dict[str, frozenset[str]]:
        """Role template hashes of the wanted revision, known once a pod was made at it.

        A role that a role-wise rollout does not touch keeps pods with the old revision label: only the hash
        tells. ``revision`` labels and status fields are missing before v0.3, then nothing is outdated.
        """
        row = self.row
        wanted = row.update_revision
        if row.rollout_type != _ROLE_ROLLOUT or wanted is None or wanted == row.current_revision:
            return {}
        found: dict[str, set[str]] = {}
        for _, replica in self._places.values():
            for pod in replica.pods.values():
                if pod.labels.get(REVISION) == wanted and TEMPLATE_HASH in pod.labels:
                    found.setdefault(replica.role, set()).add(pod.labels[TEMPLATE_HASH])
        return {role: frozenset(hashes) for role, hashes in found.items()}

    def _sort(self) -> None:
        """Orders the groups and says which of them a partition spares: the first so many list positions."""
        self._order = sorted(
            self._groups.values(),
            key=lambda node: (1 << 30 if node.ordinal is None else node.ordinal, node.name),
        )
        spared = _partition(self.row.partition, self.row.replicas)
        for position, node in enumerate(self._order):
            protected = position < spared
            if node.protected != protected:
                node.protected = protected
                node.dirty = True
                self._dirty_groups[node.name] = node

    def _derive_groups(
        self, befores: dict[str, Group], context: GroupContext, now: float, *, due: bool
    ) -> bool:
        changed = False
        nodes = self._groups.values() if self._all_dirty or due else list(self._dirty_groups.values())
        for node in nodes:
            if node.dirty or (node.wake is not None and node.wake <= now):
                old = node.value
                changed |= derive_group(node, befores.get(node.name), context, now) is not old
        if nodes:
            wakes = [node.wake for node in self._groups.values() if node.wake is not None]
            self._wake = min(wakes, default=None)
        return changed

    def _queued(self, befores: dict[str, Group], context: GroupContext, now: float) -> bool:
        """Builds the groups that are wanted and of which nothing exists; says whether they changed."""
        missing = self.row.replicas - len(self._groups)
        if missing <= 0 or self.row.deleted is not None:
            changed, self._queued_groups = bool(self._queued_groups), []
            return changed
        taken = {node.ordinal for node in self._order if node.ordinal is not None}
        below = _partition(self.row.partition, self.row.replicas)
        known = {group.name: group for group in self._queued_groups} if not self._all_dirty else {}
        found: list[Group] = []
        for ordinal in free_ordinals(
            taken, self.row.replicas, min(missing, MOST_QUEUED), append=self._append, below=below
        ):
            name = group_name(self.row.name, ordinal)
            before, cached = befores.get(name), known.get(name)
            if cached is None or before is not cached:
                cached = queued_group(name, ordinal, self._queued_roles, before, context, now)
            found.append(cached)
        changed = len(found) != len(self._queued_groups) or any(
            one is not other for one, other in zip(found, self._queued_groups, strict=True)
        )
        self._queued_groups = found
        return changed

    def _roles_of_queued(self) -> tuple[Role, ...]:
        """The roles of a group that does not exist yet; all such groups share them."""
        surroundings = ReplicaContext(need=0, first=True)
        return tuple(
            Role(
                role.name,
                role.replicas,
                0,
                tuple(
                    queued_replica(role, ordinal, None, surroundings, 0.0)
                    for ordinal in range(min(role.replicas, MOST_QUEUED))
                ),
            )
            for role in self.row.roles
        )

    def _assemble(self) -> tuple[Group, ...]:
        groups = [node.value for node in self._order if node.value is not None]
        if self._queued_groups:
            groups += self._queued_groups
            groups.sort(key=lambda group: (1 << 30 if group.ordinal is None else group.ordinal, group.name))
        return tuple(groups)

    def _workload(self, groups: tuple[Group, ...]) -> Workload:
        row = self.row
        ending = row.deleted is not None
        phase, cause = phase_and_cause(groups, row.replicas, ending=ending)
        ready = 0
        for node in self._order:
            ready += node.whole
        gpus = 0
        for group in groups:
            gpus += group.gpus
        if self._exposure_dirty:
            self._exposure = self._exposed()
            self._exposure_dirty = False
        endpoint, rotation = self._exposure
        return Workload(
            self._key,
            row.uid,
            row.replicas,
            ready,
            phase,
            groups,
            self._specs,
            worst_of(groups),
            cause,
            capabilities=CAPABILITIES,
            owner=self._owner,
            created=row.created,
            generation=row.generation,
            observed_generation=row.observed_generation,
            replicas_manager=row.replicas_manager,
            endpoint=endpoint,
            in_rotation=rotation,
            gpus=gpus,
            warnings=self._warnings(),
            labels=self._labels,
        )

    def _exposed(self) -> tuple[str | None, tuple[int, int] | None]:
        if not self._slices:
            return None, None
        entries = frozenset(
            pod.name
            for _, replica in self._places.values()
            for pod in replica.pods.values()
            if replica.indexes[pod.uid] == 0
        )
        return exposure(self._slices.values(), self.row.namespace, entries)

    def _warnings(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._overridden:
            name, key = min(self._overridden.values())
            found.append(
                f"label {key} is overridden by a role's template, names are believed: pod {name}, "
                f"{len(self._overridden)} in all"
            )
        if self._foreign:
            name = min(pod.name for pod in self._foreign.values())
            found.append(f"{len(self._foreign)} pods of an earlier ModelServing of this name linger ({name})")
        context = self._context
        if context is not None:
            strays = {
                replica.role for _, replica in self._places.values() if replica.role not in context.by_name
            }
            if strays:
                found.append(f"pods of roles that are not in the spec: {', '.join(sorted(strays))}")
        if self.row.replicas - len(self._groups) > MOST_QUEUED:
            found.append(f"{self.row.replicas} groups are wanted; not all of the missing ones are listed")
        return tuple(found)


def derive(
    row: ModelServingRow,
    pods: Iterable[PodRow],
    pod_groups: Iterable[PodGroupRow] = (),
    events: Iterable[EventRow] = (),
    previous: Workload | None = None,
    now: float = 0.0,
    *,
    cluster: str = "",
    append_after_max: bool = False,
) -> Workload:
    """The value of one ModelServing from its rows alone: what a fresh ``ServingIndex`` derives."""
    index = ServingIndex(cluster, row, append_after_max=append_after_max)
    for pod in pods:
        index.put_pod(pod)
    for pod_group in pod_groups:
        index.put_pod_group(pod_group)
    for event in events:
        index.put_event(event)
    return index.derive(previous, now)


def _derived_from(row: ModelServingRow) -> tuple[object, ...]:
    """What groups are derived from; the other fields only stand in the value."""
    return (
        row.replicas,
        row.roles,
        row.scheduler,
        row.rollout_type,
        row.partition,
        row.min_role_replicas,
        row.current_revision,
        row.update_revision,
        row.deleted,
    )


def _refills(group: Group) -> bool:
    """It was held by the controller, not on its way out, and had pods (or is such a one without pods)."""
    state = group.controller_state
    if state is ControllerState.SCALING:
        return True
    if state not in (ControllerState.RUNNING, ControllerState.CREATING):
        return False
    return any(item.pods for role in group.roles for item in role.replicas)


def _same_memory(one: Group | None, other: Group | None) -> bool:
    """Two values of a group from which the next one would come out the same; marks do not matter."""
    return (
        one is not None
        and other is not None
        and one.roles is other.roles
        and one.phase is other.phase
        and one.controller_state is other.controller_state
        and one.cause is other.cause
        and one.since == other.since
        and one.served == other.served
        and one.trouble == other.trouble
        and one.created_seq == other.created_seq
        and one.deleting_seq == other.deleting_seq
    )


def _partition(value: str | None, replicas: int) -> int:
    """How many list positions a partition spares: a number, or a percentage rounded up."""
    if not value:
        return 0
    digits = value.removesuffix("%")
    if not digits.isdecimal() or len(digits) > 9:
        return 0
    number = int(digits)
    return -(-number * replicas // 100) if value.endswith("%") else number
