"""What engines say of themselves, by the names of several versions, and from the embedded cluster's pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clients.clock import SystemClock
from clients.embedded.accounts import bound_account
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.roles import bound_role
from clients.embedded.curves import Steady
from clients.embedded.servings import Role
from clients.gpu.engine_watch import EngineWatch
from clients.gpu.engines import WANTED, Counters, figures
from clients.gpu.exposition import Labels, read_page
from clients.kube.proxied import ClusterDoor
from clients.serving.engine_figures import Bound, EngineFigures
from tests.support.gpu_cluster import serving
from tests.support.kube import session_to, until
from tests.support.simworld import NAMESPACE, World

LIMIT = 30.0
POD = (NAMESPACE, "chat-0-decode-0-0")
VLLM = 'model_name="m",engine="0"'


def read(
    text: str, at: float = 0.0, before: Counters | None = None, rate: float = 1.0
) -> tuple[EngineFigures, Counters]:
    found = figures(read_page(text.encode(), Labels(), wanted=WANTED), at, before, rate)
    assert found is not None
    return found


def tokens(total: float) -> str:
    return f"vllm:generation_tokens_total{{{VLLM}}} {total}\n"


def buckets(name: str, **counts: float) -> str:
    bounds = {"half": "0.5", "one": "1.0", "all": "+Inf"}
    return "".join(f'{name}_bucket{{{VLLM},le="{bounds[k]}"}} {v}\n' for k, v in counts.items())


def test_the_name_that_was_found_is_told_beside_the_value() -> None:
    new, _ = read(f"vllm:num_requests_running{{{VLLM}}} 3\nvllm:kv_cache_usage_perc{{{VLLM}}} 0.25\n")
    old, _ = read(f"vllm:num_requests_running{{{VLLM}}} 3\nvllm:gpu_cache_usage_perc{{{VLLM}}} 0.25\n")
    both, _ = read(f"vllm:gpu_cache_usage_perc{{{VLLM}}} 0.9\nvllm:kv_cache_usage_perc{{{VLLM}}} 0.25\n")
    assert new.kv_percent == old.kv_percent == both.kv_percent == 25.0
    assert dict(new.names)["kv_percent"] == dict(both.names)["kv_percent"] == "vllm:kv_cache_usage_perc"
    assert dict(old.names)["kv_percent"] == "vllm:gpu_cache_usage_perc"
    assert (new.engine, new.model, new.running, new.waiting) == ("vLLM", "m", 3.0, None)


def test_sglang_has_its_own_names() -> None:
    told, _ = read(
        'sglang:num_running_reqs{model_name="m"} 5\nsglang:num_queue_reqs{model_name="m"} 2\n'
        'sglang:token_usage{model_name="m"} 0.5\nsglang:gen_throughput{model_name="m"} 210.5\n'
    )
    assert (told.engine, told.running, told.waiting, told.kv_percent) == ("SGLang", 5.0, 2.0, 50.0)
    assert told.tokens_per_second == 210.5


def test_engines_of_one_page_add_up_but_the_use_of_their_caches_is_averaged() -> None:
    told, _ = read(
        "".join(
            f'vllm:{name}{{model_name="m",engine="{engine}"}} {value}\n'
            for engine, kv in ((0, 0.2), (1, 0.6))
            for name, value in (("num_requests_running", 4), ("kv_cache_usage_perc", kv))
        )
    )
    assert told.running == 8.0
    assert told.kv_percent == pytest.approx(40.0)


def test_why_requests_wait() -> None:
    told, _ = read(
        f"vllm:num_requests_waiting{{{VLLM}}} 7\n"
        f'vllm:num_requests_waiting_by_reason{{{VLLM},reason="capacity"}} 5\n'
        f'vllm:num_requests_waiting_by_reason{{{VLLM},reason="deferred"}} 2\n'
    )
    assert (told.waiting, told.waiting_by_reason) == (7.0, (("capacity", 5.0), ("deferred", 2.0)))


def test_rates_and_quantiles_are_of_the_time_between_two_looks() -> None:
    name = "vllm:time_to_first_token_seconds"
    first, counters = read(tokens(1000) + buckets(name, half=100, one=100, all=100), 10.0)
    second, later = read(tokens(1500) + buckets(name, half=190, one=199, all=200), 20.0, counters)
    fast, _ = read(tokens(1500) + buckets(name, half=190, one=199, all=200), 20.0, counters, 10.0)
    frozen, _ = read(tokens(1500) + buckets(name, half=190, one=199, all=200), 20.0, counters, 0.0)
    third, _ = read(tokens(1500) + buckets(name, half=190, one=199, all=210), 30.0, later)
    assert (first.tokens_per_second, first.ttft_p50, first.ttft_p99) == (None, None, None)
    assert second.tokens_per_second == 50.0
    assert fast.tokens_per_second == 5.0, "the cluster's seconds count"
    assert frozen.tokens_per_second is None
    assert (second.ttft_p50, second.ttft_p99) == (Bound(0.5), Bound(1.0))
    assert (str(second.ttft_p50), str(third.ttft_p50)) == ("≤ 0.5 s", "> 1 s")
    assert third.tokens_per_second == 0.0


def test_an_engine_that_began_anew_has_no_rate_yet() -> None:
    name = "vllm:time_to_first_token_seconds"
    _, counters = read(tokens(1000) + buckets(name, half=100, all=100), 10.0)
    told, _ = read(tokens(20) + buckets(name, half=3, all=3), 20.0, counters)
    assert (told.tokens_per_second, told.ttft_p50) == (None, None)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1e300"])
def test_what_cannot_be_is_not_known(value: str) -> None:
    found, _ = read(f"vllm:num_requests_running{{{VLLM}}} {value}\nvllm:num_requests_waiting{{{VLLM}}} 3\n")
    assert (found.running, found.waiting) == (None, 3.0)


def test_a_page_of_something_else_is_no_engine() -> None:
    page = read_page(b"process_cpu_seconds_total 12\n", Labels(), wanted=WANTED)
    assert figures(page, 0.0, None) is None


@pytest.fixture
def world() -> World:
    """Ten requests in flight at each engine, of which eight run."""
    world = World().grown(roles=[Role("prefill"), Role("decode")])
    selector = {"modelserving.volcano.sh/name": "chat"}
    world.cluster.demand.assign(NAMESPACE, "chat", selector, Steady(20), capacity=8, noise=0)
    world.live(30)
    return world


@asynccontextmanager
async def watching(
    world: World, identity: Identity | None = None, token: str | None = None
) -> AsyncIterator[EngineWatch]:
    async with serving(world.cluster, identity) as url, session_to(url, token=token) as session:
        watch = EngineWatch(ClusterDoor(session), SystemClock(), every=0.05)
        running = asyncio.ensure_future(watch.run())
        try:
            yield watch
            assert not running.done(), "it ended by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_engines_that_are_looked_at_tell_their_load(world: World) -> None:
    async with watching(world) as watch:

        def told() -> EngineFigures | None:
            return watch.look([POD])[POD].figures

        await until(lambda: told() is not None, LIMIT)
        world.live(60)
        await until(lambda: (f := told()) is not None and f.ttft_p99 is not None, LIMIT)
        found = told()
    assert found is not None
    assert (found.engine, found.running, found.waiting) == ("vLLM", 8.0, 2.0)
    assert found.kv_percent is not None
    assert 80 < found.kv_percent <= 100
    assert found.ttft_p50 is not None
    assert found.ttft_p99 is not None
    assert found.ttft_p50.seconds < found.ttft_p99.seconds
    assert dict(found.names)["tokens_per_second"] == "vllm:generation_tokens_total"


async def test_an_engine_that_is_gone_keeps_its_figures_and_says_why(world: World) -> None:
    async with watching(world) as watch:
        await until(lambda: watch.look([POD])[POD].figures is not None, LIMIT)
        world.scale(0)
        world.until(lambda: not world.pods("chat-0"))
        await until(lambda: watch.look([POD])[POD].detail is not None, LIMIT)
        reading = watch.look([POD])[POD]
    assert reading.detail == "gone: the API server has no such object"
    assert reading.figures is not None


async def test_a_pod_that_is_no_engine_says_so(world: World) -> None:
    pod = (NAMESPACE, "nobody")
    async with watching(world) as watch:
        await until(lambda: watch.look([pod])[pod].detail is not None, LIMIT)
        assert watch.look([pod])[pod].figures is None


async def test_a_missing_right_is_named_for_every_pod_and_asked_for_again(world: World) -> None:
    pods = [POD, (NAMESPACE, "chat-0-decode-0-0")]
    account = bound_account(world.store, "looks", [])
    async with watching(world, Identity({"looks": account}), token="looks") as watch:
        await until(lambda: all(found.detail for found in watch.look(pods).values()), LIMIT)
        assert {found.detail for found in watch.look(pods).values()} == {
            "right missing: get pods/proxy in namespace llm"
        }
        rules = [{"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}]
        for kind, obj in bound_role("more", rules, {"kind": "User", "name": "looks"}):
            world.store.create(kind, obj, manager="kubectl")
        watch.wake()
        await until(lambda: all(found.figures for found in watch.look(pods).values()), LIMIT)
