"""How many replicas a Kthena AutoscalingPolicy asks for (main, August 2026): pure numbers and a history.

A recommendation from metrics, corrected by what the behavior allows in its windows and periods; several
targets share a total, cheapest blocks first; two roles are kept within a ratio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

__all__ = ["Behavior", "Block", "Bounds", "History", "Panic", "PodTotal", "RatioError", "Steps", "blocks",
           "correct", "distribute", "enforce_ratio", "recommend"]  # fmt: skip


class Steps(Struct, frozen=True):
    """A stable policy: both limits count from what was there within the period."""

    instances: int
    percent: int
    period: float
    window: float
    both: bool
    """Whether the tighter of the two limits holds (And) instead of the wider one (Or)."""


class Panic(Struct, frozen=True):
    """A panic policy; with a hold of 0 s there is no panic."""

    percent: int
    period: float
    threshold: int
    hold: float


class Behavior(Struct, frozen=True):
    """Both directions, and panic."""

    up: Steps
    down: Steps
    panic: Panic


class PodTotal(Struct, frozen=True):
    """A metric over the pods that report it."""

    total: float
    reporters: int
    unready: int


class History:
    """What the autoscaler remembers of one target, in memory only."""

    def __init__(self) -> None:
        self.recommended: list[tuple[float, int]] = []
        self.corrected: list[tuple[float, int]] = []
        self.panic_until = -math.inf

    def panicking(self, now: float) -> bool:
        """Whether a panic began and is held."""
        return now <= self.panic_until

    def note(self, now: float, recommended: int, corrected: int, longest: float) -> None:
        """Remembers a decision for ``longest`` seconds."""
        self.recommended = [e for e in self.recommended if e[0] + longest >= now] + [(now, recommended)]
        # What was in force when the period began counts too, so one older entry is kept.
        recent = [e for e in self.corrected if e[0] + longest >= now]
        older = self.corrected[: len(self.corrected) - len(recent)][-1:]
        self.corrected = [*older, *recent, (now, corrected)]

    def recommended_within(self, now: float, window: float) -> list[int]:
        """Recommendations of a window; a window of 0 has none."""
        return [count for at, count in self.recommended if window and at + window >= now]

    def in_force_within(self, now: float, period: float) -> list[int]:
        """Counts that were in force at any time of a period."""
        if not period or not self.corrected:
            return []
        ends = [at for at, _ in self.corrected[1:]] + [now]
        pairs = zip(self.corrected, ends, strict=True)
        return [count for (_, count), end in pairs if end + period >= now]


def recommend(
    current: int,
    least: int,
    most: int,
    tolerance: float,
    targets: Mapping[str, float],
    pods: Mapping[str, PodTotal],
    external: Mapping[str, float],
) -> int | None:
    """The highest count that any metric asks for, within the bounds; None if no metric says anything."""
    if current < least:
        return least
    if current > most:
        return most
    found: list[int] = []
    for name, target in targets.items():
        if name in external:
            found.append(_by_value(current, tolerance, external[name] / target))
        elif name in pods and pods[name].reporters:
            found.append(_by_pods(current, tolerance, target, pods[name]))
    return min(max(max(found), least), most) if found else None


def _by_value(current: int, tolerance: float, wanted: float) -> int:
    if current and abs(wanted / current - 1) <= tolerance:
        return current
    return max(0, math.ceil(wanted))


def _by_pods(current: int, tolerance: float, target: float, pods: PodTotal) -> int:
    missing = max(current - pods.unready - pods.reporters, 0)
    ratio = pods.total / pods.reporters / target
    grows = ratio >= 1.0
    add_unready = pods.unready > 0 and grows
    if not add_unready and not missing:
        return current if abs(ratio - 1) <= tolerance else max(0, math.ceil(ratio * pods.reporters))
    count = pods.reporters + missing + (pods.unready if add_unready else 0)
    total = pods.total if grows else pods.total + missing * target
    again = total / count / target
    if abs(again - 1) <= tolerance or (again >= 1.0) != grows:
        return current
    wanted = max(0, math.ceil(again * count))
    return max(wanted, current) if grows else min(wanted, current)


def correct(
    history: History, now: float, behavior: Behavior, current: int, recommended: int, least: int, most: int
) -> int:
    """The count to set; it is remembered."""
    panic = behavior.panic
    if panic.hold > 0 and recommended * 100 >= current * panic.threshold:
        history.panic_until = now + panic.hold
    if history.panicking(now):
        corrected = _in_panic(history, now, panic, current, recommended)
    elif recommended < current:
        corrected = _down(history, now, behavior.down, current, recommended)
    elif recommended > current:
        corrected = _up(history, now, behavior.up, current, recommended)
    else:
        corrected = recommended
    corrected = min(max(corrected, least), most)
    longest = max(
        behavior.up.window, behavior.up.period, behavior.down.window, behavior.down.period, panic.period
    )
    history.note(now, recommended, corrected, longest)
    return corrected


def _in_panic(history: History, now: float, panic: Panic, current: int, recommended: int) -> int:
    """Fast, and never downwards."""
    corrected = recommended
    if panic.period:
        past = min([current, *history.in_force_within(now, panic.period)])
        if past > 0:
            corrected = min(corrected, past + int(past * panic.percent / 100))
    return max(corrected, current)


def _down(history: History, now: float, steps: Steps, current: int, recommended: int) -> int:
    corrected = max([recommended, *history.recommended_within(now, steps.window)])
    if steps.period:
        past = max([current, *history.in_force_within(now, steps.period)])
        limits = (past - steps.instances, past - past * steps.percent // 100)
        corrected = max(corrected, max(limits) if steps.both else min(limits))
    return min(corrected, current)


def _up(history: History, now: float, steps: Steps, current: int, recommended: int) -> int:
    corrected = min([recommended, *history.recommended_within(now, steps.window)])
    if steps.period:
        past = min([current, *history.in_force_within(now, steps.period)])
        limits = (past + steps.instances, past + past * steps.percent // 100)
        corrected = min(corrected, min(limits) if steps.both else max(limits))
    return max(corrected, current)


# -- several targets -----------------------------------------------------------------------------------------


class Bounds(Struct, frozen=True):
    """Of one target or role."""

    least: int
    most: int
    cost: int = 0


class Block(Struct, frozen=True):
    """Replicas of one target that come and go together in the order of cost."""

    target: str
    replicas: int
    cost: int


def blocks(targets: Mapping[str, Bounds], expansion: int) -> list[Block]:
    """What each target may have above its minimum, in growing packages, the cheapest first."""
    found: list[tuple[int, int, Block]] = []
    for index, (name, bounds) in enumerate(targets.items()):
        left, length = bounds.most - bounds.least, 1.0
        while left > 0:
            size = left if expansion == 100 else min(left, max(int(length), 1))
            cost = bounds.cost * (1 if expansion == 100 else size)
            found.append((cost, index, Block(name, size, cost)))
            left -= size
            length = length * expansion / 100
    return [block for _, _, block in sorted(found, key=lambda entry: entry[:2])]


def distribute(total: int, targets: Mapping[str, Bounds], order: Sequence[Block]) -> dict[str, int]:
    """A total as replicas of each target."""
    counts = {name: bounds.least for name, bounds in targets.items()}
    left = min(total, sum(bounds.most for bounds in targets.values())) - sum(counts.values())
    for block in order:
        taken = max(0, min(left, block.replicas))
        counts[block.target] += taken
        left -= taken
    return counts


# -- two roles -----------------------------------------------------------------------------------------------


class RatioError(Exception):
    """A ratio that no counts within the bounds satisfy, or that makes no sense."""


def enforce_ratio(
    above: int, below: int, above_bounds: Bounds, below_bounds: Bounds, least: Fraction, most: Fraction
) -> tuple[int, int, bool]:
    """(numerator, denominator, whether anything was changed). Raises RatioError.

    The role that has too few is raised first; only where its bound forbids that, the other is cut.
    """
    if least < 0 or most <= 0 or least > most:
        raise RatioError("ratio constraint must satisfy 0 <= minRatio <= maxRatio and maxRatio > 0")
    if above == 0 and below == 0:
        return 0, 0, False
    seeded = above == 0 or below == 0
    above = above or min(max(1, above_bounds.least), above_bounds.most)
    below = below or min(max(1, below_bounds.least), below_bounds.most)
    if below and least <= Fraction(above, below) <= most:
        return above, below, seeded
    lowest = max(1, below_bounds.least, math.ceil(above_bounds.least / most))
    highest = below_bounds.most
    if least > 0:
        highest = min(highest, math.floor(above_bounds.most / least))
    if lowest > highest:
        raise RatioError("ratio constraint has no feasible integer replica pair within role bounds")
    begin = min(max(below, lowest), highest)
    if below and Fraction(above, below) > most:
        begin = min(max(begin, math.ceil(above / most)), highest)
    for candidate in (*range(begin, highest + 1), *range(begin - 1, lowest - 1, -1)):
        floor = max(above_bounds.least, math.ceil(least * candidate))
        ceiling = min(above_bounds.most, math.floor(most * candidate))
        if floor <= ceiling:
            return min(max(above, floor), ceiling), candidate, True
    raise RatioError("ratio constraint has no feasible integer replica pair within role bounds")
