"""The main job in a real terminal, from the fleet to the end of a change and back, and kubectl beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pty import Terminal
from tests.support.pty_console import at_fleet, confirm, console, dialog_open, go_to, watched
from tests.tui.cli.conftest import Cluster

_KUBECTL = shutil.which("kubectl")
_COLUMNS = r"G-0|^phase"
"""The heads of the groups with their marks, and their phases below."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--speed", "10")
    yield running
    running.end()


def open_row(terminal: Terminal, name: str) -> None:
    """From the fleet into the grid of the workload, by going down to it."""
    go_to(terminal, f"default/{name}")
    terminal.send("\r")
    terminal.wait("groups ready, nothing is being scaled")


def planned(terminal: Terminal, before: int, after: int) -> bool:
    """Whether the dialog speaks of these numbers of groups."""
    return terminal.found(rf"groups +{before} > \D*{after}\D")


def first(seen: list[str], pattern: str) -> int:
    """In which of the pictures it was first to be seen."""
    for index, picture in enumerate(seen):
        if re.search(pattern, picture):
            return index
    raise AssertionError(f"never seen: {pattern} in\n" + "\n\n".join(seen))


def phase_of(picture: str, group: str) -> str:
    """What stands below the head of the group."""
    heads, *below = picture.splitlines()
    at = heads.find(group)
    if at < 0:
        return ""
    line = next((found for found in below if found.startswith("phase")), "")
    cell = re.match(r"\S( \S+)*", line[max(0, at - 2) :])
    return cell[0] if cell else ""


@pytest.mark.parametrize(("columns", "lines"), [(120, 36), (80, 24)])
def test_up_one_by_one_down_from_the_end_and_back(tmp_path: Path, columns: int, lines: int) -> None:
    """`servegrid demo`, on the workload that follows the documented order: G-4, then G-5."""
    with console(tmp_path, "demo", "--speed", "20", columns=columns, lines=lines) as terminal:
        open_row(terminal, "llama-guide")
        terminal.send("+")
        terminal.wait(lambda: planned(terminal, 4, 5))
        terminal.send("+")
        terminal.wait(lambda: planned(terminal, 4, 6))
        terminal.wait("+ G-5")
        confirm(terminal)
        seen = watched(terminal, _COLUMNS, "4>6 done, 2 of 2 groups")
        starts, follows = first(seen, r"▸ G-4"), first(seen, r"▸ G-5")
        assert starts < first(seen, r"✓ G-4") <= follows, "one at a time"
        assert not any("▸ G-4" in picture and "▸ G-5" in picture for picture in seen)
        assert {phase_of(picture, "G-5") for picture in seen[starts:follows]} == {"◌ queued"}
        phases = [phase_of(picture, "G-4") for picture in seen]
        assert any(re.fullmatch(r"▸ (creating )?\d+%", phase) for phase in phases)
        terminal.wait("predicted G-4, G-5, no history; happened G-4, G-5")
        terminal.wait("6/6 ready")
        assert phase_of(seen[-1], "G-5") == "✓ running"

        terminal.send("-")
        terminal.wait(lambda: planned(terminal, 6, 5))
        terminal.wait("- G-5")
        terminal.wait("type YES and Enter")
        confirm(terminal, "YES")
        seen = watched(terminal, r" of |^phase", "6>5 done, 1 of 1 group")
        first(seen, r"◂ ")
        terminal.wait("5/5 ready")

        terminal.send("u")
        terminal.wait(lambda: planned(terminal, 5, 6))
        assert dialog_open(terminal)
        confirm(terminal)
        terminal.wait("5>6 done, 1 of 1 group")
        terminal.wait("6/6 ready")
        assert terminal.screen.strange == []
        terminal.send("q")
        assert terminal.ended() == 0


def test_enter_that_comes_with_the_plus_sends_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Typed ahead over a slow line: the dialog opens, and that is all."""
    before = cluster.replicas("deepseek-r1")
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        open_row(terminal, "deepseek-r1")
        terminal.send("+\r")
        terminal.wait(lambda: dialog_open(terminal))
        terminal.wait("the server's dry run accepts it")
        terminal.wait("not sent:")
        terminal.send("\x1b")
        terminal.wait(lambda: not dialog_open(terminal))
        assert cluster.replicas("deepseek-r1") == before


def test_what_is_typed_ahead_goes_to_what_it_was_meant_for(cluster: Cluster, tmp_path: Path) -> None:
    """All keys come in one piece: none is lost, and none acts on the screen below."""
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.send(":sources\r")
        terminal.wait("what is shown holds")
        terminal.send("\x1b")
        terminal.wait(lambda: at_fleet(terminal))
        terminal.settled()
        terminal.send("/coder\r")
        terminal.wait(lambda: terminal.found(r"[1-9]\d* hidden"))
        terminal.send("\re")
        terminal.wait("events  ")
        assert terminal.find("qwen-coder")


def test_a_pasted_yes_sends_nothing(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.replicas("deepseek-r1")
    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        open_row(terminal, "deepseek-r1")
        terminal.send("-")
        terminal.wait("type YES and Enter")
        terminal.wait("the server's dry run accepts it")
        for pasted in ("\x1b[200~YES\r\x1b[201~", "YES\r"):
            terminal.send(pasted)
            terminal.settled(0.4)
            assert dialog_open(terminal)
        assert terminal.find("not sent:")
        assert cluster.replicas("deepseek-r1") == before


@pytest.mark.skipif(_KUBECTL is None, reason="kubectl is not on the PATH")
def test_what_kubectl_asks_is_shown_with_its_asker(cluster: Cluster, tmp_path: Path) -> None:
    """The same kubeconfig, outside: it reads what the console shows, and what it scales is shown."""
    before = cluster.replicas("qwen-coder")

    def kubectl(*words: str) -> str:
        done = subprocess.run(
            [str(_KUBECTL), f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={tmp_path}", *words],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with console(tmp_path, "--kubeconfig", str(cluster.kubeconfig)) as terminal:
        open_row(terminal, "qwen-coder")
        listed = kubectl("get", "modelservings", "-A")
        assert re.search(r"default\s+qwen-coder\s", listed)
        assert kubectl("get", "pods").count("qwen-coder-") == before * 3
        kubectl("scale", "modelserving/qwen-coder", f"--replicas={before + 1}")
        terminal.wait(f"{before}>{before + 1} 0 of 1 group done")
        terminal.wait("by kubectl")
        terminal.wait(f"{before}>{before + 1} done, 1 of 1 group, by kubectl")
        assert kubectl("get", "pods").count("qwen-coder-") == (before + 1) * 3
        terminal.send("u")
        terminal.wait("nothing of mine to undo")
        assert not dialog_open(terminal), "what somebody else did is not mine to take back"
        terminal.send("\x1b")
        terminal.wait(lambda: at_fleet(terminal))
        kubectl("scale", "modelserving/qwen-coder", f"--replicas={before}")
        terminal.wait("by kubectl")
        terminal.wait(lambda: cluster.replicas("qwen-coder") == before)
