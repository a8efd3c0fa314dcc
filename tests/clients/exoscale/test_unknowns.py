"""Whatever Exoscale does where nobody knows: a scaling is seen to begin, to go on and to be done."""

from __future__ import annotations

from itertools import product

import pytest

from clients.embedded.exoscale.zone import Deployment, Switches
from clients.serving.backend import Result
from clients.serving.follow import follow
from clients.serving.operation import Operation, Outcome
from clients.serving.phase import Phase
from clients.serving.workload import Workload
from tests.support.exoscale import LIMIT, MODEL, Rig, running
from tests.support.kube import until

pytestmark = pytest.mark.usefixtures("fast")
SWITCHES = [
    Switches(op_success=success, replicas_visible=visible, zero_state=zero, field=field)  # type: ignore[arg-type]
    for success, visible, zero, field in product(
        ("accepted", "converged"), ("at_once", "at_end"), ("ready", "scaling"), ("state", "status")
    )
]


def named(switches: Switches) -> str:
    return "-".join((switches.op_success, switches.replicas_visible, switches.zero_state, switches.field))


class Followed:
    """The fleet's own way with a row: every value that comes is followed."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.last: Workload | None = None
        self.running: Operation | None = None
        self.ended: list[Operation] = []

    def look(self) -> None:
        row = self.rig.row()
        if row is not self.last:
            result = follow(self.running, self.last, row, self.rig.backend.clock.now())
            self.running, self.last = result.operation, row
            if result.ended is not None:
                self.ended.append(result.ended)

    async def until_begun(self) -> None:
        def begun() -> bool:
            self.look()
            return self.running is not None

        await until(begun, LIMIT)

    async def until_ended(self) -> Operation:
        before = len(self.ended)

        def over() -> bool:
            self.look()
            return len(self.ended) > before

        await until(over, LIMIT)
        return self.ended[-1]


async def scale(rig: Rig, followed: Followed, wanted: int, seconds: float) -> None:
    """One change from its plan to its end; on the way up it is under way, and no other is let through."""
    plan = await rig.plan(wanted)
    ticket = await rig.backend.apply(plan)
    assert ticket.result is Result.ACCEPTED, ticket.message
    ends = len(followed.ended)
    if plan.gpu_delta > 0:
        await followed.until_begun()
        assert rig.row().desired == wanted
        assert rig.row().phase is Phase.SCALING
        told = ticket.message.rpartition(" ")[2]  # The list may show the change before its answer is in.
        await until(lambda: dict(rig.row().about).get("operation", "").endswith(told), LIMIT)
        assert (await rig.plan(wanted + 1)).blocked, "Exoscale takes one change at a time"
        rig.pass_time(seconds / 2)
        asked = len(rig.server.faults.seen)
        await until(lambda: len(rig.server.faults.seen) > asked + 8, LIMIT)
        followed.look()
        assert len(followed.ended) == ends, "not done before it is done"
        assert rig.row().ready is None, "no ready count is ever told"
    rig.pass_time(seconds)
    ended = await followed.until_ended()
    assert (ended.outcome, ended.after.groups) == (Outcome.DONE, wanted), ended
    assert rig.row().phase is (Phase.RUNNING if wanted else Phase.ABSENT)
    assert "operation" not in dict(rig.row().about)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
async def test_up_down_to_zero_and_back_under_every_unknown(switches: Switches) -> None:
    async with running(switches=switches) as rig:
        followed = Followed(rig)
        followed.look()
        url = rig.row().endpoint
        await scale(rig, followed, 3, 480)
        await scale(rig, followed, 1, 1)
        await scale(rig, followed, 0, 1)
        await scale(rig, followed, 1, 240)
        assert rig.row().endpoint == url
        assert [operation.outcome for operation in followed.ended] == [Outcome.DONE] * 4


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
async def test_a_change_is_followed_on_after_a_restart(switches: Switches) -> None:
    async with running(switches=switches) as rig:
        plan = await rig.plan(3)
        await rig.backend.apply(plan)
        followed = Followed(rig)
        now = rig.backend.clock.now()
        followed.running = Operation("op", plan.key, "ops", plan.before, plan.after, now, ())
        async with rig.restarted():
            followed.look()
            assert rig.row().phase is Phase.SCALING
            rig.pass_time(240)
            lists = len(rig.server.faults.seen)
            await until(lambda: len(rig.server.faults.seen) > lists + 8, LIMIT)
            followed.look()
            assert followed.ended == []
            rig.pass_time(240)
            assert (await followed.until_ended()).outcome is Outcome.DONE
            assert rig.row().desired == 3


@pytest.mark.parametrize("switches", [one for one in SWITCHES if one.op_success == "converged"], ids=named)
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (("unavailable", "no capacity"), "unavailable: no capacity"),
        ((None, None), "Exoscale gives no reason"),
    ],
)
async def test_an_operation_that_fails_is_told_and_followed_no_more(
    switches: Switches, failure: tuple[str | None, str | None], words: str
) -> None:
    async with running(switches=switches) as rig:
        followed = Followed(rig)
        followed.look()
        rig.zone.failures.append(failure)
        await rig.backend.apply(await rig.plan(3))
        await followed.until_begun()
        rig.pass_time(600)
        ended = await followed.until_ended()
        assert (ended.outcome, ended.detail) == (Outcome.FAILED, f"operation failure: {words}")
        trouble = rig.row().trouble
        assert trouble is not None
        assert words in trouble.message
        assert rig.row().desired == 1
        assert any(words in (event.reason or "") for event in rig.taken.told)
        plan = await rig.plan(2)
        assert not plan.blocked, "it can be tried again"
        await rig.backend.apply(plan)
        await until(lambda: rig.row().trouble is None, LIMIT)


async def test_what_others_do_is_seen_as_far_as_the_state_tells_it() -> None:
    async with running(Deployment("demo", MODEL, "gpua5000", 2, 1)) as rig:
        followed = Followed(rig)
        followed.look()
        rig.zone.scale(rig.deployment(), 2)
        await until(lambda: rig.row().desired == 2, LIMIT)
        followed.look()
        assert [group.phase for group in rig.row().groups] == [Phase.SCALING, Phase.CREATING]
        rig.pass_time(300)
        assert (await followed.until_ended()).outcome is Outcome.DONE
