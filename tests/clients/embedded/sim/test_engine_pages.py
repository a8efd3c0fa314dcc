"""What engines answer through the API server's proxy: their health, their models and vLLM's figures."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from clients.embedded.api import serve
from clients.embedded.apiserver.objects import Json
from clients.embedded.command import application
from clients.embedded.curves import Steady
from clients.embedded.servings import Role
from tests.support.simworld import NAMESPACE, World

Ask = Callable[..., Coroutine[Any, Any, tuple[int, str]]]

MODEL = "chat"
"""The name by which it is served."""
ENTRY = "chat-0-decode-0-0"
_SAMPLE = re.compile(r"^(?P<name>[a-z0-9_:]+)\{(?P<labels>.*)\} (?P<value>\S+)$")


@pytest.fixture
def world() -> World:
    """Two groups at work: ten requests in flight at each pod of a role."""
    world = World().grown(roles=[Role("prefill"), Role("decode", workers=1)])
    selector = {"modelserving.volcano.sh/name": "chat"}
    world.cluster.demand.assign(NAMESPACE, "chat", selector, Steady(20), capacity=8, noise=0)
    world.live(30)
    return world


@pytest.fixture
async def ask(world: World) -> AsyncIterator[Ask]:
    """``await ask(pod, path)``: the status and text behind a pod's default port."""
    runner, port = await serve(application(world.cluster))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False) as http:

        async def get(pod: str, path: str, method: str = "GET") -> tuple[int, str]:
            place = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/proxy{path}"
            async with http.request(method, place) as answer:
                return answer.status, await answer.text()

        yield get
    await runner.cleanup()


def samples(page: str) -> dict[str, float]:
    """Name and labels as they stand → value; every line is a comment or a sample."""
    found: dict[str, float] = {}
    for line in page.splitlines():
        if line.startswith("# "):
            continue
        match = _SAMPLE.match(line)
        assert match is not None, line
        labels = match["labels"].replace(f'engine="0",model_name="{MODEL}"', "").strip(",")
        found[match["name"].removeprefix("vllm:") + (f"{{{labels}}}" if labels else "")] = float(
            match["value"]
        )
    return found


async def test_a_running_engine_tells_its_health_its_model_and_its_load(world: World, ask: Ask) -> None:
    assert await ask(ENTRY, "/health") == (200, "")
    status, models = await ask(ENTRY, "/v1/models")
    assert (status, f'"id":"{MODEL}"' in models) == (200, True)
    status, page = await ask(ENTRY, "/metrics")
    assert status == 200
    told = samples(page)
    # Ten in flight, eight at a time.
    assert (told["num_requests_running"], told["num_requests_waiting"]) == (8, 2)
    assert 0.8 < told["kv_cache_usage_perc"] <= 1
    assert told["generation_tokens_total"] > 0
    assert (await ask(ENTRY, "/nothing"))[0] == 404
    assert (await ask(ENTRY, "/health", "POST"))[0] == 405


async def test_counters_only_grow_and_histograms_add_up(world: World, ask: Ask) -> None:
    pages = []
    for _ in range(3):
        pages.append(samples((await ask(ENTRY, "/metrics"))[1]))
        world.live(60)
    for before, after in pairwise(pages):
        for name, value in before.items():
            if re.search(r"_total|_bucket|_count|_sum", name):
                assert after[name] >= value, name
        done = sum(v for n, v in after.items() if n.startswith("request_success_total"))
        assert done > sum(v for n, v in before.items() if n.startswith("request_success_total"))
    for histogram in ("time_to_first_token_seconds", "inter_token_latency_seconds"):
        buckets = [v for n, v in pages[-1].items() if n.startswith(f"{histogram}_bucket")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == pages[-1][f"{histogram}_count"] > 0
        assert pages[-1][f"{histogram}_sum"] > 0


async def test_what_does_not_run_or_loads_or_only_helps_refuses(world: World, ask: Ask) -> None:
    world.scale(3)
    fresh = "chat-2-decode-0-0"
    world.until(lambda: fresh in world.pods())
    status, told = await ask(fresh, "/metrics")
    assert (status, "address not allowed" in told) == (400, True)

    def running() -> bool:
        return (world.pod(fresh).get("status") or {}).get("phase") == "Running"

    world.until(running)
    status, told = await ask(fresh, "/health")
    assert (status, "connection refused" in told) == (503, True)
    world.until(lambda: world.all_running(3))
    assert (await ask(fresh, "/health"))[0] == 200
    status, told = await ask("chat-0-decode-0-1", "/metrics")
    assert (status, "connection refused" in told) == (503, True)
    assert (await ask(f"{ENTRY}:9400", "/metrics"))[0] == 503


async def test_a_new_process_counts_from_nothing(world: World, ask: Ask) -> None:
    world.live(3600)
    before = samples((await ask(ENTRY, "/metrics"))[1])["generation_tokens_total"]

    def again(obj: Json) -> None:
        status = obj["status"]["containerStatuses"][0]
        began = world.cluster.store.list("namespaces")[0]["metadata"]["creationTimestamp"]
        status["state"] = {"running": {"startedAt": began}}

    world.cluster.store.mutate("pods", NAMESPACE, ENTRY, again, manager="kubelet", subresource="status")
    after = samples((await ask(ENTRY, "/metrics"))[1])["generation_tokens_total"]
    assert 0 < after < before
