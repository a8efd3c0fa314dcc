"""Why an HPA moves a count, read on the embedded cluster over HTTP while it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.clock import SystemClock
from tests.support.seat import seat
from tui import demo


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    words = ["--scenario=default", "--speed=60", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        yield running.kubeconfig


async def test_the_chain_the_decision_and_its_moves(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("default/iris", "HPA 1-10")
        await me.pilot.press("slash", *"name:iris", "enter", "a")
        await me.sees(
            "autoscaling  admin / default / iris",
            "InferenceService iris",
            "Deployment iris-predictor",
            "scales it, kept by InferenceService iris  1-10",
            "metric",
            "asks for",
            "desired",
            "AbleToScale: ",
            "--horizontal-pod-autoscaler-sync-period=15s",
        )
        # The demand goes up and down every 45 s of ours.
        await me.sees("rescales", "HPA/iris-predictor", "ago")
        await me.pilot.press("j", "j", "enter")
        await me.sees("kind: HorizontalPodAutoscaler", "name: iris-predictor")
        await me.pilot.press("escape", "e")
        await me.sees("HPA/iris-predictor decided", "by HPA iris-predictor")


async def test_a_schedule_and_what_a_viewer_may_see(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path, "--context", "viewer") as me:
        await me.sees(", cron ")
        await me.pilot.press("slash", *"name:qwen$", "enter", "a")
        await me.sees("CronHPA qwen-cronhpa", "moves its bounds", "DCGM_CUSTOM_PROCESS_SM_UTIL")
        await me.pilot.press("G")
        await me.sees("next 24 h", "Asia/Shanghai", "08:30 CST (00:30 UTC)")
