"""Pods and what keeps them, for all systems but Kthena: who owns what by uid, and the workload at the top.

A pod belongs to the topmost workload above it: pod → ReplicaSet → Deployment → InferenceService, or
pod → StatefulSet → leader pod → StatefulSet → LeaderWorkerSet. Objects may arrive in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

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
from clients.kube.kthena_reasons import worst
from clients.kube.kthena_workload import NO_PODS, exposure, phase_and_cause, worst_of
from clients.kube.members import Asked, Member, Members
from clients.kube.rows import EndpointSliceRow, EventRow, PodRow
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.phase import Trouble
from clients.serving.workload import Capabilities, Workload

__all__ = ["Keepers"]

_WORKLOADS = ("Deployment", "StatefulSet", "LeaderWorkerSet", "InferenceService")


class Keepers:
    """All of one cluster. Used on the data thread only."""

    def __init__(self, cluster: str, drivers: DriverIndex, *, shown: Callable[[ControllerRow], bool]) -> None:
        """``shown`` says which Deployments and StatefulSets are serving workloads."""
        self.cluster = cluster
        self._drivers = drivers
        self._shown = shown
        self._objects: dict[str, KeeperRow] = {}
        self._pods: dict[str, PodRow] = {}
        self._children: dict[str, set[str]] = {}
        self._at: dict[Place, str] = {}
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
        self._wakes: dict[str, float] = {}
        self._dirty: set[str] = set()
        self._gone: set[WorkloadKey] = set()

    # -- objects in

    def put(self, row: KeeperRow) -> None:
        """A new or changed Deployment, ReplicaSet, StatefulSet, LeaderWorkerSet or InferenceService."""
        old = self._objects.get(row.uid)
        place = (row.kind, row.namespace, row.name)
        namesake = self._at.get(place)
        if namesake is not None and namesake != row.uid:
            self._forget(namesake)
        was_home = self._home(row.uid) if old is not None else None
        self._objects[row.uid] = row
        self._at[place] = row.uid
        if row.owner is not None:
            self._children.setdefault(row.owner.uid, set()).add(row.uid)
        home = self._home(row.uid)
        if old is None or home != was_home or _arranges(old) != _arranges(row):
            if was_home == row.uid and home != row.uid:
                self._retire(row.uid)
            elif was_home is not None and was_home != home:
                self._dirty.add(was_home)
            self._rehome(row.uid)
        if home is not None:
            self._dirty.add(home)

    def drop(self, row: KeeperRow) -> None:
        """An object that is gone."""
        self._forget(row.uid)

    def _forget(self, uid: str) -> None:
        home = self._home(uid)
        row = self._objects.pop(uid, None)
        if row is None:
            return
        place = (row.kind, row.namespace, row.name)
        if self._at.get(place) == uid:
            del self._at[place]
        if row.owner is not None:
            self._disown(row.owner.uid, uid)
        self._retire(uid)
        self._rehome(uid)
        if home is not None and home != uid:
            self._dirty.add(home)

    def _retire(self, uid: str) -> None:
        """No workload of its own any more: it is gone, hidden, or somebody owns it now."""
        members = self._members.pop(uid, None)
        if members is not None:
            for pod in list(members.pods):
                self._homes.pop(pod.uid, None)
        self._withdraw(uid)
        self._wakes.pop(uid, None)
        self._dirty.discard(uid)

    def _withdraw(self, uid: str) -> None:
        workload = self._workloads.pop(uid, None)
        if workload is not None:
            self._gone.add(workload.key)

    def _disown(self, owner: str, child: str) -> None:
        kept = self._children.get(owner)
        if kept is not None:
            kept.discard(child)
            if not kept:
                del self._children[owner]

    # -- pods in

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod of a ReplicaSet or StatefulSet."""
        if row.owner is None:
            return
        new = row.uid not in self._pods
        self._pods[row.uid] = row
        self._named[(row.namespace, row.name)] = row.uid
        self._children.setdefault(row.owner.uid, set()).add(row.uid)
        self._place(row)
        if new:
            for child in self._children.get(row.uid, ()):
                self._rehome(child)

    def drop_pod(self, row: PodRow) -> None:
        """A pod that is gone."""
        known = self._pods.pop(row.uid, None)
        if known is None:
            return
        if self._named.get((known.namespace, known.name)) == row.uid:
            del self._named[(known.namespace, known.name)]
        if known.owner is not None:
            self._disown(known.owner.uid, row.uid)
        home = self._homes.pop(row.uid, None)
        if home is not None:
            self._members[home].drop(row.uid)
            self._dirty.add(home)

    def _rehome(self, uid: str) -> None:
        """Everything below an object is given to the workload that is now above it."""
        at, seen = [uid], {uid}
        while at:
            here = at.pop()
            pod = self._pods.get(here)
            if pod is not None:
                self._place(pod)
            for child in self._children.get(here, ()):
                if child not in seen:
                    seen.add(child)
                    if child in self._workloads and self._home(child) != child:
                        self._retire(child)
                    elif child in self._objects and self._home(child) == child:
                        self._dirty.add(child)
                    at.append(child)

    def _place(self, pod: PodRow) -> None:
        home = self._home(pod.uid)
        member = self._member(home, pod) if home is not None else None
        before = self._homes.get(pod.uid)
        if before is not None and (before != home or member is None):
            self._members[before].drop(pod.uid)
            self._dirty.add(before)
            del self._homes[pod.uid]
        if home is None or member is None:
            return
        members = self._members.get(home)
        if members is None:
            kind = self._objects[home].kind
            members = self._members[home] = Members(inactive_count=kind in ("StatefulSet", "LeaderWorkerSet"))
            for node in self._lost_nodes:
                members.put_node(node, reports=False)
        members.put(pod, member)
        self._homes[pod.uid] = home
        self._dirty.add(home)

    def _path(self, uid: str) -> Iterator[str]:
        """The object itself and all above it that are known, upwards; circles end."""
        seen: set[str] = set()
        while uid not in seen:
            seen.add(uid)
            row = self._objects.get(uid) or self._pods.get(uid)
            if row is None:
                return
            yield uid
            if row.owner is None:
                return
            uid = row.owner.uid

    def _home(self, uid: str) -> str | None:
        """The topmost workload at or above it; ``None`` where that is hidden or there is none."""
        top: KeeperRow | None = None
        for here in self._path(uid):
            row = self._objects.get(here)
            if row is not None and row.kind in _WORKLOADS:
                top = row
        if top is None or (isinstance(top, ControllerRow) and not self._shown(top)):
            return None
        return top.uid

    def _member(self, home: str, pod: PodRow) -> Member | None:
        row = self._objects[home]
        if isinstance(row, LeaderWorkerSetRow):
            return lws.member(row, pod)
        between = [self._objects[uid] for uid in self._path(pod.uid) if uid in self._objects]
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
            uid = self._at.get(place)
            home = self._home(uid) if uid is not None else None
            if home is not None:
                self._dirty.add(home)

    # -- out

    @property
    def workloads(self) -> Collection[Workload]:
        """The newest value of each."""
        return self._workloads.values()

    @property
    def hidden(self) -> int:
        """Deployments and StatefulSets that nobody owns and that are not shown."""
        return sum(
            1
            for row in self._objects.values()
            if isinstance(row, ControllerRow)
            and row.kind in _WORKLOADS
            and (row.owner is None or row.owner.uid not in self._objects)
            and not self._shown(row)
        )

    def row(self, key: WorkloadKey) -> KeeperRow | None:
        """The newest row of a workload's own object."""
        uid = self._at.get((key.kind, key.namespace or "", key.name))
        return self._objects.get(uid) if uid is not None else None

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

    def owned(self, uid: str) -> tuple[KeeperRow, ...]:
        """Every object below one, nearest first."""
        found: dict[str, KeeperRow] = {}
        at = [uid]
        while at:
            for child in sorted(self._children.get(at.pop(0), ())):
                row = self._objects.get(child)
                if child not in found and (row is not None or child in self._pods):
                    at.append(child)
                    if row is not None:
                        found[child] = row
        return tuple(found.values())

    @property
    def refs(self) -> Iterator[ObjectRef]:
        """Every workload."""
        return (_ref(self._objects[uid]) for uid in self._workloads)

    def deployments(self, uid: str) -> list[ControllerRow]:
        """Every Deployment below an object."""
        return _deployments(self.owned(uid))

    def links(self) -> Iterator[Link]:
        """Who owns whom, of all that is known by name, and which Services stand in front of what."""
        for pod in self._pods.values():
            keeper = self._objects.get(pod.owner.uid) if pod.owner is not None else None
            if keeper is not None:
                yield Link(_ref(keeper), ObjectRef("", "Pod", pod.namespace, pod.name), LinkKind.OWNS)
        for home, slices in self._exposed():
            for item in slices:
                yield from exposing(item, _ref(self._objects[home]))
        for row in self._objects.values():
            owner = self._objects.get(row.owner.uid) if row.owner is not None else None
            if owner is not None:
                yield Link(_ref(owner), _ref(row), LinkKind.OWNS)

    def _exposed(self) -> Iterator[tuple[str, tuple[EndpointSliceRow, ...]]]:
        for home, members in self._members.items():
            slices = self._slices_of(members)
            if slices:
                yield home, slices

    def _slices_of(self, members: Members) -> tuple[EndpointSliceRow, ...]:
        uids = {uid for pod in members.pods for uid in self._in_front.get((pod.namespace, pod.name), ())}
        return tuple(self._slices[uid] for uid in sorted(uids))

    def due(self, now: float) -> bool:
        """Whether there is anything to derive or to report as gone."""
        return bool(self._dirty or self._gone) or any(wake <= now for wake in self._wakes.values())

    def touch_all(self) -> None:
        """Derives everything again."""
        self._dirty.update(uid for uid in self._objects if self._home(uid) == uid)

    def derive(self, now: float) -> tuple[dict[WorkloadKey, Workload], set[WorkloadKey]]:
        """New values of what was touched, and keys of what is gone. ``now`` is cluster time."""
        self._dirty.update(uid for uid, wake in self._wakes.items() if wake <= now)
        changed: dict[WorkloadKey, Workload] = {}
        for uid in self._dirty:
            row = self._objects.get(uid)
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
        below = self.owned(row.uid)
        asked = _asked(row, below)
        members = self._members.get(row.uid)
        if members is None:
            members = self._members[row.uid] = Members(
                inactive_count=row.kind in ("StatefulSet", "LeaderWorkerSet")
            )
        known = {group.name: group for group in before.groups} if before is not None else {}
        seen = members.derive(asked, known, now, first=before is None)
        if seen.wake is None:
            self._wakes.pop(row.uid, None)
        else:
            self._wakes[row.uid] = seen.wake
        phase, cause = phase_and_cause(seen.groups, asked.desired, ending=asked.ending)
        warnings = (f"{seen.lingering} failed or ended pods linger",) if seen.lingering else ()
        inside, rotation = exposure(self._slices_of(members), row.namespace, frozenset())
        places = [(item.kind, item.namespace, item.name) for item in (row, *below)]
        return Workload(
            _key(self.cluster, row),
            row.uid,
            asked.desired,
            seen.ready,
            phase,
            seen.groups,
            asked.roles,
            worst((worst_of(seen.groups), *_troubles(row, below, before, now))),
            cause,
            drivers=self._drivers.of(places),
            capabilities=_capabilities(row),
            owner=ObjectRef(row.owner.group, row.owner.kind, row.namespace, row.owner.name)
            if row.owner is not None
            else None,
            created=row.created,
            generation=row.generation,
            observed_generation=row.observed_generation,
            replicas_manager=_manager(row, below),
            endpoint=(row.url if isinstance(row, InferenceServiceRow) else None) or inside,
            in_rotation=rotation,
            gpus=seen.gpus,
            warnings=warnings,
            labels=tuple(sorted(row.labels.items())),
            about=kserve.about(row) if isinstance(row, InferenceServiceRow) else (),
        )


def _arranges(row: KeeperRow) -> tuple[object, ...]:
    """What of an object decides where the pods below it belong."""
    owner = row.owner.uid if row.owner is not None else None
    if isinstance(row, ControllerRow):
        return (owner, row.revision, row.labels, row.template.gpus, row.template.engine)
    return (owner,)


def _ref(row: KeeperRow) -> ObjectRef:
    return ObjectRef(row.group, row.kind, row.namespace, row.name)


def _key(cluster: str, row: KeeperRow) -> WorkloadKey:
    if isinstance(row, LeaderWorkerSetRow):
        return lws.key(cluster, row)
    if isinstance(row, InferenceServiceRow):
        return kserve.key(cluster, row)
    assert isinstance(row, ControllerRow)
    return workloads.key(cluster, row)


def _asked(row: KeeperRow, below: Collection[KeeperRow]) -> Asked:
    if isinstance(row, LeaderWorkerSetRow):
        return lws.asked(row)
    if isinstance(row, InferenceServiceRow):
        return kserve.asked(row, _deployments(below))
    assert isinstance(row, ControllerRow)
    return workloads.asked(row)


def _capabilities(row: KeeperRow) -> Capabilities:
    if isinstance(row, LeaderWorkerSetRow):
        return lws.CAPABILITIES
    if isinstance(row, InferenceServiceRow):
        return kserve.capabilities(row)
    return workloads.CAPABILITIES[row.kind]


def _troubles(
    row: KeeperRow, below: Collection[KeeperRow], before: Workload | None, now: float
) -> list[Trouble | None]:
    last = before.trouble if before is not None else None
    found = [workloads.trouble(item, last, now) for item in (row, *below) if isinstance(item, ControllerRow)]
    if isinstance(row, InferenceServiceRow):
        found.append(kserve.trouble(row, last, now))
    return found


def _deployments(rows: Iterable[KeeperRow]) -> list[ControllerRow]:
    return [row for row in rows if isinstance(row, ControllerRow) and row.kind == "Deployment"]


def _manager(row: KeeperRow, below: Collection[KeeperRow]) -> str | None:
    """Who last wrote the count that is followed."""
    if isinstance(row, ControllerRow | LeaderWorkerSetRow):
        return row.replicas_manager
    return next((item.replicas_manager for item in _deployments(below)), None)
