"""What sort of terminal this is, by its environment: whether to draw at all, and in what colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from widgets.theme import Depth

__all__ = ["colour_depth", "dark_background", "over_slow_line", "plain_terminal"]


class _Stream(Protocol):
    def isatty(self) -> bool: ...


def plain_terminal(
    environ: Mapping[str, str], stdout: _Stream | None, stdin: _Stream | None = None
) -> str | None:
    """Why plain lines have to be written instead of a screen; ``None`` where a screen can be drawn.

    Textual 8.2 draws in full colour on ``TERM=dumb``, so this is asked before it starts.
    """
    term = environ.get("TERM", "")
    if stdout is None or not stdout.isatty():
        return "the output is not a terminal"
    if stdin is not None and not stdin.isatty():
        return "the input is not a terminal"
    if term == "dumb":
        return "TERM is dumb"
    if term in ("", "unknown"):
        return "TERM is not set"
    return None


def colour_depth(environ: Mapping[str, str]) -> Depth:
    """How many colours to send. ``NO_COLOR`` with any text means none (no-color.org)."""
    if environ.get("NO_COLOR"):
        return Depth.NONE
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Depth.TRUE
    term = environ.get("TERM", "")
    if term.endswith(("-direct", "-truecolor")):
        return Depth.TRUE
    if "256" in term:
        return Depth.INDEXED
    if term in ("", "dumb", "vt100", "vt102", "vt220") or term.endswith("-m"):
        return Depth.NONE
    return Depth.ANSI


def dark_background(environ: Mapping[str, str]) -> bool | None:
    """What ``COLORFGBG`` says of the background; ``None`` where it says nothing."""
    last = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not last.isdecimal():
        return None
    return int(last) not in (7, *range(9, 16))


def over_slow_line(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal is reached over SSH or drawn through tmux or screen: fewer frames, no mouse."""
    environ = os.environ if environ is None else environ
    return any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"))
