"""The client library that servegrid uses, against the embedded API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from kubernetes_asyncio import client, watch

from clients.embedded.store import Store
from tests.support.embedded_objects import MS, pod, serving

PLACE = ("workload.serving.volcano.sh", "v1alpha1", "default", "modelservings")


@pytest.fixture
async def api(http: aiohttp.ClientSession) -> AsyncIterator[Any]:
    configuration = client.Configuration(host=str(http._base_url).rstrip("/"))
    async with client.ApiClient(configuration) as found:
        yield found


async def test_custom_objects(api: Any) -> None:
    custom = client.CustomObjectsApi(api)
    made = await custom.create_namespaced_custom_object(*PLACE, serving())
    assert made["metadata"]["generation"] == 1
    listed = await custom.list_namespaced_custom_object(*PLACE)
    assert [i["metadata"]["name"] for i in listed["items"]] == ["qwen"]
    change = [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
    ]
    patched = await custom.patch_namespaced_custom_object(*PLACE, "qwen", change)
    assert patched["spec"]["replicas"] == 4
    merging: dict[str, Any] = {"_content_type": "application/merge-patch+json"}
    merged = await custom.patch_namespaced_custom_object(*PLACE, "qwen", {"spec": {"replicas": 3}}, **merging)
    assert merged["spec"]["replicas"] == 3
    scale = await custom.get_namespaced_custom_object_scale(*PLACE, "qwen")
    assert scale["spec"]["replicas"] == 3
    with pytest.raises(client.ApiException) as refused:
        await custom.patch_namespaced_custom_object(*PLACE, "qwen", change)
    assert refused.value.status == 422


async def test_typed_pods(store: Store, api: Any) -> None:
    store.create("pods", pod("a", app="x"), manager="test")
    core: Any = client.CoreV1Api(api)
    listed = await core.list_namespaced_pod("default", label_selector="app=x")
    assert [p.metadata.name for p in listed.items] == ["a"]
    made = await core.create_namespaced_pod("default", pod("b"))
    assert made.metadata.uid
    version = await client.VersionApi(api).get_code()
    assert version.git_version.startswith("v1.")


async def test_watch(store: Store, api: Any) -> None:
    store.create(MS, serving(), manager="test")
    custom = client.CustomObjectsApi(api)
    seen: list[tuple[str, int]] = []
    begun = asyncio.Event()

    async def follow() -> None:
        stream = watch.Watch().stream(custom.list_namespaced_custom_object, *PLACE, timeout_seconds=5)
        async with stream as events:
            async for event in events:
                seen.append((event["type"], event["object"]["spec"]["replicas"]))
                begun.set()
                if len(seen) == 2:
                    return

    def scale(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 5

    following = asyncio.create_task(follow())
    async with asyncio.timeout(60):
        await begun.wait()
        store.mutate(MS, "default", "qwen", scale, manager="test")
        await following
    assert seen == [("ADDED", 2), ("MODIFIED", 5)]
