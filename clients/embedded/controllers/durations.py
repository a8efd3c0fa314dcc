"""Durations as Go writes them: ``1h30m``, ``15s``, ``500ms``."""

from __future__ import annotations

import re

__all__ = ["read_duration"]

_PART = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(h|ms|m|s|us|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def read_duration(text: str) -> float:
    """Seconds. Raises ValueError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = _PART.findall(body)
    if body != "0" and (not parts or "".join(amount + unit for amount, unit in parts) != body):
        raise ValueError(f"time: invalid duration {text!r}")
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    return -seconds if text.startswith("-") else seconds
