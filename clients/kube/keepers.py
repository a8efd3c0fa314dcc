"""Pods and what keeps them, for all systems but Kthena: who owns what by uid, and the workload at the top.

A pod belongs to the topmost workload above it: pod → ReplicaSet → Deployment → InferenceService, or
pod → StatefulSet → leader pod → StatefulSet → LeaderWorkerSet. Objects may arrive in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from msgspec.structs import replace

from clients.kube import kserve, lws, workloads
from clients.kube.controller_rows import (
    ControllerRow,
    InferenceServiceRow,
    KeeperRow,
    LeaderWorkerSetRow,
)
from clients.kube.driver_index import DriverIndex, Place
from clients.kube.exposing import exposing
from clients.kube.group_sums import NO_PODS, exposure
from clients.kube.kept_workload import Kept, deployments, kept, ref_of, workload_of
from clients.kube.members import Members
from clients.kube.membership import Member
from clients.kube.ownership import Ownership
from clients.kube.rows import EndpointSliceRow, EventRow, PodRow
from clients.kube.silence import behind_since, silence
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.workload import Driver, Workload

__all__ = ["Keepers"]

_NONE: frozenset[str] = frozenset()
_MOST_PASSING = 32
"""Counts kept that were wanted between two looks; somebody who changes them oftener is told of in part."""


class Keepers:
    """All of one cluster. Used on the data thread only."""

    def __init__(self, cluster: str, drivers: DriverIndex, *, shown: Callable[[ControllerRow], bool]) -> None:
        """``shown`` says which Deployments and StatefulSets are serving workloads."""
        self.cluster = cluster
        self._drivers = drivers
        self._shown = shown
        self._tree = Ownership()
        self._homes: dict[str, str] = {}
        """Pod uid → uid of the workload that it counts for."""
        self._members: dict[str, Members] = {}
        self._lost_nodes: set[str] = set()
        self._slices: dict[str, EndpointSliceRow] = {}
        self._in_front: dict[tuple[str, str], set[str]] = {}
        """(namespace, pod) → uids of the EndpointSlices that hold it."""
        self._named: dict[tuple[str, str], str] = {}
        """(namespace, name) → uid of a pod."""
        self.pods_seen = True
        """Without pods nothing is known of groups: none are told."""
        self._workloads: dict[str, Workload] = {}
        self._kept: dict[str, Kept] = {}
        """What objects and drivers say of each workload."""
        self._wakes: dict[str, float] = {}
        self._passing: dict[str, list[ControllerRow | LeaderWorkerSetRow]] = {}
        self._dirty: set[str] = set()
        self._gone: set[WorkloadKey] = set()
        self._hidden: tuple[tuple[str, int], ...] | None = None

    # -- objects in

    def put(self, row: KeeperRow) -> None:
        """A new or changed Deployment, ReplicaSet, StatefulSet, LeaderWorkerSet or InferenceService."""
        old = self._tree.objects.get(row.uid)
        namesake = self._tree.at((row.kind, row.namespace, row.name))
        if namesake is not None and namesake != row.uid:
            self._forget(namesake)
        was_home = self._home(row.uid) if old is not None else None
        self._keep_passing(old, row)
        self._tree.put(row)
        home = self._home(row.uid)
        if old is None or home != was_home or _arranges(old) != _arranges(row):
            if was_home == row.uid and home != row.uid:
                self._retire(row.uid)
            elif was_home is not None and was_home != home:
                self._dirty.add(was_home)
            self._rehome(row.uid)
            self._hidden = None
        if home is not None:
            self._dirty.add(home)

    def _keep_passing(self, old: KeeperRow | None, new: KeeperRow) -> None:
        """Counts that change again before they were derived are still what somebody asked for."""
        last = self._workloads.get(new.uid)
        if last is None or not isinstance(old, ControllerRow | LeaderWorkerSetRow):
            return
        kept = self._passing.get(new.uid, [])
        told = kept[-1].replicas if kept else last.desired
        if _count(new) != old.replicas != told and len(kept) < _MOST_PASSING:
            self._passing[new.uid] = [*kept, old]

    def drop(self, row: KeeperRow) -> None:
        """An object that is gone."""
        self._forget(row.uid)

    def _forget(self, uid: str) -> None:
        home = self._home(uid)
        if self._tree.drop(uid) is None:
            return
        self._hidden = None
        self._retire(uid)
        self._rehome(uid)
        if home is not None and home != uid:
            self._dirty.add(home)

    def _retire(self, uid: str) -> None:
        """No workload of its own any more: it is gone, hidden, or somebody owns it now."""
        members = self._members.pop(uid, None)
        if members is not None:
            for pod in members.uids:
                self._homes.pop(pod, None)
        self._withdraw(uid)
        self._wakes.pop(uid, None)
        self._dirty.discard(uid)

    def _withdraw(self, uid: str) -> None:
        self._kept.pop(uid, None)
        self._passing.pop(uid, None)
        workload = self._workloads.pop(uid, None)
        if workload is not None:
            self._gone.add(workload.key)

    # -- pods in

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod of a ReplicaSet or StatefulSet."""
        if row.owner is None:
            return
        row.resource_version = ""  # The feed has noted it, and here it would only be held.
        known = self._tree.pods.get(row.uid)
        if known is not None and (known.owner, known.labels) == (row.owner, row.labels):
            self._renew(row)
            return
        new = known is None
        self._tree.put_pod(row)
        self._named[(row.namespace, row.name)] = row.uid
        self._place(row)
        if new and self._tree.just_below(row.uid):
            self._rehome(row.uid)

    def _renew(self, row: PodRow) -> None:
        """A pod that belongs where it did: only objects above it say otherwise, and all were heard."""
        self._tree.pods[row.uid] = row
        home = self._homes.get(row.uid)
        if home is None:
            return
        members = self._members[home]
        member = members.member(row.uid)
        if member is None:
            self._place(row)  # It has ended, or had, and does not count then.
        elif members.put(row, member):
            self._dirty.add(home)

    def drop_pod(self, row: PodRow) -> None:
        """A pod that is gone."""
        known = self._tree.drop_pod(row.uid)
        if known is None:
            return
        if self._named.get((known.namespace, known.name)) == row.uid:
            del self._named[(known.namespace, known.name)]
        home = self._homes.pop(row.uid, None)
        if home is not None:
            self._members[home].drop(row.uid)
            self._dirty.add(home)
        self._rehome(row.uid)

    def _rehome(self, uid: str) -> None:
        """Everything below an object is given to the workload that is now above it."""
        at, seen = [uid], {uid}
        while at:
            here = at.pop()
            pod = self._tree.pods.get(here)
            if pod is not None:
                self._place(pod)
            for child in self._tree.just_below(here):
                if child not in seen:
                    seen.add(child)
                    if child in self._workloads and self._home(child) != child:
                        self._retire(child)
                    elif child in self._tree.objects and self._home(child) == child:
                        self._dirty.add(child)
                    at.append(child)

    def _place(self, pod: PodRow) -> None:
        before = self._homes.get(pod.uid)
        home = self._home(pod.uid)
        member = self._member(home, pod) if home is not None else None
        if home is None and before in self._tree.objects and self._tree.cut_off(pod.uid):
            # What stood between them is deleted, the pod not yet: it still is what it was.
            home, member = before, self._members[before].member(pod.uid)
        if before is not None and (before != home or member is None):
            self._members[before].drop(pod.uid)
            self._dirty.add(before)
            del self._homes[pod.uid]
        if home is None or member is None:
            return
        self._members_of(home).put(pod, member)
        self._homes[pod.uid] = home
        self._dirty.add(home)

    def _members_of(self, home: str) -> Members:
        members = self._members.get(home)
        if members is None:
            kind = self._tree.objects[home].kind
            members = self._members[home] = Members(inactive_count=kind in ("StatefulSet", "LeaderWorkerSet"))
            for node in self._lost_nodes:
                members.put_node(node, reports=False)
        return members

    def _home(self, uid: str) -> str | None:
        """The workload that it counts for; ``None`` where that is hidden or there is none."""
        top = self._tree.top(uid)
        if top is None or (isinstance(top, ControllerRow) and not self._shown(top)):
            return None
        return top.uid

    def _member(self, home: str, pod: PodRow) -> Member | None:
        row = self._tree.objects[home]
        between = [self._tree.objects[uid] for uid in self._tree.path(pod.uid) if uid in self._tree.objects]
        if isinstance(row, LeaderWorkerSetRow):
            leaders = between[-2] if len(between) > 1 else None
            return lws.member(row, pod, leaders if isinstance(leaders, ControllerRow) else None)
        replica_set = next((item for item in between if item.kind == "ReplicaSet"), None)
        known = replica_set if isinstance(replica_set, ControllerRow) else None
        if isinstance(row, InferenceServiceRow):
            deployment = next((item for item in between if item.kind == "Deployment"), None)
            return (
                kserve.member(row, pod, deployment, known) if isinstance(deployment, ControllerRow) else None
            )
        return workloads.member(row, pod, known) if isinstance(row, ControllerRow) else None

    # -- what else bears on them

    def put_node(self, name: str, *, reports: bool) -> None:
        """A node stops or begins to report."""
        if reports == (name not in self._lost_nodes):
            return
        (self._lost_nodes.discard if reports else self._lost_nodes.add)(name)
        for home, members in self._members.items():
            members.put_node(name, reports=reports)
            self._dirty.add(home)

    def put_event(self, row: EventRow) -> None:
        """A hint in words, of a pod."""
        if row.kind == "Pod" and row.object_uid is not None:
            home = self._homes.get(row.object_uid)
            if home is not None:
                self._members[home].put_event(row)
                self._dirty.add(home)

    def put_endpoints(self, row: EndpointSliceRow) -> None:
        """A new or changed EndpointSlice."""
        self.drop_endpoints(row)
        self._slices[row.uid] = row
        for pod in row.pods:
            self._in_front.setdefault((row.namespace, pod), set()).add(row.uid)
            self._touch_pod(row.namespace, pod)

    def drop_endpoints(self, row: EndpointSliceRow) -> None:
        """An EndpointSlice that is gone."""
        known = self._slices.pop(row.uid, None)
        for pod in known.pods if known is not None else ():
            kept = self._in_front.get((row.namespace, pod))
            if kept is not None:
                kept.discard(row.uid)
                if not kept:
                    del self._in_front[(row.namespace, pod)]
            self._touch_pod(row.namespace, pod)

    def _touch_pod(self, namespace: str, name: str) -> None:
        home = self._homes.get(self._named.get((namespace, name), ""))
        if home is not None:
            self._dirty.add(home)

    def touch(self, places: Collection[Place]) -> None:
        """What drives these objects has changed."""
        for place in places:
            uid = self._tree.at(place)
            home = self._home(uid) if uid is not None else None
            if home is not None:
                self._kept.pop(home, None)
                self._dirty.add(home)

    # -- out

    @property
    def workloads(self) -> Collection[Workload]:
        """The newest value of each."""
        return self._workloads.values()

    @property
    def hidden(self) -> tuple[tuple[str, int], ...]:
        """How many Deployments and StatefulSets are not shown, by kind; not those of a workload."""
        if self._hidden is None:
            found = Counter(
                row.kind
                for row in self._tree.objects.values()
                if isinstance(row, ControllerRow) and self._tree.top(row.uid) is row and not self._shown(row)
            )
            self._hidden = tuple(sorted(found.items()))
        return self._hidden

    def row(self, key: WorkloadKey) -> KeeperRow | None:
        """The newest row of a workload's own object."""
        uid = self._tree.at((key.kind, key.namespace or "", key.name))
        return self._tree.objects.get(uid) if uid is not None else None

    def reread(self, key: WorkloadKey, row: KeeperRow) -> Workload | None:
        """The workload with the counts of an object read just now; ``None`` if it is another one.

        A service's counts are those of its Deployments: they stay what they are known to be.
        """
        known = self._workloads.get(row.uid)
        if known is None or known.key != key:
            return None
        desired = known.desired
        if isinstance(row, ControllerRow | LeaderWorkerSetRow):
            desired = row.replicas
        return replace(known, desired=desired, generation=row.generation)

    @property
    def refs(self) -> Iterator[ObjectRef]:
        """Every workload."""
        return (ref_of(self._tree.objects[uid]) for uid in self._workloads)

    def pods(self, uid: str) -> dict[str, PodRow]:
        """The pods that count for a workload, by name."""
        members = self._members.get(uid)
        return {pod.name: pod for pod in members.pods} if members is not None else {}

    def deployments(self, uid: str) -> list[ControllerRow]:
        """Every Deployment below an object."""
        return deployments(self._tree.below(uid))

    def links(self) -> Iterator[Link]:
        """Who owns whom, of all that is known by name, and which Services stand in front of what."""
        for pod in self._tree.pods.values():
            keeper = self._tree.objects.get(pod.owner.uid) if pod.owner is not None else None
            if keeper is not None:
                yield Link(ref_of(keeper), ObjectRef("", "Pod", pod.namespace, pod.name), LinkKind.OWNS)
        for home, slices in self._exposed():
            for item in slices:
                yield from exposing(item, ref_of(self._tree.objects[home]))
        for row in self._tree.objects.values():
            owner = self._tree.objects.get(row.owner.uid) if row.owner is not None else None
            if owner is not None:
                yield Link(ref_of(owner), ref_of(row), LinkKind.OWNS)

    def _exposed(self) -> Iterator[tuple[str, tuple[EndpointSliceRow, ...]]]:
        for home, members in self._members.items():
            slices = self._slices_of(members)
            if slices:
                yield home, slices

    def _slices_of(self, members: Members) -> tuple[EndpointSliceRow, ...]:
        found: set[str] = set()
        for pod in members.pods:
            found |= self._in_front.get((pod.namespace, pod.name), _NONE)
        return tuple(self._slices[uid] for uid in sorted(found)) if found else ()

    def due(self, now: float) -> bool:
        """Whether there is anything to derive or to report as gone."""
        return bool(self._dirty or self._gone) or any(wake <= now for wake in self._wakes.values())

    def touch_all(self) -> None:
        """Derives everything again."""
        self._dirty.update(uid for uid in self._tree.objects if self._home(uid) == uid)

    def passed(self) -> list[Workload]:
        """As ``World.passed``. Of a service's Deployments nothing is told: only their sum is its count."""
        found = [
            replace(
                self._workloads[uid],
                desired=row.replicas,
                generation=row.generation,
                replicas_manager=row.replicas_manager,
            )
            for uid, rows in self._passing.items()
            for row in rows
        ]
        self._passing.clear()
        return found

    def derive(self, now: float) -> tuple[dict[WorkloadKey, Workload], set[WorkloadKey]]:
        """New values of what was touched, and keys of what is gone. ``now`` is cluster time."""
        self._dirty.update(uid for uid, wake in self._wakes.items() if wake <= now)
        changed: dict[WorkloadKey, Workload] = {}
        for uid in self._dirty:
            row = self._tree.objects.get(uid)
            if row is None or self._home(uid) != uid:
                self._withdraw(uid)
                continue
            before = self._workloads.get(uid)
            workload = self._derive(row, before, now)
            if not self.pods_seen:
                workload = replace(workload, groups=(), ready=None, trouble=NO_PODS)
            if workload != before:
                self._workloads[uid] = workload
                changed[workload.key] = workload
        self._dirty.clear()
        gone, self._gone = self._gone - changed.keys(), set()
        return changed, gone

    def _derive(self, row: KeeperRow, before: Workload | None, now: float) -> Workload:
        here = self._kept_of(row)
        members = self._members_of(row.uid)
        last = before.groups if before is not None else ()
        seen = members.derive(here.asked, last, now, first=before is None)
        behind, silent, wake = None, None, seen.wake
        if row.observed_generation != row.generation and here.answers:
            behind = behind_since(row, before, now)
            silent, again = silence(row, behind, members.pods, None, now)
            wake = min((at for at in (wake, again) if at is not None), default=None)
        if wake is None:
            self._wakes.pop(row.uid, None)
        else:
            self._wakes[row.uid] = wake
        exposed = exposure(self._slices_of(members), row.namespace, frozenset())
        return workload_of(here, seen, exposed, (behind, silent), before, now)

    def _kept_of(self, row: KeeperRow) -> Kept:
        below = self._tree.below(row.uid)
        known = self._kept.get(row.uid)
        if known is None or known.row is not row or known.below is not below:
            known = self._kept[row.uid] = kept(self.cluster, row, below, self._driven(row, below))
        return known

    def _driven(self, row: KeeperRow, below: Collection[KeeperRow]) -> tuple[Driver, ...]:
        """Its drivers; of a service with several components each with the one that it scales."""
        parts = deployments(below) if isinstance(row, InferenceServiceRow) else []
        if not isinstance(row, InferenceServiceRow) or len(parts) < 2:
            return self._drivers.of((item.kind, item.namespace, item.name) for item in (row, *below))
        return tuple(
            replace(driver, role=kserve.component_of(row, part))
            for part in parts
            for driver in self._drivers.of([(part.kind, part.namespace, part.name)])
        )


def _count(row: KeeperRow) -> int | None:
    return row.replicas if isinstance(row, ControllerRow | LeaderWorkerSetRow) else None


def _arranges(row: KeeperRow) -> tuple[object, ...]:
    """What of an object decides where the pods below it belong."""
    owner = row.owner.uid if row.owner is not None else None
    if isinstance(row, ControllerRow):
        return (owner, row.service, row.revision, row.labels, row.template.gpus, row.template.engine)
    return (owner,)
