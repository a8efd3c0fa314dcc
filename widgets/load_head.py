"""The lines that say that load runs: how far it is, on its own screen and, in short, on every other one."""

from __future__ import annotations

from widgets.bars import bar
from widgets.cells import milliseconds, shown
from widgets.lines import Line, Piece, TextWidget
from widgets.load_records import LoadColumn, LoadProgress
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["LoadHead", "LoadLine"]


class LoadHead(TextWidget):
    """Two lines: bar, time and counts; below what was tried first, or what the driver says."""

    DEFAULT_CSS = """
    LoadHead { height: 2; }
    """

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._progress: LoadProgress | None = None
        self._said = ""
        self._bad = False

    def show(self, progress: LoadProgress | None, said: str, *, bad: bool = False) -> None:
        """Draws it; ``said`` is the second line, ``bad`` whether that is a failure."""
        self._progress, self._said, self._bad = progress, said, bad
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Both lines."""
        styles, progress = self.look.styles, self._progress
        if progress is None:
            return [((" no load test yet", styles.dim),), ()]
        style = styles.alarm if self._bad else styles.dim
        room = max(10, min(40, cells - 70))
        first: list[Piece] = [(" ", styles.normal)]
        if progress.done is not None:
            first.append((bar(progress.done, room, self.look.glyphs) + " ", styles.accent))
        first += [
            (f"{_clock(progress.elapsed)} of {_clock(progress.planned)} ", styles.strong),
            (f"{progress.state:<9}", styles.accent if progress.running else styles.normal),
            (f" ok {progress.ok:<6}", styles.normal),
            (f" failed {progress.failed:<5}", styles.alarm if progress.failed else styles.dim),
            (f" in flight {progress.in_flight:<5}", styles.normal),
        ]
        return [tuple(first), ((f" {shown(self._said, 400)}", style),)]


class LoadLine(TextWidget):
    """One line, on every screen while load runs."""

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._what = self._key = ""
        self._progress: LoadProgress | None = None
        self._newest = LoadColumn()

    def show(self, name: str, progress: LoadProgress, newest: LoadColumn, key: str) -> None:
        """Draws it; ``key`` ends the load here."""
        self._what, self._progress, self._newest, self._key = name, progress, newest, key
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """What runs where, and how to end it."""
        styles, progress, newest = self.look.styles, self._progress, self._newest
        if progress is None:
            return [()]
        unknown = self.look.glyphs.unknown
        rate = f"{unknown:>6}" if newest.ok is None else f"{newest.ok:6.1f}"
        return [
            (
                (" LOAD RUNS ", styles.alarm),
                (shown(self._what, 60), styles.strong),
                (f"  {self._key} aborts it", styles.normal),
                (f"  {_clock(progress.elapsed)} of {_clock(progress.planned)}", styles.normal),
                (f"  {rate}/s  p95 {milliseconds(newest.p95, unknown)}", styles.normal),
                (f"  in flight {progress.in_flight:<4}", styles.normal),
                (f" failed {progress.failed:<4}", styles.alarm if progress.failed else styles.dim),
            )
        ]


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02}"
