"""Cron lines as the CronHPA controller reads them: seconds first (ringtail/go-cron, fact sheet section 4).

``second minute hour day-of-month month [day-of-week]``. The last field may be left out, so that a crontab
line of five fields is accepted and means something else: ``Schedule.misread`` says what. Times are seconds
since the epoch, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from msgspec import Struct

from clients.kube.durations import seconds

__all__ = ["CronError", "Schedule", "parse"]

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 6, {name: number for number, name in enumerate(_DAYS)}),
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
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_NUMBER = re.compile(r"[0-9]{1,9}")
_YEARS = 5
"""How far ahead the controller looks for a match."""
_LONGEST = 200


class CronError(ValueError):
    """A line that the controller refuses; the message says why, in plain words."""


class _Field(Struct, frozen=True):
    values: frozenset[int]
    star: bool
    """``*`` or ``?`` is in it, also as ``*/2``."""

    @property
    def sorted(self) -> tuple[int, ...]:
        return tuple(sorted(self.values))


class Schedule(Struct, frozen=True):
    """A line that the controller accepts."""

    line: str
    fields: tuple[_Field, ...] = ()
    """Six; none for ``@every``."""
    every: float | None = None
    """Seconds of ``@every``, counted from the job's last run or the controller's start."""
    misread: str | None = None
    """What a five-field line means here."""
    notes: tuple[str, ...] = ()

    def next_after(self, at: float, zone: tzinfo) -> float | None:
        """The first moment after ``at`` that it names in that zone, or ``None`` within five years.

        A local time that a clock change skips does not come; one that it repeats comes twice. ``@every`` is
        counted from ``at``.
        """
        if self.every is not None:
            return float(int(at)) + self.every
        begin = datetime.fromtimestamp(at, zone).date()
        end = begin.year + _YEARS
        day = begin
        while day.year <= end:
            if day.month not in self.fields[4].values:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._on(day):
                found = self._within(day, at, zone)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def between(self, begin: float, end: float, zone: tzinfo, most: int = 1000) -> Iterator[float]:
        """The moments after ``begin`` and up to ``end``, at most so many; none for ``@every``."""
        at: float | None = begin
        while self.every is None and most > 0:
            at = self.next_after(at if at is not None else begin, zone)
            if at is None or at > end:
                return
            yield at
            most -= 1

    def _on(self, day: date) -> bool:
        """Both day fields restricted: either of them; else both."""
        dom, dow = self.fields[3], self.fields[5]
        in_month, in_week = day.day in dom.values, day.isoweekday() % 7 in dow.values
        return (in_month and in_week) if dom.star or dow.star else (in_month or in_week)

    def _within(self, day: date, at: float, zone: tzinfo) -> float | None:
        """The first match of a day after ``at``."""
        second, minute, hour = (field.sorted for field in self.fields[:3])
        for one in hour:
            found = [
                moment
                for each in minute
                for moment in _moments(day, one, each, zone)
                for moment in _first(moment, second, at)
            ]
            if found:
                return min(found)
        return None


def _moments(day: date, hour: int, minute: int, zone: tzinfo) -> Iterator[float]:
    """The times at which a clock in that zone shows this minute: one; none or two where clocks change."""
    seen = None
    for fold in (0, 1):
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
        moment = local.timestamp()
        back = datetime.fromtimestamp(moment, zone)
        if (back.hour, back.minute) == (hour, minute) and moment != seen:
            seen = moment
            yield moment


def _first(minute: float, offsets: Sequence[int], at: float) -> Iterator[float]:
    """The first of the seconds of a minute that comes after ``at``."""
    if minute + 59 <= at:
        return
    for second in offsets:
        if minute + second > at:
            yield minute + second
            return


def parse(line: str) -> Schedule:
    """Reads a line. Raises CronError for what the controller refuses."""
    if not line.strip() or len(line) > _LONGEST:
        raise CronError("an empty schedule" if not line.strip() else "a schedule that is too long")
    if line.startswith("@"):
        return _descriptor(line)
    parts = line.split()
    if len(parts) not in (5, 6):
        raise CronError(f"5 or 6 fields are expected, {len(parts)} found")
    fields = tuple(_field(part, index) for index, part in enumerate([*parts, "*"][:6]))
    misread = None
    if len(parts) == 5:
        misread = (
            f"five fields: the first is seconds here, so it fires at {_five(parts)}; "
            f"as crontab means it, write 0 {line.strip()}"
        )
    return Schedule(line, fields, misread=misread)


def _five(parts: Sequence[str]) -> str:
    second, minute, hour, dom, month = parts
    words = [f"second {second}", f"minute {minute}", f"hour {hour}"]
    if dom not in ("*", "?"):
        words.append(f"day of month {dom}")
    if month not in ("*", "?"):
        words.append(f"month {month}")
    return ", ".join(word.replace(" *", " any") for word in words)


def _descriptor(line: str) -> Schedule:
    if line in _DESCRIPTORS:
        return Schedule(line, parse(_DESCRIPTORS[line]).fields)
    name, _, rest = line.partition(" ")
    if name == "@every":
        every = seconds(rest)
        if every is None:
            raise CronError(f"{rest or 'nothing'} is no duration")
        return Schedule(line, every=float(max(1, int(every))))
    if name == "@date":
        given = _DATE.fullmatch(rest.strip())
        if given is None:
            raise CronError(f"{rest or 'nothing'} is no date like 2026-11-11 20:00:00")
        year, month, day, hour, minute, second = (int(part) for part in given.groups())
        try:
            datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise CronError(f"{rest}: {error}") from None
        fields = parse(f"{second} {minute} {hour} {day} {month} ?").fields
        return Schedule(line, fields, notes=(f"the year {year} is ignored: it fires every year",))
    raise CronError(f"{name} is not known")


def _field(given: str, index: int) -> _Field:
    values: set[int] = set()
    star = False
    for part in given.split(","):
        if part:
            found, any_value = _range(part, index)
            values |= found
            star |= any_value
    return _Field(frozenset(values), star)


def _range(given: str, index: int) -> tuple[set[int], bool]:
    """``5``, ``1-5``, ``*/15``, ``10/5`` (from 10 to the end), ``MON-FRI``."""
    name, least, most, names = _FIELDS[index]
    bounds, slash, step = given.partition("/")
    low, dash, high = bounds.partition("-")
    star = low in ("*", "?")
    begin = least if star else _number(low, names, name)
    end = most if star else _number(high, names, name) if dash else begin
    by = 1
    if slash:
        by = _number(step, {}, name)
        if not dash and not star:
            end = most
    if begin < least or end > most:
        raise CronError(f"{given}: {name} goes from {least} to {most}")
    if begin > end:
        raise CronError(f"{given}: {name} ends before it begins")
    if by == 0:
        raise CronError(f"{given}: a step of 0")
    return set(range(begin, end + 1, by)), star


def _number(given: str, names: dict[str, int], name: str) -> int:
    known = names.get(given.lower())
    if known is not None:
        return known
    if not _NUMBER.fullmatch(given):
        raise CronError(f"{given or 'nothing'} is no {name}")
    return int(given)
