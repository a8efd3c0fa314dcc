"""``servegrid embedded`` as a process of its own, as peers meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["COMMAND", "environment", "running"]

COMMAND = [sys.executable, "-P", "-m", "clients.embedded"]
_HOME = str(Path(__file__).resolve().parents[2])


def environment() -> dict[str, str]:
    """Where the command finds this tree."""
    return {**os.environ, "PYTHONPATH": _HOME}


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process, and what it says once it is ready. Killed at the end, if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
