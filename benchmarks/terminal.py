"""The measured console in a real pseudo-terminal of 120 × 36, and what it reports when it is left."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.pty import Terminal

__all__ = ["Run", "console", "cpu_seconds"]


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Run:
    """A console that is running."""

    def __init__(self, terminal: Terminal, report: Path) -> None:
        self.terminal = terminal
        self._report = report

    def begin(self) -> None:
        """Measures from here on."""
        self.terminal.signal(signal.SIGUSR1)

    def leave(self) -> dict[str, Any]:
        """Ends the measurement and quits the console; its report."""
        self.terminal.signal(signal.SIGUSR2)
        time.sleep(0.3)
        self.terminal.send("q")
        self.terminal.ended(30)
        found: dict[str, Any] = json.loads(self._report.read_text())
        return found


@contextlib.contextmanager
def console(kubeconfig: str, *, fps: int = 10, ready: str = "▸", deadline: float = 60.0) -> Iterator[Run]:
    """Starts it and waits until the words ``ready`` are on the screen."""
    with tempfile.TemporaryDirectory(prefix="servegrid-bench-") as folder:
        report = Path(folder) / "report"
        args = ("-m", "benchmarks.measured", "--kubeconfig", kubeconfig, "--report", str(report))
        with Terminal.python(*args, "--fps", str(fps)) as terminal:
            terminal.wait(ready, deadline)
            time.sleep(1.0)
            yield Run(terminal, report)
