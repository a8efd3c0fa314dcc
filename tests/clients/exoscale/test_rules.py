"""The rules EX1 to EX10, each by its id, through a backend and a zone that answers over HTTP."""

from __future__ import annotations

import json

import pytest

from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.exoscale.zone import Deployment, Family, Model, Switches
from clients.exoscale.decode import Deployment as Told
from clients.exoscale.grid import gpus_of
from clients.managed.calls import CloudError
from clients.serving.backend import Result
from clients.serving.changes import ObjectChange, ReplicasChange, Verb
from clients.serving.confirm import confirmation
from clients.serving.eta import Durations
from clients.serving.guards import Confirmation, Level
from clients.serving.keys import ObjectRef
from clients.serving.phase import Phase
from clients.serving.plans import Money, ScalePlan
from tests.support.exoscale import LIMIT, MODEL, guard, running
from tests.support.kube import until

pytestmark = pytest.mark.usefixtures("fast")
REF = ObjectRef("exoscale", "Exoscale", None, "demo")
PRICES = {"gpua5000": Money("1.10", "EUR")}
GPUS = (Family("gpua5000", 8),)


def demo(replicas: int = 1, **more: object) -> Deployment:
    return Deployment("demo", MODEL, "gpua5000", 2, replicas, **more)  # type: ignore[arg-type]


def asked(plan: ScalePlan) -> Confirmation:
    """What has to be typed where the settings say nothing."""
    if plan.write is None:
        return Confirmation.NONE
    deletes = isinstance(plan.change, ObjectChange) and plan.change.verb is Verb.DELETE
    return confirmation(
        plan.before,
        plan.after,
        plan.steps,
        confirm_scale_in=plan.scale_in,
        guards=plan.guards,
        elsewhere=True,
        deletes=deletes,
    )


async def test_ex1_gpus_are_the_gpu_count_times_the_replicas() -> None:
    assert gpus_of(Told("demo", gpu_count=2), 3) == 6
    assert gpus_of(Told("demo"), 3) is None
    async with running(prices=PRICES) as rig:
        assert rig.row().gpus == 2
        plan = await rig.plan(3)
        assert plan.gpu_delta == 4
        total = guard(plan, "total")
        assert total is not None
        assert total.reason == "2 gpua5000 a replica times 3 = 6 GPUs (+4)"
        assert (plan.cost_before, plan.cost_after) == (Money("2.20", "EUR"), Money("6.60", "EUR"))


async def test_ex1_what_is_not_told_is_not_counted() -> None:
    async with running() as rig:
        plan = await rig.plan(3)
        assert (plan.cost_before, plan.cost_after) == (None, None)
        assert "no price for gpua5000 in [prices]" in plan.notes


async def test_ex2_the_gpu_count_cannot_be_changed() -> None:
    async with running() as rig:
        patch = '[{"op": "replace", "path": "/gpu-count", "value": 4}]'
        plan = await rig.plan(ObjectChange(Verb.PATCH, REF, patch))
        fixed = guard(plan, "gpu-count")
        assert fixed is not None
        assert fixed.level is Level.BLOCK
        assert plan.write is None
        assert plan.blocked
        with pytest.raises(CloudError, match="no roles"):
            await rig.plan(ReplicasChange(roles=(("worker", 2),)))
        await rig.backend.apply(await rig.plan(3))
        (method, path, body) = rig.writes[0]
        assert (method, path.rpartition("/")[2], json.loads(body)) == ("POST", "scale", {"replicas": 3})


async def test_ex3_replicas_are_at_least_0_and_1_at_creation() -> None:
    async with running() as rig:
        below = await rig.plan(-1)
        rules = guard(below, "rules")
        assert rules is not None
        assert rules.level is Level.BLOCK
        assert (await rig.backend.apply(below)).result is Result.REFUSED
        assert rig.writes == []
        ticket = await rig.backend.apply(await rig.plan(0))
        assert ticket.result is Result.ACCEPTED, ticket.message
        assert rig.writes[0][2] == b'{"replicas":0}'
        new = {"name": "n", "model": MODEL.name, "gpu-type": "gpua5000", "gpu-count": 1, "replicas": 0}
        creation = await rig.plan(ObjectChange(Verb.CREATE, REF, json.dumps(new)))
        rules = guard(creation, "rules")
        assert rules is not None
        assert rules.level is Level.BLOCK
        for count in (0, 9):
            other = ObjectChange(Verb.CREATE, REF, json.dumps({**new, "gpu-count": count}))
            with pytest.raises(CloudError, match="1 to 8 GPUs"):
                await rig.plan(other)


@pytest.mark.parametrize(
    ("limit", "level", "words"),
    [
        (6, Level.PASS, "4 more gpua5000 needed, 4 left of 6 (2 used)"),
        (5, Level.BLOCK, "4 more gpua5000 needed, 3 left of 5 (2 used): 1 short"),
        (-1, Level.PASS, "4 more gpua5000 needed, 2 used, no limit"),
    ],
)
async def test_ex4_what_is_added_must_be_left_in_the_quota(limit: int, level: Level, words: str) -> None:
    async with running(demo(), families=(Family("gpua5000", limit),)) as rig:
        quota = guard(await rig.plan(3), "quota")
        assert quota is not None
        assert (quota.level, quota.reason) == (level, words)


async def test_ex4_going_down_asks_no_quota() -> None:
    async with running(demo(3), families=(Family("gpua5000", 1),)) as rig:
        plan = await rig.plan(1)
        assert guard(plan, "quota") is None
        assert not plan.blocked


async def test_ex4_without_a_readable_quota_exoscale_itself_says_no() -> None:
    async with running(demo(), families=(Family("gpua5000", 3),)) as rig:
        rig.server.faults.rules.append(Fault(FaultKind.STATUS, path="/quota", status=403, times=None))
        await until(lambda: rig.backend.sources[2].state == "denied", LIMIT)
        plan = await rig.plan(3)
        quota = guard(plan, "quota")
        assert quota is not None
        assert quota.level is Level.WARN
        assert "quota unknown" in quota.reason
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.REFUSED
        assert ticket.status == 412
        assert "Not enough gpua5000 left: need 4, have 1." in ticket.message
        assert rig.deployment().replicas == 1


async def test_ex5_a_family_that_is_not_authorised_is_told_before_going_up() -> None:
    families = (Family("gpua5000", 8, authorized=False),)
    async with running(demo(2), families=families) as rig:
        told = guard(await rig.plan(3), "authorized")
        assert told is not None
        assert told.level is Level.WARN
        assert "not authorised" in told.reason
        assert guard(await rig.plan(1), "authorized") is None


async def test_ex6_zero_keeps_url_and_key_and_says_so_and_what_it_costs() -> None:
    async with running() as rig:
        url, key = rig.row().endpoint, rig.deployment().api_key
        plan = await rig.plan(0)
        zero = guard(plan, "zero")
        assert zero is not None
        for words in ("URL and API key are kept", "GPU billing stops", "object storage, which is billed"):
            assert words in zero.reason
        assert guard(await rig.plan(2), "zero") is None
        await rig.backend.apply(plan)
        rig.pass_time(5)
        await until(lambda: rig.row().phase is Phase.ABSENT, LIMIT)
        assert (rig.row().gpus, rig.row().desired, rig.row().endpoint) == (0, 0, url)
        await rig.backend.apply(await rig.plan(1))
        rig.pass_time(300)
        await until(lambda: rig.row().phase is Phase.RUNNING, LIMIT)
        assert (rig.row().endpoint, rig.deployment().api_key) == (url, key)


async def test_ex6_deleting_loses_both_and_offers_zero_instead() -> None:
    async with running() as rig:
        plan = await rig.plan(ObjectChange(Verb.DELETE, REF, ""))
        lost = guard(plan, "lost")
        assert lost is not None
        assert lost.level is Level.CONFIRM
        assert "URL and API key are lost" in lost.reason
        assert any("scale it to 0 instead" in remedy for remedy in lost.remedies)
        assert asked(plan) is Confirmation.NAME
        assert plan.named == "demo"
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.ACCEPTED, ticket.message
        await until(lambda: not rig.taken.workloads, LIMIT)


@pytest.mark.parametrize(
    ("before", "after", "size", "words"),
    [
        (1, 3, 15, "6-10 min (3-5 per replica; may overlap)"),
        (1, 2, 15, "3-5 min"),
        (0, 1, 15, "3-5 min or longer"),
        (3, 1, 15, "near-instant"),
        (1, 2, 100, "3 min or longer: a model of 100 GB has no upper bound"),
    ],
)
async def test_ex7_how_long_it_takes_by_the_vendor(before: int, after: int, size: int, words: str) -> None:
    model = Model("acme/large", size * 10**9)
    mine = Deployment("demo", model, "gpua5000", 1, before)
    async with running(mine, models=(model,)) as rig:
        await until(lambda: all(source.have for source in rig.backend.sources), LIMIT)
        plan = await rig.plan(after)
        assert plan.vendor_time == f"{words}, says Exoscale"
        assert plan.eta is None


async def test_ex7_what_was_learned_here_counts_for_changes_by_as_many_replicas() -> None:
    durations = Durations()
    async with running(families=(Family("gpua5000", -1),), durations=durations) as rig:
        last = rig.row()

        def runs() -> bool:
            nonlocal last
            before, last = last, rig.row()
            durations.see(before, last, rig.backend.clock.now())
            return last.phase is Phase.RUNNING

        for wanted in (3, 4):
            await rig.backend.apply(await rig.plan(wanted))
            await until(lambda: not runs(), LIMIT)
            rig.pass_time(600)
            await until(runs, LIMIT)
        one, two, three = [await rig.plan(wanted) for wanted in (5, 6, 7)]
        assert one.eta is not None
        assert (one.eta.samples, one.vendor_time) == (1, "")
        assert two.eta is not None
        assert (two.eta.samples, two.vendor_time) == (2, "")
        assert three.eta is None
        assert three.vendor_time == "9-15 min (3-5 per replica; may overlap), says Exoscale"


@pytest.mark.parametrize(
    "state", ["creating", "deploying", "preparing", "scaling", "updating", "hibernating"]
)
async def test_ex8_only_what_is_ready_is_changed(state: str) -> None:
    async with running(demo(state=state, busy=True)) as rig:
        for plan in (await rig.plan(3), await rig.plan(ObjectChange(Verb.DELETE, REF, ""))):
            told = guard(plan, "state")
            assert told is not None
            assert told.level is Level.BLOCK
            assert state in told.reason
            assert (await rig.backend.apply(plan)).result is Result.REFUSED
        assert rig.writes == []


async def test_ex8_the_state_is_read_again_right_before() -> None:
    async with running() as rig:
        plan = await rig.plan(3)
        rig.server.zone.update(rig.deployment())
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.REFUSED
        assert '"updating"' in ticket.message
        assert rig.writes == []


async def test_ex8_another_count_meanwhile_is_a_conflict() -> None:
    async with running() as rig:
        plan = await rig.plan(3)
        rig.zone.scale(rig.deployment(), 2)
        rig.pass_time(600)
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "2 replicas by now, not 1" in ticket.message
        assert rig.writes == []


async def test_ex8_exoscale_itself_refuses_what_is_busy() -> None:
    async with running() as rig:
        rig.deployment().busy = True
        ticket = await rig.backend.apply(await rig.plan(3))
        assert (ticket.result, ticket.status) == (Result.CONFLICT, 409)
        assert "is busy" in ticket.message


async def test_ex8_out_of_an_error_only_ways_down_are_open() -> None:
    async with running(demo(state="error", details="engine exited")) as rig:
        trouble = rig.row().trouble
        assert trouble is not None
        assert trouble.message == "engine exited"
        assert (await rig.plan(3)).blocked
        for plan in (await rig.plan(0), await rig.plan(ObjectChange(Verb.DELETE, REF, ""))):
            told = guard(plan, "state")
            assert told is not None
            assert told.level is Level.WARN
            assert not plan.blocked
        ticket = await rig.backend.apply(await rig.plan(0))
        assert ticket.result is Result.ACCEPTED, ticket.message


async def test_ex9_the_same_count_sends_nothing() -> None:
    async with running() as rig:
        plan = await rig.plan(1)
        assert plan.write is None
        assert asked(plan) is Confirmation.NONE
        assert (await rig.backend.apply(plan)).result is Result.REFUSED
        assert rig.writes == []


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (1, 3, Confirmation.OK),
        (0, 1, Confirmation.OK),
        (3, 1, Confirmation.OK),
        (1, 0, Confirmation.YES),
        (3, 0, Confirmation.YES),
    ],
)
async def test_ex10_what_has_to_be_typed(before: int, after: int, word: Confirmation) -> None:
    async with running(demo(before)) as rig:
        assert asked(await rig.plan(after)) is word


async def test_ex10_the_setting_asks_for_more() -> None:
    async with running(demo(3)) as rig:
        plan = await rig.plan(1)
        stricter = confirmation(plan.before, plan.after, plan.steps, confirm_scale_in="yes")
        assert stricter is Confirmation.YES


@pytest.mark.parametrize("zero_state", ["ready", "scaling"])
async def test_zero_is_told_by_the_count_and_not_by_the_state(zero_state: str) -> None:
    switches = Switches(zero_state=zero_state)  # type: ignore[arg-type]
    async with running(demo(0), switches=switches) as rig:
        assert rig.row().phase is Phase.ABSENT
        assert not (await rig.plan(1)).blocked
