"""Nothing blinks: while nothing happens and nothing is pressed, nothing is sent to the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pty_console import at_fleet, console
from tests.tui.cli.conftest import Cluster

_LONGER_THAN_A_BLINK = 1.2


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--speed", "0")
    yield running
    running.end()


@pytest.mark.parametrize("keys", ["", ":", ":qwen", "/", "/qwen", "+"])
def test_nothing_is_sent_while_nothing_happens(frozen: Cluster, tmp_path: Path, keys: str) -> None:
    with console(tmp_path, "--kubeconfig", str(frozen.kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.settled(0.3)
        before = terminal.text()
        if keys:
            terminal.send(keys)
            terminal.wait(lambda: terminal.text() != before)
        terminal.settled(_LONGER_THAN_A_BLINK)
