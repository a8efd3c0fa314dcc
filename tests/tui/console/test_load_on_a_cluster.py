"""Load tests with the real keys, on the embedded cluster and its model endpoints, by the real generator."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.clock import SystemClock
from tests.support.seat import Seat, seat
from tui import demo
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.load import LoadDialog
from tui.loads.test import LoadTest, State
from tui.screens.fleet import FleetScreen
from tui.screens.load import LoadScreen


@pytest.fixture
def kubeconfig() -> Iterator[Path]:
    """A cluster of its own, five times as fast as life."""
    words = ["--scenario=default", "--speed=5", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        yield running.kubeconfig


async def form(me: Seat, name: str, **rows: str) -> LoadDialog:
    """The form of a workload's load test, with other values in some rows."""
    await me.only(name)
    await me.pilot.press("t")
    await me.comes_to(lambda: isinstance(me.app.screen, LoadDialog))
    dialog = me.app.screen
    assert isinstance(dialog, LoadDialog)
    await me.comes_to(lambda: dialog.focused)  # It gives the keys to its first row when it is there.
    for row, text in rows.items():
        dialog.set_focus(dialog._lines[row])
        await me.pilot.press("end", *["backspace"] * len(dialog.values[row]), *text)
        await me.comes_to(lambda row=row, text=text: dialog.values[row] == text)  # type: ignore[misc]
    await me.comes_to(lambda: dialog.settled.ready)
    return dialog


async def started(me: Seat) -> LoadTest:
    """Enter, and wait until seconds of the load are drawn."""
    await me.pilot.press("enter")
    await me.comes_to(lambda: isinstance(me.app.screen, LoadScreen))
    test = me.app.session.load_running
    assert test is not None, me.text
    await me.comes_to(lambda: len(test.history.seconds) >= 2)
    return test


def kept(test: LoadTest) -> list[dict[str, Any]]:
    """What stands in the run's folder, line by line."""
    return [json.loads(line) for line in (test.folder.path / "records.jsonl").read_text().splitlines()]


async def test_two_keys_close_the_circle(kubeconfig: Path, tmp_path: Path) -> None:
    async with seat(kubeconfig, tmp_path) as me:
        await form(me, "qwen-chat")
        before = me.workload("qwen-chat").desired or 0
        test = await started(me)
        await me.sees("latency", "replicas", "GPU busy", "answers", "X abort load")
        await me.comes_to(lambda: (me.workload("qwen-chat").desired or 0) > before)
        await me.sees("autoscaler: asked for")
        await me.sees("capacity: ")
        await me.comes_to(lambda: "capacity: what" not in me.text)
        assert test.history.total.failed == 0
        most = me.workload("qwen-chat").desired or 0
        await me.pilot.press("X")
        await me.comes_to(lambda: test.state is State.OVER)
        await me.sees("ended before its time: aborted", "driver: ")
        # Not to what it was: its other users come in waves, whatever the time of day is.
        await me.comes_to(lambda: (me.workload("qwen-chat").desired or 9) < most)
        await me.sees("afterwards: ")
        told = kept(test)
        assert [line["type"] for line in told[:2]] == ["about", "started"]
        assert {"second", "cluster", "mark", "finished"} <= {line["type"] for line in told}
        await me.pilot.press("e")
        await me.sees("load begun", "load ended")


async def test_the_load_is_told_on_every_screen_and_ends_from_any(kubeconfig: Path, tmp_path: Path) -> None:
    async with seat(kubeconfig, tmp_path) as me:
        await form(me, "iris", amount="1")
        test = await started(me)
        await me.pilot.press("escape")
        await me.comes_to(lambda: isinstance(me.app.screen, FleetScreen))
        for key in ("", "o", "e"):
            await me.pilot.press(*key)
            await me.sees("LOAD RUNS iris", "X aborts it")
        await me.pilot.press("q")
        await me.comes_to(lambda: isinstance(me.app.screen, ChoiceDialog))
        await me.sees("a load test of yours runs: iris", "the load ends with the console")
        await me.pilot.press("escape", "X")
        await me.comes_to(lambda: test.state is State.OVER)
        await me.comes_to(lambda: "LOAD RUNS" not in me.text)
        assert test.result is not None
        assert test.result.requests.ok > 0
        await me.pilot.press(":", *"load", "enter")
        await me.comes_to(lambda: isinstance(me.app.screen, LoadScreen))
        for what, begins in (
            ("what it came to", "load test of"),
            ("the command", "servegrid load --plan "),
            ("hey", "hey -z "),
        ):
            await me.pilot.press("c")
            await me.sees("copied", what)
            assert me.app.clipboard.startswith(begins)
        assert json.loads((test.folder.path / "result.json").read_text())["ended"] == "aborted"


async def test_one_request_shows_what_comes_back_and_starts_nothing(kubeconfig: Path, tmp_path: Path) -> None:
    async with seat(kubeconfig, tmp_path) as me:
        dialog = await form(me, "vllm-llama")
        dialog.set_focus(dialog._lines["then"])
        await me.pilot.press("right")
        await me.comes_to(lambda: dialog.settled.ready)
        await me.pilot.press("enter")
        await me.sees("test request: 200 in")
        assert me.app.screen is dialog
        assert me.app.session.load_running is None


async def test_a_test_request_that_fails_starts_nothing_by_itself(kubeconfig: Path, tmp_path: Path) -> None:
    async with seat(kubeconfig, tmp_path) as me:
        dialog = await form(me, "qwen-chat", url="http://127.0.0.1:9")
        await me.pilot.press("enter")
        await me.sees("test request: ", "Enter starts the load all the same")
        assert me.app.screen is dialog
        assert me.app.session.load_running is None


async def test_the_load_ends_with_the_console(kubeconfig: Path, tmp_path: Path) -> None:
    async with seat(kubeconfig, tmp_path) as me:
        await form(me, "qwen-chat", amount="2")
        test = await started(me)
    assert not test.running
    assert test._run is None
