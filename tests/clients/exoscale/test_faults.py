"""What goes wrong between here and a zone: rows stay, no zone hides another, nothing is sent twice."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import AsyncExitStack

import pytest

from clients.clock import SystemClock
from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.exoscale.zone import Deployment
from clients.exoscale.backend import ExoscaleBackend
from clients.exoscale.credentials import KEY_NAME, SECRET_NAME, from_environ
from clients.managed.attention import FOCUSED
from clients.managed.calls import CloudError
from clients.managed.terms import Terms
from clients.serving.backend import Result
from clients.serving.changes import Change, ObjectChange, ReplicasChange, Verb
from clients.serving.keys import ObjectRef
from clients.serving.phase import Phase
from clients.serving.sources import SourceState
from tests.support.exoscale import LIMIT, MODEL, Rig, Taken, credentials, running
from tests.support.kube import until
from tests.support.small_cloud import hangs, says, small_cloud

pytestmark = pytest.mark.usefixtures("fast")
REF = ObjectRef("exoscale", "Exoscale", None, "demo")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.STATUS, path="/ai/deployment", status=500, body="{}", times=None),
        Fault(FaultKind.STATUS, path="/ai/deployment", status=503, body="no healthy upstream", times=None),
        Fault(FaultKind.STATUS, path="/ai/deployment", status=429, body='{"retry_after": 1}', times=None),
        Fault(FaultKind.STATUS, path="/ai/deployment", status=200, body='{"deployments": [', times=None),
        Fault(FaultKind.CUT, path="/ai/deployment", times=None),
        Fault(FaultKind.LOST, path="/ai/deployment", times=None),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.body[:8]}",
)  # fmt: skip
async def test_rows_stay_while_a_zone_fails_and_it_comes_back_by_itself(fault: Fault) -> None:
    async with running() as rig:
        rig.server.faults.rules.append(fault)
        await until(lambda: rig.state() is SourceState.STALE, LIMIT)
        status = rig.backend.sources[0]
        assert status.detail
        assert status.have == 1
        assert rig.row().phase is Phase.RUNNING
        plan = await rig.plan(3)
        assert any(guard.id == "stale" for guard in plan.guards)
        rig.server.faults.rules.clear()
        await until(lambda: rig.state() is SourceState.LIVE, LIMIT)


async def test_x2_one_failing_and_one_silent_zone_hide_no_other() -> None:
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(running())
        taken = Taken()
        for name, act in (("broken", says(500, '{"error": "internal"}')), ("silent", hangs)):
            cloud = await stack.enter_async_context(small_cloud())
            cloud.script = [act]
            backend = ExoscaleBackend.open(
                name, credentials(good.server.account), Terms(clock=SystemClock(), endpoint=cloud.url)
            )
            task = asyncio.create_task(backend.run(taken))
            stack.push_async_callback(backend.close)
            stack.callback(task.cancel)

        def state(name: str) -> SourceState:
            return taken.statuses[f"exoscale/{name}"][0].state

        async with good.restarted():
            assert good.taken.has("demo"), "its rows came while the others had nothing to say"
            await until(lambda: len(taken.statuses) == 2 and state("broken") is SourceState.STALE, LIMIT)
            assert taken.statuses["exoscale/broken"][0].detail == "internal (500)"
            await until(lambda: state("silent") is SourceState.STALE, LIMIT)
            assert taken.statuses["exoscale/silent"][0].detail == "no answer for 5 s"
            assert good.state() is SourceState.LIVE


async def test_a_zone_that_there_is_not_is_named() -> None:
    async with running() as rig, AsyncExitStack() as stack:
        taken = Taken()
        backend = ExoscaleBackend.open(
            "at-vie-9", credentials(rig.server.account), Terms(clock=SystemClock(), endpoint=rig.url)
        )
        task = asyncio.create_task(backend.run(taken))
        stack.push_async_callback(backend.close)
        stack.callback(task.cancel)
        await until(lambda: backend.sources[1].state is SourceState.ABSENT, LIMIT)
        assert backend.sources[1].detail == "at-vie-9 is no zone of Exoscale; there are: at-vie-2"


async def test_the_row_that_is_looked_at_is_read_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FOCUSED == 10.0
    monkeypatch.setattr("clients.exoscale.zone.IDLE", 3600.0)
    monkeypatch.setattr("clients.exoscale.zone.FOCUSED", 0.02)

    def lists(rig: Rig) -> int:
        return sum(one.path == "/v2/ai/deployment" for one in rig.server.faults.seen)

    async with running() as rig:
        await until(lambda: rig.state() is SourceState.LIVE, LIMIT)
        before, others = lists(rig), len(rig.server.faults.seen)
        await until(lambda: len(rig.server.faults.seen) > others + 20, LIMIT)
        assert lists(rig) == before, "nobody looks and nothing moves"

        def read_often() -> bool:
            rig.backend.attend(rig.row().key)
            return lists(rig) > before + 3

        await until(read_often, LIMIT)


async def test_zones_are_asked_for_without_a_signature() -> None:
    async with running() as rig:
        await until(lambda: rig.backend.sources[1].have == 1, LIMIT)
    async with small_cloud() as cloud:
        cloud.script = [says(200, '{"zones": [{"name": "at-vie-2"}]}')]
        backend = ExoscaleBackend.open(
            "at-vie-2", credentials(rig.server.account), Terms(clock=SystemClock(), endpoint=cloud.url)
        )
        task = asyncio.create_task(backend.run(Taken()))
        await until(lambda: any(one.path == "/v2/zone" for one in cloud.requests), LIMIT)
        signed = {one.path: "Authorization" in one.headers for one in cloud.requests}
        task.cancel()
        await backend.close()
    assert signed.pop("/v2/zone") is False
    assert all(signed.values())


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (Fault(FaultKind.DEAF, "POST"), Result.ACCEPTED),
        (Fault(FaultKind.CUT, "POST"), Result.ACCEPTED),
        (Fault(FaultKind.LOST, "POST"), Result.UNKNOWN),
        (Fault(FaultKind.HANG, "POST"), Result.UNKNOWN),
        (Fault(FaultKind.STATUS, "POST", status=500), Result.UNKNOWN),
        (Fault(FaultKind.STATUS, "POST", status=422, body='{"detail": "no"}'), Result.REFUSED),
        (Fault(FaultKind.STATUS, "POST", status=429, body='{"error": "slow"}'), Result.REFUSED),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else str(value),
)
async def test_a_write_without_an_answer_is_read_again_and_never_repeated(
    fault: Fault, result: Result
) -> None:
    async with running(limit=1.0) as rig:
        rig.server.faults.rules.append(fault)
        ticket = await rig.backend.apply(await rig.plan(3))
        assert ticket.result is result, ticket.message
        assert len(rig.writes) == 1
        applied = result is Result.ACCEPTED
        assert rig.deployment().replicas == (3 if applied else 1)
        if applied:
            await until(lambda: rig.row().phase is Phase.SCALING, LIMIT)
            rig.pass_time(600)
            await until(lambda: rig.row().phase is Phase.RUNNING, LIMIT)
        assert len(rig.writes) == 1


async def test_an_operation_that_cannot_be_read_is_given_up_and_the_deployment_followed_alone() -> None:
    async with running() as rig:
        rig.server.faults.rules.append(Fault(FaultKind.STATUS, path="/operation/", status=500, times=None))
        await rig.backend.apply(await rig.plan(3))

        def asked() -> int:
            return sum("/operation/" in one.path for one in rig.server.faults.seen)

        await until(lambda: asked() == 5, LIMIT)
        rig.pass_time(600)
        await until(lambda: rig.row().phase is Phase.RUNNING, LIMIT)
        assert rig.row().desired == 3
        assert asked() == 5


async def test_what_is_deleted_elsewhere_goes() -> None:
    async with running() as rig:
        row, plan = rig.row(), await rig.plan(3)
        rig.zone.delete(rig.deployment())
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "gone" in ticket.message
        assert await rig.backend.poll(ticket) is None
        await until(lambda: not rig.taken.has("demo"), LIMIT)
        with pytest.raises(CloudError, match="is gone"):
            await rig.backend.plan(row, plan.change)


async def test_x1_no_secret_in_logs_errors_or_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running() as rig:
            account = rig.server.account
            found = from_environ({KEY_NAME: account.key, SECRET_NAME: account.secret})
            rig.server.faults.rules.append(Fault(FaultKind.LOST, "GET", "/ai/deployment/", times=1))
            told = [repr(found), repr(rig.backend.__dict__), repr(rig.row()), repr(rig.backend.sources)]
            try:
                await rig.backend.object(rig.row().key)
            except CloudError as error:
                told.append("".join(traceback.format_exception(error)))
            plan = await rig.plan(3)
            told += [
                repr(plan),
                repr(await rig.backend.apply(plan)),
                repr(await rig.backend.object(plan.key)),
            ]
            told += [line async for line in rig.backend.logs(plan.key)]
            api_key = rig.deployment().api_key
    signatures = [account.secret, account.key, api_key, "signature=", "EXO2-HMAC"]
    everything = "\n".join([*told, caplog.text])
    assert "connection lost" in everything, "the error was there to be looked through"
    assert [text for text in signatures if text in everything] == []
    assert not any("api-key" in one.path for one in rig.server.faults.seen)


@pytest.mark.parametrize("change", [ReplicasChange(0), ObjectChange(Verb.DELETE, REF, "")])
async def test_a_plan_is_for_one_deployment_and_not_for_its_namesake(change: Change) -> None:
    async with running() as rig:
        plan = await rig.plan(change)
        rig.zone.delete(rig.deployment())
        await until(lambda: not rig.taken.workloads, LIMIT)
        namesake = rig.zone.add(Deployment("demo", MODEL, "gpua5000", 2, 1))
        await until(lambda: rig.taken.workloads and rig.row().uid == namesake.id, LIMIT)
        ticket = await rig.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "another deployment has its name by now" in ticket.message
        assert rig.writes == []
