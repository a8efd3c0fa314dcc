"""A region as it is read: rows, pages, odd answers, faults, what is dead and what it hides."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from contextlib import AsyncExitStack

import msgspec
import pytest
from aiohttp import web

from clients.clock import SystemClock
from clients.embedded.api import serve
from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.modelarts.cloud import Cloud, Deployment, Service, Switches, WhileScaling
from clients.embedded.modelarts.gateway import Account
from clients.managed.terms import Terms
from clients.modelarts.backend import ModelArtsBackend
from clients.serving.backend import BackendError, Result, Ticket
from clients.serving.changes import ReplicasChange, RunChange
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Outcome
from clients.serving.phase import Phase
from clients.serving.sources import SourceState
from clients.serving.workload import Workload
from tests.support.kube import until
from tests.support.modelarts_region import REGION, Fleet, Rig, key_of, modelarts

BUSY = '{"error_code": "ModelArts.0010", "error_msg": "busy"}'


def chat(cloud: Cloud) -> None:
    cloud.add(Service("chat", [Deployment("main", 2)]))


def several(cloud: Cloud) -> None:
    for name in ("a", "b", "c"):
        cloud.add(Service(name, [Deployment("main", 1)]))


async def test_the_demo_region_as_rows() -> None:
    async with modelarts() as rig:
        await rig.synced()
        rows = {
            f"{key.namespace}/{key.name}": (str(row.state), row.ready, row.desired, row.gpus)
            for key, row in rig.fleet.workloads.items()
        }
        assert rows == {
            "chat/main": ("running", 3, 3, 3),
            "chat/canary": ("running", 1, 1, 1),
            "translate/main": ("running", 2, 2, 8),
            "embed/main": ("creating", 1, 4, 1),
            "rerank/main": ("creating", 0, 2, 0),
            "vision/main": ("running", 1, 1, 1),
            "batch/main": ("stopped", 0, 0, 0),
        }
        main = rig.see("chat/main")
        assert main.key == WorkloadKey(REGION, "modelarts", "chat", "ModelArts", "main")
        assert str(main.key) == f"modelarts/{REGION}/chat/main"
        assert main.key.label == f"chat/main@{REGION}"
        assert main.endpoint == "https://infer.example/v2/chat"
        facts = dict(main.about)
        assert (facts["pool"], facts["flavor"], facts["GPUs each"]) == (
            "public",
            "modelarts.demo.gpu.1",
            "1 H800",
        )
        facts = dict(rig.see("translate/main").about)
        assert (facts["pool"], facts["GPUs each"]) == ("dedicated pool-7f3a", "4 Snt9b2")
        assert all(group.phase is Phase.RUNNING for group in main.groups)
        listed = next(iter(rig.fake.cloud)).deployments[0].instances
        assert sorted(group.name for group in main.groups) == sorted(one.name for one in listed)
        assert rig.see("chat/canary").drivers[0].maximum == 4


async def test_requests_are_those_of_the_vendors_own_sdk() -> None:
    """Recorded from ``huaweicloudsdkmodelarts`` 3.1.219, driven once against the fake."""
    async with modelarts() as rig:
        await rig.synced()
        main = rig.see("chat/main")
        await rig.backend.apply(await rig.backend.plan(main, ReplicasChange(4)))
        await rig.live(180, "chat/main")
        await rig.backend.apply(await rig.backend.plan(rig.see("chat/main"), RunChange(running=False)))
        await rig.live(5, "chat/main")
        await rig.backend.apply(await rig.backend.plan(rig.see("chat/main"), RunChange(running=True)))
        service, deployment = main.uid.split("/")
        root = f"/v2/{rig.fake.account.project}/services"
        recorded = {
            ("GET", root, b""),
            ("GET", f"{root}/{service}", b""),
            ("GET", f"{root}/{service}/deployments/main/instances", b""),
            ("GET", f"{root}/{service}/deployments/{deployment}/hpa", b""),
            ("GET", f"{root}/flavors", b""),
            ("PUT", f"{root}/{service}/deployments/main/scale", b'{"count":4}'),
            ("POST", f"{root}/{service}/deployments/{deployment}/stop", b""),
            ("POST", f"{root}/{service}/deployments/{deployment}/start", b""),
        }
        sent = {(seen.method, seen.path.partition("?")[0], seen.body) for seen in rig.fake.faults.seen}
        ours = {one for one in sent if one[1] in (root, f"{root}/flavors") or service in one[1]}
        canary = next(iter(rig.fake.cloud)).deployments[1]
        ours = {one for one in ours if canary.id not in one[1] and "/canary/" not in one[1]}
        assert ours == recorded
        translate = next(one for one in rig.fake.cloud if one.name == "translate")
        assert ("GET", f"{root}/{translate.id}/events", b"") in sent


async def test_a_list_of_several_pages() -> None:
    def many(cloud: Cloud) -> None:
        for number in range(501):
            cloud.add(Service(f"s{number}", [Deployment("main", 1)]))

    async with modelarts(fills=many) as rig:
        await until(lambda: len(rig.fleet.workloads) == 501, 120)
        asked = [seen.path for seen in rig.fake.faults.seen if "/services?" in seen.path]
        assert [path.partition("?")[2] for path in asked] == ["limit=500&offset=0", "limit=500&offset=500"]


async def test_services_of_one_name_are_told_apart() -> None:
    def twins(cloud: Cloud) -> None:
        cloud.add(Service("chat", [Deployment("main", 1)], id="11111111-aaaa"))
        cloud.add(Service("chat", [Deployment("main", 2)], id="22222222-bbbb"))

    async with modelarts(fills=twins) as rig:
        await until(lambda: len(rig.fleet.workloads) == 2)
        assert (rig.see("chat#11111111/main").desired, rig.see("chat#22222222/main").desired) == (1, 2)


async def test_a_clock_that_is_wrong_is_set_by_the_first_refusal() -> None:
    async with modelarts(fills=chat, start=1_600_000_000.0) as rig:
        await rig.synced()
        assert abs(rig.backend.clock.now() - 1_600_000_000.0) < 60
        assert [seen.status for seen in rig.fake.faults.seen].count(401) >= 1
        shown = await rig.live(3600, "chat/main")
        assert shown.ready == 2, "a read is asked once more with the right time"


async def test_a_temporary_key_is_let_in() -> None:
    async with modelarts(fills=chat, account=Account(security_token="temporary")) as rig:
        await rig.synced()
        assert rig.see("chat/main").ready == 2


async def test_a_wrong_key_says_so_and_shows_nothing() -> None:
    async with modelarts(fills=chat) as rig:
        rig.fake.account = msgspec.structs.replace(rig.fake.account, secret="changed")
        await until(lambda: rig.fleet.state() is SourceState.DENIED)
        detail = rig.fleet.statuses["services"].detail or ""
        assert "APIGW.0301: Incorrect IAM authentication information" in detail


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.STATUS, status=500, body=BUSY),
        Fault(FaultKind.STATUS, status=503, body="<html>Bad gateway</html>"),
        Fault(FaultKind.STATUS, status=429, body=BUSY, headers=(("Retry-After", "1"),)),
        Fault(FaultKind.STATUS, status=200, body="[]"),
        Fault(FaultKind.STATUS, status=200, body='{"data": 7}'),
        Fault(FaultKind.CUT),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.body[:8]}",
)
async def test_a_list_that_fails_says_so_and_comes_back(fault: Fault) -> None:
    async with modelarts(fills=chat, reads=False) as rig:
        rig.fake.faults.rules.append(msgspec.structs.replace(fault, path="/services"))
        reading = asyncio.ensure_future(rig.backend.run(rig.fleet))
        try:
            await until(lambda: rig.fleet.state() is SourceState.STALE)
            assert rig.fleet.statuses["services"].detail
            await rig.synced()
            assert rig.see("chat/main").ready == 2
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_one_service_that_fails_does_not_hide_the_others() -> None:
    async with modelarts(fills=several, reads=False) as rig:
        b = next(service for service in rig.fake.cloud if service.name == "b")
        rig.fake.faults.rules.append(Fault(FaultKind.STATUS, path=b.id, status=500, body=BUSY, times=None))
        reading = asyncio.ensure_future(rig.backend.run(rig.fleet))
        try:
            await until(lambda: rig.fleet.state() is SourceState.STALE)
            assert {key.namespace for key in rig.fleet.workloads} == {"a", "c"}
            detail = rig.fleet.statuses["services"].detail or ""
            assert detail.startswith("1 of 3 services not read: ModelArts.0010: busy (500, request ")
            rig.fake.faults.rules.clear()
            await rig.synced()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_told_to_be_patient_it_asks_for_no_more() -> None:
    def many(cloud: Cloud) -> None:
        for number in range(60):
            cloud.add(Service(f"s{number}", [Deployment("main", 1)]))

    async with modelarts(fills=many, reads=False) as rig:
        patience = Fault(
            FaultKind.STATUS, path="/services/", status=429, body=BUSY, headers=(("Retry-After", "60"),)
        )
        rig.fake.faults.rules.append(msgspec.structs.replace(patience, times=None))
        reading = asyncio.ensure_future(rig.backend.run(rig.fleet))
        try:
            await until(lambda: rig.fleet.state() is SourceState.STALE)
            status = rig.fleet.statuses["services"]
            assert (status.detail or "").startswith("60 of 60 services not read: ModelArts.0010: busy (429")
            assert status.next_try is not None
            assert status.next_try - SystemClock().monotonic() > 30
            shows = [
                seen for seen in rig.fake.faults.seen if seen.path.count("/") == 4 and "?" not in seen.path
            ]
            assert 1 <= len(shows) <= 4
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_what_is_deleted_goes() -> None:
    async with modelarts(fills=several) as rig:
        await rig.synced()
        key = rig.see("b/main").key
        rig.fake.cloud.remove(rig.see("b/main").uid.partition("/")[0])
        with pytest.raises(BackendError, match="gone"):
            await rig.backend.plan(await _lost(rig, key), ReplicasChange(2))
        await until(lambda: rig.find("b/main") is None)


async def _lost(rig: Rig, key: WorkloadKey) -> Workload:
    shown = rig.fleet.workloads[key]
    assert await rig.backend.poll(Ticket(key, Result.ACCEPTED, 0.0)) is None
    return shown


@pytest.mark.parametrize("status", list(WhileScaling))
@pytest.mark.parametrize("refused", [403, 500])
async def test_instances_that_may_not_be_read_are_counted_all_the_same(
    status: WhileScaling, refused: int
) -> None:
    async with modelarts(Switches(status_while_scaling=status), fills=chat, reads=False) as rig:
        rule = Fault(FaultKind.STATUS, path="/instances", status=refused, body=BUSY, times=None)
        rig.fake.faults.rules.append(rule)
        reading = asyncio.ensure_future(rig.backend.run(rig.fleet))
        try:
            await rig.synced()
            shown = rig.see("chat/main")
            assert (shown.ready, shown.desired, shown.phase) == (2, 2, Phase.RUNNING)
            names = [group.name for group in shown.groups]
            assert names == (["instance-1", "instance-2"] if refused == 403 else [])
            await rig.backend.apply(await rig.backend.plan(shown, ReplicasChange(3)))
            await rig.live(0, "chat/main")
            await rig.live(180, "chat/main")
            assert [one.outcome for one in rig.fleet.ended] == [Outcome.DONE]
            assert refused == 500 or rig.fleet.ended[0].done == 1
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _raw(service: object, *, status: int = 200) -> tuple[web.AppRunner, str]:
    """A server that gives this answer for a service, whoever asks."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/services"):
            return web.json_response({"data": [service, None, 7, {"id": 3}], "total": 1})
        if request.path.endswith("/flavors") or request.path.endswith("/instances"):
            return web.json_response({"data": []})
        return web.json_response(service, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner, port = await serve(app)
    return runner, f"http://127.0.0.1:{port}"


GROUP = {"id": "d-1", "name": "main", "count": 2, "running_count": 2, "status": "RUNNING"}


@pytest.mark.parametrize(
    ("group", "counts"),
    [
        ({}, (2, 2)),
        ({"count": "3", "running_count": "2"}, (2, 3)),
        ({"count": None, "running_count": None}, (None, None)),
        ({"count": True, "running_count": -1}, (None, None)),
        ({"count": 2.5, "running_count": 1e300}, (None, None)),
        ({"count": {}, "unit_configs": "x", "update_at": "soon", "weight": []}, (2, None)),
        ({"unit_configs": [None, {"flavor": 3}, {"flavor": "f", "count": "2"}], "pool_id": 9}, (2, 2)),
        ({"status": None}, (2, 2)),
        ({"extra": {"new": 1}, "create_at": "1790000000000", "update_at": 1790000000000}, (2, 2)),
    ],
)
async def test_answers_of_another_shape(
    group: dict[str, object], counts: tuple[int | None, int | None]
) -> None:
    service = {
        "id": "s-1",
        "name": "chat\u202e",
        "status": "RUNNING",
        "predict_url": [3, {"urls": [None, "https://x"], "type": "PUBLIC"}],
        "frozen_infos": None,
        "version": {"instance_groups": [GROUP | group, None, {"name": ""}]},
    }
    runner, url = await _raw(service)
    fleet = Fleet()
    backend = ModelArtsBackend.open(REGION, "p", key_of(Account()), Terms(clock=SystemClock(), endpoint=url))
    reading = asyncio.ensure_future(backend.run(fleet))
    try:
        await until(lambda: fleet.workloads and fleet.state() is SourceState.LIVE)
        (shown,) = fleet.workloads.values()
        assert (shown.ready, shown.desired) == counts
        assert shown.endpoint == "https://x"
        if counts[1] is None:
            with pytest.raises(BackendError, match="does not tell how many instances"):
                await backend.plan(shown, ReplicasChange(3))
        else:
            plan = await backend.plan(shown, ReplicasChange(5))
            assert plan.cost_after is None
            assert any("cost unknown" in one.reason for one in plan.guards)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await backend.close()
        await runner.cleanup()


async def test_X2_one_region_fails_one_hangs_and_the_third_shows_its_rows() -> None:  # noqa: N802
    async with AsyncExitStack() as stack:
        bad, dead, good = [
            await stack.enter_async_context(modelarts(fills=chat, reads=False, limit=120.0)) for _ in range(3)
        ]
        bad.fake.faults.rules.append(Fault(FaultKind.STATUS, status=500, body=BUSY, times=None))
        dead.fake.faults.rules.append(Fault(FaultKind.HANG, times=None))
        runs = [asyncio.ensure_future(rig.backend.run(rig.fleet)) for rig in (bad, dead, good)]
        try:
            await good.synced()
            assert good.see("chat/main").ready == 2
            assert (bad.fleet.workloads, dead.fleet.workloads) == ({}, {})
            await until(lambda: bad.fleet.state() is SourceState.STALE)
            assert "ModelArts.0010: busy" in (bad.fleet.statuses["services"].detail or "")
            await until(lambda: dead.fleet.state() is SourceState.STALE)
            assert "no answer" in (dead.fleet.statuses["services"].detail or "")
        finally:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)


async def test_X1_no_secret_is_told_anywhere(  # noqa: N802
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    account = Account("AKMUSTNOTSHOW", "SKMUSTNOTSHOW", security_token="TOKENMUSTNOTSHOW")
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with modelarts(fills=chat, account=account) as rig:
            await rig.synced()
            plan = await rig.backend.plan(rig.see("chat/main"), ReplicasChange(3))
            rules = rig.fake.faults.rules
            rules.append(Fault(FaultKind.STATUS, method="PUT", status=500, body=BUSY))
            said += [repr(plan), msgspec.json.encode(plan).decode(), repr(await rig.backend.apply(plan))]
            for kind in (FaultKind.CUT, FaultKind.DEAF):
                rules.append(Fault(kind, path="/services/"))
                try:
                    await rig.look("chat/main")
                except BackendError as error:
                    said += [repr(error), "".join(traceback.format_exception(error))]
            said += [repr(rig.fleet.workloads), repr(rig.fleet.statuses), repr(vars(rig.backend))]
            said.append(repr([value for value in gc.get_objects() if type(value).__name__ == "AccessKey"]))
            signatures = [seen.path for seen in rig.fake.faults.seen]
    out, err = capfd.readouterr()
    everything = "\n".join([*said, *signatures, out, err, caplog.text])
    for secret in (
        "AKMUSTNOTSHOW",
        "SKMUSTNOTSHOW",
        "TOKENMUSTNOTSHOW",
        "Signature=",
        "SDK-HMAC-SHA256 Access",
    ):
        assert secret not in everything
    assert "httpx" in caplog.text, "logging was on"


async def test_the_service_of_the_row_that_is_looked_at_is_read_between_two_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.modelarts.region.FOCUSED", 0.02)
    monkeypatch.setattr("clients.modelarts.region.IDLE", 3600.0)

    def quiet(cloud: Cloud) -> None:
        for name in ("seen", "unseen"):
            cloud.add(Service(name, [Deployment("main", 1)]))

    async with modelarts(fills=quiet) as rig:
        await rig.synced()
        seen = next(one for one in rig.fake.cloud if one.name == "seen")
        asked = rig.fake.faults.seen
        begun = len(asked)

        def read_often() -> bool:
            rig.backend.attend(rig.see("seen/main").key)
            return sum(one.path.endswith(f"/services/{seen.id}") for one in asked[begun:]) > 3

        await until(read_often, 30)
        lists = [one for one in asked[begun:] if one.path.endswith("/services")]
        assert lists == [], "the list of all is read every half minute"
