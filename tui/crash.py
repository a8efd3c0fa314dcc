"""What is said when this program fails: one clear line, then where it failed, and nothing that it knew.

Values of variables stay out of it, and what looks like a credential in an error's own words is blacked out:
a report is made to be pasted into an issue.
"""

from __future__ import annotations

import platform
import re
import traceback
from pathlib import Path

from clients.serving.plain import plain
from tui.version import VERSION

__all__ = ["report", "words"]

_HERE = f"{Path(__file__).resolve().parent.parent}/"
_LONGEST = 240
_FRAMES = 12
"""Of each error, the innermost calls that are named."""

_SECRET = re.compile(
    r"(?i)\b(bearer|basic)\s+\S+|[A-Za-z0-9_+/=-]{32,}(?:\.[A-Za-z0-9_+/=-]+)*|//[^/@\s]+:[^/@\s]+@"
)
"""Authorization headers, tokens and keys, passwords in URLs."""


def report(error: BaseException) -> str:
    """Lines for standard error, each ended by a line feed; safe to be shown on a terminal."""
    cause = getattr(error, "error", None)
    if type(error).__name__ == "WorkerFailed" and isinstance(cause, BaseException):
        error = cause  # Textual's wrapping says nothing of its own.
    lines = [f"servegrid: a fault of this program ended it: {words(error)}"]
    lines.append(
        "  what was sent stands in the audit log, and is taken up at the next start; please report this:"
    )
    lines.append(f"  servegrid {VERSION}, Python {platform.python_version()}, {platform.system()}")
    lines += _calls(error, set())
    return "".join(f"{plain(line, _LONGEST)}\n" for line in lines)


def words(error: BaseException) -> str:
    """Its kind and its own words, without what looks like a credential; not made plain."""
    said = " ".join(str(error).split(" "))
    return f"{type(error).__name__}: {_SECRET.sub('***', said)}" if said else type(error).__name__


def _calls(error: BaseException, told: set[int]) -> list[str]:
    """The calls that led to it, outermost first, after those of what caused it."""
    told.add(id(error))
    lines: list[str] = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in told:
        lines += [*_calls(before, told), f"  {words(before)}", "  and then:"]
    frames = traceback.extract_tb(error.__traceback__)
    if len(frames) > _FRAMES:
        lines.append(f"  ({len(frames) - _FRAMES} calls left out)")
    return lines + [
        f"  {frame.filename.removeprefix(_HERE)}:{frame.lineno} in {frame.name}"
        for frame in frames[-_FRAMES:]
    ]
