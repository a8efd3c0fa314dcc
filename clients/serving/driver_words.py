"""What drives a workload's count, in one cell: who acts soonest, its signal, what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.changes import Bounds
from clients.serving.plain import plain
from clients.serving.workload import Driver

__all__ = ["at_bound", "driver_words"]

_SIGNAL = 60
_NOTE = 14
"""Characters of a note that a cell has room for; a longer one is told by ``!`` and read with ``w``."""
_CRON = "CronHPA"
_PINNED = "pinned"


def driver_words(drivers: Sequence[Driver], *, signal: bool = True) -> str:
    """``HPA 2-8 cpu 72>60 at max, cron 08:30 to 3``; ``manual`` without one; plain text.

    Equal bounds are a pin: ``HPA pinned 4 (was 2-8) by ops cpu 72>60``, where what was there is known.

    Schedules beside another driver are told by their next job; of further drivers only how many there are.
    Without ``signal`` it leaves out what the first driver looks at.
    """
    if not drivers:
        return "manual"
    first, *rest = drivers
    parts = [plain(first.kind, 24)]
    bounds = Bounds(first.minimum, first.maximum)
    note = None if first.kind == _CRON else first.note
    if bounds.pinned:
        known = note is not None and note.startswith(_PINNED)
        parts.append(plain(note) if known and signal and note else f"{_PINNED} {bounds.minimum}")
        note = None if known else note
    elif first.minimum is not None or first.maximum is not None:
        parts.append(str(bounds))
    if first.signal and (signal or first.kind == _CRON):
        parts.append(plain(first.signal, _SIGNAL))
    if note:
        parts.append(plain(note) if len(note) <= _NOTE else "!")
    words = " ".join(parts)
    crons = [driver for driver in rest if driver.kind == _CRON]
    if crons:
        words += f", cron {plain(crons[0].signal or '', _SIGNAL)}".rstrip()
    more = len(rest) - len(crons[:1])
    return f"{words} +{more}" if more else words


def at_bound(drivers: Sequence[Driver]) -> bool:
    """Whether the first driver cannot go where it wants to."""
    return bool(drivers) and drivers[0].note == "at max"
