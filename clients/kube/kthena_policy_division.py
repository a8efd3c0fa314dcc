"""How Kthena divides a total over several targets, and keeps two roles in a ratio (optimizer.go,
disaggregated_ratio.go; fact sheet ``kthena``, section 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from clients.kube.kthena_policy_object import PolicyTarget

__all__ = ["clamp", "repaired", "split"]

_MOST = 1_000_000_000
_BLOCKS = 1024
_FAR = 10_000
"""Counts that are tried on each side: far more than anybody runs."""


def clamp(value: int, bounds: tuple[int, int]) -> int:
    """The value, within (minimum, maximum)."""
    return min(max(value, bounds[0]), bounds[1])


def split(targets: Sequence[PolicyTarget], total: int, expansion: int) -> tuple[int, ...]:
    """One total over the targets, in their order: each its minimum, then the cheapest blocks first.

    A target's blocks grow to ``expansion`` per cent each; at 100 it is one block. Ties go to the earlier one.
    """
    blocks: list[tuple[int, int, int]] = []
    ranges = [target.bounds or (0, 0) for target in targets]
    for index, (target, (least, most)) in enumerate(zip(targets, ranges, strict=True)):
        left, size = most - least, 1.0
        while left > 0 and len(blocks) < _BLOCKS:
            length = left if expansion == 100 else min(left, max(int(min(size, _MOST)), 1))
            cost = target.cost if expansion == 100 else target.cost * length
            blocks.append((cost, index, length))
            left, size = left - length, size * expansion / 100
    counts = [least for least, _ in ranges]
    rest = clamp(total, (sum(counts), sum(most for _, most in ranges))) - sum(counts)
    for _, index, length in sorted(blocks, key=lambda block: block[:2]):
        step = min(rest, length)
        counts[index] += step
        rest -= step
    return tuple(counts)


def repaired(
    pair: tuple[int, int],
    numerators: tuple[int, int],
    denominators: tuple[int, int],
    least: Fraction,
    most: Fraction,
) -> tuple[int, int] | None:
    """(numerator, denominator) brought into the ratio within their (min, max), or ``None`` if none fits.

    Both at 0 stay; one at 0 begins with 1. The side that is short is raised, as far as its bounds allow.
    """
    if pair == (0, 0):
        return pair
    above, below = (
        clamp(count or 1, bounds) for count, bounds in zip(pair, (numerators, denominators), strict=True)
    )
    if below and least <= Fraction(above, below) <= most:
        return above, below
    lowest = max(1, denominators[0], math.ceil(numerators[0] / most))
    highest = denominators[1] if not least else min(denominators[1], math.floor(numerators[1] / least))
    if lowest > highest:
        return None
    begin = clamp(below, (lowest, highest))
    if below and Fraction(above, below) > most:
        begin = min(max(begin, math.ceil(above / most)), highest)
    upwards = range(begin, min(highest, begin + _FAR) + 1)
    downwards = range(begin - 1, max(lowest, begin - _FAR) - 1, -1)
    for count in (*upwards, *downwards):
        low = max(numerators[0], math.ceil(least * count))
        high = min(numerators[1], math.floor(most * count))
        if low <= high:
            return clamp(above, (low, high)), count
    return None
