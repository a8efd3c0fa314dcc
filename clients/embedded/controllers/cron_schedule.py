"""Six-field cron schedules as ACK's CronHPA controller reads them (ringtail/go-cron): seconds come first.

``sec min hour dom month [dow]``; the day of the week may be left out, so that a crontab's five fields are
taken, and mean something else. Ranges, steps, lists, ``*`` and ``?``, names of months and days; ``@yearly`` …
``@hourly``, ``@every 1h30m``, and ``@date 2026-11-11 20:00:00``, whose year is ignored.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from clients.embedded.controllers.durations import read_duration

__all__ = ["Calendar", "Every", "Schedule", "ScheduleError", "parse_schedule"]


class ScheduleError(ValueError):
    """A schedule that cannot be read; worded as the library does it."""


class Schedule(Protocol):
    """When something is due."""

    def next(self, after: datetime) -> datetime | None:
        """The first time later than ``after``, in its zone; None if there is none within five years."""


class Every(Struct, frozen=True):
    """Again and again, in whole seconds from when it was put in place."""

    seconds: int

    def next(self, after: datetime) -> datetime | None:
        """So many seconds later."""
        return after.replace(microsecond=0) + timedelta(seconds=self.seconds)


class Calendar(Struct, frozen=True):
    """At times that the clock on the wall shows."""

    second: frozenset[int]
    minute: frozenset[int]
    hour: frozenset[int]
    day: frozenset[int]
    month: frozenset[int]
    weekday: frozenset[int]
    """0 is Sunday."""
    any_day: bool
    any_weekday: bool

    def fits_day(self, when: datetime) -> bool:
        """Either of day and weekday where both are restricted, else both."""
        day, weekday = when.day in self.day, when.isoweekday() % 7 in self.weekday
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)

    def next(self, after: datetime) -> datetime | None:
        """The first match later than ``after``."""
        when = after.replace(microsecond=0) + timedelta(seconds=1)
        last = when.year + 5
        while when.year <= last:
            if when.month not in self.month:
                first = when.replace(day=1, hour=0, minute=0, second=0)
                when = first.replace(year=when.year + when.month // 12, month=when.month % 12 + 1)
            elif not self.fits_day(when):
                when = when.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif when.hour not in self.hour:
                when = when.replace(minute=0, second=0) + timedelta(hours=1)
            elif when.minute not in self.minute:
                when = when.replace(second=0) + timedelta(minutes=1)
            elif when.second not in self.second:
                when += timedelta(seconds=1)
            else:
                return when
        return None


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_BOUNDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_DIGITS = 9
_LONGEST = 1e9
"""Seconds, some 30 years: a longer pause is never lived through."""


def parse_schedule(text: str) -> Schedule:
    """Raises ScheduleError."""
    if not text:
        raise ScheduleError("Empty spec string")
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) not in (5, 6):
        raise ScheduleError(f"Expected 5 to 6 fields, found {len(fields)}: {text}")
    if len(fields) == 5:
        fields.append("*")
    second, minute, hour, day, month, weekday = (
        _field(field, *bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)
    )
    any_day, any_weekday = _starred(fields[3]), _starred(fields[5])
    return Calendar(second, minute, hour, day, month, weekday, any_day=any_day, any_weekday=any_weekday)


def _starred(field: str) -> bool:
    """Any part that is open at both ends opens the whole field."""
    return any(part.partition("/")[0] in ("*", "?") for part in field.split(","))


def _descriptor(text: str) -> Schedule:
    if text in _DESCRIPTORS:
        return parse_schedule(_DESCRIPTORS[text])
    kind, _, rest = text.partition(" ")
    if kind == "@every":
        return Every(_every(text, rest))
    if kind == "@date":
        try:
            when = datetime.strptime(rest.strip(), "%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise ScheduleError(f"Failed to parse date {rest}") from None
        second, minute, hour, day, month = (
            frozenset((value,)) for value in (when.second, when.minute, when.hour, when.day, when.month)
        )
        every_day = frozenset(range(7))
        return Calendar(second, minute, hour, day, month, every_day, any_day=False, any_weekday=True)
    raise ScheduleError(f"Unrecognized descriptor: {text}")


def _every(text: str, rest: str) -> int:
    try:
        return int(min(_LONGEST, max(1.0, read_duration(rest))))
    except ValueError as error:
        raise ScheduleError(f"Failed to parse duration {text}: {error}") from None


def _field(field: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        found.update(_part(part, low, high, names))
    return frozenset(found)


def _part(part: str, low: int, high: int, names: dict[str, int]) -> range:
    span, slash, every = part.partition("/")
    first, dash, last = span.partition("-")
    if span in ("*", "?"):
        begin, end = low, high
    else:
        begin = _number(first, names)
        end = _number(last, names) if dash else high if slash else begin
    step = _number(every, {}) if slash else 1
    if begin < low:
        raise ScheduleError(f"Beginning of range ({begin}) below minimum ({low}): {part}")
    if end > high:
        raise ScheduleError(f"End of range ({end}) above maximum ({high}): {part}")
    if begin > end:
        raise ScheduleError(f"Beginning of range ({begin}) beyond end of range ({end}): {part}")
    if step == 0:
        raise ScheduleError(f"Step of range should be a positive number: {part}")
    return range(begin, end + 1, step)


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise ScheduleError(
            f"Failed to parse int from {text}: strconv.Atoi: parsing {text!r}: invalid syntax"
        )
    return int(text)
