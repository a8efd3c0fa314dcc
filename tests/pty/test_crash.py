"""A fault of the program itself: said in one line, with where it is and nothing that it knew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pty_console import at_fleet, console
from tests.tui.cli.conftest import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--speed", "0")
    yield running
    running.end()


@pytest.mark.parametrize("where", ["action", "worker", "tick", "draw", "command"])
def test_a_fault_is_reported_without_what_the_program_knew(
    cluster: Cluster, tmp_path: Path, where: str
) -> None:
    program = ("-P", "-m", "tests.support.broken_console", where)
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig), program=program) as terminal:
        if where != "command":
            terminal.wait(lambda: at_fleet(terminal))
            terminal.settled()
            terminal.send("M")
        assert terminal.ended() == 1
        terminal.settled()
        told = [line.strip() for line in terminal.text() if line.strip()]
        first = next(index for index, line in enumerate(told) if line.startswith("servegrid: "))
        assert told[first].startswith(
            "servegrid: a fault of this program ended it: Fault: ␛]0;owned␇ [red]x[/]"
        )
        report = "".join(told[first:])
        assert "tests/support/broken_console.py:" in report
        assert "in break_down" in report
        for secret in ("hunter", "abc.def", "eyJhbGci", "password ="):
            assert secret.encode() not in terminal.raw
        assert b"\x1b]0;owned" not in terminal.raw
        assert terminal.screen.strange == []
        assert terminal.screen.modes <= {"?7", "?25"}, "the terminal is the shell's again"
        assert not terminal.find("NOTE")
