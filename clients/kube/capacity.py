"""Which GPUs are taken and which are free, kept up to date node by node and pod by pod."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from clients.kube.gpu_room import GpuRoom, PodNeed, Unit, alike
from clients.kube.node_match import admits, chosen, takes
from clients.kube.rows import NodeRow, PodRow
from clients.serving.backend import GpuTotals
from clients.serving.keys import WorkloadKey
from clients.serving.placement import Toleration
from clients.serving.plans import Capacity
from clients.serving.workload import RoleSpec

__all__ = ["GpuLedger"]

_ENDED = ("Succeeded", "Failed")
_Tolerated = frozenset[tuple[Toleration, ...]]
_MODEL_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.nvidia.com/model")


class GpuLedger:
    """GPUs of one cluster. Adding or dropping one row costs the same however many there are.

    A pod holds its GPUs from being bound to a node until it has ended or is gone, terminating or not. Pods
    may arrive before their node. ``nodes_seen`` and ``pods_seen`` are switched off where the right to list
    all of them is missing: what is not known is ``None``.
    """

    def __init__(self) -> None:
        self.nodes_seen = True
        self.pods_seen = True
        self._nodes: dict[str, NodeRow] = {}
        self._used: dict[str, int] = {}
        self._pods: dict[str, tuple[str, int]] = {}
        self._asking: dict[WorkloadKey, _Tolerated] = {}
        self._tolerated: Counter[tuple[Toleration, ...]] = Counter()
        """What pods that ask for GPUs tolerate, and how many workloads have such pods."""
        self._total = 0
        self._allocated = 0
        self._room: tuple[int, int] | None = None
        """(free, unschedulable), as long as nothing changes."""

    def put_node(self, row: NodeRow) -> None:
        """A new or changed node."""
        self.drop_node(row.name)
        self._nodes[row.name] = row
        self._room = None
        self._total += row.gpus
        self._allocated += self._used.get(row.name, 0)

    def drop_node(self, name: str) -> None:
        """A node that is gone, by name."""
        row = self._nodes.pop(name, None)
        if row is not None:
            self._room = None
            self._total -= row.gpus
            self._allocated -= self._used.get(name, 0)

    def put_pod(self, row: PodRow) -> None:
        """A new or changed pod."""
        holds = row.gpus if row.node is not None and row.phase not in _ENDED else 0
        held = (row.node, holds) if row.node is not None and holds > 0 else None
        if self._pods.get(row.uid) != held:
            self.drop_pod(row.uid)
            if held is not None:
                self._pods[row.uid] = held
                self._count(*held)

    def drop_pod(self, uid: str) -> None:
        """A pod that is gone."""
        held = self._pods.pop(uid, None)
        if held is not None:
            self._count(held[0], -held[1])

    def put_asking(self, key: WorkloadKey, specs: Sequence[RoleSpec]) -> None:
        """A new or changed workload: what those of its pods tolerate that need GPUs."""
        now = frozenset(
            placement.tolerations
            for spec in specs
            for gpus, placement in (
                (spec.gpus_entry, spec.placement),
                (spec.gpus_worker, spec.worker_placement),
            )
            if gpus
        )
        before = self._asking.get(key)
        if now != before:
            if before is not None:
                self.drop_asking(key)
            self._asking[key] = now
            self._tolerated.update(now)
            self._room = None

    def drop_asking(self, key: WorkloadKey) -> None:
        """A workload that is gone."""
        for one in self._asking.pop(key, ()):
            self._tolerated[one] -= 1
            if not self._tolerated[one]:
                del self._tolerated[one]
                self._room = None

    def _count(self, node: str, gpus: int) -> None:
        self._room = None
        used = self._used.get(node, 0) + gpus
        if used:
            self._used[node] = used
        else:
            del self._used[node]
        if node in self._nodes:
            self._allocated += gpus

    def _free(self, row: NodeRow) -> int:
        return max(0, row.gpus - self._used.get(row.name, 0))

    def totals(self) -> GpuTotals:
        """GPUs of the whole cluster; linear in the nodes after a change."""
        if not self.nodes_seen:
            return GpuTotals(None, None, None)
        if not self.pods_seen:
            return GpuTotals(self._total, None, None)
        if self._room is None:
            free = closed = 0
            tolerated: list[tuple[Toleration, ...]] = [(), *self._tolerated]
            for row in self._nodes.values():
                left = self._free(row)
                if not left:
                    continue
                if any(takes(row, one) for one in tolerated):
                    free += left
                else:
                    closed += left
            self._room = free, closed
        return GpuTotals(self._total, self._allocated, *self._room)

    def held(self) -> dict[str, int] | None:
        """GPUs that the pods of each node hold; ``None`` without the right to see all pods."""
        return dict(self._used) if self.pods_seen else None

    def gpu_nodes(self) -> tuple[str, ...]:
        """Nodes that have GPUs; those that are ready come first."""
        rows = sorted(self._nodes.values(), key=lambda row: (not row.ready, row.name))
        return tuple(row.name for row in rows if row.gpus > 0)

    def model(self, node: str) -> str | None:
        """The GPU model of one node, by the same labels; ``None`` where it is not told."""
        row = self._nodes.get(node)
        labels = {} if row is None else row.labels
        return next((labels[label] for label in _MODEL_LABELS if label in labels), None)

    def models(self, needs: Iterable[PodNeed]) -> frozenset[str]:
        """GPU models on the nodes that these pods may use, by the labels of the vendors' discovery."""
        asked = [need for need in needs if need.gpus > 0]
        return frozenset(
            row.labels[label]
            for row in self._nodes.values()
            if row.gpus > 0 and any(admits(row, need.placement) for need in asked)
            for label in _MODEL_LABELS
            if label in row.labels
        )

    def fits(self, needs: Iterable[PodNeed]) -> Capacity:
        """Whether all these pods find room at once."""
        return self.room_for((Unit(each=tuple(needs)),))

    def room_for(self, units: Sequence[Unit]) -> Capacity:
        """Whether the pods of all units find room at once, and else of how many GPUs they can make use.

        ``free``, ``total``, ``nodes`` and ``models`` are of the nodes that at least one of them may use. What
        ``unlooked`` names can only make it less; the scheduler has the last word.
        """
        asked = alike(need for unit in units for need in unit.needs if need.gpus > 0)
        needed = sum(need.gpus * need.count for need in asked)
        unlooked = tuple(sorted({words for need in asked for words in need.placement.unlooked}))
        if not self.nodes_seen:
            return Capacity(None, None, needed, None, unlooked=unlooked)
        usable = []
        closed = 0
        for name in sorted(name for name, row in self._nodes.items() if row.gpus > 0):
            row = self._nodes[name]
            if any(admits(row, need.placement) for need in asked):
                usable.append(name)
            elif any(chosen(row, need.placement) for need in asked):
                closed += self._free(row)
        total = sum(self._nodes[name].gpus for name in usable)
        if not self.pods_seen:
            return Capacity(None, total, needed, None, len(usable), unlooked=unlooked)
        free = {name: self._free(self._nodes[name]) for name in usable}
        models: dict[str, int] = {}
        for name, count in free.items():
            model = self.model(name) or ""
            models[model] = models.get(model, 0) + count
        fits = GpuRoom(free, self._may_use).place(asked) == needed
        return Capacity(
            sum(free.values()),
            total,
            needed,
            None if fits and unlooked else fits,
            len(usable),
            needed if fits else GpuRoom(free, self._may_use).usable(units),
            tuple(sorted(models.items())),
            closed,
            unlooked,
        )

    def _may_use(self, node: str, need: PodNeed) -> bool:
        return admits(self._nodes[node], need.placement)
