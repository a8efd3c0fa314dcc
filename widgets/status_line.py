"""The line on top: where we are, as whom, how far each source can be believed, GPUs, workloads."""

from __future__ import annotations

from clients.serving.backend import GpuTotals
from clients.serving.sources import SourceState, SourceStatus
from widgets.cells import age, shown, width
from widgets.lines import Line, Piece, TextWidget
from widgets.records import StatusView

__all__ = ["AGE_FROM", "StatusLine"]

AGE_FROM = 5.0
"""Seconds of silence from which an age is drawn; before that a source that lives draws no number."""

_ORDER = {
    SourceState.LOGIN: 0,
    SourceState.STALE: 1,
    SourceState.DENIED: 2,
    SourceState.QUIET: 3,
    SourceState.SYNCING: 4,
    SourceState.ABSENT: 5,
    SourceState.LIVE: 6,
}


class StatusLine(TextWidget):
    """One line. ``now`` is this machine's monotonic time: it is what ``last_contact`` counts in."""

    _view = StatusView("")
    _now = 0.0

    def show(self, view: StatusView, now: float) -> None:
        """Draws the view at monotonic time ``now``."""
        self._view, self._now = view, now
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Context on the left, totals on the right, sources between them, the worst ones kept longest."""
        view, styles = self._view, self.look.styles
        left: list[Piece] = [(" " + shown(view.context, 60), styles.head)]
        if view.namespaces:
            left.append((" > ", styles.dim))
            left.append((shown(",".join(view.namespaces), 60), styles.head))
        else:
            left.append((" > all", styles.dim))
        if view.user:
            left.append(("  " + shown(view.user, 30), styles.dim))
        if view.mode:
            left.append(("  " + shown(view.mode, 20), styles.warn))
        right = self._right()
        notes: list[Piece] = [("  " + shown(note, 80), styles.warn) for note in view.notes]
        sources = self._sources(cells - _size(left) - _size(right) - _size(notes) - 2)
        used = _size(left) + _size(sources) + _size(notes)
        if used + _size(right) + 1 > cells:
            right = right[:1] if used + _size(right[:1]) + 1 <= cells else []
        gap = max(1, cells - used - _size(right))
        return [(*left, *sources, *notes, (" " * gap, styles.normal), *right)]

    def _right(self) -> list[Piece]:
        view, styles = self._view, self.look.styles
        pieces: list[Piece] = []
        if view.totals is not None:
            pieces.append((_gpus(view.totals) + " ", styles.normal))
        if view.workloads is not None:
            noun = "workload" if view.workloads == 1 else "workloads"
            pieces.append((f" {view.workloads} {noun} ", styles.dim))
        if view.scaling:
            pieces.append((f" {view.scaling} scaling ", styles.accent))
        return pieces

    def _sources(self, room: int) -> list[Piece]:
        """As many as fit, in the given order; those that are well go first where they don't."""
        texts = [(status, self._source(status)) for status in self._view.sources]
        kept = sorted(texts, key=lambda item: _ORDER[item[0].state])
        while kept and sum(_size(pieces) for _, pieces in kept) > room:
            kept.pop()
        names = {id(status) for status, _ in kept}
        out = [piece for status, pieces in texts if id(status) in names for piece in pieces]
        if len(kept) < len(texts) and room - _size(out) >= 6:
            out.append((f"  +{len(texts) - len(kept)}", self.look.styles.dim))
        return out

    def _source(self, status: SourceStatus) -> list[Piece]:
        styles = self.look.styles
        name: Piece = ("  " + shown(status.name, 20) + " ", styles.dim)
        quiet = None if status.last_contact is None else self._now - status.last_contact
        old = "" if quiet is None or quiet < AGE_FROM else f" {age(quiet)}"
        match status.state:
            case SourceState.LIVE:
                return [name, ("live", styles.normal)]
            case SourceState.SYNCING:
                of = f"/{status.of}" if status.of is not None else ""
                return [name, (f"syncing {status.have}{of}", styles.accent)]
            case SourceState.QUIET:
                return [name, (f"quiet{old}", styles.warn)]
            case SourceState.STALE:
                return [name, (f"stale{old}", styles.alarm)]
            case SourceState.ABSENT:
                return [name, ("absent", styles.dim)]
            case SourceState.DENIED | SourceState.LOGIN:
                return [name, (str(status.state), styles.warn)]


def _gpus(totals: GpuTotals) -> str:
    if totals.total is None:
        return "GPUs unknown"
    held = "unknown" if totals.allocated is None else str(totals.allocated)
    free = "unknown" if totals.free is None else str(totals.free)
    return f"GPUs {held}/{totals.total} free {free}"


def _size(pieces: list[Piece]) -> int:
    return sum(width(text) for text, _ in pieces)
