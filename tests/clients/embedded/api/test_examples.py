"""The manifests of docs/examples: applied by kubectl, they play the walkthroughs they are made after."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.embedded.api import serve
from clients.embedded.cluster import Cluster
from clients.embedded.command import application
from clients.embedded.curves import Bursts, Steady
from clients.embedded.scenarios.catalogue import make_cluster

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
START = datetime(2026, 9, 1, 2, 0, tzinfo=UTC).timestamp()
"""10:00 in Shanghai."""

Run = Callable[..., Awaitable[str]]


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster("empty", start=START, speed=0)


@pytest.fixture
async def kubectl(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Run]:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not on the PATH")
    runner, port = await serve(application(cluster))
    words = [found, "--server", f"http://127.0.0.1:{port}", "--kubeconfig", "/dev/null"]

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *words,
            "--cache-dir",
            str(tmp_path),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        told = out.decode()
        assert process.returncode == 0, told
        return told

    yield run
    await runner.cleanup()


def replicas(cluster: Cluster, name: str) -> int:
    found = cluster.store.get("deployments.apps", "default", name)
    assert found is not None
    return int(found["spec"]["replicas"])


def seen(cluster: Cluster, name: str, seconds: int) -> list[int]:
    """Each new count on the way."""
    counts = [replicas(cluster, name)]
    for _ in range(seconds // 5):
        cluster.run_for(5)
        now = replicas(cluster, name)
        if now != counts[-1]:
            counts.append(now)
    return counts


async def test_sklearn_iris_goes_up_on_cpu_and_comes_down_again(cluster: Cluster, kubectl: Run) -> None:
    told = await kubectl("apply", "-f", str(EXAMPLES / "sklearn-iris.yaml"))
    assert "inferenceservice.serving.kserve.io/sklearn-iris created" in told
    cluster.run_for(60)
    labels = {"serving.kserve.io/inferenceservice": "sklearn-iris"}
    cluster.demand.assign("default", "sklearn-iris", labels, Steady(40))
    up = seen(cluster, "sklearn-iris-predictor", 120)
    assert up[0] == 1
    assert 7 <= up[-1] <= 10
    cluster.demand.assign("default", "sklearn-iris", labels, Steady(0))
    down = seen(cluster, "sklearn-iris-predictor", 900)
    assert down[-1] == 1
    described = await kubectl("describe", "hpa", "sklearn-iris-predictor")
    assert "cpu resource utilization (percentage of request) above target" in described
    assert "All metrics below target" in described
    host = await kubectl("get", "inferenceservice", "sklearn-iris", "-o", "jsonpath={.status.url}")
    assert host == "http://sklearn-iris-default.example.com"
    address = await kubectl(
        "-n", "kube-system", "get", "svc", "nginx-ingress-lb",
        "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}",
    )  # fmt: skip
    assert address


async def test_qwen_goes_to_two_on_gpu_load_and_back_to_one(cluster: Cluster, kubectl: Run) -> None:
    await kubectl("apply", "-f", str(EXAMPLES / "qwen.yaml"))
    cluster.run_for(120)
    assert cluster.store.record("horizontalpodautoscalers.autoscaling", "default", "qwen-predictor") is None
    labels = {"serving.kserve.io/inferenceservice": "qwen"}
    burst = Bursts(60, gap=1000, length=1000)
    cluster.demand.assign("default", "qwen", labels, burst)
    assert seen(cluster, "qwen-predictor", 120) == [1, 2]
    cluster.demand.assign("default", "qwen", labels, Steady(1))
    assert seen(cluster, "qwen-predictor", 240) == [2]
    assert seen(cluster, "qwen-predictor", 240)[-1] == 1
    assert "pods metric DCGM_CUSTOM_PROCESS_SM_UTIL above target" in await kubectl(
        "describe", "hpa", "qwen-hpa"
    )


async def test_qwen_cronhpa_follows_the_clock_of_shanghai(cluster: Cluster, kubectl: Run) -> None:
    await kubectl("apply", "-f", str(EXAMPLES / "qwen-cronhpa.yaml"))
    cluster.run_for(29 * 60)
    assert replicas(cluster, "qwen-cronhpa-predictor") == 1
    cluster.run_for(2 * 60)
    assert replicas(cluster, "qwen-cronhpa-predictor") == 2
    assert "scale-up executed successfully" in await kubectl("describe", "cronhpa", "qwen-cronhpa")
    cluster.run_for(91 * 60)
    assert replicas(cluster, "qwen-cronhpa-predictor") == 1


async def test_the_general_deployment_stays_between_two_and_ten(cluster: Cluster, kubectl: Run) -> None:
    path = str(EXAMPLES / "llm-deployment.yaml")
    await kubectl("apply", "-f", path)
    assert seen(cluster, "llm-deployment", 60)[-1] == 2
    cluster.demand.assign("default", "llm", {"app": "llm"}, Steady(900))
    assert seen(cluster, "llm-deployment", 300)[-1] == 10
    assert "unchanged" in await kubectl("apply", "-f", path)
    assert replicas(cluster, "llm-deployment") == 10
    table = await kubectl("get", "deploy,rs,hpa", "-o", "wide")
    assert ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"] in [
        line.split() for line in table.splitlines()
    ]
    assert "deployment.apps/llm-deployment" in table
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/llm-deployment")
