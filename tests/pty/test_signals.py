"""The console in a real terminal that is resized, stopped, hung up on and ended, also while it scales."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_cluster import Hostile, hostile_cluster
from tests.support.pty import Terminal
from tests.support.pty_console import at_fleet, confirm, console, dialog_open, go_to, selected
from tests.tui.cli.conftest import Cluster, until
from tui.exits import Exit

_ORDINARY = ("",)
_SHELLS_OWN = {"?7", "?25"}
"""The modes of a terminal that was given back: it wraps lines and shows its cursor."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--speed", "15")
    yield running
    running.end()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Hostile, Path]]:
    """A frozen cluster that answers a write only when it is told to."""
    with hostile_cluster(tmp_path, _ORDINARY) as pair:
        yield pair


def audited(home: Path) -> list[dict[str, Any]]:
    """The records of the audit log below this home, oldest first."""
    (log,) = home.rglob("audit*.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


def types(home: Path) -> list[str]:
    return [record["type"] for record in audited(home)]


def state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def taken(terminal: Terminal) -> bool:
    """Whether the terminal is the console's: its own screen, no cursor."""
    return "?1049" in terminal.screen.modes and "?25" not in terminal.screen.modes


@pytest.mark.parametrize("how", ["ctrl-z", "SIGTSTP"])
def test_suspended_and_back(cluster: Cluster, tmp_path: Path, how: str) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        go_to(terminal, "default/llama-guide")
        if how == "ctrl-z":
            terminal.send("\x1a")
        else:
            terminal.signal(signal.SIGTSTP)
        terminal.wait(lambda: state(terminal.process.pid) == "T")
        terminal.wait(lambda: not taken(terminal))
        terminal.screen.feed(b"\x1b[2J$ what the shell says\r\n")
        terminal.signal(signal.SIGCONT)
        terminal.wait(lambda: taken(terminal) and at_fleet(terminal))
        terminal.wait(lambda: selected(terminal, "default/llama-guide"))
        assert not terminal.find("what the shell says")
        go_to(terminal, "default/qwen-coder")


def test_the_terminal_is_given_back_when_it_is_told_to_end(cluster: Cluster, tmp_path: Path) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.signal(signal.SIGTERM)
        assert terminal.ended() == Exit.INTERRUPTED
        terminal.wait(lambda: terminal.screen.modes <= _SHELLS_OWN)


def test_a_line_that_is_cut_ends_it_as_a_hang_up_does(cluster: Cluster, tmp_path: Path) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.hang_up()
        assert terminal.process.wait(60) == Exit.INTERRUPTED


def test_its_screen_is_on_the_terminal_wherever_its_errors_go(cluster: Cluster, tmp_path: Path) -> None:
    """``servegrid 2>file``."""
    errors = tmp_path / "errors"
    words = ("-P", "-m", "tui", "--kubeconfig", str(cluster.kubeconfig))
    shell = ("/bin/sh", "-c", 'exec "$@" 2>"$0"', str(errors))
    with Terminal([*shell, sys.executable, *words], env={"HOME": str(tmp_path)}) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.send("q")
        assert terminal.ended() == 0
        terminal.wait(lambda: terminal.screen.modes <= _SHELLS_OWN)
    assert errors.read_bytes() == b""


def test_a_terminal_that_stopped_reading_shows_what_is_true_afterwards(
    cluster: Cluster, tmp_path: Path
) -> None:
    before = cluster.replicas("qwen-coder")
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        go_to(terminal, "default/llama-guide")
        terminal.stop_reading()
        cluster.set_replicas("qwen-coder", before + 1)
        terminal.send("j")

        def ready() -> bool:
            status = cluster.model_serving("qwen-coder").get("status") or {}
            return bool(status.get("availableReplicas") == before + 1)

        until(ready, "the new group")
        terminal.go_on_reading()
        terminal.wait(lambda: not selected(terminal, "default/llama-guide"))

        def row() -> str:
            return next((line for line in terminal.text() if "qwen-coder" in line), "")

        terminal.wait(lambda: f" {before + 1}/{before + 1} " in row())
        assert terminal.screen.strange == []
    cluster.set_replicas("qwen-coder", before)


def test_resized_while_it_scales(cluster: Cluster, tmp_path: Path) -> None:
    """Each size shows what goes on, and the end is seen in the last one."""
    before = cluster.replicas("llama-guide")
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        go_to(terminal, "default/llama-guide")
        terminal.send("\r")
        terminal.wait(f"{before}/{before}")
        terminal.send("+")
        confirm(terminal)
        terminal.wait(f"{before}>{before + 1}")
        for columns, lines in ((80, 24), (150, 50), (100, 30), (120, 36)):
            terminal.resize(columns, lines)
            terminal.wait(f"{before}>{before + 1}")
            assert terminal.process.poll() is None
        terminal.wait(f"{before}>{before + 1} done")
        assert terminal.screen.strange == []
    cluster.set_replicas("llama-guide", before)


def test_after_resizes_it_shows_what_a_repaint_draws(slow: tuple[Hostile, Path], tmp_path: Path) -> None:
    """On a frozen cluster, where nothing else changes what is shown."""
    with console(tmp_path / "home", "--kubeconfig", str(slow[1])) as terminal:
        terminal.wait("G-0 scaling")  # The last that the front tells, but for the ages of GPU samples.
        terminal.wait("gpu stale")
        for columns, lines in ((80, 24), (150, 50), (79, 20), (120, 36)):
            terminal.resize(columns, lines)
            terminal.settled(0.5)
        with_diffs = terminal.text()
        assert at_fleet(terminal)
        terminal.signal(signal.SIGSTOP)
        terminal.wait(lambda: state(terminal.process.pid) == "T")
        terminal.screen.feed(b"\x1b[2J")
        terminal.signal(signal.SIGCONT)
        terminal.wait(lambda: terminal.text() == with_diffs)


def test_a_hang_up_after_the_write_is_taken_up_at_the_next_start(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.replicas("deepseek-r1")
    words = ("--kubeconfig", str(cluster.kubeconfig))
    with console(tmp_path, *words) as terminal:
        go_to(terminal, "default/deepseek-r1")
        terminal.send("+")
        confirm(terminal)
        until(lambda: types(tmp_path)[-1:] == ["sent"], "the answer in the log")
        terminal.hang_up()
        assert terminal.process.wait(60) == Exit.INTERRUPTED
    left = audited(tmp_path)
    assert [record["type"] for record in left][:2] == ["intent", "sent"]
    assert left[1]["result"] == "accepted"
    with console(tmp_path, *words) as terminal:
        until(lambda: types(tmp_path) == ["intent", "sent", "ended"], "the end in the log")
        assert audited(tmp_path)[2]["outcome"] == "done"
        terminal.wait(f"{before + 1}/{before + 1}")
        assert cluster.replicas("deepseek-r1") == before + 1
    cluster.set_replicas("deepseek-r1", before)


@pytest.mark.parametrize("how", ["answered late", "never answered", "killed"])
def test_a_hang_up_between_intent_and_answer(slow: tuple[Hostile, Path], tmp_path: Path, how: str) -> None:
    """It is sent once; what became of it is written down; and the next start looks, and sends nothing."""
    front, kubeconfig = slow
    home = tmp_path / "home"
    front.answer_writes.clear()
    with console(home, "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.send("+")
        confirm(terminal, sent=lambda: bool(front.writes))
        assert types(home) == ["intent"]
        assert dialog_open(terminal)
        terminal.signal(signal.SIGKILL if how == "killed" else signal.SIGHUP)
        if how == "answered late":
            terminal.wait(lambda: not taken(terminal))
            front.answer_writes.set()
        assert terminal.ended() == (-signal.SIGKILL if how == "killed" else Exit.INTERRUPTED)
        if how != "killed":
            terminal.wait(lambda: terminal.screen.modes <= _SHELLS_OWN)
    answers = [record["result"] for record in audited(home)[1:]]
    assert answers == {"answered late": ["accepted"], "never answered": ["unknown"], "killed": []}[how]
    front.answer_writes.set()
    with console(home, "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.wait("2>3")
        terminal.send("\r")
        terminal.wait(f"by {audited(home)[0]['by']['by']}")
    assert len(front.writes) == 1, "nothing is sent twice"
