"""A log-linear sparse histogram: a plain dictionary from bucket to count, merged by addition.

Values are whole numbers of 0 and more (here microseconds). Those below 256 are kept exactly; above, every
octave has 128 buckets, so that a value read back is at most ``RELATIVE_ERROR`` off. A dictionary with
``int`` keys goes into JSON and comes back by msgspec as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["RELATIVE_ERROR", "Counts", "merge", "percentile", "percentiles", "record", "total"]

Counts = dict[int, int]
"""How many values fell into each bucket."""

RELATIVE_ERROR = 1 / 256
"""The most that a value read back differs from the one recorded, as a share of it."""


def _bucket(number: int) -> int:
    """The bucket of a value; a negative one counts as 0."""
    if number < 256:
        return number if number > 0 else 0
    shift = number.bit_length() - 8
    return (shift << 7) + (number >> shift)


def _value(index: int) -> float:
    """The middle of a bucket."""
    if index < 256:
        return float(index)
    shift = (index >> 7) - 1
    return ((index - (shift << 7)) << shift) + ((1 << shift) - 1) / 2


def record(counts: Counts, number: int, times: int = 1) -> None:
    """Counts a value."""
    index = _bucket(number)
    counts[index] = counts.get(index, 0) + times


def merge(into: Counts, other: Mapping[int, int]) -> None:
    """Adds another histogram to this one."""
    for index, count in other.items():
        into[index] = into.get(index, 0) + count


def total(counts: Mapping[int, int]) -> int:
    """How many values were counted."""
    return sum(counts.values())


def percentile(counts: Mapping[int, int], rank: float, *, beyond: int = 0) -> float | None:
    """The smallest value that ``rank`` per cent of all values do not exceed; ``None`` of nothing.

    ``beyond`` is a number of values larger than any counted one: those that never came to an end. Where the
    rank falls among them the result is infinite.
    """
    return percentiles(counts, (rank,), beyond=beyond)[0]


def percentiles(
    counts: Mapping[int, int], ranks: Sequence[float], *, beyond: int = 0
) -> tuple[float | None, ...]:
    """Several of them in one pass; ``ranks`` ascend."""
    everything = total(counts) + beyond
    if everything == 0:
        return (None,) * len(ranks)
    found: list[float | None] = []
    ordered = iter(sorted(counts.items()))
    seen, index = 0, 0
    for rank in ranks:
        wanted = max(1, math.ceil(everything * rank / 100 - 1e-9))
        while seen < wanted:
            step = next(ordered, None)
            if step is None:
                break
            index = step[0]
            seen += step[1]
        found.append(_value(index) if seen >= wanted else float("inf"))
    return tuple(found)
