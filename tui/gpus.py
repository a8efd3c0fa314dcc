"""The GPUs as screens draw them: readings joined with who runs there, on the data thread, while asked for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from clients.clock import Clock
from clients.gpu.history import Point
from clients.gpu.watch import GpuWatch
from clients.serving.backend import GpuTotals
from clients.serving.gpu_join import GpuJoin
from clients.serving.gpu_readings import GpuReadings
from clients.serving.gpu_use import Place, places_of
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.keys import WorkloadKey
from clients.serving.workload import Workload
from tui.fleet import FleetView

__all__ = ["Gpus"]

_LOOKED = 5.0
"""Seconds after which whoever asked has gone."""
_EVERY = 1.0
"""Seconds between two joins, at least."""


class Gpus:
    """Latest wins: ``look`` may be called from any thread, everything else on the data thread."""

    def __init__(
        self,
        watch: Callable[[], GpuWatch],
        held: Callable[[], Mapping[str, int] | None],
        view: Callable[[], FleetView],
        clock: Clock,
    ) -> None:
        """``watch`` reads the present cluster; ``held`` is how many GPUs the pods of each node hold there."""
        self._watch = watch
        self._held = held
        self._view = view
        self._clock = clock
        self._asked: tuple[float, tuple[str, ...]] = (-math.inf, ())
        self._value = GpuView()
        self._from: tuple[GpuReadings, Mapping[WorkloadKey, Workload], GpuTotals | None] | None = None
        self._joined_at = self._changes_at = -math.inf
        self._join = GpuJoin()
        self._known: dict[WorkloadKey, tuple[Workload, dict[tuple[str, str], Place]]] = {}
        self._places: dict[tuple[str, str], Place] = {}

    def look(self, nodes: tuple[str, ...]) -> GpuView:
        """The newest value; asking keeps the reading going, of ``nodes`` as often as exporters allow."""
        self._asked = (self._clock.monotonic(), nodes)
        return self._value

    def turn(self) -> None:
        """Joins anew what has changed, if anybody looks."""
        now = self._clock.monotonic()
        asked_at, nodes = self._asked
        if now - asked_at > _LOOKED:
            return
        watch, view = self._watch(), self._view()
        watch.look(*nodes)
        if now - self._joined_at < _EVERY:
            return
        readings = watch.readings()
        source = (readings, view.workloads, view.totals)
        same = self._from is not None and all(map(operator.is_, source, self._from))
        if same and now < self._changes_at:
            return
        self._from, self._joined_at = source, now
        # Values become stale by time alone.
        self._changes_at = min(
            (sample.fresh_until for sample in readings.samples if sample.fresh_until > now), default=math.inf
        )
        self._value = GpuView(
            version=self._value.version + 1,
            use=self._join.join(
                readings.samples,
                self._places_of(view.workloads),
                now,
                silent=readings.silent,
                held=self._held(),
            ),
            agents=readings.agents,
            totals=view.totals,
            state=readings.state,
            detail=readings.detail,
        )

    async def history(self, keys: Sequence[DeviceKey]) -> dict[DeviceKey, tuple[Point, ...]]:
        """What each device did since somebody looks, oldest first."""
        history = self._watch().history
        return {key: history.of(key) for key in keys}

    def _places_of(self, workloads: Mapping[WorkloadKey, Workload]) -> dict[tuple[str, str], Place]:
        """Where each pod belongs; looked up anew only for workloads that are other objects than before."""
        for key in self._known.keys() - workloads.keys():
            self._forget(key)
        for key, workload in workloads.items():
            known = self._known.get(key)
            if known is None or known[0] is not workload:
                self._forget(key)
                found = places_of((workload,))
                self._known[key] = (workload, found)
                self._places |= found
        return self._places

    def _forget(self, key: WorkloadKey) -> None:
        _, places = self._known.pop(key, (None, {}))
        for pod, place in places.items():
            if self._places.get(pod) is place:
                del self._places[pod]
