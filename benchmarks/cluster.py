"""The embedded cluster as a child process, for the length of a ``with`` block."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

__all__ = ["Cluster", "embedded"]


class Cluster(Struct, frozen=True):
    """Where it listens."""

    server: str
    kubeconfig: str
    pid: int


@contextlib.contextmanager
def embedded(scenario: str, *options: str, speed: float = 1.0) -> Iterator[Cluster]:
    """Starts ``clients.embedded`` on a free port and ends it afterwards; raises if it does not get ready."""
    with tempfile.TemporaryDirectory(prefix="servegrid-bench-") as folder:
        kubeconfig = str(Path(folder) / "config")
        child = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "clients.embedded", "--with-parent"),
                *("--kubeconfig", kubeconfig, "--scenario", scenario, "--speed", str(speed)),
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            if not line:
                raise RuntimeError(f"the embedded cluster ended with exit code {child.wait()}")
            yield Cluster(server=json.loads(line)["server"], kubeconfig=kubeconfig, pid=child.pid)
        finally:
            child.stdin.close()
            child.terminate()
            child.wait()
