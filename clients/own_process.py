"""How servegrid starts a part of itself as a process of its own: ``python -P -m``, never by forking."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import clients

__all__ = ["command", "environment"]

_HOME = str(Path(clients.__path__[0]).resolve().parent)


def command(module: str, words: Sequence[str] = ()) -> list[str]:
    """The argument vector; ``-P`` keeps the current directory off the import path."""
    return [sys.executable, "-P", "-m", module, *words]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with these packages importable also when they run from a checkout."""
    result = dict(environ)
    if _HOME not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        result["PYTHONPATH"] = ":".join(part for part in (_HOME, environ.get("PYTHONPATH", "")) if part)
    return result
