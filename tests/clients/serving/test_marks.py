"""The stage tables of Kthena's scaling guide: the marks shown at each stage are the document's.

Its symbols: ✅ processed and completed, ❎ not processed, ⏳ in scaling, blank: does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clients.serving.follow import follow
from clients.serving.marks import stamp
from clients.serving.operation import Operation
from clients.serving.phase import Mark, Phase
from clients.serving.workload import Group, Workload
from tests.support.planning import NAME, NOW, grid, group, replica, wanting

SYMBOLS = {Mark.DONE: "✅", Mark.PENDING: "❎", Mark.ACTIVE: "⏳", None: " "}


class Stages:
    """A workload followed from look to look, and its row of the table."""

    def __init__(self, start: Workload) -> None:
        self.operation: Operation | None = None
        self.ended: Operation | None = None
        self.now = NOW
        self._last = start

    def see(self, workload: Workload) -> str:
        self.now += 10
        result = follow(self.operation, self._last, workload, self.now)
        self.operation, self._last = result.operation, workload
        self.ended = result.ended or self.ended
        stamped = stamp(workload, self.operation)
        marks = {one.ordinal: SYMBOLS[one.mark] for one in stamped.groups}
        return "|".join(marks.get(ordinal, " ") for ordinal in range(4))


def spread(*groups: Group | int, desired: int) -> Workload:
    return grid(*groups, desired=desired, generation=2)


def test_before_and_after_an_operation_all_are_blank() -> None:
    start = grid(0, 1)
    assert Stages(start).see(start) == " | | | "


def test_group_scale_up() -> None:
    stages = Stages(grid(0, 1))
    queued = [group(2, Phase.QUEUED), group(3, Phase.QUEUED)]
    assert stages.see(spread(0, 1, *queued, desired=4)) == "✅|✅| | "
    assert stages.see(spread(0, 1, group(2, Phase.CREATING), queued[1], desired=4)) == "✅|✅|⏳| "
    assert stages.see(spread(0, 1, 2, queued[1], desired=4)) == "✅|✅|✅| "
    assert stages.see(spread(0, 1, 2, group(3, Phase.CREATING), desired=4)) == "✅|✅|✅|⏳"
    assert stages.see(spread(0, 1, 2, 3, desired=4)) == " | | | "
    assert stages.ended is not None
    assert stages.ended.happened == (f"{NAME}-2", f"{NAME}-3")


def test_all_that_are_made_at_once_are_active_at_once() -> None:
    stages = Stages(grid(0, 1))
    made = [group(2, Phase.CREATING), group(3, Phase.CREATING)]
    assert stages.see(spread(0, 1, *made, desired=4)) == "✅|✅|⏳|⏳"


def test_group_scale_down() -> None:
    stages = Stages(grid(0, 1, 2, 3))
    assert stages.see(spread(0, 1, 2, 3, desired=2)) == "✅|✅|❎|❎"
    assert stages.see(spread(0, 1, 2, group(3, Phase.DELETING), desired=2)) == "✅|✅|❎|⏳"
    assert stages.see(spread(0, 1, 2, desired=2)) == "✅|✅|❎| "
    assert stages.see(spread(0, 1, group(2, Phase.DELETING), desired=2)) == "✅|✅|⏳| "
    assert stages.see(spread(0, 1, desired=2)) == " | | | "
    assert stages.ended is not None
    assert stages.ended.happened == (f"{NAME}-3", f"{NAME}-2")


def _role_walk(start: int, target: int, moving: Phase) -> None:
    specs = grid(0).role_specs

    def at(ordinal: int, state: str) -> Group:
        name = f"{NAME}-{ordinal}"
        count = start if state == "before" else target if state == "after" else max(start, target)
        low = min(start, target)
        decode = [
            replica(
                "decode", index, moving if state == "moving" and index >= low else Phase.RUNNING, group=name
            )
            for index in range(count)
        ]
        if state == "before":
            decode += [replica("decode", index, Phase.QUEUED, group=name) for index in range(start, target)]
        phase = Phase.SCALING if state == "moving" else Phase.RUNNING
        return group(ordinal, phase, roles={"decode": decode})

    def look(*states: str) -> Workload:
        changed = wanting(grid(*(at(ordinal, state) for ordinal, state in enumerate(states))), decode=target)
        return msgspec.structs.replace(changed, observed_generation=2)

    before = msgspec.structs.replace(
        grid(*(at(ordinal, "before") for ordinal in range(4))),
        role_specs=tuple(
            msgspec.structs.replace(spec, replicas=start) if spec.name == "decode" else spec for spec in specs
        ),
    )
    stages = Stages(before)
    states: Sequence[tuple[tuple[str, ...], str]] = (
        (("before",) * 4, "❎|❎|❎|❎"),
        (("before", "before", "before", "moving"), "❎|❎|❎|⏳"),
        (("before", "before", "moving", "after"), "❎|❎|⏳|✅"),
        (("before", "moving", "after", "after"), "❎|⏳|✅|✅"),
        (("moving", "after", "after", "after"), "⏳|✅|✅|✅"),
        (("after",) * 4, " | | | "),
    )
    for look_states, table in states:
        assert stages.see(look(*look_states)) == table
    assert stages.ended is not None
    walk = [name.partition("/")[0] for name in stages.ended.happened]
    assert walk == sorted(walk, reverse=True)
    assert stages.ended.done == stages.ended.total == 4 * abs(target - start)


def test_role_scale_up_walks_from_the_last_group() -> None:
    _role_walk(2, 4, Phase.CREATING)


def test_role_scale_down_walks_from_the_last_group() -> None:
    _role_walk(4, 2, Phase.DELETING)


def test_unchanged_values_keep_their_identity() -> None:
    there = grid(0, 1, 2, 3)
    assert stamp(there, None) is there
    operation = follow(None, there, spread(0, 1, 2, 3, desired=2), NOW).operation
    stamped = stamp(there, operation)
    again = stamp(stamped, operation)
    assert again is stamped
    cleared = stamp(stamped, None)
    assert cleared == there
