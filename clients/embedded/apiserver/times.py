"""Ages as kubectl prints them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

__all__ = ["age", "micro_rfc3339", "short_duration"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def short_duration(seconds: float) -> str:
    """Two units at most, the second only while the first is small: ``95s``, ``5m30s``, ``3h``, ``2d4h``."""
    left = max(0, int(seconds))
    if left < 2 * _MINUTE:
        return f"{left}s"
    for limit, exact, unit, name, below, below_name in (
        (3 * _HOUR, 10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (2 * _DAY, 8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (730 * _DAY, 8 * _DAY, _DAY, "d", _HOUR, "h"),
    ):
        if left < limit:
            whole, rest = divmod(left, unit)
            rest //= below
            return f"{whole}{name}{rest}{below_name}" if left < exact and rest else f"{whole}{name}"
    years, rest = divmod(left, 365 * _DAY)
    return f"{years}y{rest // _DAY}d" if years < 8 and rest >= _DAY else f"{years}y"


def age(timestamp: Any, now: float) -> str:
    """How long ago an RFC 3339 timestamp was; ``<unknown>`` without one."""
    if not isinstance(timestamp, str) or not timestamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return "<invalid>"
    return short_duration(now - then)


def micro_rfc3339(seconds: float) -> str:
    """UTC seconds with the nanosecond digits that log lines carry."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
