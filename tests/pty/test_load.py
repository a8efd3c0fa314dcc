"""A load test from the keyboard in a real terminal: it runs beside the console, and never outlives it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.load_runs import children, gone
from tests.support.pty import Terminal
from tests.support.pty_console import console, enter, go_to
from tests.tui.cli.conftest import Cluster


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--scenario=default", "--speed=2")
    yield running
    running.end()


def begin(terminal: Terminal) -> None:
    """Two keys."""
    go_to(terminal, "default/qwen-chat")
    terminal.send("t")
    terminal.wait("may be tested: it is on this machine")
    enter(terminal, lambda: terminal.find("load test  "))
    terminal.wait(lambda: terminal.found(r"ok [1-9]"))


def test_the_load_is_drawn_and_dies_with_a_console_that_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        begin(terminal)
        (generator,) = children(terminal.process.pid)
        os.kill(terminal.process.pid, signal.SIGKILL)
        gone(generator)
    (records,) = tmp_path.rglob("records.jsonl")
    kept = [json.loads(line) for line in records.read_text().splitlines()]
    assert [line["type"] for line in kept[:2]] == ["about", "started"], "what ran stands on the disk"


def test_quitting_asks_and_ends_the_load(cluster: Cluster, tmp_path: Path) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        begin(terminal)
        (generator,) = children(terminal.process.pid)
        terminal.send("q")
        terminal.wait("the load ends with the console")
        terminal.send("j")
        enter(terminal, lambda: terminal.process.poll() is not None)
        assert terminal.process.wait(60) == 0
        gone(generator)
