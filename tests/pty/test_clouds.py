"""The console without a cluster in a real terminal: a login that cannot be gives the terminal back."""

from __future__ import annotations

import tomllib
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


def test_x1_a_crash_gives_out_no_key_of_any_cloud(tmp_path: Path) -> None:
    running = Cluster(tmp_path, "--speed", "1")
    home = tmp_path / "home"
    try:
        settings = running.kubeconfig.with_name("kubeconfig.clouds.toml")
        clouds = tomllib.loads(settings.read_text())
        files = [Path(clouds[name]["credentials_file"]) for name in ("exoscale", "modelarts")]
        keys = [(name, value) for file in files for name, value in tomllib.loads(file.read_text()).items()]
        secrets = [value for name, value in keys if "PROJECT" not in name and value]
        assert len(secrets) >= 4
        program = ("-P", "-m", "tests.support.broken_console", "draw")
        with console(home, "--config", str(settings), program=program) as terminal:
            terminal.wait(lambda: at_fleet(terminal) and terminal.find("chat@at-vie-2"))
            terminal.wait(lambda: terminal.found(r"chat/main@ap-south"))
            terminal.send("M")
            assert terminal.ended() == 1
            terminal.settled()
            assert b"a fault of this program ended it" in terminal.raw
            written = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
            for secret in secrets:
                assert secret.encode() not in terminal.raw
                assert not any(secret.encode() in data for data in written)
    finally:
        running.end()
