"""What happened, newest first, under lanes that show how many groups were wanted and ready."""

from __future__ import annotations

from textual.strip import Strip

from clients.serving.events import Event
from clients.serving.telling import told
from widgets.cells import age, clock_time, shown
from widgets.lanes import lane_sign
from widgets.lines import Line, LineWidget, Piece, strip
from widgets.records import LaneSample, TimeView
from widgets.theme import Look

__all__ = ["LANES", "TimeLine", "event_line"]

LANES = 5
"""Lines of the graph: four of values and one of times."""

_REACHES = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 420.0, 600.0, 840.0, 1200.0)
"""Seconds; each at most two thirds more than the one before, so that little is empty after a step."""


class TimeLine(LineWidget):
    """The lanes stay in place while the events scroll under them."""

    _view = TimeView(())
    _now = 0.0
    _detailed = False

    def show(self, view: TimeView, now: float, *, detailed: bool = False) -> None:
        """Draws the view; ``now`` is cluster time, where the lanes end. ``detailed`` says all of an event."""
        self._view, self._now, self._detailed = view, now, detailed
        self.pinned = LANES if view.lanes else 0
        self.update_rows()

    def row_keys(self) -> list[object]:
        """The lanes' lines, then the events."""
        view = self._view
        lanes = _lanes(view, self._now, self.size.width, self.look) if view.lanes else []
        if not view.events:
            return [*lanes, None]
        return [*lanes, *((event, view.utc_offset, view.named, self._detailed) for event in view.events)]

    def draw_row(self, row: int, cells: int) -> Strip:
        """A line of the graph, or an event."""
        key = self._keys[row]
        if row < self.pinned:
            assert isinstance(key, tuple)
            return strip(key, cells, self.look)
        if key is None:
            return strip(((" nothing happened yet", self.look.styles.dim),), cells, self.look)
        event = self._view.events[row - self.pinned]
        line = event_line(event, self._view, self.look, detailed=self._detailed)
        return strip(line, cells, self.look)


def event_line(event: Event, view: TimeView, look: Look, *, detailed: bool = False) -> Line:
    """``14:05:31 G-3 creating: 3 of 5 role replicas running``, ``14:05:02 scale 2 > 4 begun  by ops``."""
    styles = look.styles
    words = told(event, detailed=detailed)
    pieces: list[Piece] = [(f" {clock_time(event.at, view.utc_offset)} ", styles.dim)]
    owner = "" if event.key is None else event.key.name
    for place in (shown(owner, 60) if view.named else "", words.where):
        if place:
            pieces.append((f"{place} ", styles.strong))
    pieces.append((words.what, styles.alarm if words.bad else styles.normal))
    if words.who:
        pieces.append((f"  by {words.who}", styles.dim))
    if words.why:
        pieces.append((f"  {words.why}", styles.normal if words.bad else styles.dim))
    return tuple(pieces)


def _lanes(view: TimeView, now: float, cells: int, look: Look) -> list[Line]:
    """Four lines of columns, each column a slice of time; then a line that says which time it is."""
    room = max(1, cells - 6)
    reach = _reach(view, now)
    samples = _columns(view.lanes, now - reach, now, room)
    top = max((max(wanted or 0, ready or 0) for wanted, ready in samples), default=0)
    styles, glyphs = look.styles, look.glyphs
    height = LANES - 1
    lines: list[Line] = []
    for row in range(height - 1, -1, -1):
        text: list[Piece] = []
        for wanted, ready in samples:
            sign = lane_sign(wanted, ready, row, height, top, glyphs)
            style = styles.accent if sign == glyphs.lane_wanted else styles.normal
            if text and text[-1][1] is style:
                text[-1] = (text[-1][0] + sign, style)
            else:
                text.append((sign, style))
        label = str(top) if row == height - 1 else ""
        lines.append(((f"{label:>4} ", styles.dim), *text))
    span = f"-{age(reach)}"
    legend = f"{glyphs.lane_ready[-1]} ready {glyphs.lane_wanted} wanted"
    gap = max(1, (room - len(span) - len(legend) - 3) // 2)
    lines.append(
        (
            (
                f"{'':5}{span}{'':{gap}}{legend}{'':{max(1, room - len(span) - len(legend) - gap - 3)}}now",
                styles.dim,
            ),
        )
    )
    return lines


def _reach(view: TimeView, now: float) -> float:
    """How far back the lanes go: a round time that holds all that was seen, so that a young graph is full."""
    seen = now - view.lanes[0].at if view.lanes else 0.0
    return next((reach for reach in _REACHES if seen <= reach < view.span), view.span)


def _columns(
    samples: tuple[LaneSample, ...], start: float, end: float, count: int
) -> list[tuple[int | None, int | None]]:
    """The last sample known at the end of each of ``count`` slices; nothing before the first."""
    out: list[tuple[int | None, int | None]] = []
    at = 0
    last: tuple[int | None, int | None] = (None, None)
    step = (end - start) / count
    for column in range(count):
        until = start + (column + 1) * step
        while at < len(samples) and samples[at].at <= until:
            last = (samples[at].wanted, samples[at].ready)
            at += 1
        out.append(last)
    return out
