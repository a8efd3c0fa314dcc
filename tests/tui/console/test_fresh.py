"""A change of phase stays visible for two seconds."""

from __future__ import annotations

from clients.serving.phase import Phase
from tests.support import fleets
from tui.fresh import Fresh


def test_the_first_value_is_no_change() -> None:
    fresh = Fresh()
    value = fleets.workload("a")
    fresh.take(value, 10.0)
    assert fresh.row(value.key) is None
    assert fresh.parts(value.key) == {}


def test_a_change_is_fresh_for_two_seconds_and_then_told_once() -> None:
    fresh = Fresh()
    value = fleets.workload("a", [fleets.group("a", 0), fleets.group("a", 1)])
    fresh.take(value, 10.0)
    moved = fleets.workload("a", [value.groups[0], fleets.group("a", 1, Phase.DELETING)])
    fresh.take(moved, 11.0)
    assert fresh.row(value.key) == 11.0
    assert set(fresh.parts(value.key)) == {
        "a-1", "a-1/prefill-0", "a-1/prefill-1", "a-1/decode-0", "a-1/decode-1"
    }  # fmt: skip
    assert fresh.expire(12.9) == frozenset()
    assert fresh.expire(13.1) == {value.key}
    assert fresh.row(value.key) is None
    assert fresh.expire(20.0) == frozenset()


def test_what_is_gone_is_forgotten() -> None:
    fresh = Fresh()
    value = fleets.workload("a", 1)
    fresh.take(value, 1.0)
    fresh.take(fleets.workload("a", 2), 2.0)
    fresh.forget(value.key)
    assert fresh.expire(99.0) == frozenset()
    fresh.take(fleets.workload("a", 3), 100.0)
    assert fresh.row(value.key) is None
