"""A schedule drawn: its jobs with their next times in both zones, and the counts of the next 24 hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from clients.serving.autoscaling_words import job_words, named, zone_words
from clients.serving.plain import plain
from clients.serving.schedule import Schedule, zone_named
from widgets.bars import sparkline
from widgets.cells import fit, wrapped
from widgets.decision_lines import LABEL, labelled
from widgets.lines import Line
from widgets.theme import Look

__all__ = ["schedule_lines"]

_DAY = 86400.0
_HOURS = 6
"""Between two marks under the graph."""


def schedule_lines(
    schedule: Schedule, now: float, utc_offset: float, cells: int, look: Look
) -> Iterator[Line]:
    """``now`` is cluster time; ``utc_offset`` seconds east of UTC are the reader's."""
    styles = look.styles
    local = timezone(timedelta(seconds=utc_offset))
    yield ((f" {named(schedule.subject)}", styles.head),)
    yield from labelled("zone", zone_words(schedule), cells, look, styles.dim)
    for job in schedule.jobs:
        when, count, words, notes = job_words(schedule, job, now, local)
        name = plain(job.name, LABEL - 1)
        yield from labelled(name, f"{when}: {count}  {words}", cells, look)
        for note in notes:
            yield from labelled("", note, cells, look, styles.warn if job.error else styles.dim)
    yield from _day(schedule, now, cells, look)
    for note in schedule.notes:
        for part in wrapped(plain(note), max(10, cells - 2)):
            yield ((f" {part}", styles.warn),)


def _day(schedule: Schedule, now: float, cells: int, look: Look) -> Iterator[Line]:
    """What is set over the next 24 hours: nothing is known before the first job fires."""
    firings = [one for one in schedule.firings if one.skipped is None and one.replicas is not None]
    if not firings:
        return
    room = max(24, min(96, cells - LABEL - 2))
    step = _DAY / room
    counts: list[float | None] = []
    for column in range(room):
        until = now + (column + 1) * step
        before = [one.replicas for one in firings if one.at <= until]
        counts.append(None if not before or before[-1] is None else float(before[-1]))
    yield (
        (f" {'next 24 h':<{LABEL}}", look.styles.dim),
        (sparkline(counts, room, look.glyphs), look.styles.accent),
    )
    zone = zone_named(schedule.zone)
    axis = [" "] * room
    for column in range(room - 4):
        here, there = (datetime.fromtimestamp(now + at * step, zone) for at in (column, column + 1))
        if here.hour != there.hour and there.hour % _HOURS == 0:
            axis[column : column + 5] = f"{there.hour:02}:00"
    yield ((f" {'':<{LABEL}}", look.styles.dim), (fit("".join(axis), room), look.styles.dim))
