"""The console without a cluster in a real terminal: a login that cannot be gives the terminal back."""

from __future__ import annotations

from pathlib import Path

from tests.support.pty_console import at_fleet, console
from tests.tui.cli.conftest import Cluster


def test_a_login_that_fails_gives_the_screen_back(tmp_path: Path) -> None:
    running = Cluster(tmp_path, "--speed", "1")
    try:
        settings = str(running.kubeconfig.with_name("kubeconfig.clouds.toml"))
        with console(tmp_path / "home", "--config", settings) as terminal:
            terminal.wait(lambda: at_fleet(terminal) and terminal.find("chat@at-vie-2"))
            terminal.send("R")
            terminal.wait("not logged in: no cluster")
            terminal.wait("chat@at-vie-2")
            terminal.send("j")
            terminal.wait(lambda: terminal.found(r"▸ demo@at-vie-2"))
            terminal.send("q")
            assert terminal.ended() == 0
    finally:
        running.end()
