"""Text measured in terminal cells: cut and padded exactly, and numbers whose width does not jump.

A cell is one column of the terminal; CJK characters and most emoji take two. Everything that this
module returns may go to the screen as it is, provided that text from outside came through ``shown``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.cells import cell_len

from clients.serving.plain import plain

__all__ = [
    "ELLIPSIS",
    "UNKNOWN",
    "age",
    "clip",
    "clock_time",
    "duration",
    "fit",
    "fraction",
    "milliseconds",
    "number",
    "packed",
    "percent",
    "shown",
    "span",
    "width",
    "wrapped",
]

UNKNOWN = "–"
"""What is drawn for a value that is not known; never 0."""

ELLIPSIS = "…"


def width(text: str) -> int:
    """Cells that the text takes."""
    return len(text) if text.isascii() else cell_len(text)


def shown(text: str, limit: int = 200) -> str:
    """Text from outside, made safe (see ``clients.serving.plain``); at most ``limit`` characters."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    return plain(text, limit)


def clip(text: str, cells: int, ellipsis: str = ELLIPSIS) -> str:
    """The text in at most ``cells`` cells; one that is cut ends in the ellipsis (one cell, or nothing)."""
    if cells <= 0:
        return ""
    if text.isascii():
        return text if len(text) <= cells else text[: cells - len(ellipsis)] + ellipsis
    if cell_len(text) <= cells:
        return text
    room = cells - len(ellipsis)
    out: list[str] = []
    for char in text:
        size = cell_len(char)
        if size > room:
            break
        room -= size
        out.append(char)
    return "".join(out) + ellipsis


def fit(text: str, cells: int, *, right: bool = False, ellipsis: str = ELLIPSIS) -> str:
    """The text in exactly ``cells`` cells, cut or padded with spaces; ``right`` aligns it right."""
    text = clip(text, cells, ellipsis)
    pad = " " * (cells - width(text))
    return pad + text if right else text + pad


def wrapped(text: str, cells: int, first: int | None = None) -> list[str]:
    """The text in lines of at most ``cells`` cells, the first of ``first``, broken at blanks if possible."""
    parts: list[str] = []
    line = ""
    room = cells if first is None else first
    for word in text.split(" "):
        if line and width(line) + 1 + width(word) > room:
            parts.append(line)
            line, room = "", cells
        while width(word) > room:
            head = clip(word, room, "")
            parts.append(head)
            word, room = word[len(head) :], cells
        line = f"{line} {word}" if line else word
    return [*parts, line] if line or not parts else parts


def packed(parts: Iterable[str], cells: int) -> list[str]:
    """Parts, two blanks between them, in lines of at most ``cells`` cells; none is broken."""
    lines: list[str] = []
    for part in parts:
        if lines and width(lines[-1]) + 2 + width(part) <= cells:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def number(value: int | None, cells: int, unknown: str = UNKNOWN) -> str:
    """A whole number, right-aligned in at least ``cells`` cells."""
    return (unknown if value is None else str(value)).rjust(cells)


def fraction(have: int | None, of: int | None, unknown: str = UNKNOWN) -> str:
    """``3/4``; a part that is not known is drawn so, and two unknown parts are drawn as one."""
    if have is None and of is None:
        return unknown
    return f"{unknown if have is None else have}/{unknown if of is None else of}"


def percent(value: int | None, unknown: str = UNKNOWN) -> str:
    """``63%``, 0 to 100."""
    return unknown if value is None else f"{value}%"


def milliseconds(value: float | None, unknown: str = UNKNOWN) -> str:
    """A latency in seven cells: `` 850 ms``, ``1.23 s``."""
    if value is None:
        return unknown.rjust(7)
    if math.isinf(value):
        return "  never"
    if value < 999.5:
        return f"{value:4.0f} ms" if value >= 9.95 else f"{value:4.1f} ms"
    seconds = value / 1000
    return f"{seconds:5.2f} s" if seconds < 99.995 else f"{seconds:5.0f} s"


def duration(seconds: float | None, unknown: str = UNKNOWN) -> str:
    """How long: ``42s``, ``1m40s``, ``2h05m``, ``3d04h``; at most six cells below 100 days."""
    if seconds is None:
        return unknown
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def span(low: float, high: float) -> str:
    """A range of durations: ``~1m40s``, or ``1m30s-2m10s`` where the ends differ by more than a tenth."""
    if high - low <= max(2.0, 0.1 * high):
        return f"~{duration((low + high) / 2)}"
    return f"{duration(low)}-{duration(high)}"


def age(seconds: float | None, unknown: str = UNKNOWN) -> str:
    """How old, in one unit: ``9s``, ``6m``, ``2h``, ``9d``; at most three cells up to 99 days."""
    if seconds is None:
        return unknown
    whole = max(0, int(seconds))
    if whole < 100:
        return f"{whole}s"
    if whole < 5940:
        return f"{whole // 60}m"
    if whole < 356400:
        return f"{whole // 3600}h"
    return f"{whole // 86400}d"


def clock_time(at: float, offset: float = 0.0) -> str:
    """``14:05:31`` of a UTC time in seconds, shown ``offset`` seconds east of UTC."""
    second = int(at + offset) % 86400
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
