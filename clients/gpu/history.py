"""What each device did over the last while: a ring of bounded size for each, some 2.4 KB."""

from __future__ import annotations

import math
from array import array

from msgspec import Struct

from clients.serving.gpus import DeviceKey, GpuSample

__all__ = ["GpuHistory", "Point"]

_WIDTH = 5


class Point(Struct, frozen=True, gc=False):
    """A moment of a device."""

    at: float
    """Monotonic seconds, exact to a hundredth for a day."""
    busy: float | None
    """Per cent."""
    memory: float | None
    """Per cent."""
    power: float | None
    temperature: float | None


class _Ring:
    __slots__ = ("last", "next", "values")

    def __init__(self) -> None:
        self.values = array("f")
        self.next = 0
        self.last = -math.inf


class GpuHistory:
    """The rings of all devices."""

    def __init__(self, began: float, *, points: int = 120, devices: int = 16_384) -> None:
        """``began`` is a moment not after the first sample; further devices than ``devices`` have no past."""
        self._began = began
        self._size = points * _WIDTH
        self._most = devices
        self._rings: dict[DeviceKey, _Ring] = {}

    def add(self, sample: GpuSample) -> None:
        """Takes in a sample, unless it is as old as the last one."""
        ring = self._rings.get(sample.key)
        if ring is None:
            if len(self._rings) >= self._most:
                return
            ring = self._rings[sample.key] = _Ring()
        if sample.taken_at <= ring.last:
            return
        ring.last = sample.taken_at
        busy = sample.busy
        told = (
            sample.taken_at - self._began,
            None if busy is None else busy.percent,
            sample.memory_percent,
            sample.power,
            sample.temperature,
        )
        point = array("f", [math.nan if value is None else value for value in told])
        if len(ring.values) < self._size:
            ring.values.extend(point)
        else:
            ring.values[ring.next : ring.next + _WIDTH] = point
            ring.next = (ring.next + _WIDTH) % self._size

    def of(self, key: DeviceKey) -> tuple[Point, ...]:
        """The past of a device, oldest first."""
        ring = self._rings.get(key)
        if ring is None:
            return ()
        values = ring.values[ring.next :] + ring.values[: ring.next]
        return tuple(
            Point(self._began + values[at], *(_known(v) for v in values[at + 1 : at + _WIDTH]))
            for at in range(0, len(values), _WIDTH)
        )

    def forget(self, key: DeviceKey) -> None:
        """Drops a device that is gone."""
        self._rings.pop(key, None)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
