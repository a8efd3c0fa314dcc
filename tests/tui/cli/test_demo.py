from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.pty import Terminal
from tests.tui.cli.conftest import Shell, until
from tui.demo import demo_environment

if TYPE_CHECKING:
    import subprocess


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose own cluster and proxy lead nowhere."""
    shell = Shell(tmp_path / "home", tmp_path / "no-kubeconfig")
    (tmp_path / "tmp").mkdir()
    shell.environ |= {
        "TMPDIR": str(tmp_path / "tmp"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    return shell


def left_in(shell: Shell) -> list[str]:
    return os.listdir(shell.environ["TMPDIR"])


def first_row(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stdout.readline().startswith("NAMESPACE")
    return process.stdout.readline()


def child_of(process: subprocess.Popen[Any]) -> int:
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_cluster_ends_with_the_demo_also_when_it_is_killed(
    alone: Shell, number: signal.Signals, code: int
) -> None:
    process = alone.start("demo", "--speed", "0")
    assert "deepseek-r1" in first_row(process)
    child = child_of(process)
    assert runs(child)
    process.send_signal(number)
    assert process.wait(60) == code
    until(lambda: not runs(child), "the end of the cluster")
    assert (left_in(alone) == []) is (number is not signal.SIGKILL)
    process.communicate()


def test_a_hang_up_gives_the_terminal_back_and_ends_the_cluster(alone: Shell) -> None:
    words = [sys.executable, "-m", "tui", "demo", "--speed", "0"]
    with Terminal(words, env=alone.environ) as terminal:
        terminal.wait("deepseek-r1")
        child = child_of(terminal.process)
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(60) == 130
        until(lambda: b"\x1b[?1049l" in terminal.raw, "the shell's own screen")
    until(lambda: not runs(child), "the end of the cluster")
    assert left_in(alone) == []


def test_what_a_killed_demo_left_behind_is_cleared_by_the_next(alone: Shell) -> None:
    Path(alone.environ["TMPDIR"], "servegrid-demo-old").mkdir()
    process = alone.start("demo", "--scenario", "empty")
    until(lambda: left_in(alone) not in ([], ["servegrid-demo-old"]), "a new directory")
    until(lambda: "servegrid-demo-old" not in left_in(alone), "the old one to go")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert left_in(alone) == []
    process.communicate()


def test_a_cluster_that_dies_is_said(alone: Shell) -> None:
    process = alone.start("demo")
    first_row(process)
    os.kill(child_of(process), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "servegrid: the embedded cluster ended (killed by SIGKILL)" in err


def test_a_cluster_that_does_not_start_is_said_in_its_own_words(alone: Shell) -> None:
    process = alone.start("demo", "--scenario", "nope")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("servegrid: the embedded cluster did not start: ")
    assert "nope" in err
    assert err.count("\n") == 1


def test_the_demo_sees_nothing_of_the_users_clusters_clouds_and_proxies() -> None:
    hidden = [
        "KUBECONFIG",
        "HTTPS_PROXY",
        "all_proxy",
        "EXOSCALE_API_KEY",
        "HW_ACCESS_KEY",
        "NVIDIA_VISIBLE_DEVICES",
    ]
    kept = {"HOME": "/h", "PATH": "/bin", "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    assert demo_environment({**kept, **dict.fromkeys(hidden, "x")}) == kept


def test_the_demo_has_settings_and_state_of_its_own(alone: Shell) -> None:
    alone.settings("this is no TOML\n")
    process = alone.start("demo", "--scenario", "empty")
    own = alone.home / ".config/servegrid/demo/config.toml"
    process.send_signal(signal.SIGTERM) if until(lambda: left_in(alone), "its start") else None
    assert process.wait(60) == 130
    process.communicate()
    own.parent.mkdir(parents=True)
    own.write_text("fps = 0\n")
    process = alone.start("demo", "--scenario", "empty")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"{own}:1: fps" in err
