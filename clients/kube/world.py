"""What the reflectors know of one cluster, joined: pods to their workloads, drivers to their targets.

Rows come in one by one on the data thread and only mark what they touch; ``derive`` then builds a new
``Workload`` for each that was touched, once, however many rows came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from clients.kube.capacity import GpuLedger
from clients.kube.controller_rows import ControllerRow, KeeperRow
from clients.kube.driver_index import DriverIndex
from clients.kube.keepers import Keepers
from clients.kube.rows import (
    EndpointSliceRow,
    EventRow,
    ModelServingRow,
    NodeRow,
    PodGroupRow,
    PodRow,
)
from clients.kube.servings import Servings
from clients.serving.chain import Chains, Link, resolve
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.workload import Driver, Workload

__all__ = ["Scaler", "World"]


class Scaler(Protocol):
    """An object that drives others, of whatever system."""

    @property
    def uid(self) -> str:
        """Its identity."""
        ...

    @property
    def namespace(self) -> str:
        """Where it is."""
        ...

    @property
    def ref(self) -> ObjectRef:
        """Itself."""
        ...


class World:
    """One cluster's objects and the workloads derived from them. Used on the data thread only."""

    def __init__(
        self,
        cluster: str,
        *,
        order: Callable[[str, str], str | None],
        shown: Callable[[ControllerRow], bool],
    ) -> None:
        """``order(namespace, name)`` is the version whose order rule holds for a ModelServing, if known.

        ``shown`` says which Deployments and StatefulSets are rows of the fleet.
        """
        self.cluster = cluster
        self.ledger = GpuLedger()
        self.drivers = DriverIndex()
        self.servings = Servings(cluster, self.drivers, order=order)
        self.keepers = Keepers(cluster, self.drivers, shown=shown)
        self.keepers_seen = False
        """All kinds of objects that keep pods were read, or never will be: before, all looks half made."""
        self._links: dict[str, tuple[Link, ...]] = {}

    # -- in

    def put_model_serving(self, row: ModelServingRow) -> None:
        """A new or changed ModelServing."""
        self.servings.put(row)

    def drop_model_serving(self, row: ModelServingRow) -> None:
        """A ModelServing that is gone."""
        self.servings.drop(row)

    def put_keeper(self, row: KeeperRow) -> None:
        """A new or changed object of any other system that keeps pods."""
        self.keepers.put(row)

    def drop_keeper(self, row: KeeperRow) -> None:
        """Such an object that is gone."""
        self.keepers.drop(row)

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod; every pod counts for the GPUs it holds."""
        self.ledger.put_pod(row)
        if row.owner is not None:
            (self.servings if row.owner.kind == "ModelServing" else self.keepers).put_pod(row)

    def drop_pod(self, row: PodRow) -> None:
        """A pod that is gone."""
        self.ledger.drop_pod(row.uid)
        if row.owner is not None:
            (self.servings if row.owner.kind == "ModelServing" else self.keepers).drop_pod(row)

    def put_node(self, row: NodeRow) -> None:
        """A new or changed node."""
        self.ledger.put_node(row)
        self._node_reports(row.name, row.ready)

    def drop_node(self, row: NodeRow) -> None:
        """A node that is gone."""
        self.ledger.drop_node(row.name)
        self._node_reports(row.name, True)

    def _node_reports(self, name: str, reports: bool) -> None:
        self.servings.put_node(name, reports=reports)
        self.keepers.put_node(name, reports=reports)

    def put_pod_group(self, row: PodGroupRow) -> None:
        """A new or changed PodGroup."""
        self.servings.put_pod_group(row)

    def drop_pod_group(self, row: PodGroupRow) -> None:
        """A PodGroup that is gone."""
        self.servings.drop_pod_group(row)

    def put_event(self, row: EventRow) -> None:
        """A hint in words: why a pod waits, what an image pull said."""
        self.servings.put_event(row)
        self.keepers.put_event(row)

    def drop_event(self, row: EventRow) -> None:
        """Events expire; what they said was said."""

    def put_endpoints(self, row: EndpointSliceRow) -> None:
        """A new or changed EndpointSlice."""
        self.servings.put_endpoints(row)
        self.keepers.put_endpoints(row)

    def drop_endpoints(self, row: EndpointSliceRow) -> None:
        """An EndpointSlice that is gone."""
        self.servings.drop_endpoints(row)
        self.keepers.drop_endpoints(row)

    def put_scaler(
        self, row: Scaler, drivers: tuple[tuple[ObjectRef, Driver], ...], links: tuple[Link, ...] = ()
    ) -> None:
        """A new or changed driver object, what it drives, and what else it is linked with."""
        self._links[row.uid] = links
        touched = self.drivers.put(row.uid, row.ref, row.namespace, drivers)
        self.servings.touch(touched)
        self.keepers.touch(touched)

    def drop_scaler(self, row: Scaler) -> None:
        """A driver object that is gone."""
        self._links.pop(row.uid, None)
        touched = self.drivers.drop(row.uid)
        self.servings.touch(touched)
        self.keepers.touch(touched)

    # -- out

    @property
    def pods_seen(self) -> bool:
        """Without pods nothing is known of groups: none are told."""
        return self.servings.pods_seen

    @pods_seen.setter
    def pods_seen(self, seen: bool) -> None:
        self.servings.pods_seen = self.keepers.pods_seen = seen

    @property
    def workloads(self) -> Iterator[Workload]:
        """The newest value of each."""
        yield from self.servings.workloads
        yield from self.keepers.workloads

    @property
    def hidden(self) -> tuple[tuple[str, int], ...]:
        """How many Deployments and StatefulSets are not shown, for nothing says that they serve; by kind."""
        return self.keepers.hidden

    def chains(self) -> Chains:
        """How everything that is known here leads to a workload: drivers, owners, Services, pods."""
        links = [link for links in self._links.values() for link in links]
        links += self.servings.links()
        links += self.keepers.links()
        return resolve(links, (*self.servings.refs, *self.keepers.refs))

    def due(self, now: float) -> bool:
        """Whether there is anything to derive or to report as gone at this cluster time."""
        return self.servings.due(now) or (self.keepers_seen and self.keepers.due(now))

    def touch_all(self) -> None:
        """Derives everything again, after something that bears on all of it has changed."""
        self.servings.touch_all()
        self.keepers.touch_all()

    def passed(self) -> list[Workload]:
        """The last values with counts that were wanted since and are not any more; before ``derive``."""
        return [*self.servings.passed(), *(self.keepers.passed() if self.keepers_seen else ())]

    def derive(self, now: float) -> tuple[dict[WorkloadKey, Workload], set[WorkloadKey]]:
        """New values of what was touched, and keys of what is gone. ``now`` is cluster time."""
        changed, gone = self.servings.derive(now)
        if self.keepers_seen:
            others, lost = self.keepers.derive(now)
            changed, gone = {**changed, **others}, gone | lost
        for key in gone:
            self.ledger.drop_asking(key)
        for key, workload in changed.items():
            self.ledger.put_asking(key, workload.role_specs)
        return changed, gone
