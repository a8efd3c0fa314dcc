"""Free GPUs node by node, while the pods of a plan are tried on them one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from clients.serving.placement import Placement

__all__ = ["GpuRoom", "PodNeed", "Unit", "alike"]


class PodNeed(Struct, frozen=True):
    """Some pods alike: GPUs of each, how many, and which nodes they may use."""

    gpus: int
    count: int = 1
    placement: Placement = Placement()


class Unit(Struct, frozen=True):
    """The pods of one new group, or of role replicas that are new in one."""

    together: tuple[PodNeed, ...] = ()
    """All of them find room at once, or none is placed (gang)."""
    each: tuple[PodNeed, ...] = ()
    """Placed pod by pod, once the others are."""

    @property
    def needs(self) -> tuple[PodNeed, ...]:
        """All of its pods."""
        return self.together + self.each


class GpuRoom:
    """What is left on each node. Pods go on the first node by name that takes them, the largest first."""

    def __init__(self, free: Mapping[str, int], admits: Callable[[str, PodNeed], bool]) -> None:
        """``admits`` says whether a node may be used by such pods at all."""
        self._free = dict(free)
        self._admits = admits

    def place(self, needs: Iterable[PodNeed]) -> int:
        """Places as many of these pods as find room; the GPUs that they take."""
        taken = 0
        for need in sorted(needs, key=lambda need: -need.gpus):
            left = need.count
            for node, free in self._free.items():
                if left and free >= need.gpus and self._admits(node, need):
                    pods = min(left, free // need.gpus)
                    self._free[node] = free - pods * need.gpus
                    left -= pods
            taken += (need.count - left) * need.gpus
        return taken

    def usable(self, units: Sequence[Unit]) -> int:
        """Of what these units need, the GPUs that find room; what is placed together counts whole or not."""
        taken = 0
        hopeless: set[Unit] = set()  # Room only shrinks: what found none finds none later.
        for unit in units:
            if unit in hopeless:
                continue
            before = dict(self._free) if unit.together else {}
            found = self.place(unit.together)
            if found < _gpus(unit.together):
                self._free, found = before, 0
            else:
                found += self.place(unit.each)
            if not found:
                hopeless.add(unit)
            taken += found
        return taken


def alike(needs: Iterable[PodNeed]) -> list[PodNeed]:
    """The same pods, those that are alike told once."""
    counts: Counter[PodNeed] = Counter()
    for need in needs:
        counts[replace(need, count=1)] += need.count
    return [replace(need, count=count) for need, count in counts.items()]


def _gpus(needs: Iterable[PodNeed]) -> int:
    return sum(need.gpus * need.count for need in needs)
