"""Secrets of managed clouds: they sign requests and are written nowhere."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NoReturn

__all__ = ["Secret", "exposed"]


class Secret:
    """A text that no ``repr``, log, snapshot or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for signing."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def exposed(path: Path) -> str | None:
    """Why a file that holds secrets must not be used: others may read or write it; ``None`` if they may not.

    Raises:
        OSError: it cannot be looked at.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return f"{path} holds secrets and is open to others (mode {mode:04o}): chmod 600 {path}"
    return None
