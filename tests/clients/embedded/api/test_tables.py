"""What the server prints for ``kubectl get``."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from clients.embedded.apiserver.times import short_duration
from clients.embedded.store import Store
from tests.support.embedded_objects import pod

Json = dict[str, Any]
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def _row(http: aiohttp.ClientSession, path: str) -> Json:
    async with http.get(path, headers=TABLE) as answer:
        table = await answer.json()
    names = [c["name"] for c in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


def _container(state: Json, **more: Any) -> Json:
    return {"name": "engine", "state": state, "ready": False, "restartCount": 0, **more}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Pending"}, "Pending"),
        (
            {"phase": "Pending", "containerStatuses": [_container({"waiting": {"reason": "ErrImagePull"}})]},
            "ErrImagePull",
        ),
        ({"phase": "Running", "containerStatuses": [_container({"running": {}})]}, "Running"),
        (
            {
                "phase": "Succeeded",
                "containerStatuses": [_container({"terminated": {"reason": "Completed"}})],
            },
            "Completed",
        ),
        (
            {"phase": "Running", "containerStatuses": [_container({"terminated": {"exitCode": 7}})]},
            "ExitCode:7",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    _container({"terminated": {"exitCode": 0}}),
                    _container({"running": {}}),
                ],
                "containerStatuses": [_container({"waiting": {"reason": "PodInitializing"}})],
            },
            "Init:1/2",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [_container({"waiting": {"reason": "CrashLoopBackOff"}})],
            },
            "Init:CrashLoopBackOff",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
    ],
)
async def test_pod_status(store: Store, http: aiohttp.ClientSession, status: Json, shown: str) -> None:
    store.create("pods", pod("a") | {"status": status}, manager="test")
    row = await _row(http, "/api/v1/pods")
    assert (row["Name"], row["Status"]) == ("a", shown)
    store.delete("pods", "default", "a")
    if status["phase"] in ("Pending", "Running"):
        assert (await _row(http, "/api/v1/pods"))["Status"] == "Terminating"


async def test_nodes_autoscalers_and_events(store: Store, http: aiohttp.ClientSession) -> None:
    ready = {"type": "Ready", "status": "True"}
    node = {"metadata": {"name": "n"}, "spec": {"unschedulable": True}, "status": {"conditions": [ready]}}
    store.create("nodes", node, manager="test")
    assert (await _row(http, "/api/v1/nodes"))["Status"] == "Ready,SchedulingDisabled"
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}}
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 72}}}
    target = {"kind": "ModelServing", "name": "qwen"}
    store.create(
        "horizontalpodautoscalers.autoscaling",
        {
            "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8, "metrics": [metric]},
            "status": {"currentReplicas": 4, "currentMetrics": [current]},
        },
        manager="test",
    )
    row = await _row(http, "/apis/autoscaling/v2/horizontalpodautoscalers")
    assert (row["Reference"], row["Targets"]) == ("ModelServing/qwen", "cpu: 72%/60%")
    assert (row["MinPods"], row["MaxPods"], row["Replicas"]) == (2, 8, 4)
    about = {"kind": "Pod", "name": "a"}
    body = {
        "metadata": {"name": "e"},
        "involvedObject": about,
        "reason": "R",
        "message": "m",
        "type": "Normal",
    }
    store.create("events", body, manager="test")
    for path in ("/api/v1/events", "/apis/events.k8s.io/v1/events"):
        row = await _row(http, path)
        assert (row["Object"], row["Reason"], row["Message"]) == ("pod/a", "R", "m")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (620, "10m"),
        (10_799, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 120, "3h2m"),
        (9 * 3600 + 120, "9h"),
        (49 * 3600, "2d1h"),
        (9 * 86400, "9d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert short_duration(seconds) == shown
