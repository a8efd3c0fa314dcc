"""What a schedule will do to a count: its jobs, and when each fires next.

Times are UTC seconds. A schedule runs in its controller's time zone, which need not be the reader's.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

from msgspec import Struct

from clients.serving.keys import ObjectRef

__all__ = ["Firing", "Schedule", "ScheduledJob", "clock_times", "zone_named"]

_CHINA = timezone(timedelta(hours=8), "CST")
"""Where a machine has no table of time zones: there is no summer time."""


class ScheduledJob(Struct, frozen=True):
    """One job. Its texts come from outside: draw them plain."""

    name: str
    line: str
    """The schedule as it is written."""
    replicas: int | None
    once: bool = False
    next_at: float | None = None
    """``None``: never again, or not known (``error`` and ``notes`` say why)."""
    last_at: float | None = None
    state: str | None = None
    """``Submitted``, ``Succeed``, ``Failed``; ``None`` where the controller has said nothing."""
    message: str | None = None
    error: str | None = None
    """Why it never fires."""
    notes: tuple[str, ...] = ()


class Firing(Struct, frozen=True):
    """One moment at which a job fires."""

    at: float
    job: str
    replicas: int | None
    skipped: str | None = None
    """Why it does nothing then."""


class Schedule(Struct, frozen=True):
    """A schedule's plan."""

    subject: ObjectRef
    target: ObjectRef | None
    zone: str
    zone_known: bool
    """False: the zone is the usual one of the controller, assumed."""
    jobs: tuple[ScheduledJob, ...]
    firings: tuple[Firing, ...]
    """In the time asked for, earliest first."""
    more: bool = False
    """There are more firings than are listed."""
    notes: tuple[str, ...] = ()


def zone_named(name: str, otherwise: str = "Asia/Shanghai") -> tzinfo:
    """The zone; ``otherwise`` for a name that is none, which is told nowhere."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # Not needed for the first frame.

    for known in (name, otherwise):
        try:
            return ZoneInfo(known)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return _CHINA


def clock_times(at: float, zone: tzinfo, local: tzinfo | None = None) -> str:
    """A moment in the controller's zone and in the reader's: ``Mon 08:30 CST (00:30 UTC)``.

    ``local`` is this machine's zone where it is not given. Told once where both are the same.
    """
    there = datetime.fromtimestamp(at, zone)
    here = there.astimezone(local)
    first = f"{there:%a} {_time(there)} {there.tzname()}"
    if there.utcoffset() == here.utcoffset():
        return first
    day = "" if there.date() == here.date() else f"{here:%a} "
    return f"{first} ({day}{_time(here)} {here.tzname()})"


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
