"""The console in a real terminal that is resized, stopped, hung up on and ended, also while it scales."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_cluster import Hostile, hostile_cluster
from tests.support.pty import Terminal
from tests.support.pty_console import confirm, console, dialog_open
from tests.tui.cli.conftest import Cluster, until

_ORDINARY = ("",)


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


def opened(terminal: Terminal, workloads: int = 12) -> None:
    terminal.wait(f"{workloads} workloads")
    terminal.send("\r")
    terminal.wait("groups ready, nothing is being scaled")


@pytest.mark.parametrize("how", ["ctrl-z", "SIGTSTP"])
def test_suspended_and_back(cluster: Cluster, tmp_path: Path, how: str) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait("12 workloads")
        if how == "ctrl-z":
            terminal.send("\x1a")
        else:
            terminal.signal(signal.SIGTSTP)
        terminal.wait(lambda: state(terminal.process.pid) == "T")
        terminal.wait(lambda: "?1049" not in terminal.screen.modes)
        terminal.screen.feed(b"\x1b[2J$ what the shell says\r\n")
        terminal.signal(signal.SIGCONT)
        terminal.wait("▸ default/deepseek-r1")
        terminal.wait("12 workloads")
        assert "?1049" in terminal.screen.modes
        assert not terminal.find("what the shell says")
        terminal.send("j")
        terminal.wait("▸ default/llama-guide")


def test_the_terminal_is_given_back_when_it_is_told_to_end(cluster: Cluster, tmp_path: Path) -> None:
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait("12 workloads")
        terminal.signal(signal.SIGTERM)
        assert terminal.ended() == 130
        terminal.settled()
        assert terminal.screen.modes <= {"?7", "?25"}


def test_a_terminal_that_stopped_reading_shows_what_is_true_afterwards(
    cluster: Cluster, tmp_path: Path
) -> None:
    before = cluster.replicas("qwen-coder")
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait("12 workloads")
        terminal.settled(0.3)
        terminal.stop_reading()
        cluster.set_replicas("qwen-coder", before + 1)
        terminal.send("j")

        def ready() -> bool:
            status = cluster.model_serving("qwen-coder").get("status") or {}
            return bool(status.get("availableReplicas") == before + 1)

        until(ready, "the new group", 30.0)
        terminal.go_on_reading()
        terminal.wait("▸ default/llama-guide")

        def row() -> str:
            return next((line for line in terminal.text() if "qwen-coder" in line), "")

        terminal.wait(lambda: f" {before + 1}/{before + 1} " in row())
        assert terminal.screen.strange == []
        cluster.set_replicas("qwen-coder", before)


def test_a_hang_up_after_the_write_is_taken_up_at_the_next_start(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.replicas("deepseek-r1")
    words = ("--kubeconfig", str(cluster.kubeconfig))
    with console(tmp_path, *words) as terminal:
        terminal.wait("12 workloads")
        terminal.send("+")
        confirm(terminal)
        until(lambda: types(tmp_path)[-1:] == ["sent"], "the answer in the log")
        terminal.hang_up()
        terminal.process.wait(10)
    assert types(tmp_path) == ["intent", "sent"]
    assert audited(tmp_path)[1]["result"] == "accepted"
    with console(tmp_path, *words) as terminal:
        terminal.wait(f"{before}>{before + 1}")
        terminal.send("\r")
        terminal.wait(f"{before}>{before + 1} 0 of 1 group done")
        terminal.wait(f"  by {audited(tmp_path)[0]['by']['by']}")
        until(lambda: types(tmp_path) == ["intent", "sent", "ended"], "the end in the log")
        terminal.wait(f"{before}>{before + 1} done, 1 of 1 group, by")
        assert audited(tmp_path)[2]["outcome"] == "done"
        assert cluster.replicas("deepseek-r1") == before + 1
    cluster.set_replicas("deepseek-r1", before)


@pytest.mark.parametrize("answered", [True, False], ids=["answered late", "never answered"])
def test_a_hang_up_between_intent_and_answer(
    slow: tuple[Hostile, Path], tmp_path: Path, answered: bool
) -> None:
    """It is sent once; with its answer where one came; and the next start says what became of it."""
    front, kubeconfig = slow
    home = tmp_path / "home"
    front.answer_writes.clear()
    with console(home, "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.wait("10 workloads")
        terminal.send("+")
        terminal.wait("the server's dry run accepts it")
        for _ in range(5):
            terminal.settled(0.4)
            terminal.send("\r")
            terminal.wait(lambda: terminal.find("sending") or terminal.find("not sent"))
            if terminal.find("sending"):
                break
        until(lambda: front.writes, "the write at the server")
        assert types(home) == ["intent"]
        assert dialog_open(terminal)
        terminal.signal(signal.SIGHUP)
        if answered:
            front.answer_writes.set()
        assert terminal.ended(20.0) == 130
        terminal.settled()
        assert terminal.screen.modes <= {"?7", "?25"}
    print(audited(home)[1:])
    assert types(home) == (["intent", "sent"] if answered else ["intent"])
    front.answer_writes.set()
    with console(home, "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.wait("2>3")
        terminal.send("\r")
        terminal.wait("2>3 0 of 1 group done")
        if answered:
            terminal.wait("by ")
            assert not terminal.find("by unknown")
    assert len(front.writes) == 1, "nothing is sent twice"
