"""Order and membership of the fleet's rows."""

from __future__ import annotations

import random

import msgspec

from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import PodView, Workload
from tests.support import fleets
from tui.filter import parse
from tui.rows import COLUMNS, Order, Rows, cells


def _names(rows: Rows) -> list[str]:
    return [key.name for key in rows.shown]


def _put(rows: Rows, *workloads: Workload) -> dict[WorkloadKey, Workload]:
    values = {workload.key: workload for workload in workloads}
    rows.take(values, frozenset(values))
    return values


BAD = Trouble(TroubleKind.FAILED, "OOM", "out of memory")


def test_by_name_whatever_changes() -> None:
    rows = Rows()
    values = _put(rows, *(fleets.workload(name) for name in ("c", "a", "b")))
    assert _names(rows) == ["a", "b", "c"]
    changed = msgspec.structs.replace(fleets.workload("c"), trouble=BAD, gpus=99)
    values[changed.key] = changed
    rows.take(values, {changed.key})
    assert _names(rows) == ["a", "b", "c"]


def test_sorting_by_trouble_is_stable_for_equals() -> None:
    rows = Rows()
    values = _put(rows, *(fleets.workload(name) for name in "fedcba"))
    assert rows.next_order() is Order.TROUBLE
    assert _names(rows) == list("abcdef")
    sick = msgspec.structs.replace(fleets.workload("d"), trouble=BAD)
    values[sick.key] = sick
    rows.take(values, {sick.key})
    assert _names(rows) == list("dabcef")
    chance = random.Random(1)
    for _ in range(20):
        name = chance.choice("abcef")
        other = msgspec.structs.replace(fleets.workload(name), ready=chance.randrange(3))
        values[other.key] = other
        rows.take(values, {other.key})
        assert _names(rows) == list("dabcef")


def test_orders_go_round() -> None:
    rows = Rows()
    _put(
        rows,
        fleets.workload("a", 1),
        fleets.workload("b", 3),
        msgspec.structs.replace(fleets.workload("c", 1), phase=Phase.CREATING),
        fleets.workload("d", 1, operation=fleets.operation("d", 1, 2)),
    )
    orders = {rows.next_order(): _names(rows) for _ in Order}
    assert orders[Order.MOVING] == ["d", "c", "a", "b"]
    assert orders[Order.GPUS] == ["b", "a", "c", "d"]
    assert rows.order is Order.NAME


def test_the_filter_counts_what_it_hides_and_what_of_it_fails() -> None:
    rows = Rows()
    values = _put(
        rows,
        fleets.workload("qwen-a"),
        fleets.workload("llama-b"),
        msgspec.structs.replace(fleets.workload("llama-c"), trouble=BAD),
    )
    rows.set_filter(parse("qwen", COLUMNS))
    assert _names(rows) == ["qwen-a"]
    assert (rows.hidden.count, rows.hidden.failing) == (2, 1)
    healed = fleets.workload("llama-c")
    values[healed.key] = healed
    rows.take(values, {healed.key})
    assert (rows.hidden.count, rows.hidden.failing) == (2, 0)
    del values[healed.key]
    rows.take(values, ())
    assert rows.hidden.count == 1
    rows.set_filter(parse("", COLUMNS))
    assert rows.hidden.count == 0


def test_a_filter_can_ask_for_a_node() -> None:
    value = fleets.workload("a", 1)
    pod = PodView("a-0", "u", 0, "node-7", "Running", True, False, Stage.READY, 1, 0, None)
    group = value.groups[0]
    replica = msgspec.structs.replace(group.roles[0].replicas[0], pods=(pod,))
    role = msgspec.structs.replace(group.roles[0], replicas=(replica,))
    value = msgspec.structs.replace(value, groups=(msgspec.structs.replace(group, roles=(role,)),))
    assert parse("node:node-7", COLUMNS).matches(cells(value))
    assert not parse("node:node-8", COLUMNS).matches(cells(value))


def test_a_filter_takes_a_row_as_it_is_named() -> None:
    value = cells(fleets.workload("chat", namespace="llm-prod"))
    assert parse("llm-prod/chat", COLUMNS).matches(value)
    assert not parse("llm/chat", COLUMNS).matches(value)
    assert not parse("ns:chat", COLUMNS).matches(value)


def test_every_column_that_may_be_named_is_there() -> None:
    assert set(cells(fleets.workload("a"))) == {*COLUMNS, ""}
