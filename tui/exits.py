"""Exit codes of the command line: a contract that scripts rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Exit", "Stop"]


class Exit(IntEnum):
    """What a command's end means."""

    DONE = 0
    FAILED = 1
    """Failed, conflict, reverted by a driver, or timed out."""
    USAGE = 2
    """The command line, the settings or the kubeconfig say something that cannot be."""
    STOPPED = 3
    """Stopped by a guard, or not confirmed."""
    NOT_FOUND = 4
    UNREACHABLE = 5
    """The cluster cannot be reached, or does not allow what was asked."""
    INTERRUPTED = 130
    """SIGINT, SIGTERM or SIGHUP."""


class Stop(Exception):  # noqa: N818 (an ending, not always an error)
    """Ends a command with a code and one plain line for standard error."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
