"""Durations as Go writes them: ``1h30m``, ``30s``, ``1.5h``."""

from __future__ import annotations

import re

__all__ = ["seconds"]

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 64


def seconds(value: object) -> float | None:
    """Seconds of a duration; ``None`` for what is none."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return None
    sign, rest = (-1.0, value[1:]) if value[0] == "-" else (1.0, value.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            return None
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    return sign * total if rest else None
