"""GPUs from a Prometheus server: one on loopback that answers as Prometheus does, with rows from tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from clients.clock import SystemClock
from clients.gpu.prometheus import PrometheusError, PrometheusPlace, read_fleet, read_place
from clients.gpu.web_door import WebDoor
from clients.serving.gpus import AgentKind, GpuSample, Holder
from clients.serving.sources import SourceState
from tests.support.gpu_cluster import scenario, serving, watching
from tests.support.kube import until

LIMIT = 30.0
EVALUATED = 1_700_000_100.0
SCRAPED = {"namespace": "gpu-operator", "pod": "exporter-a", "container": "nvidia-dcgm-exporter"}
Series = tuple[dict[str, str], float]


class Prometheus:
    """Instant queries of a metric, and of its ``timestamp``."""

    def __init__(self) -> None:
        self.series: dict[str, list[Series]] = {}
        self.scraped_at = EVALUATED - 12
        self.answer: web.Response | None = None

    def put(self, name: str, value: float, **labels: str) -> None:
        self.series.setdefault(name, []).append(({"__name__": name, **labels}, value))

    async def query(self, request: web.Request) -> web.Response:
        if self.answer is not None:
            return web.Response(status=self.answer.status, body=self.answer.body)
        asked = request.query["query"]
        name = asked.removeprefix("timestamp(").removesuffix(")")
        result = [
            {"metric": labels, "value": [EVALUATED, str(value if name == asked else self.scraped_at)]}
            for labels, value in self.series.get(name, ())
        ]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return web.Response(body=json.dumps(body), content_type="application/json")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/prom/api/v1/query", self.query)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/prom/"
        finally:
            await runner.cleanup()


@pytest.fixture
def prometheus() -> Prometheus:
    """Two GPUs of one node: one held, one free."""
    made = Prometheus()
    held = {"exported_namespace": "llm", "exported_pod": "chat-0", "exported_container": "engine"}
    for uuid, who in (("GPU-0", held), ("GPU-1", {})):
        labels = {"UUID": uuid, "gpu": uuid[-1], "Hostname": "node-a", **SCRAPED, **who}
        made.put("DCGM_FI_DEV_FB_USED", 1000, **labels)
        made.put("DCGM_FI_DEV_FB_FREE", 79_000, **labels)
        made.put("DCGM_FI_DEV_GPU_UTIL", 50 if who else 0, **labels)
    return made


async def read(url: str, **how: Any) -> dict[str, tuple[GpuSample, ...]]:
    door = WebDoor(url)
    try:
        place = PrometheusPlace(url=url)
        return await read_fleet(door, place, lambda: 500.0, **{"exporters": {}, "fresh_for": 90.0, **how})
    finally:
        await door.close()


async def test_the_fleet_with_its_age_and_who_has_what(prometheus: Prometheus) -> None:
    async with prometheus.served() as url:
        found = await read(url)
    ((node, (held, free)),) = found.items()
    assert (node, held.utilisation, held.memory_total) == ("node-a", 50.0, 80_000 << 20)
    assert (held.taken_at, held.age(500.0)) == (488.0, 12.0)
    assert held.holders == (Holder("llm", "chat-0", "engine"),)
    assert free.holders == ()
    assert free.attributed


async def test_a_node_is_known_by_its_exporter_where_labels_do_not_tell(prometheus: Prometheus) -> None:
    for rows in prometheus.series.values():
        for labels, _ in rows:
            labels["Hostname"] = "exporter-a"
    async with prometheus.served() as url:
        found = await read(url, exporters={("gpu-operator", "exporter-a"): "node-b"})
    assert set(found) == {"node-b"}


async def test_holders_are_told_where_labels_of_targets_were_honoured(prometheus: Prometheus) -> None:
    honoured = Prometheus()
    honoured.put(
        "DCGM_FI_DEV_FB_USED", 1, UUID="GPU-0", node="n", namespace="llm", pod="chat-0", container="c"
    )
    async with honoured.served() as url:
        ((sample,),) = (await read(url)).values()
    assert sample.holders == (Holder("llm", "chat-0", "c"),)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (web.Response(status=200, body=b"<html>"), "its answer is not that of a Prometheus server"),
        (
            web.Response(status=200, body=b'{"status":"success"}'),
            "its answer is not that of a Prometheus server",
        ),
        (web.Response(status=500), "it answers 500 instead of a page"),
        (web.Response(status=401), "it asks for a token"),
    ],
)
async def test_what_is_no_prometheus_says_so(prometheus: Prometheus, answer: web.Response, told: str) -> None:
    prometheus.answer = answer
    async with prometheus.served() as url:
        with pytest.raises(PrometheusError, match=told):
            await read(url)


async def test_a_password_in_the_url_is_never_told() -> None:
    with pytest.raises(PrometheusError) as caught:
        await read("http://user:secret@127.0.0.1:9/prom")
    assert str(caught.value) == "http://127.0.0.1:9/prom: 127.0.0.1: cannot be reached"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("https://prom.example/x", "https://prom.example/x"),
        ("http://u:p@prom:9090", "http://prom:9090"),
        ("monitoring/prometheus:9090", "monitoring/prometheus:9090"),
        ("monitoring/https:prometheus:web", "monitoring/https:prometheus:web"),
    ],
)
def test_a_place_is_a_url_or_a_service(text: str, where: str) -> None:
    assert read_place(text).where == where


@pytest.mark.parametrize("text", ["", "prometheus", "http://", "a/b/c:1", "a/prometheus", "/x:1"])
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        read_place(text)


async def test_the_watch_prefers_prometheus_and_reads_the_rest_from_the_nodes(prometheus: Prometheus) -> None:
    for rows in prometheus.series.values():
        for labels, _ in rows:
            labels["Hostname"] = "gpu-node-00"
    cluster = scenario("default")
    async with prometheus.served() as url, serving(cluster) as server:
        door = WebDoor(url)
        place = (PrometheusPlace(url=url), door)
        async with watching(server, prometheus=place) as watch:
            watch.look()
            await until(lambda: len(watch.readings().agents) == 16, LIMIT)
            await until(lambda: _kinds(watch).get("gpu-node-00") is AgentKind.PROMETHEUS, LIMIT)
            assert _kinds(watch)["gpu-node-02"] is AgentKind.EXPORTER
            # Without it, everything is read from the nodes, and what is wrong is told.
            prometheus.answer = web.Response(status=503)
            await until(lambda: _kinds(watch)["gpu-node-00"] is AgentKind.EXPORTER, LIMIT)
            readings = watch.readings()
            assert readings.state is SourceState.LIVE
            assert readings.detail is not None
            assert "answers 503" in readings.detail
        await door.close()


def _kinds(watch: Any) -> dict[str, AgentKind]:
    return {agent.node: agent.kind for agent in watch.readings().agents}


async def test_a_service_behind_the_api_server_that_is_not_there_says_so() -> None:
    cluster = scenario("default")
    async with serving(cluster) as url, watching(url) as watch:
        place = read_place("monitoring/prometheus:9090")
        with pytest.raises(PrometheusError, match="monitoring/prometheus:9090: gone"):
            await read_fleet(watch._door, place, SystemClock().monotonic, exporters={}, fresh_for=90.0)
