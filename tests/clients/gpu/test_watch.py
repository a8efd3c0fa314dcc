"""The GPUs of the embedded cluster, read over HTTP through its API server, beside the simulator's truth."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from clients.clock import SystemClock
from clients.embedded.accounts import bound_account
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.roles import bound_role
from clients.embedded.cluster import Cluster
from clients.gpu.discovery import AGENT_LABEL
from clients.gpu.door import Door
from clients.gpu.watch import Timing
from clients.serving.gpu_readings import GpuReadings
from clients.serving.gpus import AgentKind, GpuMark, GpuSample
from clients.serving.sources import SourceState
from tests.support.gpu_cluster import BRISK, SlowAnswers, scenario, serving, watching
from tests.support.kube import until

LIMIT = 60.0

Key = tuple[str, int, int | None]


@pytest.fixture(scope="module")
def default() -> Cluster:
    return scenario("default")


def truth(cluster: Cluster) -> dict[Key, set[tuple[str, str]]]:
    return {
        (device.node, device.index, device.instance): {(pod.namespace, pod.name) for pod, _ in device.holders}
        for node in cluster.nodes
        for device in cluster.gpus.on(node.name)
    }


def key(sample: GpuSample) -> Key:
    assert sample.index is not None
    return (sample.key.node, sample.index, sample.key.instance)


def by_key(readings: GpuReadings) -> dict[Key, GpuSample]:
    return {key(sample): sample for sample in readings.samples}


async def test_every_device_is_attributed_to_who_has_it(default: Cluster) -> None:
    wanted = truth(default)
    async with serving(default) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)
        await until(lambda: len(watch.readings().samples) == len(wanted), LIMIT)
        readings = watch.readings()
        found = by_key(readings)
    assert {at: {(h.namespace, h.pod) for h in s.holders} for at, s in found.items()} == wanted
    assert (readings.state, readings.detail) == (SourceState.LIVE, None)
    kinds = {agent.node: agent.kind for agent in readings.agents}
    assert kinds["gpu-node-01"] is AgentKind.AGENT
    assert set(kinds.values()) == {AgentKind.AGENT, AgentKind.EXPORTER}
    # Shared and divided GPUs are there, and told as what they are.
    assert max(len(sample.holders) for sample in found.values()) == 2
    assert {s.profile for s in found.values() if s.key.instance is not None} == {"1g.20gb"}


async def test_figures_are_those_of_the_simulator(default: Cluster) -> None:
    async with serving(default) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)
        found = by_key(watch.readings())
    for device in default.gpus.on("gpu-node-00"):
        told, figures = found[(device.node, device.index, None)], default.gpus.figures(device)
        assert told.tensor == pytest.approx(100 * figures.tensor, abs=0.01)
        assert told.memory_used == round(figures.used) << 20
        assert told.memory_total is not None
        assert abs(told.memory_total - (round(figures.total) << 20)) <= 1 << 20
        assert (told.temperature, told.power_limit) == (round(figures.temperature), 700)


async def test_trouble_is_marked_where_it_is() -> None:
    cluster = scenario("trouble")
    async with serving(cluster) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == 12, LIMIT)
        readings = watch.readings()
    by_pod = {holder.pod: sample for sample in readings.samples for holder in sample.holders}
    assert by_pod["healthy-chat-1-decode-0-0"].marks == (GpuMark.IDLE,)
    assert by_pod["healthy-code-0-decode-1-0"].marks == (GpuMark.MEMORY,)
    assert by_pod["healthy-code-1-decode-0-0"].marks == (GpuMark.THROTTLED,)
    assert by_pod["healthy-code-2-prefill-0-0"].marks == (GpuMark.XID,)
    assert by_pod["training-2"].marks == (GpuMark.IDLE,)
    failing = {agent.node: agent.detail for agent in readings.agents if agent.failing}
    lost = next(node.name for node in cluster.nodes if not node.alive)
    assert failing == {
        "gpu-node-10": "it answers 500 instead of a page",
        lost: "nobody listens on its port: it is starting, or has ended",
    }
    assert readings.silent == set(failing)
    assert readings.state is SourceState.LIVE
    assert readings.detail is not None
    assert readings.detail.startswith("2 of 12 nodes: ")


async def test_a_node_that_falls_silent_keeps_its_last_values(default: Cluster) -> None:
    cluster = scenario("default")
    async with serving(cluster) as url, watching(url) as watch:
        watch.look("gpu-node-01")
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)
        before = {at: s for at, s in by_key(watch.readings()).items() if at[0] == "gpu-node-01"}
        cluster.nodes.lose("gpu-node-01")
        await until(lambda: "gpu-node-01" in watch.readings().silent, LIMIT)
        after = {at: s for at, s in by_key(watch.readings()).items() if at[0] == "gpu-node-01"}
        assert set(after) == set(before)
        assert all(sample.taken_at >= before[at].taken_at for at, sample in after.items())
        (agent,) = (agent for agent in watch.readings().agents if agent.node == "gpu-node-01")
        assert agent.read_at is not None
        assert agent.asked_at is not None
        assert agent.read_at < agent.asked_at
        cluster.nodes.restore("gpu-node-01")
        await until(lambda: "gpu-node-01" not in watch.readings().silent, LIMIT)


async def test_nobody_is_asked_until_somebody_looks(default: Cluster) -> None:
    async with serving(default) as url, watching(url) as watch:
        for _ in range(20):
            await asyncio.sleep(0)
        assert watch.readings().agents == ()
        assert watch.readings().state is SourceState.QUIET
        watch.look()
        await until(lambda: watch.readings().agents, LIMIT)


async def test_many_nodes_are_read_calmly_until_somebody_looks_closely_at_one(default: Cluster) -> None:
    timing = replace(BRISK, calm=0.01)
    async with serving(default) as url, watching(url, timing=timing) as watch:

        def of_the_agent() -> GpuSample:
            return next(s for s in watch.readings().samples if s.key.node == "gpu-node-01")

        watch.look()
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)
        first = of_the_agent()
        assert first.fresh_until - first.taken_at >= 2.5 * 16 / timing.calm, (
            "old only when its turn has passed"
        )
        watch.look("gpu-node-00")
        await until(lambda: of_the_agent().taken_at > first.taken_at, LIMIT)


async def test_a_setting_reads_without_anybody_looking(default: Cluster) -> None:
    async with serving(default) as url, watching(url, always=True) as watch:
        await until(lambda: watch.readings().samples, LIMIT)


async def test_a_missing_right_is_named_and_nobody_else_is_asked_in_vain() -> None:
    cluster = scenario("default")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    identity = Identity({"looks": bound_account(cluster.store, "looks", rules)})
    async with serving(cluster, identity) as url, watching(url, token="looks") as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)
        readings = watch.readings()
    right = "right missing: get pods/proxy in namespace gpu-operator"
    assert {agent.detail for agent in readings.agents} == {right}
    assert readings.state is SourceState.DENIED
    assert readings.detail is not None
    assert readings.detail.startswith(f"16 of 16 nodes: {right}")


@pytest.mark.parametrize("missing", ["pods/proxy", "pods"])
async def test_a_right_that_was_given_counts_at_once_where_it_is_asked_for_again(missing: str) -> None:
    cluster = scenario("default")
    resources = {"pods": ["get", "list", "watch"], "pods/proxy": ["get"]}

    def rules(*names: str) -> list[Json]:
        return [{"apiGroups": [""], "resources": [name], "verbs": resources[name]} for name in names]

    identity = Identity(
        {"looks": bound_account(cluster.store, "looks", rules(*(resources.keys() - {missing})))}
    )
    once = Timing(discover=1e6, again=1e6, longest=1e6)
    async with serving(cluster, identity) as url, watching(url, token="looks", timing=once) as watch:
        watch.look()
        await until(lambda: watch.readings().state is SourceState.DENIED, LIMIT)
        for kind, obj in bound_role("more", rules(missing), {"kind": "User", "name": "looks"}):
            cluster.store.create(kind, obj, manager="kubectl")
        watch.wake()
        await until(lambda: len(watch.readings().samples) > 100, LIMIT)
        await until(lambda: watch.readings().detail is None, LIMIT)


async def test_a_refusal_of_before_the_right_was_given_is_not_believed_when_it_arrives_after() -> None:
    cluster = scenario("default")
    proxied = [{"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}]
    listed = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    identity = Identity({"looks": bound_account(cluster.store, "looks", listed)})
    once = Timing(discover=1e6, again=1e6, longest=1e6)
    doors: list[SlowAnswers] = []

    def by(door: Door) -> Door:
        doors.append(SlowAnswers(door))
        return doors[0]

    async with serving(cluster, identity) as url, watching(url, token="looks", timing=once, by=by) as watch:
        watch.look()
        await until(lambda: bool(doors) and doors[0].held > 0, LIMIT)
        for kind, obj in bound_role("more", proxied, {"kind": "User", "name": "looks"}):
            cluster.store.create(kind, obj, manager="kubectl")
        watch.wake()
        doors[0].arrive.set()
        await until(lambda: len(watch.readings().samples) > 100, LIMIT)
        await until(lambda: watch.readings().detail is None, LIMIT)


async def test_without_the_right_to_list_pods_that_right_is_named() -> None:
    cluster = scenario("default")
    identity = Identity({"none": bound_account(cluster.store, "none", [])})
    async with serving(cluster, identity) as url, watching(url, token="none") as watch:
        watch.look()
        await until(lambda: watch.readings().state is SourceState.DENIED, LIMIT)
        assert watch.readings().detail == (
            "right missing: list pods in all namespaces, to find dcgm-exporter"
        )


async def test_exporters_are_found_by_their_port_where_labels_are_unknown() -> None:
    cluster = scenario("default")

    def relabel(obj: Json) -> None:
        obj["metadata"]["labels"] = {
            "k8s-app": "cloud-gpu-metrics",
            "controller-revision-hash": obj["spec"]["nodeName"],
        }

    for record in cluster.store.records("pods", "gpu-operator"):
        cluster.store.mutate("pods", "gpu-operator", record.name, relabel, manager="kubectl")
    nodes: list[Any] = []
    async with serving(cluster) as url, watching(url, gpu_nodes=lambda: nodes) as watch:
        watch.look()
        await until(lambda: watch.readings().state is SourceState.ABSENT, LIMIT)
        assert watch.readings().detail == (
            "no dcgm-exporter or servegrid agent was found, and no Prometheus is set"
        )
        nodes.append("gpu-node-07")
        await until(lambda: len(watch.readings().agents) == 16, LIMIT)


async def test_the_past_of_a_device_is_kept(default: Cluster) -> None:
    async with serving(default) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().samples) > 100, LIMIT)
        sample = watch.readings().samples[0]
        (point, *_) = watch.history.of(sample.key)
    assert sample.busy is not None
    assert point.busy == pytest.approx(sample.busy.percent, rel=1e-5)
    assert abs(point.at - SystemClock().monotonic()) < LIMIT


@contextlib.asynccontextmanager
async def answering(answer: web.StreamResponse | None) -> AsyncIterator[tuple[str, list[str | None]]]:
    """A cluster of one node with our agent, whose page is ``answer``; and the tokens that it was shown."""
    pod = {
        "metadata": {
            "name": "agent-a",
            "namespace": "gpu",
            "labels": {"app.kubernetes.io/name": AGENT_LABEL},
        },
        "spec": {"nodeName": "node-a", "containers": [{"args": ["agent", "--interval=1"]}]},
        "status": {"phase": "Running"},
    }
    shown: list[str | None] = []

    async def pods(request: web.Request) -> web.Response:
        there = AGENT_LABEL in request.query.get("labelSelector", "")
        return web.json_response({"kind": "PodList", "metadata": {}, "items": [pod] if there else []})

    async def metrics(request: web.Request) -> web.StreamResponse:
        shown.append(request.headers.get("X-Servegrid-Token"))
        if answer is not None:
            return web.Response(status=answer.status, body=getattr(answer, "body", b""))
        huge = web.StreamResponse()
        await huge.prepare(request)
        with contextlib.suppress(ConnectionError):
            for number in range(50):
                await huge.write(
                    f'DCGM_FI_DEV_GPU_TEMP{{UUID="GPU-{number}"}} 1\n'.encode().ljust(1 << 20, b" ")
                )
        return huge

    app = web.Application()
    app.router.add_get("/api/v1/pods", pods)
    app.router.add_get("/api/v1/namespaces/gpu/pods/agent-a:9400/proxy/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", shown
    finally:
        await runner.cleanup()


NETWORK = (
    '{"kind":"Status","code":503,'
    '"message":"error trying to reach service: dial tcp 10.0.0.4:9400: i/o timeout"}'
)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (web.Response(status=503, text=NETWORK), "the API server cannot reach the pod network: a firewall"),
        (web.Response(status=401, text="token needed\n"), "it asks for a token"),
        (web.Response(text="<html>"), "a web page, not metrics"),
        (web.Response(text='DCGM_FI_DEV_GPU_TEMP{UUID="GPU-0"} 7'), "the page breaks off"),
        (
            web.Response(text="# servegrid: the driver is not loaded\nservegrid_driver_up 0\n"),
            "the driver is not",
        ),
        (web.Response(text="up 1\n"), "its page tells of no GPU"),
        (None, "an answer longer than 8 MiB"),
    ],
)
async def test_a_broken_page_is_that_nodes_trouble(answer: web.StreamResponse | None, told: str) -> None:
    async with answering(answer) as (url, _), watching(url) as watch:
        watch.look()
        await until(lambda: watch.readings().agents, LIMIT)
        (agent,) = watch.readings().agents
    assert agent.detail is not None
    assert told in agent.detail
    assert (agent.node, agent.where, agent.read_at) == ("node-a", "gpu/agent-a:9400", None)


async def test_the_agents_token_is_shown_to_the_agent() -> None:
    page = web.Response(text='DCGM_FI_DEV_GPU_TEMP{UUID="GPU-0",gpu="0"} 71\n')
    async with answering(page) as (url, shown), watching(url, shown="s") as watch:
        watch.look()
        await until(lambda: watch.readings().samples, LIMIT)
    assert set(shown) == {"s"}
