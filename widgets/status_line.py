"""The line on top: where we are, as whom, how far each source can be believed, GPUs, workloads."""

from __future__ import annotations

from clients.serving.sources import SourceState, SourceStatus
from widgets.cells import age, shown, width
from widgets.lines import Line, Piece, TextWidget
from widgets.records import StatusView

__all__ = ["AGE_FROM", "StatusLine"]

AGE_FROM = 5.0
"""Seconds of silence from which an age is drawn; before that a source that lives draws no number."""

_BAD = frozenset(SourceState) - {SourceState.LIVE, SourceState.ABSENT}
"""What is said of a source even where there is no room to name those that are well."""
_SOURCES = 16
"""Cells that are left for sources before more is told of GPUs."""


class StatusLine(TextWidget):
    """One line. ``now`` is this machine's monotonic time: it is what ``last_contact`` counts in."""

    _view = StatusView("")
    _now = 0.0

    def show(self, view: StatusView, now: float) -> None:
        """Draws the view at monotonic time ``now``."""
        self._view, self._now = view, now
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Context on the left, totals on the right, sources between them: the troubled ones go last."""
        view, styles = self._view, self.look.styles
        left: list[Piece] = [(" " + shown(view.context, 60), styles.head)]
        if view.namespaces:
            left.append((" > ", styles.dim))
            left.append((shown(",".join(view.namespaces), 60), styles.head))
        else:
            left.append((" > all", styles.dim))
        if view.user:
            left.append(("  user " + shown(view.user, 30), styles.dim))
        if view.mode:
            left.append(("  " + shown(view.mode, 20), styles.warn))
        notes: list[Piece] = [("  " + shown(note, 80), styles.warn) for note in view.notes]
        least = _size(left) + _size(notes) + _size(self._troubled()) + 1
        right = self._right(cells - least)
        room = cells - _size(left) - _size(notes) - _size(right) - 1
        sources = self._fitting(room)
        gap = max(1, cells - _size(left) - _size(sources) - _size(notes) - _size(right))
        return [(*left, *sources, *notes, (" " * gap, styles.normal), *right)]

    def _right(self, room: int) -> list[Piece]:
        """Totals; without room for all of them less of GPUs, then less of what stands behind."""
        *fuller, least = self._gpus()
        rest = self._counts()
        pieces = next((gpus + rest for gpus in fuller if _size(gpus + rest) + _SOURCES <= room), least + rest)
        while pieces and _size(pieces) > room:
            pieces.pop()
        return pieces

    def _gpus(self) -> list[list[Piece]]:
        """All that is known of GPUs, then less and less."""
        totals, styles = self._view.totals, self.look.styles
        if totals is None:
            return [[]]
        if totals.total is None:
            return [[("GPUs unknown ", styles.normal)]]
        held = _known(totals.allocated)
        allocated: Piece = (f"GPUs {held}/{totals.total} ", styles.normal)
        free: Piece = (f"free {_known(totals.free)} ", styles.normal)
        busy, idle, closed = self._view.busy, self._view.idle, totals.unschedulable
        style = styles.warn if idle else styles.normal
        works: list[Piece] = [] if busy is None else [(f"busy {busy} ", styles.normal)]
        wasted: list[Piece] = [] if idle is None else [(f"idle {idle} ", style)]
        shut: list[Piece] = [(f"unschedulable {closed} ", styles.warn)] if closed else []
        return [
            [allocated, *works, *wasted, free, *shut],
            [allocated, *wasted, free],
            [(allocated[0] + free[0], styles.normal)],
        ]

    def _counts(self) -> list[Piece]:
        view, styles = self._view, self.look.styles
        pieces: list[Piece] = []
        if view.workloads is not None:
            noun = "workload" if view.workloads == 1 else "workloads"
            pieces.append((f" {view.workloads} {noun} ", styles.dim))
        if view.scaling:
            pieces.append((f" {view.scaling} scaling ", styles.accent))
        return pieces

    def _fitting(self, room: int) -> list[Piece]:
        """Sources in the given order: all troubled ones, as many others as fit, and the rest counted."""
        told = [(status.state, self._source(status)) for status in self._view.sources]
        troubled = sum(_size(words) for state, words in told if state in _BAD)
        well = [(_size(words), state is SourceState.LIVE) for state, words in told if state not in _BAD]
        for named in range(len(well), -1, -1):
            fixed = troubled + sum(size for size, _ in well[:named])
            live = sum(live for _, live in well[named:])
            if fixed + len(_counted(live, alone=not fixed)) <= room:
                return self._sources(told, named)
        return self._troubled()

    def _troubled(self) -> list[Piece]:
        return [
            piece for status in self._view.sources if status.state in _BAD for piece in self._source(status)
        ]

    def _sources(self, told: list[tuple[SourceState, list[Piece]]], named: int) -> list[Piece]:
        """The troubled ones and the first ``named`` of the others; of the rest, how many are live."""
        pieces: list[Piece] = []
        live = 0
        for state, words in told:
            if state not in _BAD:
                if not named:
                    live += state is SourceState.LIVE
                    continue
                named -= 1
            pieces += words
        if live:
            pieces.append((_counted(live, alone=not pieces), self.look.styles.dim))
        return pieces

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


def _counted(live: int, *, alone: bool) -> str:
    """Those that live and are not named; ``alone``: none is named."""
    if not live:
        return ""
    return "  all live" if alone else f"  +{live} live"


def _known(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _size(pieces: list[Piece]) -> int:
    return sum(width(text) for text, _ in pieces)
