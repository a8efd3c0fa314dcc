"""One stream of data and how far it can be believed."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

__all__ = ["SourceState", "SourceStatus"]


class SourceState(StrEnum):
    """Whether what it told us still holds."""

    SYNCING = "syncing"
    LIVE = "live"
    QUIET = "quiet"
    """Connected, and no byte for longer than bookmarks should take."""
    STALE = "stale"
    """Cut off: what is shown is as old as ``age`` says."""
    DENIED = "denied"
    ABSENT = "absent"
    """The resource is not installed."""
    LOGIN = "login needed"


class SourceStatus(Struct, frozen=True):
    """A source's state at one moment."""

    cluster: str
    name: str
    """Short, for the status line: ``ms``, ``pods``, ``hpa``, ``nodes``."""
    state: SourceState
    required: bool
    last_contact: float | None
    """This machine's monotonic seconds of the last byte."""
    detail: str | None = None
    """One sentence with what happened and what to do: the missing right, the error, the next try."""
    have: int = 0
    """Objects loaded."""
    of: int | None = None
    """Objects in all while the first list runs, where the server says."""
    next_try: float | None = None
    """Monotonic seconds of the next attempt."""
