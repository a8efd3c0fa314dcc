"""Server-side apply where lists have keys, on the scale, and with several managers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from clients.embedded.store import Store
from tests.support.embedded_objects import MS, MS_PATH, serving

Json = dict[str, Any]
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def _apply(
    http: aiohttp.ClientSession, path: str, body: Json, manager: str, **params: str
) -> tuple[int, Json]:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    query = {"fieldManager": manager, **params}
    async with http.patch(path, data=json.dumps(body), headers=headers, params=query) as answer:
        return answer.status, await answer.json()


def _deployment(**images: str) -> Json:
    labels = {"app": "web"}
    containers = [{"name": name, "image": image} for name, image in images.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


async def test_containers_have_their_own_owners(http: aiohttp.ClientSession) -> None:
    path = f"{DEPLOYMENTS}/web"
    assert (await _apply(http, path, _deployment(a="1", b="1"), "one"))[0] == 201
    status, made = await _apply(http, path, _deployment(c="1"), "two")
    names = [c["name"] for c in made["spec"]["template"]["spec"]["containers"]]
    assert (status, names) == (200, ["a", "b", "c"])
    status, told = await _apply(http, path, _deployment(a="2"), "two")
    fields = [c["field"] for c in told["details"]["causes"]]
    assert (status, fields) == (409, ['.spec.template.spec.containers[name="a"].image'])
    status, made = await _apply(http, path, _deployment(a="1"), "one")
    names = [c["name"] for c in made["spec"]["template"]["spec"]["containers"]]
    assert (status, names) == (200, ["a", "c"])


async def test_scale_by_apply(store: Store, http: aiohttp.ClientSession) -> None:
    store.create(MS, serving(), manager="test")
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "qwen"}}
    path = f"{MS_PATH}/qwen/scale"
    status, told = await _apply(http, path, {**scale, "spec": {"replicas": 3}}, "ops")
    assert (status, [c["field"] for c in told["details"]["causes"]]) == (409, [".spec.replicas"])
    status, made = await _apply(http, path, {**scale, "spec": {"replicas": 3}}, "ops", force="true")
    assert (status, made["kind"], made["spec"]) == (200, "Scale", {"replicas": 3})
    stored = store.get(MS, "default", "qwen")
    assert stored is not None
    owners = [
        (e["manager"], e["operation"], e.get("subresource"))
        for e in stored["metadata"]["managedFields"]
        if "f:replicas" in e["fieldsV1"].get("f:spec", {})
    ]
    assert owners == [("ops", "Apply", "scale")]


async def test_status_by_apply(store: Store, http: aiohttp.ClientSession) -> None:
    store.create(MS, serving(), manager="test")
    body = serving(replicas=9) | {"status": {"replicas": 1}}
    status, made = await _apply(http, f"{MS_PATH}/qwen/status", body, "controller")
    assert (status, made["status"], made["spec"]["replicas"]) == (200, {"replicas": 1}, 2)


async def test_yaml_bodies(http: aiohttp.ClientSession) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    path = "/api/v1/namespaces/default/configmaps/a"
    async with http.patch(path, data=text, headers=headers, params={"fieldManager": "x"}) as answer:
        assert (answer.status, (await answer.json())["data"]) == (201, {"k": "v"})
    async with http.patch(path, data="a: [", headers=headers, params={"fieldManager": "x"}) as answer:
        assert answer.status == 400
