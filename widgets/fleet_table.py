"""The fleet: one row a workload, under a cursor that stays with its workload while rows come and go."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from clients.serving.keys import WorkloadKey
from widgets.cells import wrapped
from widgets.fleet_columns import Column, Columns, Layout, cell, heading
from widgets.lines import Keys, LineWidget, Piece, strip
from widgets.records import FleetRow, FleetView, is_fresh
from widgets.theme import DEFAULT_LOOK, Look
from widgets.words import remaining

__all__ = ["FleetTable"]


class _Keys:
    """Made only for rows that are on the screen: there may be thousands that are not."""

    def __init__(
        self,
        rows: Sequence[FleetRow],
        mono: float,
        cursor: WorkloadKey | None,
        picked: frozenset[WorkloadKey],
        columns: Columns,
        last: Sequence[str],
    ) -> None:
        self._rows, self._mono, self._cursor = rows, mono, cursor
        self._picked, self._columns, self._last = picked, columns, last

    def __len__(self) -> int:
        return 1 + len(self._rows) + len(self._last)

    def __getitem__(self, row: int, /) -> object:
        if row == 0:
            return self._columns
        if row > len(self._rows):
            return self._last[row - 1 - len(self._rows)]
        value = self._rows[row - 1]
        key = value.workload.key
        return (
            value.workload,
            is_fresh(value.changed_at, self._mono),
            value.stale,
            remaining(value.eta),
            value.use,
            key == self._cursor,
            key in self._picked,
            self._columns,
        )


class FleetTable(LineWidget):
    """Rows in the order they are given. It is told what to do by methods; keys are the app's matter."""

    pinned = 1

    class Highlighted(Message):
        """The cursor is on another workload, or on none."""

        def __init__(self, table: FleetTable, key: WorkloadKey | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> FleetTable:
            """The table that sent it."""
            return self.table

    class Opened(Message):
        """A workload was clicked while the cursor was on it."""

        def __init__(self, table: FleetTable, key: WorkloadKey) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> FleetTable:
            """The table that sent it."""
            return self.table

    def __init__(
        self,
        look: Look = DEFAULT_LOOK,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own word
        classes: str | None = None,
    ) -> None:
        super().__init__(look, name=name, id=id, classes=classes)
        self._view = FleetView(())
        self._mono = 0.0
        self._cursor: WorkloadKey | None = None
        self._index = 0
        self._placed = False
        """Somebody put the cursor where it is."""
        self._picked: set[WorkloadKey] = set()
        self._columns = Columns((), False)
        self._layout = Layout()

    # Value

    def show(self, view: FleetView, now: float, mono: float | None = None) -> None:
        """Draws the view; ``mono`` (monotonic seconds, ``now`` if absent) ends the boldness of changes."""
        arriving = self._view.arriving or view.arriving
        self._view = view
        self._mono = now if mono is None else mono
        self._follow(arriving)
        self._columns = self._layout.columns(self.size.width - 2, view.rows)
        self.update_rows()

    @property
    def cursor(self) -> WorkloadKey | None:
        """The workload under the cursor."""
        return self._cursor

    @property
    def picked(self) -> tuple[WorkloadKey, ...]:
        """Marked workloads, in the table's order."""
        return tuple(row.workload.key for row in self._view.rows if row.workload.key in self._picked)

    # What keys do

    def move(self, delta: int) -> None:
        """The cursor ``delta`` rows down (negative: up)."""
        self._go(self._index + delta)

    def move_page(self, pages: int) -> None:
        """The cursor by whole screens."""
        self._go(self._index + pages * max(1, self.room - 1))

    def move_first(self) -> None:
        """The cursor to the first row."""
        self._go(0)

    def move_last(self) -> None:
        """The cursor to the last row, and what stands below it in sight."""
        self._go(len(self._view.rows) - 1)

    def select(self, key: WorkloadKey) -> bool:
        """The cursor to that workload; whether it is in the table."""
        for index, row in enumerate(self._view.rows):
            if row.workload.key == key:
                self._go(index)
                return True
        return False

    def toggle_pick(self) -> None:
        """Marks the workload under the cursor, or takes the mark back, and goes one row down."""
        if self._cursor is not None:
            self._picked ^= {self._cursor}
            self.update_rows()
            self.move(1)

    def clear_picks(self) -> None:
        """Takes all marks back."""
        self._picked.clear()
        self.update_rows()

    def open(self) -> None:
        """Sends ``Opened`` for the workload under the cursor."""
        self._placed = True
        if self._cursor is not None:
            self.post_message(self.Opened(self, self._cursor))

    def on_click(self, event: Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        row = self._row_at(event.y) - self.pinned
        if event.y >= self.pinned and 0 <= row < len(self._view.rows):
            if row == self._index:
                self.open()
            else:
                self._go(row)

    # Rows

    def resized(self) -> None:
        """Columns follow the width."""
        self._columns = self._layout.columns(self.size.width - 2, self._view.rows)
        super().resized()
        self._reveal_cursor()

    def row_keys(self) -> Keys:
        """The heading, a row a workload, and last what is hidden or not shown, or why there is nothing."""
        view = self._view
        room = max(20, self.size.width - 4)
        last: list[str] = []
        if not view.rows or view.hidden:
            last += wrapped(self._last_words(), room)
        for text in view.below:
            last += wrapped(text, room)
        return _Keys(view.rows, self._mono, self._cursor, frozenset(self._picked), self._columns, last)

    def draw_row(self, row: int, cells: int) -> Strip:
        """The heading, or one workload's cells."""
        look = self.look
        if row == 0:
            return strip(heading(self._columns, look), cells, look)
        index = row - 1
        if index >= len(self._view.rows):
            return strip(((f"  {self._keys[row]}", look.styles.dim),), cells, look)
        value = self._view.rows[index]
        on_cursor = value.workload.key == self._cursor
        pieces = self._pieces(value, on_cursor)
        if value.stale:
            pieces = [(text, look.styles.dim) for text, _ in pieces]
        if is_fresh(value.changed_at, self._mono):
            pieces = [(text, style + look.styles.strong) for text, style in pieces]
        return strip(pieces, cells, look, look.styles.cursor if on_cursor else None)

    def _pieces(self, value: FleetRow, on_cursor: bool) -> list[Piece]:
        look = self.look
        cursor = look.glyphs.cursor if on_cursor else " "
        picked = look.glyphs.picked if value.workload.key in self._picked else " "
        pieces: list[Piece] = [(cursor + picked, look.styles.accent)]
        eta = remaining(value.eta)
        for column, cells in self._columns.widths:
            pieces.extend(cell(column, cells, value, self._columns, eta, look))
            if column is not Column.DOING:
                pieces.append((" ", look.styles.normal))
        return pieces

    def _last_words(self) -> str:
        view = self._view
        if view.hidden:
            failing = f", {view.hidden_failing} of them failing" if view.hidden_failing else ""
            return f"{view.hidden} hidden by the filter{failing}"
        if view.note:
            return view.note
        return "reading the first list" if view.loading else "no workloads"

    # Cursor

    def _follow(self, arriving: bool) -> None:
        """Puts the cursor where its workload is now; if that is gone, on the row that took its place."""
        rows = self._view.rows
        if arriving and not self._placed:
            self._index = 0
        elif self._cursor is not None:
            if self._index < len(rows) and rows[self._index].workload.key == self._cursor:
                return
            for index, row in enumerate(rows):
                if row.workload.key == self._cursor:
                    self._index = index
                    self.top = max(0, self.top)
                    self._reveal_cursor()
                    return
        self._index = max(0, min(self._index, len(rows) - 1))
        self._set_cursor(rows[self._index].workload.key if rows else None)

    def _go(self, index: int) -> None:
        rows = self._view.rows
        if not rows:
            return
        self._placed = True
        self._index = max(0, min(index, len(rows) - 1))
        self._set_cursor(rows[self._index].workload.key)
        self.update_rows()
        self._reveal_cursor()

    def _reveal_cursor(self) -> None:
        """Scrolls to the cursor; from the last row also to what stands below it, where no cursor goes."""
        if self._index == len(self._view.rows) - 1:
            self.reveal(len(self._keys) - 1)
        self.reveal(self._index + self.pinned)

    def _set_cursor(self, key: WorkloadKey | None) -> None:
        if key != self._cursor:
            self._cursor = key
            self.post_message(self.Highlighted(self, key))
