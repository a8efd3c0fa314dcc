"""Times as they are written outside: RFC 3339, UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["moment", "rfc3339", "seconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at: float) -> datetime:
    """UTC seconds as a time that msgspec writes as RFC 3339; what no calendar holds is its nearest end."""
    try:
        return _EPOCH + timedelta(milliseconds=round(at * 1000))
    except (OverflowError, ValueError):
        return (datetime.max if at > 0 else datetime.min).replace(tzinfo=UTC)


def seconds(at: datetime) -> float:
    """UTC seconds of a time."""
    return (at - _EPOCH).total_seconds()


def rfc3339(at: float, *, whole: bool = False) -> str:
    """``2026-11-22T17:58:24.123Z``, or without the milliseconds."""
    value = moment(at).replace(tzinfo=None)
    return value.isoformat(timespec="seconds" if whole else "milliseconds") + "Z"
