"""What happened, newest first, under lanes that show how many groups were wanted and ready."""

from __future__ import annotations

from textual.strip import Strip

from clients.serving.events import Event, EventKind
from widgets.cells import age, clock_time, shown
from widgets.lines import Line, LineWidget, Piece, strip
from widgets.records import LaneSample, TimeView
from widgets.theme import Look
from widgets.words import item_label

__all__ = ["LANES", "TimeLine", "event_line"]

LANES = 5
"""Lines of the graph: four of values and one of times."""


class TimeLine(LineWidget):
    """The lanes stay in place while the events scroll under them."""

    _view = TimeView(())
    _now = 0.0

    def show(self, view: TimeView, now: float) -> None:
        """Draws the view; ``now`` is cluster time, where the lanes end."""
        self._view, self._now = view, now
        self.pinned = LANES if view.lanes else 0
        self.update_rows()

    def row_keys(self) -> list[object]:
        """The lanes' lines, then the events."""
        view = self._view
        lanes = _lanes(view, self._now, self.size.width, self.look) if view.lanes else []
        if not view.events:
            return [*lanes, None]
        return [*lanes, *((event, view.utc_offset, view.named) for event in view.events)]

    def draw_row(self, row: int, cells: int) -> Strip:
        """A line of the graph, or an event."""
        key = self._keys[row]
        if row < self.pinned:
            assert isinstance(key, tuple)
            return strip(key, cells, self.look)
        if key is None:
            return strip(((" nothing happened yet", self.look.styles.dim),), cells, self.look)
        event = self._view.events[row - self.pinned]
        return strip(event_line(event, self._view, self.look), cells, self.look)


def event_line(event: Event, view: TimeView, look: Look) -> Line:
    """``14:05:31 G-3 decode-0 creating > running  by ops  reason``."""
    styles = look.styles
    pieces: list[Piece] = [(f" {clock_time(event.at, view.utc_offset)} ", styles.dim)]
    owner = "" if event.key is None else event.key.name
    if owner and view.named:
        pieces.append((shown(owner, 60) + " ", styles.strong))
    where = " ".join(
        part
        for part in (
            item_label(event.group, owner) if event.group else "",
            shown(event.replica or event.role or "", 60),
        )
        if part
    )
    if where:
        pieces.append((where + " ", styles.strong))
    bad = event.kind is EventKind.TROUBLE and event.after is not None
    change = _change(event)
    if event.kind not in (EventKind.PHASE, EventKind.TROUBLE):
        pieces.append((f"{event.kind} ", styles.dim))
    pieces.append((change, styles.alarm if bad else styles.normal))
    if event.actor:
        pieces.append((f"  by {shown(event.actor, 60)}", styles.dim))
    if event.reason:
        pieces.append((f"  {shown(event.reason, 300)}", styles.dim if not bad else styles.normal))
    return tuple(pieces)


def _change(event: Event) -> str:
    before = None if event.before is None else shown(event.before, 120)
    after = None if event.after is None else shown(event.after, 120)
    if event.kind is EventKind.TROUBLE and after is None:
        return f"{before} is over" if before else "trouble is over"
    if before is not None and after is not None:
        return f"{before} > {after}"
    return after or before or ""


def _lanes(view: TimeView, now: float, cells: int, look: Look) -> list[Line]:
    """Four lines of columns, each column a slice of time; then a line that says which time it is."""
    room = max(1, cells - 6)
    samples = _columns(view.lanes, now - view.span, now, room)
    top = max((max(wanted or 0, ready or 0) for wanted, ready in samples), default=0)
    styles, glyphs = look.styles, look.glyphs
    height = LANES - 1
    lines: list[Line] = []
    for level in range(height, 0, -1):
        floor = (level - 1) * top / height
        text: list[Piece] = []
        for wanted, ready in samples:
            if ready is not None and ready > floor:
                sign, style = glyphs.lane_ready, styles.normal
            elif wanted is not None and wanted > floor:
                sign, style = glyphs.lane_wanted, styles.accent
            else:
                sign, style = " ", styles.normal
            if text and text[-1][1] is style:
                text[-1] = (text[-1][0] + sign, style)
            else:
                text.append((sign, style))
        label = str(top) if level == height else ""
        lines.append(((f"{label:>4} ", styles.dim), *text))
    span = f"-{age(view.span)}"
    legend = f"{glyphs.lane_ready} ready {glyphs.lane_wanted} wanted"
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
