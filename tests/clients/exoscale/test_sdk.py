"""Exoscale's own SDK and API document, held against the fake and against what we send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from exoscale.api.exceptions import ExoscaleAPIAuthException, ExoscaleAPIClientException
from exoscale.api.v2 import Client

from clients.embedded.exoscale.zone import Family, Switches
from clients.exoscale.creation import Creation
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef
from tests.support.exoscale import MODEL, ZONE, Rig, running
from tests.support.openapi import Document

pytestmark = pytest.mark.usefixtures("fast")
DOCUMENT = Document()


class Sdk:
    """The SDK, which blocks, on a thread; every answer is held against the document."""

    def __init__(self, rig: Rig, secret: str | None = None) -> None:
        account = rig.server.account
        self._client = Client(account.key, secret or account.secret, url=rig.url)

    async def ask(self, method: str, **arguments: Any) -> Any:
        answer = await asyncio.to_thread(getattr(self._client, method), **arguments)
        assert DOCUMENT.answer(method.replace("_", "-"), answer) == []
        return answer


async def test_the_vendors_sdk_walks_through_the_vendors_workflow() -> None:
    # Its signatures expire by the machine's clock, so little simulated time may pass.
    quick = Switches(replica_seconds=0.2)
    families = (Family("gpua5000", 8), Family("gpu3", 0, authorized=False))
    async with running(families=families, switches=quick) as rig:
        sdk = Sdk(rig)
        assert [zone["name"] for zone in (await sdk.ask("list_zones"))["zones"]] == [ZONE]
        offered = (await sdk.ask("list_ai_instance_types"))["instance-types"]
        assert {one["family"]: one["authorized"] for one in offered} == {"gpua5000": True, "gpu3": False}
        made = await sdk.ask(
            "create_deployment",
            name="my-app",
            model={"name": MODEL.name},
            gpu_type="gpua5000",
            gpu_count=1,
            replicas=1,
        )
        identity = made["reference"]["id"]
        waiting = asyncio.create_task(asyncio.to_thread(rig_wait, sdk, made["id"]))
        rig.pass_time(2)
        assert (await waiting)["state"] == "success"
        shown = await sdk.ask("get_deployment", id=identity)
        assert (shown["state"], shown["replicas"]) == ("ready", 1)
        key = (await sdk.ask("reveal_deployment_api_key", id=identity))["api-key"]
        for replicas, used in ((3, 5), (1, 3), (0, 2), (1, 3)):
            operation = await sdk.ask("scale_deployment", id=identity, replicas=replicas)
            rig.pass_time(2)
            assert (await sdk.ask("get_operation", id=operation["id"]))["state"] == "success"
            quotas = (await sdk.ask("list_quotas"))["quotas"]
            assert {one["resource"]: one["usage"] for one in quotas} == {"gpua5000": used, "gpu3": 0}
        again = await sdk.ask("get_deployment", id=identity)
        assert again["deployment-url"] == shown["deployment-url"]
        assert (await sdk.ask("reveal_deployment_api_key", id=identity))["api-key"] == key
        assert len((await sdk.ask("get_deployment_logs", id=identity, tail=3))["logs"]) == 3
        assert (await sdk.ask("get_quota", entity="gpua5000"))["limit"] == 8
        assert [one["name"] for one in (await sdk.ask("list_models"))["models"]] == [MODEL.name]
        await sdk.ask("get_inference_engine_help", version="0.28.0")
        await sdk.ask("delete_deployment", id=identity)
        names = [one["name"] for one in (await sdk.ask("list_deployments"))["deployments"]]
        assert names == ["demo"]


def rig_wait(sdk: Sdk, operation: str) -> Any:
    """The SDK's own waiting."""
    return sdk._client.wait(operation)


async def test_the_fake_refuses_as_the_sdk_expects() -> None:
    async with running() as rig:
        identity = rig.deployment().id
        with pytest.raises(ExoscaleAPIAuthException):
            await Sdk(rig, secret="another").ask("list_deployments")
        sdk = Sdk(rig)
        for replicas, status in ((9, 412), (-1, 400)):
            with pytest.raises(ExoscaleAPIClientException) as found:
                await sdk.ask("scale_deployment", id=identity, replicas=replicas)
            assert str(status) in str(found.value) or found.value.response.status_code == status
        await sdk.ask("scale_deployment", id=identity, replicas=2)
        with pytest.raises(ExoscaleAPIClientException, match="busy"):
            await sdk.ask("scale_deployment", id=identity, replicas=3)


async def test_what_we_send_is_what_the_document_asks_for() -> None:
    async with running() as rig:
        for wanted in (3, 0):
            plan = await rig.plan(wanted)
            assert plan.write is not None
            assert DOCUMENT.request("scale-deployment", plan.write.body) == []
        creation = Creation("new", MODEL.name, "gpua5000", 2, 1, ("--max-model-len=8192",), "0.28.0")
        ref = ObjectRef("exoscale", "Exoscale", None, "new")
        plan = await rig.plan(ObjectChange(Verb.CREATE, ref, creation.text()))
        assert plan.write is not None
        assert DOCUMENT.request("create-deployment", json.loads(json.dumps(plan.write.body))) == []


def test_the_document_is_not_satisfied_by_anything() -> None:
    assert DOCUMENT.request("scale-deployment", {"replicas": "3"})
    assert DOCUMENT.request("scale-deployment", {})
    assert DOCUMENT.answer("list-deployments", {"deployments": [{"name": "x", "state": "odd"}]})
