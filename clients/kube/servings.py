"""Kthena's ModelServings of one cluster, with the pods, PodGroups and slices that belong to each.

Rows come in one by one on the data thread and only mark what they touch; ``derive`` then builds a new
``Workload`` for each touched ModelServing, once, however many rows came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec.structs import replace

from clients.kube.driver_index import DriverIndex, Place
from clients.kube.exposing import exposing
from clients.kube.group_sums import NO_PODS
from clients.kube.kthena import MODEL_SERVINGS, ServingIndex, derive
from clients.kube.kthena_order import Fill, rule_for
from clients.kube.kthena_workload import owner_of, role_specs
from clients.kube.rows import (
    EndpointSliceRow,
    EventRow,
    ModelServingRow,
    PodGroupRow,
    PodRow,
)
from clients.serving.affected import count_of
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count
from clients.serving.workload import Workload

__all__ = ["Servings"]

_Home = tuple[str, str]
"""(namespace, name) of a ModelServing."""

_MOST_PASSING = 32
"""Counts kept that were wanted between two looks; somebody who changes them oftener is told of in part."""


class Servings:
    """All ModelServings of one cluster. Used on the data thread only."""

    def __init__(
        self, cluster: str, drivers: DriverIndex, *, order: Callable[[str, str], str | None]
    ) -> None:
        """``order(namespace, name)`` is the version whose order rule holds for a ModelServing, if known."""
        self.cluster = cluster
        self._drivers = drivers
        self.pods_seen = True
        """Without pods nothing is known of groups: none are told."""
        self._order = order
        self._servings: dict[_Home, ServingIndex] = {}
        self._pods: dict[_Home, dict[str, PodRow]] = {}
        self._lost_nodes: set[str] = set()
        self._wakes: dict[_Home, float] = {}
        self._workloads: dict[_Home, Workload] = {}
        self._passing: dict[_Home, list[ModelServingRow]] = {}
        self._slices: dict[str, EndpointSliceRow] = {}
        self._acted: float | None = None
        """When the newest pod of any ModelServing was made: its controller lived then."""
        self._dirty: set[_Home] = set()
        self._gone: set[WorkloadKey] = set()

    def put(self, row: ModelServingRow) -> None:
        """A new or changed ModelServing; one under an old name with a new uid starts afresh."""
        home = (row.namespace, row.name)
        index = self._servings.get(home)
        if index is None or index.uid != row.uid:
            index = ServingIndex(self.cluster, row)
            for pod in self._pods.get(home, {}).values():
                index.put_pod(pod)
            for node in self._lost_nodes:
                index.put_node(node, reports=False)
            self._servings[home] = index
            self._workloads.pop(home, None)
            self._passing.pop(home, None)
        else:
            self._keep_passing(home, index.row, row)
            index.put_row(row)
        self._dirty.add(home)

    def drop(self, row: ModelServingRow) -> None:
        """A ModelServing that is gone."""
        home = (row.namespace, row.name)
        index = self._servings.get(home)
        if index is None or index.uid != row.uid:
            return
        del self._servings[home]
        workload = self._workloads.pop(home, None)
        if workload is not None:
            self._gone.add(workload.key)
        self._dirty.discard(home)
        self._wakes.pop(home, None)
        self._passing.pop(home, None)

    def _keep_passing(self, home: _Home, old: ModelServingRow, new: ModelServingRow) -> None:
        """Counts that change again before they were derived are still what somebody asked for."""
        last = self._workloads.get(home)
        if last is None or _count(new) == _count(old):
            return
        kept = self._passing.get(home, [])
        told = _count(kept[-1]) if kept else count_of(last)
        if _count(old) != told and len(kept) < _MOST_PASSING:
            self._passing[home] = [*kept, old]

    def row(self, namespace: str, name: str) -> ModelServingRow | None:
        """The newest row of a ModelServing."""
        index = self._servings.get((namespace, name))
        return index.row if index is not None else None

    def derived(self, row: ModelServingRow, now: float) -> Workload:
        """The workload as this row of it would make it, from the pods known now. Changes nothing here."""
        home = (row.namespace, row.name)
        pods = self._pods.get(home, {}).values()
        return derive(row, pods, previous=self._workloads.get(home), now=now, cluster=self.cluster)

    # -- what belongs to them

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod; one of another owner is nobody's here."""
        owner = row.owner
        if owner is None or owner.kind != "ModelServing":
            return
        home = (row.namespace, owner.name)
        if row.created is not None and (self._acted is None or row.created > self._acted):
            self._acted = row.created
        self._pods.setdefault(home, {})[row.uid] = row
        index = self._servings.get(home)
        if index is not None:
            index.put_pod(row)
            self._dirty.add(home)

    def drop_pod(self, row: PodRow) -> None:
        """A pod that is gone."""
        owner = row.owner
        if owner is None or owner.kind != "ModelServing":
            return
        home = (row.namespace, owner.name)
        pods = self._pods.get(home)
        if pods is not None:
            pods.pop(row.uid, None)
            if not pods:
                del self._pods[home]
        index = self._servings.get(home)
        if index is not None:
            index.drop_pod(row.uid)
            self._dirty.add(home)

    def put_node(self, name: str, *, reports: bool) -> None:
        """A node stops or begins to report."""
        if reports == (name not in self._lost_nodes):
            return
        (self._lost_nodes.discard if reports else self._lost_nodes.add)(name)
        for home, index in self._servings.items():
            index.put_node(name, reports=reports)
            self._dirty.add(home)

    def put_pod_group(self, row: PodGroupRow) -> None:
        """A new or changed PodGroup; it bears its ServingGroup's name."""
        for home, index in self._of_name(row.namespace, row.name):
            index.put_pod_group(row)
            self._dirty.add(home)

    def drop_pod_group(self, row: PodGroupRow) -> None:
        """A PodGroup that is gone."""
        for home, index in self._of_name(row.namespace, row.name):
            index.drop_pod_group(row.name)
            self._dirty.add(home)

    def put_event(self, row: EventRow) -> None:
        """A hint in words: why a pod waits, what an image pull said."""
        for home, index in self._of_name(row.namespace, row.name):
            index.put_event(row)
            self._dirty.add(home)

    def put_endpoints(self, row: EndpointSliceRow) -> None:
        """A new or changed EndpointSlice; it belongs to the ModelServing whose pods stand behind it."""
        self._slices[row.uid] = row
        for home, index in self._behind(row):
            index.put_endpoints(row)
            self._dirty.add(home)

    def drop_endpoints(self, row: EndpointSliceRow) -> None:
        """An EndpointSlice that is gone."""
        self._slices.pop(row.uid, None)
        for home, index in self._behind(row):
            index.drop_endpoints(row.name)
            self._dirty.add(home)

    def _behind(self, row: EndpointSliceRow) -> Iterator[tuple[_Home, ServingIndex]]:
        return self._of_name(row.namespace, row.pods[0] if row.pods else row.service)

    def _of_name(self, namespace: str, name: str) -> Iterator[tuple[_Home, ServingIndex]]:
        """The ModelServing whose name begins this one: pods, groups and services are named after it."""
        end = len(name)
        while end > 0:
            index = self._servings.get((namespace, name[:end]))
            if index is not None:
                yield (namespace, name[:end]), index
                return
            end = name.rfind("-", 0, end)

    def touch(self, places: Iterable[Place]) -> None:
        """What drives these objects has changed."""
        self._dirty.update(
            (namespace, name) for kind, namespace, name in places if kind == MODEL_SERVINGS.kind
        )

    # -- out

    @property
    def workloads(self) -> Collection[Workload]:
        """The newest value of each."""
        return self._workloads.values()

    def due(self, now: float) -> bool:
        """Whether there is anything to derive or to report as gone at this cluster time."""
        return bool(self._dirty or self._gone) or any(wake <= now for wake in self._wakes.values())

    @property
    def refs(self) -> Iterator[ObjectRef]:
        """Every ModelServing."""
        return (_ref_of(index.row) for index in self._servings.values())

    def links(self) -> Iterator[Link]:
        """What leads to a ModelServing: its owner, its pods, Services in front of them."""
        for (namespace, name), index in self._servings.items():
            here = _ref_of(index.row)
            owner = owner_of(index.row)
            if owner is not None:
                yield Link(owner, here, LinkKind.OWNS)
            for pod in self._pods.get((namespace, name), {}).values():
                yield Link(here, ObjectRef("", "Pod", namespace, pod.name), LinkKind.OWNS)
        for row in self._slices.values():
            for _, index in self._behind(row):
                yield from exposing(row, _ref_of(index.row))

    def touch_all(self) -> None:
        """Derives everything again, after something that bears on all of it has changed."""
        self._dirty.update(self._servings)

    def passed(self) -> list[Workload]:
        """The last values with counts that were wanted since and are not any more; call it before ``derive``.

        A look comes once a tick; what was changed and changed again in between shows in no other way.
        """
        found = [
            replace(
                self._workloads[home],
                desired=row.replicas,
                role_specs=role_specs(row),
                generation=row.generation,
                replicas_manager=row.replicas_manager,
                roles_manager=row.roles_manager,
            )
            for home, rows in self._passing.items()
            for row in rows
        ]
        self._passing.clear()
        return found

    def derive(self, now: float) -> tuple[dict[WorkloadKey, Workload], set[WorkloadKey]]:
        """New values of what was touched, and keys of what is gone. ``now`` is cluster time."""
        changed: dict[WorkloadKey, Workload] = {}
        self._dirty.update(home for home, wake in self._wakes.items() if wake <= now)
        for home in self._dirty:
            index = self._servings.get(home)
            if index is None:
                continue
            version = self._order(*home)
            index.controller_acted = self._acted
            index.append_after_max = rule_for(version).fill is Fill.APPEND
            before = self._workloads.get(home)
            workload = index.derive(before, now)
            drivers = self._drivers.of(((MODEL_SERVINGS.kind, *home),))
            if workload.drivers != drivers or workload.version != version:
                workload = replace(workload, drivers=drivers, version=version)
            if not self.pods_seen:
                workload = replace(workload, groups=(), ready=None, trouble=NO_PODS)
            if index.wake is None:
                self._wakes.pop(home, None)
            else:
                self._wakes[home] = index.wake
            if workload is not before:
                self._workloads[home] = workload
                changed[workload.key] = workload
        self._dirty.clear()
        gone, self._gone = self._gone - changed.keys(), set()
        return changed, gone


def _count(row: ModelServingRow) -> Count:
    return Count(row.replicas, tuple((role.name, role.replicas) for role in row.roles))


def _ref_of(row: ModelServingRow) -> ObjectRef:
    return ObjectRef(MODEL_SERVINGS.group, MODEL_SERVINGS.kind, row.namespace, row.name)
