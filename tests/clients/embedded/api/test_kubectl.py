"""kubectl against the embedded API, as an operator beside the console would use it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clients.embedded.apiserver.podlogs import LogQuery
from clients.embedded.store import Store
from tests.clients.embedded.api.conftest import Serve
from tests.support.embedded_objects import MS, pod, serving

Run = Callable[..., Awaitable[str]]


async def _logs(query: LogQuery) -> AsyncIterator[tuple[float, str]]:
    for index in range(query.tail or 3):
        yield 0.0, f"{query.container} says {index}"


@pytest.fixture
async def command(served: Serve, tmp_path: Path) -> list[str]:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not on the PATH")
    http: aiohttp.ClientSession = await served(logs=_logs)
    server = str(http._base_url)
    return [found, "--server", server, "--kubeconfig", "/dev/null", "--cache-dir", str(tmp_path)]


@pytest.fixture
async def kubectl(command: list[str]) -> Run:
    async def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate(stdin.encode())
        told = out.decode()
        assert process.returncode == code, told
        return told

    return run


def _manifest(replicas: int, **more: Any) -> str:
    body = serving("qwen", replicas)
    body["spec"] |= more
    return json.dumps(body)


async def test_a_model_serving_from_apply_to_delete(store: Store, kubectl: Run) -> None:
    assert "created" in await kubectl("apply", "-f", "-", stdin=_manifest(2))
    assert "configured" in await kubectl("apply", "-f", "-", stdin=_manifest(3))
    refused = await kubectl("apply", "-f", "-", stdin=_manifest(3, bogus=1), code=1)
    assert 'unknown field "spec.bogus"' in refused
    assert "scaled" in await kubectl("scale", "modelserving/qwen", "--replicas=4", "--current-replicas=3")
    stored = store.get(MS, "default", "qwen")
    assert stored is not None
    assert stored["spec"]["replicas"] == 4
    assert "labeled" in await kubectl("label", "modelserving", "qwen", "team=a")
    table = await kubectl("get", "modelservings", "-L", "team")
    assert table.split("\n")[0].split() == ["NAME", "REPLICAS", "AVAILABLE", "UPDATED", "AGE", "TEAM"]
    assert "Replicas:" in await kubectl("describe", "modelserving", "qwen")
    applied = await kubectl("apply", "--server-side", "-f", "-", stdin=_manifest(5), code=1)
    assert "conflict" in applied
    assert "deleted" in await kubectl("delete", "modelserving", "qwen")
    assert store.list(MS) == []


async def test_pods_events_and_logs(store: Store, kubectl: Run) -> None:
    store.create("pods", pod("a"), manager="test")
    listed = await kubectl("get", "pods", "-o", "wide")
    assert listed.split("\n")[1].split()[:4] == ["a", "0/1", "Pending", "0"]
    described = await kubectl("describe", "pod", "a")
    assert "Image:" in described
    assert await kubectl("logs", "a", "--tail=2") == "engine says 0\nengine says 1\n"
    assert "No resources found" in await kubectl("get", "events")
    assert "pods" in await kubectl("api-resources", "--api-group=")
    assert "Server Version: v1." in await kubectl("version")


async def test_apply_merges_containers_by_name(store: Store, kubectl: Run) -> None:
    def manifest(*images: str) -> str:
        labels = {"app": "web"}
        containers = [{"name": image.partition(":")[0], "image": image} for image in images]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
        return json.dumps(body)

    await kubectl("apply", "-f", "-", stdin=manifest("a:1", "b:1"))
    told = await kubectl("apply", "-f", "-", stdin=manifest("a:2"))
    assert "warning" not in told.lower()
    stored = store.get("deployments.apps", "default", "web")
    assert stored is not None
    assert [c["image"] for c in stored["spec"]["template"]["spec"]["containers"]] == ["a:2"]


async def test_get_watch_follows(store: Store, command: list[str]) -> None:
    store.create(MS, serving(), manager="test")
    process = await asyncio.create_subprocess_exec(
        *command, "get", "modelservings", "-w", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    def observed(obj: dict[str, Any]) -> None:
        obj["status"] = {"replicas": 2, "availableReplicas": 1, "updatedReplicas": 2}

    try:
        async with asyncio.timeout(60):
            header, first = await process.stdout.readline(), await process.stdout.readline()
            await asyncio.sleep(0.3)
            store.mutate(MS, "default", "qwen", observed, manager="test", subresource="status")
            second = await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()
    assert header.split()[0] == b"NAME"
    assert first.split()[0] == b"qwen"
    assert second.split()[:4] == [b"qwen", b"2", b"1", b"2"]


async def test_the_roles_of_this_project_are_applied_bound_and_shown(kubectl: Run) -> None:
    roles = str(Path(__file__).parents[4] / "deploy" / "console-rbac")
    assert "servegrid-operator created" in await kubectl("apply", "-f", roles)
    assert "unchanged" in await kubectl("apply", "-f", roles)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "servegrid-viewer"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "watchers"},
        "roleRef": reference,
        "subjects": [{"kind": "User", "name": "ops"}, {"kind": "Group", "name": "team"}],
    }
    await kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    row = (await kubectl("get", "clusterrolebinding", "watchers", "-o", "wide")).split("\n")[1].split()
    assert (row[:2], row[3:]) == (["watchers", "ClusterRole/servegrid-viewer"], ["ops", "team"])
    assert "modelservings" in await kubectl("describe", "clusterrole", "servegrid-viewer")
    assert "No resources found" in await kubectl("get", "pods", "--as", "ops")
    refused = await kubectl("get", "secrets", "--as", "ops", code=1)
    assert 'User "ops" cannot list resource "secrets"' in refused


async def test_the_node_agent_of_this_project_is_applied_and_shown(kubectl: Run) -> None:
    manifest = str(Path(__file__).parents[4] / "deploy" / "agent" / "daemonset.yaml")
    assert "daemonset.apps/servegrid-agent created" in await kubectl("apply", "-f", manifest)
    assert "daemonset.apps/servegrid-agent unchanged" in await kubectl("apply", "-f", manifest)
    header, row = (await kubectl("get", "ds", "-n", "servegrid")).strip().split("\n")
    names = "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE"
    assert header.split() == names.split()
    assert row.split()[:-1] == ["servegrid-agent", "0", "0", "0", "0", "0", "nvidia.com/gpu.present=true"]
    patch = json.dumps({"spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "other"}}}})
    refused = await kubectl("patch", "ds", "servegrid-agent", "-n", "servegrid", "-p", patch, code=1)
    assert "field is immutable" in refused
    assert "servegrid-agent" in await kubectl("describe", "ds", "servegrid-agent", "-n", "servegrid")


async def test_who_may_what_is_asked_and_granted_by_commands(kubectl: Run) -> None:
    assert await kubectl("auth", "can-i", "list", "pods") == "yes\n"
    assert await kubectl("auth", "can-i", "list", "pods", "--as", "ops", code=1) == "no\n"
    rule = ("--verb", "list,watch", "--resource", "pods,modelservings.workload.serving.volcano.sh")
    await kubectl("create", "clusterrole", "sees", *rule)
    await kubectl("create", "clusterrolebinding", "ops-sees", "--clusterrole", "sees", "--user", "ops")
    assert await kubectl("auth", "can-i", "watch", "modelservings", "-A", "--as", "ops") == "yes\n"
    assert await kubectl("auth", "can-i", "get", "/version", "--as", "ops") == "yes\n"
    await kubectl("create", "namespace", "team")
    await kubectl(
        "create", "role", "sizes", "-n", "team", "--verb", "patch", "--resource", "deployments/scale"
    )
    await kubectl("create", "rolebinding", "ops-sizes", "-n", "team", "--role", "sizes", "--group", "sre")
    asked = (
        "auth",
        "can-i",
        "patch",
        "deployments",
        "--subresource",
        "scale",
        "--as",
        "x",
        "--as-group",
        "sre",
    )
    assert await kubectl(*asked, "-n", "team") == "yes\n"
    assert await kubectl(*asked, code=1) == "no\n"
    listed = await kubectl("auth", "can-i", "--list", "--as", "ops")
    assert "modelservings.workload.serving.volcano.sh" in listed
    assert "ops" in await kubectl("auth", "whoami", "--as", "ops")
