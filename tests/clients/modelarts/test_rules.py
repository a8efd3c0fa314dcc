"""The rules MA1 to MA8 of the fact sheet, each by its id, over HTTP against the fake region."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.modelarts.cloud import Cloud, Deployment, NoHpa, Service, Switches, WhileScaling
from clients.managed.calls import CloudError
from clients.serving.backend import Result
from clients.serving.changes import ReplicasChange, RunChange
from clients.serving.confirm import accepts, confirmation
from clients.serving.guards import CHANGED, Confirmation, Guard, Level
from clients.serving.operation import Outcome
from clients.serving.phase import Phase, TroubleKind
from clients.serving.plans import ScalePlan
from tests.support.modelarts_region import Rig, modelarts

STATUSES = (
    "INIT", "DEPLOYING", "RUNNING", "CONCERNING", "UPGRADING", "STOPPING", "STOPPED", "FAILED", "ERROR",
    "DELETING", "INTERRUPTING", "RESTARTING", "DELETED",
)  # fmt: skip
ALL = [Switches(status_while_scaling=status, no_hpa=no_hpa) for status in WhileScaling for no_hpa in NoHpa]


def chat(count: int = 2, **more: object) -> Deployment:
    return msgspec.convert({"name": "main", "count": count, **more}, Deployment)


def only(deployment: Deployment, **more: object) -> Service:
    return msgspec.structs.replace(Service("chat", [deployment]), **more)


async def plan_of(rig: Rig, count: int, name: str = "chat/main") -> ScalePlan:
    return await rig.backend.plan(rig.see(name), ReplicasChange(count))


def guard(plan: ScalePlan, which: str) -> Guard:
    found = [one for one in plan.guards if one.id == which]
    assert len(found) == 1, plan.guards
    return found[0]


def asked(plan: ScalePlan) -> Confirmation:
    """By the rule of every screen, with the setting that asks for the least."""
    return confirmation(
        plan.before, plan.after, plan.steps, confirm_scale_in="ok", guards=plan.guards, elsewhere=True
    )


# -- MA1


@pytest.mark.parametrize("status", STATUSES)
async def test_MA1_scales_in_running_and_concerning_only(status: str) -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        service.deployments[0].status = status
        checked = await rig.backend.dry_run(plan)
        ticket = await rig.backend.apply(plan)
        allowed = status in ("RUNNING", "CONCERNING")
        assert (ticket.result is Result.ACCEPTED) == allowed, ticket
        assert checked.blocked != allowed
        assert len(rig.writes) == (1 if allowed else 0), "the status is read again right before the write"
        if not allowed and status not in ("DELETED", "STOPPED", "STOPPING", "DELETING"):
            assert status in guard(checked, "state").reason
            fresh = await plan_of(rig, 3)
            assert guard(fresh, "state").level is Level.BLOCK
            assert "RUNNING" in guard(fresh, "state").reason
            assert "Alarm" in guard(fresh, "state").reason


def _add(cloud: Cloud, *services: Service) -> None:
    for service in services:
        cloud.add(service)


async def test_MA1_a_status_nobody_knows_is_shown_and_counts_as_busy() -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        service.deployments[0].status = "HIBERNATING\x1b[2J"
        shown = await rig.look("chat/main")
        assert dict(shown.about)["status"] == "HIBERNATING␛[2J"
        assert shown.trouble is not None
        assert shown.trouble.kind is TroubleKind.BLOCKED
        assert shown.phase is Phase.UPDATING
        assert "HIBERNATING␛" in guard(await plan_of(rig, 3), "state").reason
        assert (await plan_of(rig, 3)).blocked


async def test_MA1_the_service_itself_must_run_too() -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        service.status = "UPGRADING"
        await rig.look("chat/main")
        assert "its service is UPGRADING" in guard(await plan_of(rig, 3), "state").reason


async def test_MA1_alarm_is_running_with_a_warning() -> None:  # noqa: N802
    service = only(chat(status="CONCERNING"), events=[("WARNING", "card 3 is hot"), ("NORMAL", "fine")])
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        shown = rig.see("chat/main")
        assert (shown.phase, shown.desired, shown.ready) == (Phase.RUNNING, 2, 2)
        assert shown.trouble is not None
        assert (shown.trouble.kind, shown.trouble.reason) == (TroubleKind.DEGRADED, "Alarm")
        assert shown.trouble.message == "card 3 is hot"
        assert not (await plan_of(rig, 3)).blocked


# -- MA2


async def test_MA2_scaling_in_needs_exactly_yes_and_scaling_out_an_ok() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(3)))) as rig:
        await rig.synced()
        down, up = await plan_of(rig, 2), await plan_of(rig, 4)
        assert asked(down) is Confirmation.YES, "whatever the settings say"
        for typed in ("yes", "Y", " YES ", "YES ", "", "ok", "chat", None):
            assert not accepts(asked(down), typed, down.named)
        assert accepts(asked(down), "YES", down.named)
        assert guard(down, "scale-in").level is Level.CONFIRM
        assert asked(up) is Confirmation.OK


async def test_MA2_what_does_not_serve_asks_for_yes_all_the_same() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(3, running=1)))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 2)
        assert not any(step.serving for step in plan.steps)
        assert asked(plan) is Confirmation.YES


# -- MA3


@pytest.mark.parametrize(("count", "word"), [(0, "use Stop"), (-1, "use Stop"), (129, "at most 128")])
async def test_MA3_from_1_to_128(count: int, word: str) -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        plan = await plan_of(rig, count)
        assert plan.blocked
        assert word in guard(plan, "rules").reason
        assert (await rig.backend.apply(plan)).result is Result.REFUSED
        assert rig.writes == []


@pytest.mark.parametrize("count", [1, 128])
async def test_MA3_both_ends_are_sent_as_a_number_alone(count: int) -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        assert (await rig.backend.apply(await plan_of(rig, count))).result is Result.ACCEPTED
        assert [seen.body for seen in rig.writes] == [b'{"count":%d}' % count]
        assert rig.fake.cloud.scaled == [("chat", "main", count)]


# -- MA4


async def test_MA4_the_same_count_sends_nothing() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 2)
        assert (plan.write, plan.guards) == (None, ())
        assert (await rig.backend.apply(await rig.backend.dry_run(plan))).result is Result.REFUSED
        assert rig.writes == []


# -- MA5


async def test_MA5_unit_price_times_instances_before_package_hours() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        assert plan.cost_before is not None
        assert plan.cost_after is not None
        assert (Decimal(plan.cost_before.amount), plan.cost_after.currency) == (Decimal(5), "EUR")
        assert plan.cost_after.amount == "7.50"
        reason = guard(plan, "cost").reason
        assert reason == "3 x 2.50 = 7.50 EUR an hour, before package hours, which are deducted first"
        told = " ".join(plan.notes)
        assert "OBS storage" in told
        assert "SMN" in told
        assert "keeps answering while it scales" in told


async def test_MA5_a_dedicated_pool_is_prepaid() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(pool="pool-1")))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        assert (plan.cost_before, plan.cost_after) == (None, None)
        assert guard(plan, "cost").reason == "prepaid, no extra: dedicated pool pool-1"


@pytest.mark.parametrize("flavor", ["modelarts.demo.gpu.8", "modelarts.demo.gpu", "gpu.1", "another"])
async def test_MA5_a_price_that_nobody_set_is_unknown(flavor: str) -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(flavor=flavor)))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        assert (plan.cost_before, plan.cost_after) == (None, None)
        assert guard(plan, "cost").reason == f"cost unknown: no price for {flavor} in [prices]"


# -- MA6


async def test_MA6_a_frozen_service_is_not_written_to() -> None:  # noqa: N802
    service = only(chat(), frozen=[{"scene": "ARREAR", "effect": 1}, {"scene": "POLICE", "effect": 2}])
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        shown = rig.see("chat/main")
        assert shown.trouble is not None
        assert (shown.trouble.kind, shown.trouble.reason) == (TroubleKind.BLOCKED, "frozen: ARREAR, POLICE")
        changes = (ReplicasChange(3), ReplicasChange(1), RunChange(running=False))
        for plan in [await rig.backend.plan(shown, change) for change in changes]:
            assert plan.blocked
            assert "ARREAR, POLICE (not releasable)" in guard(plan, "frozen").reason
            assert (await rig.backend.apply(plan)).result is Result.REFUSED
        assert rig.writes == []


async def test_MA6_frozen_after_the_plan_is_seen_before_the_write() -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        service.frozen.append({"scene": "ILLEGAL", "effect": 1})
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.REFUSED
        assert "ILLEGAL" in ticket.message
        assert rig.writes == []


# -- MA7


@pytest.mark.parametrize("switches", ALL, ids=lambda one: f"{one.status_while_scaling}-{one.no_hpa}")
async def test_MA7_done_is_running_with_as_many_as_wanted(switches: Switches) -> None:  # noqa: N802
    async with modelarts(switches, fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        ticket = await rig.backend.apply(await plan_of(rig, 4))
        assert ticket.result is Result.ACCEPTED, ticket
        seen = []
        for seconds in (0, 180, 180):
            shown = await rig.live(seconds, "chat/main")
            seen.append((shown.ready, shown.desired, len(rig.fleet.ended)))
        assert seen == [(2, 4, 0), (3, 4, 0), (4, 4, 1)]
        (ended,) = rig.fleet.ended
        assert (ended.outcome, ended.before.groups, ended.after.groups) == (Outcome.DONE, 2, 4)
        assert (ended.done, ended.total, ended.detail) == (2, 2, None)
        assert (await rig.backend.apply(await plan_of(rig, 1))).result is Result.ACCEPTED
        shown = await rig.live(5, "chat/main")
        assert (shown.ready, shown.desired, shown.phase) == (1, 1, Phase.RUNNING)
        assert [one.outcome for one in rig.fleet.ended] == [Outcome.DONE, Outcome.DONE]
        assert (rig.fleet.ended[1].done, rig.fleet.ended[1].total) == (3, 3)


async def test_MA7_as_many_as_wanted_is_not_done_while_it_is_busy() -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        await rig.backend.apply(await plan_of(rig, 3))
        rig.engine.run_until(rig.engine.clock.now() + 180)
        service.deployments[0].status = "UPGRADING"
        shown = await rig.look("chat/main")
        assert (shown.ready, shown.desired, rig.fleet.ended) == (3, 3, [])
        service.deployments[0].status = "RUNNING"
        await rig.look("chat/main")
        assert [one.outcome for one in rig.fleet.ended] == [Outcome.DONE]


async def test_MA7_done_in_alarm_is_done_with_a_warning() -> None:  # noqa: N802
    service = only(chat(status="CONCERNING"), events=[("ABNORMAL", "card 3 is hot")])
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        await rig.backend.apply(await plan_of(rig, 3))
        await rig.live(0, "chat/main")
        await rig.live(180, "chat/main")
        (ended,) = rig.fleet.ended
        assert (ended.outcome, ended.detail) == (Outcome.DONE, "Alarm: card 3 is hot")


@pytest.mark.parametrize("status", ["FAILED", "ERROR"])
async def test_MA7_failed_is_failed_with_its_reason(status: str) -> None:  # noqa: N802
    service = only(chat(fails="flavor sold out"))
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        await rig.backend.apply(await plan_of(rig, 4))
        await rig.live(0, "chat/main")
        rig.engine.run_until(rig.engine.clock.now() + 180)
        service.deployments[0].status = status
        shown = await rig.look("chat/main")
        (ended,) = rig.fleet.ended
        assert (ended.outcome, ended.detail) == (Outcome.FAILED, f"{status}: flavor sold out")
        assert shown.trouble is not None
        assert (shown.trouble.kind, shown.trouble.message) == (TroubleKind.FAILED, "flavor sold out")
        assert (shown.ready, shown.desired) == (2, 4)
        await rig.look("chat/main")
        assert len(rig.fleet.ended) == 1, "what failed does not begin again"


# -- MA8


def hpa(status: str = "ACTIVE", **more: object) -> dict[str, object]:
    return {"id": "h1", "name": "scaler", "status": status, "min_replicas": 1, "max_replicas": 4, **more}


@pytest.mark.parametrize(
    ("status", "count", "word"),
    [
        ("ACTIVE", 3, "may set another count between 1 and 4"),
        ("ACTIVE", 6, "will set it to 4: 6 is above its maximum"),
        ("INACTIVE", 3, None),
        ("DELETED", 3, None),
    ],
)
async def test_MA8_an_active_autoscaler_warns(status: str, count: int, word: str | None) -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(hpa=hpa(status))))) as rig:
        await rig.synced()
        plan = await plan_of(rig, count)
        found = [one for one in plan.guards if one.id == "driver"]
        assert [one.level for one in found] == ([Level.WARN] if word else [])
        assert word is None or word in found[0].reason
        assert not plan.blocked


async def test_MA8_one_that_appears_after_the_plan_is_told_before_the_write() -> None:  # noqa: N802
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        assert not [one for one in plan.guards if one.id == "driver"]
        service.deployments[0].hpa = hpa()
        assert guard(await rig.backend.dry_run(plan), "driver").level is Level.WARN


async def test_MA8_one_that_cannot_be_read_is_not_taken_for_none() -> None:  # noqa: N802
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        rig.fake.faults.rules.append(
            Fault(FaultKind.STATUS, path="/hpa", status=403, body='{"error_code": "ModelArts.0105"}')
        )
        found = guard(await rig.backend.dry_run(plan), "driver")
        assert (found.level, "unknown" in found.reason) == (Level.WARN, True)
        assert "ModelArts.0105" in found.reason


async def test_MA8_the_autoscaler_is_a_driver_with_its_bounds_and_schedules() -> None:  # noqa: N802
    rules = [
        {
            "name": "morning",
            "type": "CRON_HPA",
            "schedule": "0 8 * * 1-5",
            "target_replicas": 3,
            "disable": "false",
        },
        {"name": "load", "type": "METRIC_HPA", "disable": False},
        {"name": "old", "type": "CRON_HPA", "schedule": "0 9 * * *", "target_replicas": 1, "disable": "true"},
    ]
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(hpa=hpa(hpa_rules=rules))))) as rig:
        await rig.synced()
        (driver,) = rig.see("chat/main").drivers
        assert (driver.kind, driver.minimum, driver.maximum, driver.reverts) == ("HPA", 1, 4, True)
        assert driver.signal == "cron 0 8 * * 1-5 to 3, metric"
        told = await rig.backend.autoscaling(rig.see("chat/main"))
        assert told is not None
        assert [line.partition(":")[0] for line in told.conditions] == ["morning", "load", "old"]
        assert "time zone that ModelArts does not tell" in told.conditions[0]
        assert "switched off" in told.conditions[2]


# -- stop and start


async def test_stop_asks_for_yes_and_start_for_an_ok() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat(3)))) as rig:
        await rig.synced()
        stop = await rig.backend.plan(rig.see("chat/main"), RunChange(running=False))
        assert asked(stop) is Confirmation.YES
        assert (await rig.backend.apply(stop)).result is Result.ACCEPTED
        stopping = await rig.look("chat/main")
        assert (stopping.desired, stopping.phase) == (0, Phase.DELETING)
        stopped = await rig.live(5, "chat/main")
        assert (stopped.state, stopped.ready, stopped.groups) == ("stopped", 0, ())
        assert [one.outcome for one in rig.fleet.ended] == [Outcome.DONE]
        assert (await plan_of(rig, 4)).blocked
        again = await rig.backend.plan(stopped, RunChange(running=False))
        assert again.write is None, "it is stopped already"
        start = await rig.backend.plan(stopped, RunChange(running=True))
        assert asked(start) is Confirmation.OK
        assert (start.before.groups, start.after.groups) == (0, 3)
        assert (await rig.backend.apply(start)).result is Result.ACCEPTED
        for _ in range(3):
            await rig.live(180, "chat/main")
        assert [one.outcome for one in rig.fleet.ended] == [Outcome.DONE, Outcome.DONE]
        deployment = next(iter(rig.fake.cloud)).deployments[0]
        assert [seen.path.rpartition("/deployments/")[2] for seen in rig.writes] == [
            f"{deployment.id}/stop",
            f"{deployment.id}/start",
        ]


@pytest.mark.parametrize("status", STATUSES)
async def test_only_what_may_be_stopped_or_started_is(status: str) -> None:
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        stop = await rig.backend.plan(rig.see("chat/main"), RunChange(running=False))
        service.deployments[0].status = status
        ticket = await rig.backend.apply(stop)
        assert (ticket.result is Result.ACCEPTED) == (
            status in ("RUNNING", "DEPLOYING", "FAILED", "CONCERNING")
        ), ticket


async def test_a_failed_one_is_started_again() -> None:
    service = only(chat(status="FAILED", running=0), failure_reason="sold out")
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        start = await rig.backend.plan(rig.see("chat/main"), RunChange(running=True))
        assert (await rig.backend.apply(start)).result is Result.ACCEPTED


# -- writes


async def test_somebody_else_was_faster() -> None:
    service = only(chat())
    async with modelarts(fills=lambda cloud: _add(cloud, service)) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        service.deployments[0].count = 5
        checked = await rig.backend.dry_run(plan)
        assert "5 instances are wanted by now, not 2" in guard(checked, CHANGED).reason
        assert (await rig.backend.apply(plan)).result is Result.CONFLICT
        rig.fake.cloud.remove(service.id)
        ticket = await rig.backend.apply(plan)
        assert (ticket.result, ticket.message) == (Result.CONFLICT, "it is gone; nothing was applied")
        assert rig.writes == []


async def test_a_write_whose_answer_is_lost_is_read_and_not_sent_again() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        rig.fake.faults.rules.append(Fault(FaultKind.DEAF, method="PUT"))
        ticket = await rig.backend.apply(await plan_of(rig, 3))
        assert (ticket.result, "read again, it was applied" in ticket.message) == (Result.ACCEPTED, True)
        assert rig.fake.cloud.scaled == [("chat", "main", 3)]


async def test_a_write_that_hangs_is_read_and_not_sent_again() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat())), limit=2.0) as rig:
        await rig.synced()
        rig.fake.faults.rules.append(Fault(FaultKind.HANG, method="PUT"))
        ticket = await rig.backend.apply(await plan_of(rig, 3))
        assert ticket.result is Result.UNKNOWN
        assert rig.fake.cloud.scaled == []
        assert len(rig.writes) == 1


async def test_a_refusal_is_told_with_code_and_request_as_they_are() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        body = '{"error_code": "ModelArts.4711", "error_msg": "not now"}'
        rig.fake.faults.rules.append(Fault(FaultKind.STATUS, method="PUT", status=400, body=body))
        ticket = await rig.backend.apply(await plan_of(rig, 3))
        assert (ticket.result, ticket.status) == (Result.REFUSED, 400)
        assert ticket.message.startswith("ModelArts.4711: not now (400, request ")
        assert rig.fake.cloud.scaled == []


async def test_a_long_refusal_does_not_push_out_the_request() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        told = {"error_code": "APIGW.0308", "error_msg": "slow down " * 90, "request_id": "f00d" * 8}
        rig.fake.faults.rules.append(
            Fault(FaultKind.STATUS, method="PUT", status=429, body=msgspec.json.encode(told).decode())
        )
        ticket = await rig.backend.apply(await plan_of(rig, 3))
        assert (ticket.result, ticket.status) == (Result.REFUSED, 429)
        assert ticket.message.startswith("APIGW.0308: slow down slow down")
        assert "request " + "f00d" * 8 in ticket.message


async def test_what_cannot_be_read_again_is_not_written() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        plan = await plan_of(rig, 3)
        rig.fake.faults.rules.append(Fault(FaultKind.STATUS, path="/services/", status=503, times=None))
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.REFUSED
        assert "could not be read again" in ticket.message
        assert rig.writes == []


async def test_changes_that_there_are_not() -> None:
    async with modelarts(fills=lambda cloud: _add(cloud, only(chat()))) as rig:
        await rig.synced()
        with pytest.raises(CloudError, match="no roles"):
            await rig.backend.plan(rig.see("chat/main"), ReplicasChange(3, (("decode", 2),)))
