"""The three metrics groups over HTTP: discovered, readable as rights allow, gone when their adapter is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from clients.embedded.adapters import Adapter, State
from clients.embedded.api import serve
from clients.embedded.apiserver.access import Account, Identity
from clients.embedded.command import application
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from tests.support.simworld import World

Json = dict[str, Any]
PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/llm/pods"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta{}/namespaces/llm"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/llm"
GROUPS = {adapter.value for adapter in Adapter}


@pytest.fixture
async def http(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """Two groups under demand, 20 s after the start; the token ``nobody`` has no rights."""
    selector = {NAME: "chat"}
    world.cluster.demand.assign("llm", "chat", selector, Steady(150), capacity=60, latency=3, noise=0)
    world.grown(2)
    world.live(20)
    identity = Identity(tokens={"nobody": Account("nobody")})
    runner, port = await serve(application(world.cluster, identity))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False) as session:
        yield session
    await runner.cleanup()


async def got(http: aiohttp.ClientSession, path: str, status: int = 200, **headers: str) -> Json:
    async with http.get(path, headers=headers) as answer:
        body: Json = await answer.json()
        assert answer.status == status, body
        return body


async def test_they_are_discovered_in_both_shapes(http: aiohttp.ClientSession) -> None:
    groups = await got(http, "/apis")
    assert {g["name"] for g in groups["groups"]} >= GROUPS
    shape = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    document = await got(http, "/apis", Accept=shape)
    items = {item["metadata"]["name"]: item for item in document["items"]}
    assert items.keys() >= GROUPS
    pods = items["custom.metrics.k8s.io"]["versions"][0]["resources"][0]
    assert "DCGM_CUSTOM_PROCESS_SM_UTIL" in [s["subresource"] for s in pods["subresources"]]
    listed = await got(http, "/apis/metrics.k8s.io/v1beta1")
    assert [(r["name"], r["kind"]) for r in listed["resources"]] == [
        ("nodes", "NodeMetrics"),
        ("pods", "PodMetrics"),
    ]
    assert (await got(http, "/apis/external.metrics.k8s.io"))["preferredVersion"]["version"] == "v1beta1"


async def test_use_of_cpu_and_memory(http: aiohttp.ClientSession, world: World) -> None:
    selector = "modelserving.volcano.sh/role=prefill"
    listed = await got(http, f"{PODS}?labelSelector={selector}")
    assert [item["metadata"]["name"] for item in listed["items"]] == [
        "chat-0-prefill-0-0",
        "chat-1-prefill-0-0",
    ]
    (container,) = listed["items"][0]["containers"]
    assert container["name"] == "engine"
    # 12 % of 16 cores at rest and 20 % more at full load: 75 requests want to run, 60 do.
    assert container["usage"]["cpu"] == "5120000000n"
    assert container["usage"]["memory"].endswith("Ki")
    one = await got(http, f"{PODS}/chat-0-prefill-0-0")
    assert one["kind"] == "PodMetrics"
    await got(http, f"{PODS}/nobody", 404)
    nodes = await got(http, "/apis/metrics.k8s.io/v1beta1/nodes")
    assert len(nodes["items"]) == len(list(world.cluster.nodes))
    busy = sum(int(item["usage"]["cpu"].removesuffix("n")) for item in nodes["items"])
    assert busy == pytest.approx(4 * 5.12e9 + len(nodes["items"]) * 0.4e9)


async def test_custom_metrics_of_pods_and_objects_in_both_versions(http: aiohttp.ClientSession) -> None:
    metric = "vllm:num_requests_waiting"
    query = "?labelSelector=modelserving.volcano.sh/role%3Dprefill"
    old = await got(http, f"{CUSTOM.format(1)}/pods/*/{metric}{query}")
    new = await got(http, f"{CUSTOM.format(2)}/pods/*/{metric}{query}")
    assert [(i["describedObject"]["name"], i["value"]) for i in old["items"]] == [
        ("chat-0-prefill-0-0", "15"),
        ("chat-1-prefill-0-0", "15"),
    ]
    assert old["items"][0]["metricName"] == new["items"][0]["metric"]["name"] == metric
    service = await got(http, f"{CUSTOM.format(1)}/services/chat/requests_per_second")
    (item,) = service["items"]
    assert item["describedObject"]["kind"] == "Service"
    missing = await got(http, f"{CUSTOM.format(1)}/pods/*/nobody", 404)
    assert missing["message"] == "the server could not find the metric nobody for pods"


async def test_external_metrics_by_label(http: aiohttp.ClientSession) -> None:
    path = f"{EXTERNAL}/vllm:num_requests_waiting"
    found = await got(http, f"{path}?labelSelector=service%3Dchat")
    (item,) = found["items"]
    assert (item["value"], item["metricLabels"]) == ("60", {"namespace": "llm", "service": "chat"})
    assert (await got(http, f"{path}?labelSelector=service%3Dother"))["items"] == []


async def test_pods_that_do_not_run_have_no_sample_and_those_that_load_have_one(
    http: aiohttp.ClientSession, world: World
) -> None:
    world.scale(3)
    world.until(lambda: "chat-2-prefill-0-0" in world.pods(), limit=20, step=0.2)
    names = [item["metadata"]["name"] for item in (await got(http, PODS))["items"]]
    assert "chat-2-prefill-0-0" not in names

    def loading() -> bool:
        facts = world.cluster.pods.get("llm", "chat-2-prefill-0-0")
        assert facts is not None
        return facts.phase == "Running" and not facts.ready and world.cluster.demand.has_sample(facts)

    world.until(loading, limit=60)
    one = await got(http, f"{PODS}/chat-2-prefill-0-0")
    assert 0 < int(one["containers"][0]["usage"]["cpu"].removesuffix("n")) < 1.5e9


async def test_they_are_read_only_and_need_rights(http: aiohttp.ClientSession) -> None:
    async with http.post(PODS, json={}) as answer:
        assert answer.status == 405
    denied = await got(http, PODS, 403, Authorization="Bearer nobody")
    assert 'cannot list resource "pods" in API group "metrics.k8s.io"' in denied["message"]
    custom = f"{CUSTOM.format(1)}/pods/*/requests_per_second"
    denied = await got(http, custom, 403, Authorization="Bearer nobody")
    assert 'cannot get resource "pods/requests_per_second"' in denied["message"]


@pytest.mark.parametrize("adapter", list(Adapter))
async def test_an_absent_adapter_is_no_group(
    http: aiohttp.ClientSession, world: World, adapter: Adapter
) -> None:
    world.cluster.adapters.set(adapter, State.ABSENT)
    names = {g["name"] for g in (await got(http, "/apis"))["groups"]}
    assert adapter.value not in names
    assert names >= GROUPS - {adapter.value}
    async with http.get(f"/apis/{adapter.value}/v1beta1") as answer:
        assert answer.status == 404


async def test_a_silent_adapter_answers_without_figures(http: aiohttp.ClientSession, world: World) -> None:
    for adapter in Adapter:
        world.cluster.adapters.set(adapter, State.SILENT)
    assert (await got(http, PODS))["items"] == []
    assert (await got(http, "/apis/metrics.k8s.io/v1beta1/nodes"))["items"] == []
    await got(http, f"{CUSTOM.format(1)}/pods/*/requests_per_second", 404)
    assert (await got(http, f"{EXTERNAL}/requests_per_second"))["items"] == []


async def test_real_requests_come_on_top(http: aiohttp.ClientSession, world: World) -> None:
    added = world.cluster.demand.added("llm", "chat-0-prefill-0-0")
    added.waiting = 5
    path = f"{CUSTOM.format(1)}/pods/chat-0-prefill-0-0/vllm:num_requests_waiting"
    assert (await got(http, path))["items"][0]["value"] == "15", "figures stand still between two scrapes"
    world.live(15)
    assert (await got(http, path))["items"][0]["value"] == "20"
    added.waiting = 0
    world.live(15)
    assert (await got(http, path))["items"][0]["value"] == "15"
