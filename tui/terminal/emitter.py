"""Sends to the terminal only what differs from what it already shows.

Textual 8.2 sends every line that a widget marked as changed from its first cell to its last. This module
keeps what is on the glass, line by line, as the very strips that were sent, and writes the cells that
differ. It reads ``ChopsUpdate`` and ``LayoutUpdate`` of Textual's private compositor, and Rich's segments;
nothing outside this package knows of them. ``unsupported`` says why it must not be used.

What the glass shows is tracked by cells and not by the screen's layout, so it stays known while widgets come
and go. Every jump is to an absolute column: where the terminal and we disagree about a character's
width, the error ends with that piece of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import textual
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

__all__ = ["DiffEmitter", "unsupported"]

_KNOWN = "8.2."
_GAP = 6
"""Equal cells between two changed ones that are cheaper to send again than to jump over."""

_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys. Rich gives them no width, so they can go without moving anything."""


def unsupported(version: str = textual.__version__) -> str | None:
    """Why Textual's own output has to be used: ``None`` for the versions whose compositor this knows."""
    if version.startswith(_KNOWN):
        return None
    return f"full lines are sent: Textual {version} is not {_KNOWN}x"


class _OneCell(dict[str, bool]):
    """Whether a character takes one cell, looked up once."""

    def __missing__(self, char: str) -> bool:
        one = self[char] = cell_len(char) == 1
        return one


_ONE = _OneCell().__getitem__


def _simple(text: str) -> bool:
    """Whether every character is one cell, so that text can be cut at any of them."""
    return (text.isascii() and text.isprintable()) or all(map(_ONE, text))


class DiffEmitter:
    """What is on the glass, and the way from there to the next frame."""

    def __init__(self) -> None:
        self._glass: dict[int, dict[int, Strip]] = {}
        self._size: tuple[int, int] | None = None
        self._colors: ColorSystem | None = None
        self._pen = _Pen(ColorSystem.STANDARD)

    def reset(self) -> None:
        """Forgets what is on the glass: everything that comes next is sent."""
        self._glass.clear()

    def render(self, update: object, colors: ColorSystem) -> str | None:
        """The bytes, as text, that bring the update to the glass; ``None`` if it is of an unknown kind."""
        if colors is not self._colors:
            self._colors = colors
            self.reset()
        self._pen = _Pen(colors)
        if isinstance(update, ChopsUpdate):
            self._chops(update)
        elif isinstance(update, LayoutUpdate):
            self._layout(update)
        else:
            return None
        return self._pen.text()

    def _layout(self, update: LayoutUpdate) -> None:
        region = update.region
        if self._size != region.size:
            self.reset()
            self._size = region.size
        for y, strips in enumerate(update.strips, region.y):
            x = region.x
            for strip in strips:
                if strip is not None:
                    self._put(y, x, strip)
                    x += strip.cell_length

    def _chops(self, update: ChopsUpdate) -> None:
        """Only pieces that a changed span touches: what the compositor holds of others may be hidden."""
        spans: dict[int, list[tuple[int, int]]] = {}
        for y, x1, x2 in update.spans:
            spans.setdefault(y, []).append((x1, x2))
        for y, changed in spans.items():
            for (x, strip), end in zip(update.chops[y].items(), update.chop_ends[y], strict=False):
                if strip is not None and any(x < x2 and end > x1 for x1, x2 in changed):
                    self._put(y, x, strip)

    def _put(self, y: int, x: int, strip: Strip) -> None:
        pieces = self._glass.setdefault(y, {})
        old = pieces.get(x)
        if old is strip:
            return
        if old is None or old.cell_length != strip.cell_length:
            old = self._cut(y, pieces, x, x + strip.cell_length)
        pieces[x] = strip
        if old is None:
            self._send_all(y, x, strip)
        else:
            self._send_changed(y, x, old, strip)

    def _cut(self, y: int, pieces: dict[int, Strip], start: int, end: int) -> Strip | None:
        """Takes cells ``start`` to ``end`` out of a line's pieces; ``None`` if not all of them are known."""
        inside: list[tuple[int, Strip]] = []
        for x, strip in sorted(pieces.items()):
            stop = x + strip.cell_length
            if stop <= start or x >= end:
                continue
            for edge in (start, end):
                if x < edge < stop:
                    self._unpair(y, x, strip, edge)
            del pieces[x]
            if x < start:
                pieces[x] = strip.crop(0, start - x)
            if stop > end:
                pieces[end] = strip.crop(end - x, stop - x)
            inside.append((max(x, start), strip.crop(max(x, start) - x, min(stop, end) - x)))
        at = start
        for x, strip in inside:
            if x != at:
                return None
            at = x + strip.cell_length
        if at != end:
            return None
        return inside[0][1] if len(inside) == 1 else Strip.join([strip for _, strip in inside])

    def _unpair(self, y: int, x: int, strip: Strip, edge: int) -> None:
        """A character of two cells that lies across a new edge becomes two blanks, there and in our books."""
        at = x
        for text, style, _ in strip:
            size = cell_len(text)
            if at < edge < at + size:
                if not _simple(text):
                    for char in text:
                        cells = cell_len(char)
                        if at < edge < at + cells:
                            self._pen.write(y, at, " " * cells, style, exact=True)
                        at += cells
                return
            at += size

    def _send_all(self, y: int, x: int, strip: Strip) -> None:
        for text, style, control in strip:
            if not control:
                self._pen.write(y, x, text, style, exact=_simple(text))
                x += cell_len(text)

    def _send_changed(self, y: int, x: int, old: Strip, new: Strip) -> None:
        """Walks both by cells; simple characters in the same style are compared one by one."""
        write, same = self._pen.write, self._pen.same
        before = _Walk(old, x)
        for segment in new:
            text, style, control = segment
            if control:
                continue
            cells = segment.cell_length
            end = x + cells
            before.reach(x)
            if cells == 0:
                write(y, x, text, style, exact=False, follow=True)
            elif before.start == x and before.text == text and same(before.style, style):
                pass
            elif _simple(text):
                at = x
                while at < end:
                    before.reach(at)
                    until = min(end, before.end)
                    part = text[at - x : until - x]
                    if _simple(before.text) and same(before.style, style):
                        was = before.text[at - before.start : until - before.start]
                        if part != was:
                            for offset, piece in _differing(was, part):
                                write(y, at + offset, piece, style, exact=True)
                    else:
                        write(y, at, part, style, exact=True)
                    at = until
            else:
                write(y, x, text, style, exact=False)
            x = end


def _differing(old: str, new: str) -> Iterable[tuple[int, str]]:
    """(offset, text) of the stretches of ``new`` that differ; both have the same length."""
    begin = last = -1
    for at, (was, char) in enumerate(zip(old, new, strict=True)):
        if was == char:
            continue
        if begin >= 0 and at - last > _GAP:
            yield begin, new[begin : last + 1]
            begin = -1
        if begin < 0:
            begin = at
        last = at
    if begin >= 0:
        yield begin, new[begin : last + 1]


class _Walk:
    """A place in a strip that only moves right: the segment there, and the cells it covers."""

    __slots__ = ("_left", "end", "start", "style", "text")

    def __init__(self, strip: Strip, x: int) -> None:
        self._left = iter(strip)
        self.start = self.end = x
        self.text = ""
        self.style: Style | None = None

    def reach(self, x: int) -> None:
        """Goes on to the segment that covers cell ``x``; past the end there is a blank one without end."""
        while self.end <= x:
            segment: Segment | None = next(self._left, None)
            self.start = self.end
            if segment is None:
                self.text, self.style, self.end = "", None, 1 << 30
                return
            if segment.control:
                continue
            self.text, self.style = segment.text, segment.style
            self.end += segment.cell_length


class _Pen:
    """Writes text at places with styles, with as few bytes for both as absolute addressing allows."""

    __slots__ = ("_ansi", "_colors", "_out", "_x", "_y")

    def __init__(self, colors: ColorSystem) -> None:
        self._colors = colors
        self._out: list[str] = []
        self._y = self._x = -1
        self._ansi = ""

    def text(self) -> str:
        """All that was written; the terminal's style is as it was before."""
        if self._ansi:
            self._out.append("\x1b[m")
            self._ansi = ""
        return "".join(self._out)

    def same(self, one: Style | None, other: Style | None) -> bool:
        """Whether two styles look the same on this terminal."""
        if one is other:
            return True
        return self._codes(one) == self._codes(other) and _link(one) == _link(other)

    def write(
        self, y: int, x: int, text: str, style: Style | None, *, exact: bool, follow: bool = False
    ) -> None:
        """Text at a cell. ``exact``: its width is beyond dispute, so that the next may follow without a jump.

        ``follow``: only if the pen is there already (marks that join the character before them).
        """
        if not text.isprintable():
            text = _ACTING.sub("", text)
            if not text:
                return
        if (y, x) != (self._y, self._x):
            if follow:
                return
            self._out.append(f"\x1b[{x + 1}G" if y == self._y else f"\x1b[{y + 1};{x + 1}H")
        if style is not None and _link(style):
            if self._ansi:
                self._out.append("\x1b[m")
                self._ansi = ""
            self._out.append(Strip.render_style(style, text, self._colors))
        else:
            codes = self._codes(style)
            if codes != self._ansi:
                self._out.append(f"\x1b[{'0;' if self._ansi and codes else ''}{codes}m")
                self._ansi = codes
            self._out.append(text)
        self._y = y
        self._x = x + len(text) if exact else -1

    def _codes(self, style: Style | None) -> str:
        return "" if style is None else Strip.render_ansi(style, self._colors)


def _link(style: Style | None) -> str | None:
    return None if style is None else style.link
