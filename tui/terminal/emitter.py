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
from pathlib import Path

import textual
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

__all__ = ["DiffEmitter", "unsupported"]

_KNOWN = "8.2."
_GAP = 6
"""Equal cells between two changed ones that are cheaper to send again than to jump over."""

_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys. Rich gives them no width, so they can go without moving anything."""


def _installed() -> str:
    """Textual's version by the name of its metadata folder: reading it costs a twentieth of the start."""
    folder = Path(textual.__file__).parent.parent
    found = [path.name for path in folder.glob("textual-*.dist-info")]
    return found[0].split("-")[1].removesuffix(".dist") if len(found) == 1 else textual.__version__


def unsupported(version: str | None = None) -> str | None:
    """Why Textual's own output has to be used: ``None`` for the versions whose compositor this knows.

    ``version`` is Textual's, the installed one by default.
    """
    version = version or _installed()
    if version.startswith(_KNOWN):
        return None
    return f"full lines are sent: Textual {version} is not {_KNOWN}x"


class _OneCell(dict[str, bool]):
    """Whether a character takes one cell, looked up once."""

    def __missing__(self, char: str) -> bool:
        one = self[char] = cell_len(char) == 1
        return one


_ONE = _OneCell().__getitem__

_Run = tuple[int, int, str, str, bool]
"""(first cell, cell after the last, text, style's codes, whether every character takes one cell); cells are
counted from the left edge of the piece."""

_END: _Run = (1 << 30, 1 << 30, "", "", True)


class _Piece:
    """A stretch of a line as it was sent."""

    __slots__ = ("cells", "runs", "strip")

    def __init__(self, strip: Strip | None, runs: list[_Run], cells: int) -> None:
        self.strip = strip
        self.runs = runs
        self.cells = cells

    def cut(self, start: int, end: int) -> _Piece:
        """Cells ``start`` to ``end`` of it; half of a wide character becomes a blank."""
        runs: list[_Run] = []
        for first, last, text, codes, simple in self.runs:
            if last <= start or first >= end:
                continue
            begin, stop = max(first, start), min(last, end)
            if (begin, stop) != (first, last):
                text = (
                    text[begin - first : stop - first]
                    if simple
                    else _slice(text, begin - first, stop - first)
                )
            runs.append((begin - start, stop - start, text, codes, simple))
        return _Piece(None, runs, end - start)


def _rejoined(text: str, runs: list[_Run]) -> str:
    """The text without marks at its beginning: those go to the character before them, in the run before."""
    count = 0
    while count < len(text) and cell_len(text[count]) == 0:
        count += 1
    if count and runs:
        first, last, before, codes, _ = runs[-1]
        runs[-1] = (first, last, before + text[:count], codes, False)
    return text[count:]


def _slice(text: str, start: int, end: int) -> str:
    out: list[str] = []
    at = 0
    for char in text:
        cells = cell_len(char)
        if cells == 0:
            if start < at <= end:
                out.append(char)
        elif at >= start and at + cells <= end:
            out.append(char)
        elif at < end and at + cells > start:
            out.append(" " * (min(at + cells, end) - max(at, start)))
        at += cells
    return "".join(out)


class DiffEmitter:
    """What is on the glass, and the way from there to the next frame."""

    def __init__(self) -> None:
        self._glass: dict[int, dict[int, _Piece]] = {}
        self._size: tuple[int, int] | None = None
        self._colors: ColorSystem | None = None
        self._codes: dict[Style, str] = {}
        self._links: dict[str, Style] = {}
        self._pen = _Pen(ColorSystem.STANDARD, self._links)

    def reset(self) -> None:
        """Forgets what is on the glass: everything that comes next is sent."""
        self._glass.clear()

    def render(self, update: object, colors: ColorSystem) -> str | None:
        """The bytes, as text, that bring the update to the glass; ``None`` if it is of an unknown kind."""
        if colors is not self._colors:
            self._colors = colors
            self._codes.clear()
            self.reset()
        self._pen = _Pen(colors, self._links)
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
        if old is not None and old.strip is strip:
            return
        cells = strip.cell_length
        if old is None or old.cells != cells:
            old = self._cut(y, pieces, x, x + cells)
        new = pieces[x] = self._read(strip, cells)
        self._send(y, x, new.runs, [] if old is None else old.runs)

    def _read(self, strip: Strip, cells: int) -> _Piece:
        runs: list[_Run] = []
        at = 0
        codes = self._codes
        for text, style, control in strip:
            if control or not text:
                continue
            simple = (text.isascii() and text.isprintable()) or all(map(_ONE, text))
            if not simple:
                text = _rejoined(text, runs)
            end = at + (len(text) if simple else cell_len(text))
            if end == at:
                continue
            if style is None:
                code = ""
            else:
                known = codes.get(style)
                code = self._code(style) if known is None else known
            runs.append((at, end, text, code, simple))
            at = end
        return _Piece(strip, runs, cells)

    def _code(self, style: Style) -> str:
        assert self._colors is not None
        code = Strip.render_ansi(style, self._colors)
        if style.link:
            code = f"{code} {style.link}"
            self._links[code] = style
        if len(self._codes) > 20_000:
            self._codes.clear()
        self._codes[style] = code
        return code

    def _cut(self, y: int, pieces: dict[int, _Piece], start: int, end: int) -> _Piece | None:
        """Takes cells ``start`` to ``end`` out of a line's pieces; ``None`` if not all of them are known."""
        inside: list[tuple[int, _Piece]] = []
        for x, piece in sorted(pieces.items()):
            stop = x + piece.cells
            if stop <= start or x >= end:
                continue
            for edge in (start, end):
                if x < edge < stop:
                    self._unpair(y, x, piece, edge)
            del pieces[x]
            if x < start:
                pieces[x] = piece.cut(0, start - x)
            if stop > end:
                pieces[end] = piece.cut(end - x, stop - x)
            inside.append((max(x, start), piece.cut(max(x, start) - x, min(stop, end) - x)))
        runs: list[_Run] = []
        at = start
        for x, piece in inside:
            if x != at:
                return None
            shift = x - start
            runs += [(run[0] + shift, run[1] + shift, *run[2:]) for run in piece.runs]
            at = x + piece.cells
        return _Piece(None, runs, end - start) if at == end else None

    def _unpair(self, y: int, x: int, piece: _Piece, edge: int) -> None:
        """A character of two cells that lies across a new edge becomes two blanks, on the glass too."""
        for first, last, text, codes, simple in piece.runs:
            if simple or not x + first < edge < x + last:
                continue
            at = x + first
            for char in text:
                cells = cell_len(char)
                if at < edge < at + cells:
                    self._pen.write(y, at, " " * cells, codes, exact=True)
                at += cells

    def _send(self, y: int, x: int, new: list[_Run], old: list[_Run]) -> None:
        """Walks both by cells; simple characters in the same style are compared one by one."""
        write = self._pen.write
        left = iter(old)
        was = next(left, _END)
        for run in new:
            if run == was:
                was = next(left, _END)
                continue
            first, last, text, codes, simple = run
            while was[1] <= first and was is not _END:
                was = next(left, _END)
            if run == was:
                was = next(left, _END)
            elif not simple:
                write(y, x + first, text, codes, exact=False)
            else:
                at = first
                while at < last:
                    while was[1] <= at and was is not _END:
                        was = next(left, _END)
                    if was[0] > at:
                        until = min(last, was[0])
                        write(y, x + at, text[at - first : until - first], codes, exact=True)
                    else:
                        until = min(last, was[1])
                        part = text[at - first : until - first]
                        if not (was[4] and was[3] == codes):
                            write(y, x + at, part, codes, exact=True)
                        else:
                            before = was[2][at - was[0] : until - was[0]]
                            if part != before:
                                for offset, piece in _differing(before, part):
                                    write(y, x + at + offset, piece, codes, exact=True)
                    at = until


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


class _Pen:
    """Writes text at places with styles, with as few bytes for both as absolute addressing allows."""

    __slots__ = ("_codes", "_colors", "_links", "_out", "_x", "_y")

    def __init__(self, colors: ColorSystem, links: dict[str, Style]) -> None:
        self._colors = colors
        self._links = links
        self._out: list[str] = []
        self._y = self._x = -1
        self._codes = ""

    def text(self) -> str:
        """All that was written; the terminal's style is as it was before."""
        if self._codes:
            self._out.append("\x1b[m")
            self._codes = ""
        return "".join(self._out)

    def write(self, y: int, x: int, text: str, codes: str, *, exact: bool) -> None:
        """Text at a cell. ``exact``: its width is beyond dispute, the next may follow without a jump."""
        if not text.isprintable():
            text = _ACTING.sub("", text)
            if not text:
                return
        out = self._out
        if x != self._x or y != self._y:
            out.append(f"\x1b[{x + 1}G" if y == self._y else f"\x1b[{y + 1};{x + 1}H")
        if " " in codes:
            if self._codes:
                out.append("\x1b[m")
                self._codes = ""
            out.append(Strip.render_style(self._links[codes], text, self._colors))
        else:
            if codes != self._codes:
                out.append(f"\x1b[{'0;' if self._codes and codes else ''}{codes}m")
                self._codes = codes
            out.append(text)
        self._y = y
        self._x = x + len(text) if exact else -1
