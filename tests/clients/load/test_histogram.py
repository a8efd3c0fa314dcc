from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.load.histogram import RELATIVE_ERROR, Counts, merge, percentile, percentiles, record, total

NUMBERS = st.lists(st.integers(0, 10**11), min_size=1, max_size=200)


def counted(numbers: list[int]) -> Counts:
    counts: Counts = {}
    for number in numbers:
        record(counts, number)
    return counts


@given(NUMBERS, st.floats(0.1, 100))
def test_a_percentile_is_the_exact_one_within_the_stated_error(numbers: list[int], rank: float) -> None:
    exact = sorted(numbers)[max(1, math.ceil(len(numbers) * rank / 100 - 1e-9)) - 1]
    assert percentile(counted(numbers), rank) == pytest.approx(exact, rel=RELATIVE_ERROR, abs=0)


@given(NUMBERS, NUMBERS)
def test_merging_is_counting_both(left: list[int], right: list[int]) -> None:
    both = counted(left)
    merge(both, counted(right))
    assert both == counted(left + right)
    assert total(both) == len(left) + len(right)


def test_small_values_are_exact() -> None:
    assert [percentile({number: 1}, 50) for number in (0, 1, 255)] == [0, 1, 255]
    assert percentile(counted([-3]), 50) == 0


def test_what_never_ended_is_beyond_every_value() -> None:
    counts = counted([1_000] * 98)
    assert list(percentiles(counts, (50, 98, 99), beyond=2)) == [
        pytest.approx(1_000, rel=RELATIVE_ERROR),
        pytest.approx(1_000, rel=RELATIVE_ERROR),
        math.inf,
    ]
    assert percentile({}, 50) is None
    assert percentile({}, 50, beyond=1) == math.inf


def test_it_goes_through_json_as_it_is() -> None:
    counts = counted([1, 300, 10**9])
    assert msgspec.json.decode(msgspec.json.encode(counts), type=Counts) == counts
