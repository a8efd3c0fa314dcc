"""The fleet's rows: which are shown, and in which order; equal ones always keep their places."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from clients.serving.keys import WorkloadKey, reading_order
from clients.serving.phase import Phase, TroubleKind
from clients.serving.workload import Workload
from tui.filter import Filter, Hidden

__all__ = ["COLUMNS", "Order", "Rows", "cells"]

COLUMNS = ("name", "ns", "kind", "phase", "ready", "driver", "role", "trouble", "group", "node")
"""What a filter may name."""


class Order(StrEnum):
    """What ``S`` goes through."""

    NAME = "name"
    TROUBLE = "trouble first"
    MOVING = "moving first"
    GPUS = "most GPUs first"


_SEVERITY = {TroubleKind.FAILED: 0, TroubleKind.BLOCKED: 1, TroubleKind.DEGRADED: 2}


def _rank(order: Order, workload: Workload) -> int:
    """Lower comes first; equal ones keep their places."""
    match order:
        case Order.TROUBLE:
            return _SEVERITY[workload.trouble.kind] if workload.trouble else 3
        case Order.MOVING:
            running = workload.operation is not None and workload.operation.ended_at is None
            return 0 if running else 1 if workload.phase is not Phase.RUNNING else 2
        case Order.GPUS:
            return -workload.gpus
        case Order.NAME:
            return 0


def cells(workload: Workload) -> Mapping[str, str]:
    """What a filter looks at."""
    key = workload.key
    trouble = workload.trouble
    return {
        "": f"{key.namespace}/{key.name}" if key.namespace else "",  # As a row is named.
        "name": key.label,
        "ns": key.namespace or "",
        "kind": key.kind,
        "phase": " ".join(dict.fromkeys([workload.phase, *(group.phase for group in workload.groups)])),
        "ready": f"{workload.ready if workload.ready is not None else '–'}/{workload.desired}",
        "driver": " ".join(f"{driver.kind} {driver.ref.name}" for driver in workload.drivers) or "manual",
        "role": " ".join(spec.name for spec in workload.role_specs),
        "trouble": f"{trouble.kind} {trouble.reason} {trouble.message}" if trouble else "",
        "group": " ".join(group.name for group in workload.groups),
        "node": " ".join(_nodes(workload)),
    }


def _nodes(workload: Workload) -> list[str]:
    found: dict[str, None] = {}
    for group in workload.groups:
        for role in group.roles:
            for replica in role.replicas:
                for pod in replica.pods:
                    if pod.node:
                        found[pod.node] = None
    return list(found)


class Rows:
    """Filtered and sorted keys, kept up to date by what changed."""

    def __init__(self) -> None:
        self.order = Order.NAME
        self.filter = Filter("")
        self._all: dict[WorkloadKey, Workload] = {}
        self._passes: dict[WorkloadKey, bool] = {}
        self._sorted: list[WorkloadKey] = []
        self._shown: tuple[WorkloadKey, ...] | None = None

    def take(self, workloads: Mapping[WorkloadKey, Workload], changed: Collection[WorkloadKey]) -> None:
        """Takes in new values: keys that are not in ``workloads`` any more are dropped."""
        resort = False
        for key in changed:
            workload = workloads.get(key)
            if workload is None:
                continue
            old = self._all.get(key)
            if old is workload:
                continue
            self._all[key] = workload
            resort = resort or old is None or _rank(self.order, old) != _rank(self.order, workload)
            passes = self._matches(workload)
            if self._passes.get(key) is not passes:
                self._passes[key] = passes
                self._shown = None
        if len(self._all) != len(workloads):
            for key in [key for key in self._all if key not in workloads]:
                del self._all[key], self._passes[key]
            resort = True
        if resort:
            self._sort()

    def set_filter(self, chosen: Filter) -> None:
        """Another filter."""
        self.filter = chosen
        self._passes = {key: self._matches(workload) for key, workload in self._all.items()}
        self._shown = None

    def next_order(self) -> Order:
        """The next sort order."""
        orders = list(Order)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self._sort()
        return self.order

    @property
    def shown(self) -> tuple[WorkloadKey, ...]:
        """What passes the filter, in order; the same tuple for as long as it is so."""
        if self._shown is None:
            self._shown = tuple([key for key in self._sorted if self._passes[key]])
        return self._shown

    @property
    def hidden(self) -> Hidden:
        """What does not pass, and how many of those are in trouble."""
        if not self.filter.terms:
            return Hidden()
        out = [key for key, passes in self._passes.items() if not passes]
        return Hidden(len(out), sum(1 for key in out if self._all[key].trouble))

    def _matches(self, workload: Workload) -> bool:
        return not self.filter.terms or self.filter.matches(cells(workload), workload.labels)

    def _sort(self) -> None:
        """By rank; equal ranks by name, so that the same fleet always looks the same."""
        by_name = sorted(self._all, key=reading_order)
        self._sorted = sorted(by_name, key=lambda key: _rank(self.order, self._all[key]))
        self._shown = None
