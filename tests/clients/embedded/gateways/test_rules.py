"""Faults that a scenario tells: the same as the annotation's, for a time or a number of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from clients.embedded.faults import Fault, FaultKind
from clients.embedded.gateways.gateway import Gateways
from clients.embedded.scenarios.catalogue import make_cluster
from clients.embedded.scenarios.ground import open_outside
from tests.support.simworld import NAMESPACE, START, World


@pytest.fixture
def world() -> World:
    """A ModelServing that an Ingress leads to, its clock at rest: only what needs no work is answered."""
    world = World().grown(1)
    open_outside(world.cluster, NAMESPACE, "chat-all", {"modelserving.volcano.sh/name": "chat"})
    return world


@pytest.fixture
async def models(world: World) -> AsyncIterator[str]:
    """Where the models are listed."""
    gateways = Gateways(world.cluster)
    urls = await gateways.start()
    yield f"{urls['ingress']}/v1/models"
    await gateways.close()


async def status(url: str) -> int:
    headers = {"Host": f"chat-all-{NAMESPACE}.example.com"}
    async with aiohttp.ClientSession(trust_env=False) as http, http.get(url, headers=headers) as answer:
        return answer.status


async def test_a_rule_is_used_up_by_requests(world: World, models: str) -> None:
    world.cluster.faults.add(Fault(FaultKind.UNAVAILABLE, NAMESPACE, "chat-*", times=2))
    assert [await status(models) for _ in range(4)] == [503, 503, 200, 200]


async def test_a_rule_for_others_is_passed_over(world: World, models: str) -> None:
    world.cluster.faults.add(Fault(FaultKind.BUSY, NAMESPACE, "other"))
    world.cluster.faults.add(Fault(FaultKind.CRASH, NAMESPACE, "*"))
    assert await status(models) == 200


async def test_a_stall_is_over_with_its_time(world: World, models: str) -> None:
    until = world.cluster.clock.now() + 5
    world.cluster.faults.add(Fault(FaultKind.STALL, NAMESPACE, "chat-all", until=until))
    asked = asyncio.create_task(status(models))
    done, _ = await asyncio.wait((asked,), timeout=0.5)
    assert not done
    world.live(6)
    assert await asked == 200


async def test_the_load_balancers_say_where_the_gateways_are_once_they_are_there() -> None:
    cluster = make_cluster("empty", start=START, speed=0)

    def told(namespace: str, name: str) -> str:
        service = cluster.store.get("services", namespace, name)
        assert service is not None
        (entry,) = service["status"]["loadBalancer"]["ingress"]
        return f"http://{entry['ip']}:{service['spec']['ports'][0]['port']}"

    places = {"ingress": ("kube-system", "nginx-ingress-lb"), "router": ("kthena-system", "kthena-router")}
    assert {name: told(*place) for name, place in places.items()} == {
        "ingress": "http://203.0.113.10:80",
        "router": "http://203.0.113.11:80",
    }
    gateways = Gateways(cluster)
    urls = await gateways.start()
    try:
        assert {name: told(*place) for name, place in places.items()} == urls
    finally:
        await gateways.close()
