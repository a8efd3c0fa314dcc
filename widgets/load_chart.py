"""Charts of a load test and of what it makes the cluster do, one below the other on one time axis.

Time runs from left to right and columns stay where they are, so that a second costs a column and not a page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rich.style import Style

from widgets.bars import sparkline
from widgets.cells import fit, milliseconds
from widgets.lanes import lane_sign
from widgets.lines import Line, Piece, TextWidget
from widgets.load_records import LoadColumn, LoadMark, LoadView
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["LoadChart", "columns_in", "step_for"]

_NAME = 10
_SCALE = 6
_LEFT = _NAME + _SCALE
_RIGHT = 9
_STEPS = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600)
_TICKS = (10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
"""Seconds between two times on the axis."""
_SMALLEST_LATENCY = 3
_LARGEST_REPLICAS = 6


class _Row(NamedTuple):
    """A row of signs."""

    name: str
    field: str
    """Of ``LoadColumn``."""
    top: float | None
    """The value of the highest sign; ``None``: the highest that is seen."""
    unit: str


_ROWS = (
    _Row("answers", "ok", None, "/s"),
    _Row("in flight", "in_flight", None, ""),
    _Row("failed", "failed", None, "/s"),
    _Row("waiting", "waiting", None, ""),
    _Row("GPU busy", "busy", 100.0, "%"),
    _Row("signal", "signal", None, "%"),
)
_SERIES = (("p50", "1"), ("p95", "2"), ("p99", "3"))


def columns_in(cells: int) -> int:
    """Slices of time that find room in a chart so wide."""
    return max(1, cells - _LEFT - _RIGHT)


def step_for(seconds: float, columns: int) -> float:
    """Seconds of a column so that so long a time finds room: 1, 2, 3, 5, 10 …"""
    return float(next((step for step in _STEPS if step * columns >= seconds), _STEPS[-1]))


class LoadChart(TextWidget):
    """Latency, replicas, and rows for what else there is: as many as find room."""

    DEFAULT_CSS = """
    LoadChart { height: 1fr; min-height: 8; }
    """

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._view = LoadView()

    def show(self, view: LoadView) -> None:
        """Draws it."""
        self._view = view
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Latency and replicas take what the rows below leave."""
        view, height = self._view, self.size.height
        rows = self._rows()
        room = height - len(rows) - 2
        most = max(
            (max(column.wanted or 0, column.ready or 0) for column in view.columns),
            default=0,
        )
        replicas = max(1, min(most, _LARGEST_REPLICAS, room // 3))
        latency = max(_SMALLEST_LATENCY, room - replicas)
        plot = columns_in(cells)
        guides = {self._at(mark) for mark in view.marks if mark.guide}
        lines = [
            *self._latency(latency, plot, guides),
            *self._replicas(replicas, most, plot, guides),
            *(self._row(row, plot) for row in rows),
            self._marks(plot),
            self._axis(plot),
        ]
        return lines[:height]

    # One chart each

    def _latency(self, height: int, plot: int, guides: set[int]) -> list[Line]:
        """Percentiles on a logarithmic scale; a cell shows the highest of those that fall into it."""
        view, styles = self._view, self.look.styles
        low, high = _bounds(view.columns, view.slo)
        cells = [[" "] * plot for _ in range(height)]
        for at in guides:
            for row in cells:
                if 0 <= at < plot:
                    row[at] = ":"
        if view.slo is not None:
            limit = _row_of(view.slo, low, high, height)
            cells[limit] = ["-" if sign == " " and at % 2 else sign for at, sign in enumerate(cells[limit])]
        for at, column in enumerate(view.columns[:plot]):
            for name, sign in _SERIES:
                value = getattr(column, name)
                if value is not None and value > 0:
                    cells[_row_of(value, low, high, height)][at] = sign
        paint = {
            "1": styles.normal,
            "2": styles.accent,
            "3": styles.strong,
            ":": styles.dim,
            "-": styles.warn,
        }
        names = ["latency", "1 p50", "2 p95", "3 p99"]
        if view.slo is not None:
            names.append("- SLO")
        numbers = [view.newest.p50, view.newest.p95, view.newest.p99]
        lines: list[Line] = []
        for index, row in enumerate(cells):
            name = names[index] if index < len(names) else ""
            level = high * (low / high) ** (index / max(1, height - 1))
            scale = _short(level) if index in (0, height - 1) or (height > 5 and index == height // 2) else ""
            number = milliseconds(numbers[index - 1], self.look.glyphs.unknown) if 0 < index <= 3 else ""
            lines.append((*self._left(name, scale), *_pieces(row, paint, styles.normal), self._right(number)))
        return lines

    def _replicas(self, height: int, most: int, plot: int, guides: set[int]) -> list[Line]:
        """Wanted and ready, a row a replica where there is room, from the bottom up."""
        view, styles, glyphs = self._view, self.look.styles, self.look.glyphs
        lines: list[Line] = []
        ready, wanted = (
            glyphs.unknown if count is None else str(count)
            for count in (view.newest.ready, view.newest.wanted)
        )
        numbers = [f"{ready}/{wanted}"] if height == 1 else [f"{ready} ready", f"{wanted} want"]
        names = ["replicas", f"{glyphs.lane_ready[-1]} ready", f"{glyphs.lane_wanted} wanted"]
        for index in range(height):
            pieces: list[str] = []
            for at in range(plot):
                column = view.columns[at] if at < len(view.columns) else LoadColumn()
                sign = lane_sign(column.wanted, column.ready, height - 1 - index, height, most, glyphs)
                pieces.append(":" if sign == " " and at in guides else sign)
            paint = {glyphs.lane_wanted: styles.accent, ":": styles.dim}
            name = names[index] if index < len(names) else ""
            scale = str(most) if index == 0 and most else ""
            number = numbers[index] if index < len(numbers) else ""
            row = _pieces(pieces, paint, styles.normal)
            lines.append((*self._left(name, scale), *row, self._right(number)))
        return lines

    def _rows(self) -> tuple[_Row, ...]:
        """What a row each is drawn for."""
        return _ROWS if self._view.signal_name else _ROWS[:-1]

    def _row(self, row: _Row, plot: int) -> Line:
        view, styles, glyphs = self._view, self.look.styles, self.look.glyphs
        values: list[float | None] = [getattr(column, row.field) for column in view.columns[:plot]]
        known = [one for one in values if one is not None]
        highest = max(known, default=0.0) if row.top is None else row.top
        text = sparkline(values, len(values), glyphs, row.top)
        now = getattr(view.newest, row.field)
        number = glyphs.unknown if now is None else f"{_number(now)}{row.unit}"
        failing = row.field == "failed" and any(known)
        style = styles.alarm if failing else styles.accent
        scale = f"{_number(highest)}" if known and highest > 0 else ""
        return (*self._left(row.name, scale), (text.ljust(plot), style), self._right(number))

    def _marks(self, plot: int) -> Line:
        """Every mark's sign at its moment, and its words as far as there is room before the next."""
        cells = [" "] * plot
        marks = sorted(self._view.marks, key=lambda mark: mark.at)
        placed = [(at, mark) for mark in marks if 0 <= (at := self._at(mark)) < plot]
        for at, mark in placed:
            if cells[at] == " " or mark.guide:
                cells[at] = mark.sign
        for at, mark in placed:
            following = next((other for other, _ in placed if other > at), plot)
            words = _fitting(mark.text, following - at - 2)
            if cells[at] == mark.sign:
                cells[at + 1 : at + 1 + len(words)] = list(words)
        return (*self._left("events", ""), ("".join(cells)[:plot], self.look.styles.strong), self._right(""))

    def _axis(self, plot: int) -> Line:
        """Times since the load began."""
        step, styles = self._view.step, self.look.styles
        text = [" "] * plot
        every = max(1, round(_tick(step * 12) / step))
        for at in range(0, plot, every):
            label = _minutes(at * step)
            if at + len(label) <= plot:
                text[at : at + len(label)] = list(label)
        if self._view.end is not None:
            at = int(self._view.end / step)
            if 0 < at < plot and text[at] == " ":
                text[at] = "|"
        return (*self._left("time", ""), ("".join(text), styles.dim), self._right(""))

    # Parts of a line

    def _at(self, mark: LoadMark) -> int:
        return int(mark.at / self._view.step)

    def _left(self, name: str, scale: str) -> tuple[Piece, ...]:
        styles = self.look.styles
        return ((" " + fit(name, _NAME - 1), styles.dim), (f"{scale:>{_SCALE - 1}} ", styles.dim))

    def _right(self, number: str) -> Piece:
        return (fit(number, _RIGHT, right=True), self.look.styles.normal)


def _fitting(text: str, cells: int) -> str:
    """As many of its words as find room."""
    while len(text) > cells and text:
        text = text.rpartition(" ")[0]
    return text


def _pieces(row: Sequence[str], paint: dict[str, Style], other: Style) -> list[Piece]:
    pieces: list[Piece] = []
    for sign in row:
        style = paint.get(sign, other)
        if pieces and pieces[-1][1] is style:
            pieces[-1] = (pieces[-1][0] + sign, style)
        else:
            pieces.append((sign, style))
    return pieces


def _bounds(columns: Sequence[LoadColumn], slo: float | None) -> tuple[float, float]:
    """The scale of the latency: powers of two around what is seen, so that it seldom jumps."""
    seen = [
        value
        for column in columns
        for value in (column.p50, column.p95, column.p99)
        if value is not None and 0 < value < math.inf
    ]
    if slo is not None:
        seen.append(slo)
    if not seen:
        return 1.0, 1000.0
    low = 2.0 ** math.floor(math.log2(min(seen)))
    high = 2.0 ** math.ceil(math.log2(max(seen)))
    return (low, high) if high >= 4 * low else (high / 4, high)


def _row_of(value: float, low: float, high: float, height: int) -> int:
    """The row of a value on a logarithmic scale, 0 on top."""
    part = (math.log(min(max(value, low), high)) - math.log(low)) / (math.log(high) - math.log(low))
    return min(height - 1, max(0, round((1 - part) * (height - 1))))


def _short(value: float) -> str:
    """A latency as a scale has it: ``64ms``, ``2.1s``."""
    if value < 1000:
        return f"{value:.0f}ms"
    seconds = value / 1000
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"


def _number(value: float) -> str:
    if value >= 10000:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _minutes(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def _tick(seconds: float) -> float:
    return next((step for step in _TICKS if step >= seconds), _TICKS[-1])
