"""The console on the embedded cluster, over HTTP: the main job from the fleet to the end and back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from clients.clock import SystemClock
from clients.serving.keys import WorkloadKey
from tests.support.console import until
from tests.support.seat import PATIENCE, seat
from tui import demo
from tui.screens.workload import WorkloadScreen


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    words = ["--scenario=default", "--speed=15", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        yield running.kubeconfig


def patch(kubeconfig: Path, key: WorkloadKey, replicas: int) -> None:
    """Somebody else's change, as kubectl makes it."""
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    path = f"/apis/workload.serving.volcano.sh/v1alpha1/namespaces/{key.namespace}/modelservings/{key.name}"
    answer = httpx.patch(
        server + path,
        json={"spec": {"replicas": replicas}},
        headers={"Content-Type": "application/merge-patch+json"},
        params={"fieldManager": "kubectl-edit"},
        trust_env=False,
    )
    answer.raise_for_status()


async def test_scale_up_watch_scale_down_undo_and_somebody_elses_change(
    cluster: Path, tmp_path: Path
) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("connecting to")
        await me.sees("NAME", "18 workloads")
        await me.pilot.press("enter")
        screen = me.app.screen
        assert isinstance(screen, WorkloadScreen)
        name, before = screen.key.name, me.workload(screen.key.name).desired
        assert before is not None
        await me.sees(f"{before} of {before} groups ready", f"http://{name}.")

        await me.pilot.press("plus")
        await me.sees(
            "Scale",
            f"groups {before} > [{before + 1:>4}]",
            f"G-{before}",
            "the server's dry run accepts it",
        )
        await me.confirm()
        await me.sees(f"{before}>{before + 1}", "of 1 group done", "creating")
        await until(lambda: me.workload(name).operation is None, PATIENCE)
        await me.sees("done, 1 of 1 group", f"predicted G-{before}", f"happened G-{before}")
        assert me.workload(name).ready == before + 1
        await me.pilot.press("c")
        assert len(me.app.clipboard.splitlines()) == 6

        await me.pilot.press("minus")
        await me.sees("type YES", "serving")
        await me.confirm("Y", "E", "S")
        await me.sees("deleting")
        await until(lambda: me.workload(name).operation is None, PATIENCE)
        await me.sees(f"{before + 1}>{before} done")

        await me.pilot.press("u")
        await me.sees(f"groups {before} > [{before + 1:>4}]", f"+ G-{before}")
        await me.pilot.press("escape")

        await me.pilot.press("plus")
        await me.sees("the server's dry run accepts it")
        patch(cluster, screen.key, before + 2)
        await me.sees(f"changed meanwhile: groups was {before} and is now {before + 2}")
        await me.pilot.press("escape")
        await me.sees(f"{before}>{before + 2}", "by kubectl-edit")
        await until(lambda: me.workload(name).operation is None, PATIENCE)


async def test_reading_an_object_its_logs_its_events_and_why(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("18 workloads")
        await me.pilot.press("y")
        await me.sees("kind: ModelServing", "replicas:")
        await me.pilot.press("escape", "d")
        await me.sees("describe")
        await until(lambda: len(re.findall(r"\w+", me.text)) > 60, PATIENCE)
        await me.pilot.press("escape", "w")
        await me.sees("Who decides how many there are")
        await me.pilot.press("escape", "L")
        await me.sees("logs of which pod?")
        await me.pilot.pause(0.5)
        await me.pilot.press("enter")
        await me.sees("logs  ", "engine (1 of 2 containers)")
        await until(lambda: "reading the last" not in me.text and len(me.text.split()) > 60, PATIENCE)
        await me.pilot.press("escape", "e")
        await me.sees("events  all of")
        await me.pilot.press("escape", "colon", *"sources", "enter")
        await me.sees("pods", "nodes", "connected, and what is shown holds")


async def test_a_viewer_is_told_which_right_is_missing(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path, "--context", "viewer") as me:
        await me.sees("viewer", "18 workloads")
        await until(lambda: me.app.fleet_screen.why_not("scale"), PATIENCE)
        await me.pilot.press("plus")
        await me.sees("not allowed: patch modelservings in")


async def test_another_namespace_and_context(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("18 workloads", "research/")
        await me.pilot.press("colon", *"ns research", "enter")
        await me.sees("admin > research", "5 workloads")
        await me.pilot.press("colon", *"ctx viewer", "enter")
        await me.sees("viewer > all", "18 workloads")
