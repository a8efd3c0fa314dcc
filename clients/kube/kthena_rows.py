"""The rows of one ModelServing, each put at its place: in its group, its role replica, or aside."""

from __future__ import annotations

from collections.abc import Iterator

from clients.kube.kthena_names import group_ordinal, place_of
from clients.kube.kthena_parts import GroupNode
from clients.kube.kthena_replicas import ReplicaNode
from clients.kube.pod_look import looks_the_same
from clients.kube.rows import EndpointSliceRow, EventRow, ModelServingRow, PodGroupRow, PodRow

__all__ = ["ServingRows"]

_TELLING = frozenset({"FailedScheduling", "Unschedulable", "Failed", "ErrImagePull", "FailedMount"})
"""Reasons of pod events whose text says more than the pod's status."""
_MOST_EVENTS = 256
"""Hints kept for one ModelServing; the oldest go."""


class ServingRows:
    """The rows of one ModelServing, each pod at its place, and what of it is to be derived again."""

    def __init__(self, row: ModelServingRow, *, append_after_max: bool) -> None:
        self.row = row
        self.uid = row.uid
        self._append = append_after_max
        self._groups: dict[str, GroupNode] = {}
        self._places: dict[str, ReplicaNode] = {}
        """By the uid of each pod."""
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
        """Groups came or went."""
        self._touched = True
        """Anything came that the value may show."""
        self._row_dirty = True
        self._members_dirty = True
        """Pods came or went."""
        self._exposure_dirty = False

    @property
    def append_after_max(self) -> bool:
        """Whether new ordinals follow the highest one; may be set once the version is known."""
        return self._append

    @append_after_max.setter
    def append_after_max(self, append: bool) -> None:
        if append != self._append:
            self._append = append
            self._touch_all()

    # -- rows in

    def put_row(self, row: ModelServingRow) -> None:
        """The ModelServing has changed."""
        old, self.row = self.row, row
        self._touched = True
        if _derived_from(old) != _derived_from(row):
            self._touch_all()
        self._row_dirty = True

    def put_pod(self, pod: PodRow) -> None:
        """A new or changed pod; one of an earlier namesake (by owner uid) is only remembered as such."""
        if pod.owner is None or pod.owner.uid != self.uid:
            self._drop_place(pod.uid)
            if pod.uid not in self._foreign:
                self._members_dirty = True
                self._touch_all()
            self._foreign[pod.uid] = pod
            return
        pod.resource_version = ""  # The feed has noted it, and here it would only be held.
        replica = self._places.get(pod.uid)
        member = replica.member(pod.uid) if replica is not None else None
        if replica is not None and member is not None:
            old = member.row
            pod.seq, pod.term_seq, pod.index = old.seq, old.term_seq, old.index
            if looks_the_same(old, pod):
                member.row = pod
                return
            if old.labels != pod.labels:
                self._groups[replica.group].steady = False
                if not self._stays(pod, replica):
                    self._drop_place(pod.uid)
                    replica = None
        if replica is not None:
            group = self._groups[replica.group]
            if not replica.dirty:
                group.touched.append(replica)
        else:
            replica = self._settle(pod)
            if replica is None:
                return
            group = self._groups[replica.group]
            group.steady = False
        if not pod.seq:
            self._unstamped.append(pod)
        if pod.deleted is not None and not pod.term_seq:
            self._unterminated.append(pod)
        self._seq = max(self._seq, pod.seq, pod.term_seq)
        replica.put(pod)
        self._touched = group.dirty = True
        self._dirty_groups[group.name] = group

    def drop_pod(self, uid: str) -> None:
        """A pod that is gone."""
        self._touched = True
        if self._foreign.pop(uid, None) is not None:
            self._members_dirty = True
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
        for replica in self._replicas_of(event):
            self._look_again(replica)

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
        for replica in self._replicas():
            if any(pod.node == name for pod in replica.pods):
                self._look_again(replica)

    # -- places

    def _stays(self, pod: PodRow, replica: ReplicaNode) -> bool:
        """Whether a pod of other labels still belongs to this role replica."""
        place, _ = place_of(self.row.name, pod)
        return place is not None and place.group == replica.group and place.role_id == replica.id

    def _settle(self, pod: PodRow) -> ReplicaNode | None:
        """The role replica of a pod that had none yet; ``None`` if nothing tells where it belongs."""
        if self._foreign.pop(pod.uid, None) is not None:
            self._members_dirty = True
            self._touch_all()
        place, overridden = place_of(self.row.name, pod)
        if place is None:
            return None
        if overridden is not None:
            self._overridden[pod.uid] = (pod.name, overridden)
        group = self._group(place.group, place.ordinal)
        replica = group.replicas.get(place.role_id)
        if replica is None:
            replica = ReplicaNode(group.name, place.role, place.role_id, place.role_ordinal)
            group.replicas[replica.id] = replica
            group.roles = group.terms = None
        pod.index = place.index
        self._places[pod.uid] = replica
        self._members_dirty = True
        self._exposure_dirty = bool(self._slices)
        return replica

    def _replicas(self) -> Iterator[ReplicaNode]:
        """Every role replica that has pods."""
        return (replica for group in self._groups.values() for replica in group.replicas.values())

    def _replicas_of(self, event: EventRow) -> list[ReplicaNode]:
        if event.object_uid:
            replica = self._places.get(event.object_uid)
            return [replica] if replica is not None else []
        return [one for one in self._replicas() if any(pod.name == event.name for pod in one.pods)]

    def _look_again(self, replica: ReplicaNode) -> None:
        """Something around its pods has changed."""
        replica.forget()
        group = self._groups[replica.group]
        group.dirty = True
        group.steady = False
        self._touched = True
        self._dirty_groups[group.name] = group

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
        replica = self._places.pop(uid, None)
        if replica is None:
            return
        group = self._groups[replica.group]
        replica.drop(uid)
        self._members_dirty = True
        self._exposure_dirty = bool(self._slices)
        self._overridden.pop(uid, None)
        if not replica.members:
            del group.replicas[replica.id]
            group.roles = group.terms = None
        group.dirty = True
        group.steady = False
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
                newest = self._newest(pod)
                if not newest.seq:
                    self._seq += 1
                    newest.seq = self._seq
            self._unstamped.clear()
        if self._unterminated:
            for pod in sorted(self._unterminated, key=lambda pod: (pod.deleted or 0.0) - (pod.grace or 0.0)):
                newest = self._newest(pod)
                if not newest.term_seq:
                    self._seq += 1
                    newest.term_seq = self._seq
            self._unterminated.clear()

    def _newest(self, pod: PodRow) -> PodRow:
        """The row that has taken this one's place by now."""
        replica = self._places.get(pod.uid)
        member = replica.member(pod.uid) if replica is not None else None
        return member.row if member is not None else pod


def _derived_from(row: ModelServingRow) -> tuple[object, ...]:
    """What groups are derived from; the other fields only stand in the value."""
    return (
        row.replicas,
        row.roles,
        row.scheduler,
        row.recovery_policy,
        row.rollout_type,
        row.partition,
        row.min_role_replicas,
        row.current_revision,
        row.update_revision,
        row.deleted,
    )
