"""Load that a Job of the embedded cluster makes is real, and does not outlive the cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from clients.clock import SystemClock
from clients.kube.load_job import LoadJob
from clients.load.plan import LoadPlan
from tests.support.embedded_process import running
from tests.support.kube import until
from tests.support.load_runs import children, gone
from tests.support.load_target import load_target

PODS = 2
LONG = 600.0


@pytest.mark.parametrize(("gather", "requests"), [(LONG, 0), (15.0, 10)], ids=["waiting", "loading"])
async def test_generators_end_though_the_cluster_was_killed(
    tmp_path: Path, gather: float, requests: int
) -> None:
    words = ("--scenario", "empty", "--speed", "50", "--kubeconfig", str(tmp_path / "kubeconfig"))
    async with load_target() as target:
        plan = LoadPlan(url=f"{target.url}/ok", concurrency=PODS, workers=PODS, duration_s=LONG, seed=1)
        job = LoadJob(name="load", namespace="default", image="load:1", plan=plan, gather=gather)
        made = job.manifest(SystemClock().now())
        made["spec"]["activeDeadlineSeconds"] = 10**6
        with running(*words) as (process, ready):
            async with httpx.AsyncClient(base_url=ready["server"], trust_env=False) as client:
                answer = await client.post("/apis/batch/v1/namespaces/default/jobs", json=made)
            assert answer.status_code == 201, answer.text
            await until(lambda: len(children(process.pid)) == PODS, 60)
            generators = children(process.pid)
            await target.until(requests)
            process.kill()
            for generator in generators:
                await asyncio.to_thread(gone, generator)
        await target.until_left()
