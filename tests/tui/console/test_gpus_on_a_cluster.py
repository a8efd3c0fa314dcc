"""GPUs read on the embedded cluster over HTTP: from the fleet to a group that holds them in vain."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.clock import SystemClock
from clients.serving.gpus import GpuMark
from tests.support.console import until
from tests.support.seat import PATIENCE, Seat, seat
from tui import demo
from tui.screens.gpu_node import GpuNodeScreen
from tui.screens.gpus import GpusScreen
from tui.screens.workload import WorkloadScreen


@pytest.fixture(scope="module", params=["default"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Path]:
    words = [f"--scenario={request.param}", "--speed=1", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        yield running.kubeconfig


async def read(me: Seat) -> None:
    """Until figures have come of every node that answers."""
    use = me.app.session.live
    await until(lambda: any(GpuMark.IDLE in device.marks for device in use.gpus.use.devices), PATIENCE)


async def test_three_keys_lead_to_an_idle_group(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("GPU%")
        await read(me)
        await me.pilot.press("o", "S", "enter")
        await me.comes_to(lambda: isinstance(me.app.screen, GpuNodeScreen))
        await me.sees("allocated but idle")
        await me.pilot.press("enter")
        await me.comes_to(lambda: isinstance(me.app.screen, WorkloadScreen))
        screen = me.app.screen
        assert isinstance(screen, WorkloadScreen)
        await until(lambda: screen.grid.selection is not None and screen.grid.selection.replica, PATIENCE)
        chosen = screen.grid.selection
        assert chosen is not None
        use = me.app.session.live.gpus.use.groups[(screen.key, chosen.group)]
        assert GpuMark.IDLE in dict(use.marks)


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_engines_tell_their_load_beside_the_gpus(
    cluster: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with seat(cluster, tmp_path, size=size) as me:
        await me.only("qwen-coder")
        await me.pilot.press("enter")
        await me.sees("busy %", "mem %")
        await me.comes_to(lambda: re.search(r"3 vLLM: \d+ running, \d+ waiting, KV \d+%", words(me)))
        await me.comes_to(lambda: re.search(r"run\+wait +\d+\+\d+ +\d+\+\d+", me.text))
        await me.pilot.press("j")
        await me.comes_to(lambda: re.search(r"prefill-0 running.* vLLM: \d+ running", words(me)))
        await me.comes_to(
            lambda: re.search(r"TTFT [≤>] [\d.]+ s \(p99 [≤>] [\d.]+ s\), \d+ tokens/s", words(me))
        )
        await me.pilot.press("w")
        await me.sees("vllm:num_requests_running", "vllm:kv_cache_usage_perc", "vllm:generation_tokens_total")


def words(me: Seat) -> str:
    return " ".join(me.text.split())


@pytest.mark.parametrize("cluster", ["trouble"], indirect=True)
async def test_what_is_wrong_is_told_in_words(cluster: Path, tmp_path: Path) -> None:
    async with seat(cluster, tmp_path) as me:
        await me.sees("GPU%")
        await me.pilot.press("o")
        await me.comes_to(lambda: isinstance(me.app.screen, GpusScreen))
        grid = me.app.screen
        assert isinstance(grid, GpusScreen)
        await until(lambda: _on(me, grid, GpuMark.XID), PATIENCE)
        await me.comes_to(lambda: "XID 94: an ECC error, contained to one program" in words(me))


def _on(me: Seat, screen: GpusScreen, mark: GpuMark) -> bool:
    """The cursor to a device with that mark, if one was read."""
    screen.grid.move_first()
    for _ in me.app.session.live.gpus.use.devices:
        device = screen.grid.device
        if device is not None and mark in device.marks:
            return True
        screen.grid.move(1, 0)
    return False
