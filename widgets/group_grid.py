"""The ordered grid of one workload: groups across while they fit, else one line a group."""

from __future__ import annotations

from msgspec import Struct
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from clients.serving.workload import Group, RoleReplica
from widgets import grid_columns, grid_rows
from widgets.grid_columns import GridColumns, RowId
from widgets.grid_rows import GridRows
from widgets.lines import LineWidget, strip
from widgets.records import GridView, is_fresh
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["GroupGrid", "Selection"]


class Selection(Struct, frozen=True):
    """What the cursor is on: a group, or a role replica of it."""

    group: str
    role: str | None = None
    replica: str | None = None


def _same(view: GridView, old: GridView) -> bool:
    """Whether the layout holds."""
    return (
        view.workload is old.workload
        and (view.use, view.measured) == (old.use, old.measured)
        and view.engines == old.engines
    )


class GroupGrid(LineWidget):
    """Draws a ``GridView``. The cursor belongs to a group and a role replica by name, not to a place."""

    class Moved(Message):
        """The cursor is on something else, or on nothing."""

        def __init__(self, grid: GroupGrid, selection: Selection | None) -> None:
            super().__init__()
            self.grid = grid
            self.selection = selection

        @property
        def control(self) -> GroupGrid:
            """The grid that sent it."""
            return self.grid

    class Opened(Message):
        """What the cursor is on is to be opened."""

        def __init__(self, grid: GroupGrid, selection: Selection) -> None:
            super().__init__()
            self.grid = grid
            self.selection = selection

        @property
        def control(self) -> GroupGrid:
            """The grid that sent it."""
            return self.grid

    def __init__(
        self,
        look: Look = DEFAULT_LOOK,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own word
        classes: str | None = None,
    ) -> None:
        super().__init__(look, name=name, id=id, classes=classes)
        self._view: GridView | None = None
        self._fresh: frozenset[str] = frozenset()
        self._across: GridColumns | None = None
        self._down: GridRows | None = None
        self._rows: list[RowId] = []
        self._unfolded = False
        self._group: str | None = None
        self._column = 0
        self._row: RowId | None = None

    # Value

    def show(self, view: GridView | None, now: float, mono: float | None = None) -> None:
        """Draws the view; ``mono`` (monotonic seconds, ``now`` if absent) ends the boldness of changes."""
        mono = now if mono is None else mono
        old = self._view
        self._view = view
        self._fresh = (
            frozenset(name for name, at in view.changed.items() if is_fresh(at, mono))
            if view
            else frozenset()
        )
        if view is None or old is None or not _same(view, old):
            self._lay_out()
            self._follow()
        self.update_rows()

    @property
    def across(self) -> bool:
        """Whether the groups stand side by side."""
        return self._across is not None

    @property
    def selection(self) -> Selection | None:
        """What the cursor is on."""
        if self._group is None:
            return None
        if self._row is None:
            return Selection(self._group)
        return Selection(self._group, *self._row)

    # What keys do

    def move(self, right: int, down: int) -> None:
        """The cursor that many cells on; past the first replica upwards lies the group itself."""
        if not self._groups:
            return
        before = self.selection
        if self._across is not None:
            self._column = max(0, min(self._column + right, len(self._groups) - 1))
            self._group = self._groups[self._column].name
            if down:
                at = self._rows.index(self._row) if self._row in self._rows else -1
                at = max(-1, min(at + down, len(self._rows) - 1))
                self._row = None if at < 0 else self._rows[at]
        elif self._down is not None:
            self._move_down(self._down, right, down)
        self._moved(before)

    def move_page(self, pages: int) -> None:
        """The cursor by whole screens."""
        self.move(0, pages * max(1, self.room - 1))

    def move_first(self) -> None:
        """The cursor to the first group's first line."""
        self.move(-len(self._groups) if self._across is not None else 0, -(10**6))

    def move_last(self) -> None:
        """The cursor to the last line of the last group."""
        self.move(len(self._groups) if self._across is not None else 0, 10**6)

    def select(self, group: str, replica: str | None = None) -> bool:
        """The cursor to that group, and role replica by its id; whether the group is there."""
        for column, candidate in enumerate(self._groups):
            if candidate.name == group:
                before = self.selection
                self._column, self._group = column, group
                self._row = next((row for row in self._rows if row[1] == replica), None)
                self._moved(before)
                return True
        return False

    def next_trouble(self) -> bool:
        """The cursor to the next group or role replica in trouble, round the end; whether there is one."""
        places: list[tuple[str, str | None]] = []
        for group in self._groups:
            found = [
                replica.id for role in group.roles for replica in role.replicas if replica.trouble is not None
            ]
            places += [(group.name, replica) for replica in found]
            if group.trouble is not None and not found:
                places.append((group.name, None))
        if not places:
            return False
        here = (self._group, None if self._row is None else self._row[1])
        at = places.index(here) + 1 if here in places else 0
        return self.select(*places[at % len(places)])

    def toggle_fold(self) -> None:
        """Shows ranges of steady groups one by one, or folded again."""
        self._unfolded = not self._unfolded
        self._lay_out()
        self._keys = []
        self.update_rows()
        self._reveal_cursor()

    def open(self) -> None:
        """Sends ``Opened`` for what the cursor is on."""
        selection = self.selection
        if selection is not None:
            self.post_message(self.Opened(self, selection))

    def on_click(self, event: Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        before = self.selection
        row = self._row_at(event.y)
        if self._across is not None:
            column = (event.x - self._across.label) // self._across.cells.cells
            if not 0 <= column < len(self._groups):
                return
            line = row - self._across.head
            self._row = self._rows[line] if 0 <= line < len(self._rows) else None
            self._column, self._group = column, self._groups[column].name
        elif self._down is not None and 0 <= row - grid_rows.HEAD < len(self._down.entries):
            self._group = self._down.entries[row - grid_rows.HEAD].groups[0].name
            self._row = None
        if self.selection == before:
            self.open()
        else:
            self._moved(before)

    # Rows

    def resized(self) -> None:
        """The width decides whether groups stand side by side."""
        self._lay_out()
        super().resized()
        self._reveal_cursor()

    def set_look(self, look: Look) -> None:
        """Draws with other glyphs or colours from now on."""
        self.look = look
        self._across = None
        self._lay_out()
        self._forget()

    def row_keys(self) -> list[object]:
        """A key per line of whichever layout holds."""
        stale = self._view is not None and self._view.stale
        if self._across is not None:
            across, cursor = self._across, self._cursor_across()
            count = across.head + len(self._rows)
            return [(stale, across.key(row, self._fresh, cursor)) for row in range(count)]
        if self._down is not None:
            down, place = self._down, self._cursor_down()
            count = grid_rows.HEAD + len(down.entries)
            return [(stale, down.key(row, self._fresh, place)) for row in range(count)]
        return [self._nothing()]

    def draw_row(self, row: int, cells: int) -> Strip:
        """One line of whichever layout holds."""
        if self._across is not None:
            drawn = self._across.draw(row, cells, self._fresh, self._cursor_across())
        elif self._down is not None:
            drawn = self._down.draw(row, cells, self._fresh, self._cursor_down())
        else:
            return strip(((self._nothing(), self.look.styles.dim),), cells, self.look)
        if self._view is not None and self._view.stale:
            return drawn.apply_style(self.look.styles.dim)
        return drawn

    @property
    def _groups(self) -> tuple[Group, ...]:
        return () if self._view is None else self._view.workload.groups

    def _nothing(self) -> str:
        if self._view is None:
            return "  reading"
        return "  no groups: scaled to zero" if self._view.workload.desired == 0 else "  no groups yet"

    def _lay_out(self) -> None:
        kept = None if self._across is None else self._across.cells
        self._across = self._down = None
        self._rows = []
        if self._view is None or not self._view.workload.groups:
            self.pinned = 0
            return
        workload = self._view.workload
        self._rows, lines = grid_columns.replica_rows(workload)
        if grid_columns.fits(workload, self._rows, self.size.width, self.look):
            self._across = GridColumns(self._view, self._rows, lines, *self.size, self.look, kept)
            self.pinned = self._across.head
        else:
            self.pinned = grid_rows.HEAD
            self._down = GridRows(self._view, self.look, unfolded=self._unfolded)

    # Cursor

    def _follow(self) -> None:
        """Keeps the cursor on its group and role replica; if they are gone, on their neighbours."""
        before = self.selection
        groups = self._groups
        if not groups:
            self._group = self._row = None
        else:
            names = [group.name for group in groups]
            if self._group in names:
                self._column = names.index(self._group)
            else:
                self._column = max(0, min(self._column, len(groups) - 1))
                self._group = names[self._column]
            if self._row is not None and self._row not in self._rows:
                same = [row for row in self._rows if row[0] == self._row[0]]
                self._row = same[-1] if same else None
        if self.selection != before:
            self.post_message(self.Moved(self, self.selection))

    def _cursor_across(self) -> tuple[int, int] | None:
        if self._group is None:
            return None
        return self._column, self._rows.index(self._row) if self._row in self._rows else -1

    def _cursor_down(self) -> tuple[int, RoleReplica | None] | None:
        if self._group is None or self._down is None:
            return None
        index = self._down.index_of(self._group)
        if index is None:
            return None
        chosen = next(
            (replica for role, replica in self._down.replicas(index) if (role, replica.id) == self._row), None
        )
        return index, chosen

    def _move_down(self, layout: GridRows, right: int, down: int) -> None:
        cursor = self._cursor_down()
        index = 0 if cursor is None else cursor[0]
        if down:
            index = max(0, min(index + down, len(layout.entries) - 1))
            self._group = layout.entries[index].groups[0].name
            self._column = next(at for at, group in enumerate(self._groups) if group.name == self._group)
        if right:
            places: list[RowId] = [(role, replica.id) for role, replica in layout.replicas(index)]
            at = places.index(self._row) if self._row in places else -1
            at = max(-1, min(at + right, len(places) - 1))
            self._row = None if at < 0 else places[at]

    def _moved(self, before: Selection | None) -> None:
        self.update_rows()
        self._reveal_cursor()
        if self.selection != before:
            self.post_message(self.Moved(self, self.selection))

    def _reveal_cursor(self) -> None:
        if self._across is not None:
            cursor = self._cursor_across()
            if cursor is not None:
                self.reveal(self._across.head + max(0, cursor[1]))
        else:
            place = self._cursor_down()
            if place is not None:
                self.reveal(grid_rows.HEAD + place[0])
