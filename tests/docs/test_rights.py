"""The roles in deploy/console-rbac suffice: the embedded API enforces exactly them, and none is missing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clients.embedded.api import serve
from clients.embedded.command import application
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from tests.support.role_files import granted
from tests.support.simworld import NAMESPACE, World

METRIC = "vllm:num_requests_running"
Run = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Runs a command as the holder of a token; gives its exit code and its JSON."""
    world = World()
    scaler = hpa_object("llm", "chat", serving_reference("chat"), 1, 4, [pods_metric(METRIC, "50")])
    world.store.create(HPAS, scaler, manager="helm")
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, Steady(90), capacity=100, noise=0)
    world.grown(groups=2)
    world.live(40)
    viewer, operator = "servegrid-viewer", "servegrid-operator"
    holders = {"sees": [viewer], "scales": [viewer, operator]}
    identity = granted(world.store, holders)
    runner, port = await serve(application(world.cluster, identity), 0)
    named: dict[str, list[dict[str, Any]]] = {"contexts": [], "users": []}
    for token in holders:
        named["users"].append({"name": token, "user": {"token": token}})
        named["contexts"].append({"name": token, "context": {"cluster": "here", "user": token}})
    cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": [cluster], **named}))

    async def command(token: str, *words: str) -> tuple[int, dict[str, Any]]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "tui", *words, "-o", "json"),
            *("--context", token, "--kubeconfig", str(kubeconfig)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        )
        out, _ = await child.communicate()
        assert child.returncode is not None
        return child.returncode, json.loads(out)

    yield command
    await runner.cleanup()


async def test_the_viewer_sees_everything_and_changes_nothing(run: Run) -> None:
    code, found = await run("sees", "get")
    assert code == 0
    assert {source["state"] for source in found["sources"]} <= {"live", "absent"}, found["sources"]
    assert not found["sources"][0]["cluster"].startswith("server-"), "the cluster is known by its uid"
    (workload,) = found["workloads"]
    assert workload["ready"] == 2
    code, found = await run("sees", "scale", f"{NAMESPACE}/chat", "--replicas", "3", "--dry-run")
    assert code == 5
    assert found["plan"]["order_known"], "those who may not read definitions learn the version from OpenAPI"
    assert found["plan"]["capacity"]["free"] is not None


async def test_the_viewer_reads_what_an_autoscaler_reads(run: Run) -> None:
    code, found = await run("sees", "autoscale", f"{NAMESPACE}/chat")
    assert code == 0
    (decision,) = found["decisions"]
    assert (decision["outcome"], decision["desired"]) == ("holds", 2), decision
    assert [metric["current"] for metric in decision["metrics"]] == [45.0]
    assert found["absences"] == []


async def test_the_operator_scales_groups_and_roles(run: Run) -> None:
    words = ("scale", f"{NAMESPACE}/chat", "--replicas", "3", "--role", "decode=2", "--yes")
    code, found = await run("scales", *words, "--dry-run")
    assert (code, found["sent"]) == (0, None)
    code, found = await run("scales", *words)
    assert (code, found["sent"]["result"]) == (0, "accepted")


async def test_the_operator_sets_bounds_and_the_viewer_does_not(run: Run) -> None:
    code, found = await run("sees", "scale", f"{NAMESPACE}/chat", "--pin", "2", "--yes")
    assert (code, found["sent"]) == (5, None)
    code, found = await run("scales", "scale", f"{NAMESPACE}/chat", "--pin", "2", "--yes")
    assert (code, found["sent"]["result"]) == (0, "accepted")
    assert found["plan"]["bounds_after"] == {"minimum": 2, "maximum": 2}
