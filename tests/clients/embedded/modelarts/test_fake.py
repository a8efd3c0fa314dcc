"""The fake ModelArts region over HTTP: what it lets in, what it refuses, how it moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.modelarts.cloud import Cloud, Deployment, NoHpa, Service, Switches, WhileScaling
from clients.embedded.modelarts.gateway import Account
from clients.managed.calls import Request
from clients.modelarts.credentials import AccessKey
from clients.modelarts.signer import signed_headers
from tests.support.modelarts_region import Rig, key_of, modelarts

LATE = 16 * 60


def one(cloud: Cloud) -> None:
    cloud.add(Service("chat", [Deployment("main", 2)]))


class Caller:
    """Sends requests signed as the client signs them."""

    def __init__(self, rig: Rig, http: httpx.AsyncClient) -> None:
        self.rig = rig
        self.http = http
        self.key = key_of(rig.fake.account)

    async def __call__(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...] = (),
        body: Any = None,
        *,
        late: float = 0.0,
        key: AccessKey | None = None,
    ) -> httpx.Response:
        raw = None if body is None else msgspec.json.encode(body)
        project = self.rig.fake.account.project
        request = Request(method, f"/v2/{project}/services{path}", query, raw)
        now = self.rig.engine.clock.now()
        host = self.rig.url.removeprefix("http://")
        headers = signed_headers(key or self.key, request, host=host, project=project, at=now + late)
        url = f"{self.rig.url}{request.path}" + (f"?{urlencode(query)}" if query else "")
        return await self.http.request(method, url, content=raw, headers=headers)

    def passes(self, seconds: float) -> None:
        self.rig.engine.run_until(self.rig.engine.clock.now() + seconds)

    @property
    def service(self) -> Service:
        return next(iter(self.rig.fake.cloud))


@asynccontextmanager
async def caller(switches: Switches | None = None, account: Account | None = None) -> AsyncIterator[Caller]:
    async with modelarts(switches, fills=one, account=account, reads=False) as rig:
        async with httpx.AsyncClient(trust_env=False) as http:
            yield Caller(rig, http)


@pytest.mark.parametrize("late", [-LATE, LATE])
async def test_a_signature_older_or_younger_than_a_quarter_of_an_hour_is_not_let_in(late: float) -> None:
    async with caller() as call:
        assert (await call("GET", "")).status_code == 200
        assert (await call("GET", "", late=late / 2)).status_code == 200
        answer = await call("GET", "", late=late)
        told = answer.json()
        assert (answer.status_code, told["error_code"]) == (401, "APIGW.0301")
        assert told["request_id"] == answer.headers["x-request-id"]


async def test_who_is_not_let_in() -> None:
    async with caller(account=Account(security_token="a-token")) as call:
        assert (await call("GET", "")).status_code == 200
        other = key_of(Account(secret="another", security_token="a-token"))
        assert (await call("GET", "", key=other)).status_code == 401
        assert (await call("GET", "", key=key_of(Account(security_token="old")))).status_code == 401
        assert (await call("GET", "", key=key_of(Account()))).status_code == 401
        assert (
            await call("GET", "", key=key_of(Account(access="X", security_token="a-token")))
        ).status_code == 401
        bare = await call.http.get(f"{call.rig.url}/v2/{call.rig.fake.account.project}/services")
        assert bare.status_code == 401


async def test_a_signed_body_cannot_be_exchanged() -> None:
    async with caller() as call:
        path = f"/{call.service.id}/deployments/main/scale"
        project = call.rig.fake.account.project
        request = Request("PUT", f"/v2/{project}/services{path}", (), b'{"count":3}')
        host = call.rig.url.removeprefix("http://")
        headers = signed_headers(
            call.key, request, host=host, project=project, at=call.rig.engine.clock.now()
        )
        answer = await call.http.put(f"{call.rig.url}{request.path}", content=b'{"count":9}', headers=headers)
        assert answer.status_code == 401
        assert call.rig.fake.cloud.scaled == []


@pytest.mark.parametrize(
    ("limit", "offset", "status"),
    [
        ("500", "0", 200),
        ("500", "500", 200),
        ("10", "5", 400),
        ("501", "0", 400),
        ("0", "0", 400),
        ("10", "x", 400),
    ],
)
async def test_pages(limit: str, offset: str, status: int) -> None:
    async with caller() as call:
        answer = await call("GET", "", (("limit", limit), ("offset", offset)))
        assert answer.status_code == status, answer.text
        if status == 400:
            assert answer.json()["error_code"] == "ModelArts.0104"


async def test_times_are_numbers_in_a_list_and_text_in_a_service() -> None:
    async with caller() as call:
        entry = (await call("GET", "")).json()["data"][0]
        whole = (await call("GET", f"/{call.service.id}")).json()
        assert isinstance(entry["create_at"], int)
        assert whole["create_at"] == str(entry["create_at"])
        assert "version" not in entry
        assert whole["version"]["instance_groups"][0]["running_count"] == 2


@pytest.mark.parametrize("status", list(WhileScaling))
async def test_scaling_by_name_climbs_one_by_one_and_goes_down_at_once(status: WhileScaling) -> None:
    async with caller(Switches(status_while_scaling=status, instance_seconds=60)) as call:
        path = f"/{call.service.id}/deployments"
        deployment = call.service.deployments[0]
        by_id = await call("PUT", f"{path}/{deployment.id}/scale", body={"count": 4})
        assert by_id.status_code == 404
        answer = await call("PUT", f"{path}/main/scale", body={"count": 4})
        assert (answer.json()["count"], answer.json()["status"]) == (4, status)
        seen = []
        for _ in range(3):
            shown = (await call("GET", f"/{call.service.id}")).json()["version"]["instance_groups"][0]
            seen.append((shown["running_count"], shown["count"], shown["status"]))
            call.passes(60)
        assert seen == [(2, 4, status), (3, 4, status), (4, 4, "RUNNING")]
        assert (await call("PUT", f"{path}/main/scale", body={"count": 1})).status_code == 200
        call.passes(5)
        shown = (await call("GET", f"/{call.service.id}")).json()["version"]["instance_groups"][0]
        assert (shown["running_count"], shown["status"]) == (1, "RUNNING")
        listed = (await call("GET", f"{path}/main/instances")).json()
        assert [entry["status"] for entry in listed["data"]] == ["RUNNING"]


@pytest.mark.parametrize(
    "body", [{"count": 0}, {"count": 129}, {"count": "3"}, {"count": True}, {}, {"count": 3, "x": 1}]
)
async def test_bodies_that_are_refused(body: Any) -> None:
    async with caller() as call:
        answer = await call("PUT", f"/{call.service.id}/deployments/main/scale", body=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "ModelArts.0104")


async def test_scaling_in_a_wrong_status_is_refused_with_a_code() -> None:
    async with caller() as call:
        path = f"/{call.service.id}/deployments/main/scale"
        assert (await call("PUT", path, body={"count": 3})).status_code == 200
        again = await call("PUT", path, body={"count": 4})
        assert (again.status_code, again.json()["error_code"]) == (400, "ModelArts.TEST")


async def test_stop_and_start_are_by_id() -> None:
    async with caller() as call:
        path, deployment = f"/{call.service.id}/deployments", call.service.deployments[0]
        assert (await call("POST", f"{path}/main/stop")).status_code == 404
        assert (await call("POST", f"{path}/{deployment.id}/start")).status_code == 400
        assert (await call("POST", f"{path}/{deployment.id}/stop")).json()["status"] == "STOPPING"
        call.passes(5)
        assert (deployment.status, deployment.running_count) == ("STOPPED", 0)
        assert (await call("POST", f"{path}/{deployment.id}/start")).json()["status"] == "DEPLOYING"
        call.passes(1000)
        assert (deployment.status, deployment.running_count) == ("RUNNING", 2)


@pytest.mark.parametrize(
    ("switch", "status"), [(NoHpa.NOT_FOUND, 404), (NoHpa.BAD_REQUEST, 400), (NoHpa.EMPTY, 200)]
)
async def test_what_no_autoscaler_looks_like(switch: NoHpa, status: int) -> None:
    async with caller(Switches(no_hpa=switch)) as call:
        deployment = call.service.deployments[0]
        answer = await call("GET", f"/{call.service.id}/deployments/{deployment.id}/hpa")
        assert answer.status_code == status


async def test_faults_are_used_up() -> None:
    async with caller() as call:
        call.rig.fake.faults.rules.append(Fault(FaultKind.STATUS, status=503, body="sorry", times=2))
        call.rig.fake.faults.rules.append(Fault(FaultKind.CUT))
        call.rig.fake.faults.rules.append(Fault(FaultKind.DEAF, method="PUT"))
        assert [(await call("GET", "")).status_code for _ in range(2)] == [503, 503]
        with pytest.raises(httpx.HTTPError):
            await call("GET", "")
        assert (await call("GET", "")).status_code == 200
        with pytest.raises(httpx.HTTPError):
            await call("PUT", f"/{call.service.id}/deployments/main/scale", body={"count": 3})
        assert call.rig.fake.cloud.scaled == [("chat", "main", 3)], "done, though nobody was told"
