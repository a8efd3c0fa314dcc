"""What Exoscale says when it says no: RFC 9457 problems, and all the older forms."""

from __future__ import annotations

from typing import Any

import msgspec

from clients.managed.calls import LONGEST_RETRY_AFTER, PROBLEM_LINE, Problem
from clients.serving.plain import plain

__all__ = ["read_problem"]

_WORDS = ("detail", "title", "message", "error")
"""In which of them the reason stands, the best first."""


def read_problem(body: bytes) -> Problem:
    """One plain line, with the single errors appended; empty for a web page or no text at all."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Problem.of_text(body)
    if not isinstance(told, dict):
        return Problem("")
    line = next((told[word] for word in _WORDS if isinstance(told.get(word), str) and told[word]), "")
    errors = told.get("errors")
    details = [_detail(error) for error in errors] if isinstance(errors, list) else []
    found = "; ".join(part for part in (line, *details) if part)
    return Problem(plain(found, PROBLEM_LINE), _patience(told.get("retry_after")))


def _detail(error: Any) -> str:
    """One of ``errors``: a text, or a place in the body and what is wrong there."""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    place = next((error[name] for name in ("path", "pointer", "location") if error.get(name)), "")
    return " ".join(str(part) for part in (place, error.get("detail", "")) if part)


def _patience(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return min(float(value), LONGEST_RETRY_AFTER) if usable else None
