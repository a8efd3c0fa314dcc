"""Watches that last: bookmarks, slow readers, clients that leave, resources that go."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from aiohttp import web

from clients.embedded.api import SERVER, make_app, serve
from clients.embedded.store import Store
from tests.clients.embedded.api.conftest import Serve
from tests.support.embedded_objects import MS_PATH, pod, serving

PODS = "/api/v1/namespaces/default/pods"


async def _until(check: Any) -> None:
    async with asyncio.timeout(60):
        while True:
            if check():
                return
            await asyncio.sleep(0.01)


async def test_bookmarks_come_at_their_interval(store: Store, served: Serve) -> None:
    http = await served(bookmark_seconds=0.05)
    params = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": str(store.version)}
    async with http.get(PODS, params=params) as answer:
        first = json.loads(await answer.content.readline())
        store.create("configmaps", {"metadata": {"name": "other"}}, manager="test")
        second = json.loads(await answer.content.readline())
    assert (first["type"], second["type"]) == ("BOOKMARK", "BOOKMARK")
    assert first["object"]["spec"] == {}
    assert second["object"]["metadata"]["resourceVersion"] == str(store.version)


async def test_the_last_bookmark_comes_before_the_end(store: Store, served: Serve) -> None:
    http = await served()
    params = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": "1"}
    async with http.get(PODS, params=params) as answer:
        assert await answer.read() == b""


async def test_a_client_that_leaves_is_forgotten(store: Store) -> None:
    app = make_app(store)
    runner, port = await serve(app)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            answer = await http.get(PODS, params={"watch": "1"})
            await _until(lambda: app[SERVER].open_streams == 1)
            answer.close()
            await _until(lambda: app[SERVER].open_streams == 0)
    finally:
        await runner.cleanup()


async def test_a_reader_that_does_not_keep_up_is_cut_off(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr("clients.embedded.apiserver.stream._QUEUE", 200)
    app = make_app(store)
    runner, port = await serve(app)
    store.create("pods", pod("a"), manager="test")

    def grow(obj: dict[str, Any]) -> None:
        obj["status"]["message"] = str(store.version) + "x" * 200_000

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await _until(lambda: app[SERVER].open_streams == 1)
        for _ in range(400):
            store.mutate("pods", "default", "a", grow, manager="test")
            await asyncio.sleep(0)
        await _until(lambda: app[SERVER].open_streams == 0)
        store.mutate("pods", "default", "a", grow, manager="test")
    finally:
        writer.close()
        await runner.cleanup()
    assert reader is not None


async def test_a_watch_ends_when_its_resource_goes(store: Store, http: aiohttp.ClientSession) -> None:
    store.create("modelservings.workload.serving.volcano.sh", serving(), manager="test")
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with http.get(MS_PATH, params={"watch": "1"}) as watch:
        added = json.loads(await watch.content.readline())
        name = "modelservings.workload.serving.volcano.sh"
        async with http.delete(f"{crds}/{name}") as answer:
            assert answer.status == 200
        rest = await watch.read()
    assert added["type"] == "ADDED"
    assert json.loads(rest)["type"] == "DELETED"
    async with http.get(MS_PATH) as answer:
        assert answer.status == 404
    async with http.get("/apis/workload.serving.volcano.sh/v1alpha1") as answer:
        listed = {r["name"] for r in (await answer.json())["resources"]}
    assert "modelservings" not in listed
    assert "autoscalingpolicies" in listed


async def test_a_definition_that_comes_late(http: aiohttp.ClientSession) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = "modelservings.workload.serving.volcano.sh"
    async with http.get(f"{crds}/{name}") as answer:
        definition = await answer.json()
    async with http.delete(f"{crds}/{name}"):
        pass
    kept = {k: definition[k] for k in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    async with http.post(crds, json=kept) as answer:
        assert answer.status == 201
        conditions = {c["type"]: c["status"] for c in (await answer.json())["status"]["conditions"]}
    assert conditions["Established"] == "True"
    async with http.post(MS_PATH, json=serving()) as answer:
        assert answer.status == 201


async def test_all_of_a_burst_arrives_in_order(store: Store, http: aiohttp.ClientSession) -> None:
    store.create("pods", pod("a"), manager="test")
    params = {"watch": "1", "resourceVersion": str(store.version)}
    async with http.get(PODS, params=params) as answer:

        def count(obj: dict[str, Any]) -> None:
            obj["status"]["n"] = obj["status"].get("n", 0) + 1

        for _ in range(3000):
            store.mutate("pods", "default", "a", count, manager="test")
        seen = [json.loads(await answer.content.readline())["object"]["status"]["n"] for _ in range(3000)]
    assert seen == list(range(1, 3001))


async def test_long_lists_are_whole(store: Store, http: aiohttp.ClientSession) -> None:
    for index in range(1200):
        store.create("pods", pod(f"p-{index:04}"), manager="test")
    async with http.get(PODS) as answer:
        listed = await answer.json()
    assert [i["metadata"]["name"] for i in listed["items"]] == [f"p-{i:04}" for i in range(1200)]


async def test_shutdown_ends_streams(store: Store) -> None:
    runner, port = await serve(make_app(store))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        async with http.get(PODS, params={"watch": "1"}) as answer:
            stopping = asyncio.create_task(runner.cleanup())
            assert await answer.read() == b""
            await stopping


async def test_extra_routes_come_first(served: Serve) -> None:
    async def told(_request: web.Request) -> web.Response:
        return web.json_response({"extra": True})

    http = await served(extra_routes=lambda router: router.add_get("/debug/thing", told))
    async with http.get("/debug/thing") as answer:
        assert await answer.json() == {"extra": True}
    async with http.get("/debug/other") as answer:
        assert answer.status == 404
