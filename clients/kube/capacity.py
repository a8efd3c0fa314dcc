"""Which GPUs are taken and which are free, kept up to date node by node and pod by pod."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clients.kube.gpu_room import GpuRoom, PodNeed, Unit, alike
from clients.kube.rows import NodeRow, PodRow
from clients.serving.backend import GpuTotals
from clients.serving.plans import Capacity

__all__ = ["GpuLedger"]

_ENDED = ("Succeeded", "Failed")
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
        self._total = 0
        self._allocated = 0

    def put_node(self, row: NodeRow) -> None:
        """A new or changed node."""
        self.drop_node(row.name)
        self._nodes[row.name] = row
        self._total += row.gpus
        self._allocated += self._used.get(row.name, 0)

    def drop_node(self, name: str) -> None:
        """A node that is gone, by name."""
        row = self._nodes.pop(name, None)
        if row is not None:
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

    def _count(self, node: str, gpus: int) -> None:
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
        """GPUs of the whole cluster; linear in the nodes."""
        if not self.nodes_seen:
            return GpuTotals(None, None, None)
        if not self.pods_seen:
            return GpuTotals(self._total, None, None)
        free = idle = 0
        for row in self._nodes.values():
            if row.ready and not row.unschedulable:
                free += self._free(row)
            else:
                idle += self._free(row)
        return GpuTotals(self._total, self._allocated, free, idle)

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
            if row.gpus > 0 and any(_admits(row, need) for need in asked)
            for label in _MODEL_LABELS
            if label in row.labels
        )

    def fits(self, needs: Iterable[PodNeed]) -> Capacity:
        """Whether all these pods find room at once."""
        return self.room_for((Unit(each=tuple(needs)),))

    def room_for(self, units: Sequence[Unit]) -> Capacity:
        """Whether the pods of all units find room at once, and else of how many GPUs they can make use.

        ``free``, ``total``, ``nodes`` and ``models`` are of the nodes that at least one of them may use.
        Node affinity and topology are not looked at; the scheduler has the last word.
        """
        asked = alike(need for unit in units for need in unit.needs if need.gpus > 0)
        needed = sum(need.gpus * need.count for need in asked)
        if not self.nodes_seen:
            return Capacity(None, None, needed, None)
        open_to = {row.name for row in self._nodes.values() if any(_admits(row, need) for need in asked)}
        usable = sorted(name for name in open_to if self._nodes[name].gpus > 0)
        total = sum(self._nodes[name].gpus for name in usable)
        if not self.pods_seen:
            return Capacity(None, total, needed, None, len(usable))
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
            fits,
            len(usable),
            needed if fits else GpuRoom(free, self._may_use).usable(units),
            tuple(sorted(models.items())),
        )

    def _may_use(self, node: str, need: PodNeed) -> bool:
        return _admits(self._nodes[node], need)


def _admits(row: NodeRow, need: PodNeed) -> bool:
    if not row.ready or row.unschedulable:
        return False
    if any(row.labels.get(key) != value for key, value in need.node_selector):
        return False
    return all(
        effect == "PreferNoSchedule" or any(_tolerates(one, key, value, effect) for one in need.tolerations)
        for key, value, effect in row.taints
    )


def _tolerates(toleration: tuple[str, str, str, str], key: str, value: str, effect: str) -> bool:
    wanted, operator, equal, only = toleration
    if only and only != effect:
        return False
    if operator == "Exists":
        return not wanted or wanted == key
    return wanted == key and equal == value
