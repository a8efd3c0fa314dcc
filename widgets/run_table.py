"""Load tests that were kept, a line each, with a cursor and marks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual.strip import Strip

from widgets.cells import fit, milliseconds, shown
from widgets.lines import Line, LineWidget, strip
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["RunRow", "RunTable"]

_WHEN = 17
_NAME = 24
_FIGURES = 36


class RunRow(Struct, frozen=True):
    """One load test. Texts may come from outside: they are drawn plain."""

    when: str
    """In the time zone of the screen; empty where it is not known."""
    name: str
    load: str
    """``20 users for 2m``."""
    ok: int | None
    failed: int | None
    p50: float | None
    """Milliseconds from schedule."""
    p99: float | None
    note: str = ""
    """Why its figures are not whole or not to be trusted."""


class RunTable(LineWidget):
    """Newest first, as they are given."""

    pinned = 1

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self.cursor = 0
        self.marked: frozenset[int] = frozenset()
        """Indexes of rows."""
        self._rows: tuple[RunRow, ...] = ()

    def show(self, rows: Sequence[RunRow]) -> None:
        """Draws them."""
        self._rows = tuple(rows)
        self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
        self.update_rows()

    def mark(self) -> None:
        """Marks the row under the cursor, or takes its mark away."""
        self.marked ^= {self.cursor}
        self.update_rows()

    def move(self, down: int) -> None:
        """The cursor."""
        self.cursor = max(0, min(self.cursor + down, len(self._rows) - 1))
        self.update_rows()
        self.reveal(self.cursor + self.pinned)

    def row_keys(self) -> list[object]:
        """The heading, and a run each with what is drawn around it."""
        if not self._rows:
            return ["head", "none"]
        return [
            "head",
            *((row, at == self.cursor, at in self.marked) for at, row in enumerate(self._rows)),
        ]

    def draw_row(self, row: int, cells: int) -> Strip:
        """When, of what, how, and what it came to."""
        styles, glyphs = self.look.styles, self.look.glyphs
        room = max(10, cells - _WHEN - _NAME - _FIGURES - 3)
        if row == 0:
            head = (
                f"   {'WHEN':<{_WHEN}}{'WORKLOAD':<{_NAME}}{'LOAD':<{room}}"
                f"{'OK':>8} {'FAILED':>7} {'P50':>8} {'P99':>8}"
            )
            return strip(((head, styles.dim),), cells, self.look)
        if not self._rows:
            return strip(
                ((" no load test was kept yet; t on a workload starts one", styles.dim),), cells, self.look
            )
        run = self._rows[row - 1]
        here, marked = row - 1 == self.cursor, row - 1 in self.marked

        def cut(text: str, size: int) -> str:
            return fit(shown(text, 200), size - 1, ellipsis=glyphs.ellipsis) + " "

        counts = "".join(
            f"{glyphs.unknown if value is None else value:>{size}}"
            for value, size in ((run.ok, 8), (run.failed, 8))
        )
        times = "".join(f" {milliseconds(value, glyphs.unknown):>8}" for value in (run.p50, run.p99))
        line: Line = (
            (f"{glyphs.cursor if here else ' '}{'*' if marked else ' '} ", styles.strong),
            (cut(run.when or glyphs.unknown, _WHEN), styles.normal),
            (cut(run.name, _NAME), styles.strong),
            (cut(f"{run.load}  {run.note}" if run.note else run.load, room), styles.normal),
            (counts, styles.warn if run.failed else styles.normal),
            (times, styles.normal),
        )
        return strip(line, cells, self.look, styles.cursor if here else None)
