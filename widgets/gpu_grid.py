"""Nodes, or groups, and their devices as a heat grid: from eight with names to thousands, a sign each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from clients.serving.gpu_use import DeviceView
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import DeviceKey
from clients.serving.keys import WorkloadKey
from widgets.cells import clip, fit, width
from widgets.gpu_blocks import Block, Order, blocks
from widgets.gpu_cells import device_cell, names_in
from widgets.lines import LineWidget, Piece, strip
from widgets.theme import DEFAULT_LOOK, Look, under_cursor

__all__ = ["GpuGrid"]

_NOTE = 7
_LABEL_LONG, _LABEL_SHORT = 26, 16
_SIZES = (40, 32, 26, 7, 4)
"""Cells of a device, widest first; if none of them has room for all, one."""
_DENSE = (16, 8, 4)
"""Devices of a block on one line where each is one sign: as many as takes the fewest lines."""
_FEW = 8
"""Devices of a block on one line where several blocks with digits stand on it."""
_GAP = 2


class _Run(Struct, frozen=True):
    """A block, or as much of one as stands on one line."""

    block: Block
    first: int
    count: int


class _Layout(Struct, frozen=True):
    label: int
    size: int
    """Cells of a device, the blank behind it included."""
    across: int
    """Runs on one line."""
    room: int
    """Devices of a run, at most."""
    lines: tuple[tuple[_Run, ...], ...]

    @property
    def step(self) -> int:
        """Cells from one run to the next."""
        return self.label + _NOTE + self.size * self.room + _GAP


class GpuGrid(LineWidget):
    """The cursor stays with its device while values and sizes change."""

    class Moved(Message):
        """The cursor is on another device, or on none."""

    class Opened(Message):
        """A device was clicked while the cursor was on it."""

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._view = GpuView()
        self._order = Order.NODE
        self._blocks: tuple[Block, ...] = ()
        self._layout = _Layout(0, 1, 1, 1, ())
        self._at = (0, 0)
        """Line, and place on it counted over its devices."""
        self._cursor: tuple[str, DeviceKey] | None = None
        """Label of the block, and device: a shared one is in several blocks."""

    # Value

    def show(
        self,
        view: GpuView,
        order: Order,
        now: float,
        passing: Mapping[tuple[WorkloadKey, str], str] = MappingProxyType({}),
    ) -> None:
        """Draws the view in that order; ``now`` in monotonic seconds. Another order begins at its first.

        ``passing`` is as ``blocks`` takes it.
        """
        if order is not self._order:
            self._order, self._cursor, self._at, self.top = order, None, (0, 0), 0
        self._view = view
        self._blocks = blocks(view, order, now, passing)
        self._lay_out()
        self.update_rows()

    @property
    def device(self) -> DeviceView | None:
        """What the cursor is on."""
        found = self._found(*self._at)
        return None if found is None else found[1]

    @property
    def dense(self) -> bool:
        """Whether a device is one sign."""
        return self._layout.size == 1

    @property
    def node(self) -> str | None:
        """The node of the device under the cursor; in a node's line without devices that node."""
        device = self.device
        if device is not None:
            return device.sample.key.node
        line = self._layout.lines[self._at[0]] if self._at[0] < len(self._layout.lines) else ()
        return line[0].block.label if line and self._order.by_node else None

    # What keys do

    def move(self, right: int, down: int) -> None:
        """Over devices: along the line and on to the next one, or to the one below or above."""
        line, place = self._at
        lines = self._layout.lines
        if not lines:
            return
        if right:
            place += right
            if place < 0 and line > 0:
                line, place = line - 1, self._count(line - 1) - 1
            elif place >= self._count(line) and line + 1 < len(lines):
                line, place = line + 1, 0
        if down:
            x = self._x(line, place)
            line = max(0, min(line + down, len(lines) - 1))
            place = min(range(self._count(line)), key=lambda at: abs(self._x(line, at) - x), default=0)
        self._go(line, place)

    def move_page(self, pages: int) -> None:
        """By whole screens."""
        self.move(0, pages * max(1, self.room - 1))

    def move_first(self) -> None:
        """The first device."""
        self._go(0, 0)

    def move_last(self) -> None:
        """The last device."""
        last = len(self._layout.lines) - 1
        self._go(last, self._count(last) - 1)

    def on_click(self, event: Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        line = self._row_at(event.y)
        if not 0 <= line < len(self._layout.lines) or not self._count(line):
            return
        place = min(range(self._count(line)), key=lambda at: abs(self._x(line, at) - event.x))
        if (line, place) == self._at:
            self.post_message(self.Opened())
        else:
            self._go(line, place)

    # Rows

    def resized(self) -> None:
        """The room decides how much a cell says."""
        self._lay_out()
        super().resized()
        self.reveal(self._at[0])

    def row_keys(self) -> list[object]:
        """The runs of a line, and where the cursor is on it."""
        if not self._layout.lines:
            return [self._nothing()]
        line, place = self._at
        look = (self._layout.label, self._layout.size, self._order)
        return [(runs, look, place if line == at else None) for at, runs in enumerate(self._layout.lines)]

    def draw_row(self, row: int, cells: int) -> Strip:
        """One line of the grid."""
        if not self._layout.lines:
            return strip(((f"  {self._nothing()}", self.look.styles.dim),), cells, self.look)
        layout, styles, cut = self._layout, self.look.styles, self.look.glyphs.ellipsis
        pieces: list[Piece] = []
        place = 0
        for run in layout.lines[row]:
            block = run.block
            begins = run.first == 0
            style = styles.dim if block.stale else styles.normal
            pieces.append((_tail(block.label if begins else "", layout.label, cut), style))
            note = block.note if begins else ""
            pieces.append((fit(note, _NOTE - 1, right=True) + " ", styles.dim))
            for at in range(run.first, run.first + run.count):
                wide = max(1, layout.size - 1)
                who = block.who(at) if names_in(wide) else ""
                text, style = device_cell(
                    block.devices[at], wide, who, self.look, heat=self._order is Order.HOTTEST
                )
                if (row, place) == self._at:
                    style = under_cursor(style, styles.cursor)
                pieces.append((text, style))
                if layout.size > 1:
                    pieces.append((" ", styles.normal))
                place += 1
            pieces.append((" " * (layout.size * (layout.room - run.count) + _GAP), styles.normal))
        return strip(pieces, cells, self.look)

    def _nothing(self) -> str:
        view = self._view
        if view.detail:
            return view.detail
        return "no GPU is known" if view.state == "absent" else "reading"

    # Layout

    def _lay_out(self) -> None:
        before = self._cursor
        cells = max(20, self.size.width - 1)
        high = max(1, self.room)
        sizes = Counter(len(block.devices) for block in self._blocks)
        widest = max((width(block.label) for block in self._blocks), default=0)
        self._layout = next(
            (found for size in _SIZES if (found := self._fitted(size, sizes, widest, cells, high))), None
        ) or self._dense(sizes, widest, cells)
        self._at = self._follow(before)
        self._note_cursor()

    def _fitted(self, size: int, sizes: Counter[int], widest: int, cells: int, high: int) -> _Layout | None:
        """Cells with digits, if all blocks have room so: one block a line, else several."""
        label = min(_LABEL_LONG, widest) + 1
        room, across = (cells - label - _NOTE) // size, 1
        if room < min(max(sizes, default=1), 8 if size <= 7 else 3):
            return None
        if _count_runs(sizes, room) > high and size <= 7 and room >= 2 * _FEW:
            room, across = _FEW, (cells + _GAP) // (label + _NOTE + size * _FEW + _GAP)
        if -(-_count_runs(sizes, room) // across) > high:
            return None
        return _Layout(label, size, across, room, self._lines(room, across))

    def _dense(self, sizes: Counter[int], widest: int, cells: int) -> _Layout:
        """A sign a device, and as many blocks on a line as there is room for."""
        label = min(_LABEL_SHORT, widest) + 1

        def high(room: int) -> int:
            return -(-_count_runs(sizes, room) // self._across(label, room, cells))

        room = min((max(1, min(max(sizes, default=1), room)) for room in _DENSE), key=high)
        across = self._across(label, room, cells)
        return _Layout(label, 1, across, room, self._lines(room, across))

    @staticmethod
    def _across(label: int, room: int, cells: int) -> int:
        return max(1, (cells + _GAP) // (label + _NOTE + room + _GAP))

    def _lines(self, room: int, across: int) -> tuple[tuple[_Run, ...], ...]:
        runs = [run for block in self._blocks for run in _runs(block, room)]
        return tuple(tuple(runs[at : at + across]) for at in range(0, len(runs), across))

    # Cursor

    def _count(self, line: int) -> int:
        return sum(run.count for run in self._layout.lines[line]) if self._layout.lines else 0

    def _x(self, line: int, place: int) -> int:
        """The column of a device."""
        for at, run in enumerate(self._layout.lines[line]):
            if place < run.count:
                return at * self._layout.step + self._layout.label + _NOTE + place * self._layout.size
            place -= run.count
        return 0

    def _found(self, line: int, place: int) -> tuple[str, DeviceView] | None:
        if line < len(self._layout.lines):
            for run in self._layout.lines[line]:
                if 0 <= place < run.count:
                    return run.block.label, run.block.devices[run.first + place]
                place -= run.count
        return None

    def _follow(self, cursor: tuple[str, DeviceKey] | None) -> tuple[int, int]:
        """Where the device of the cursor is now; without one near where the cursor was."""
        if cursor is not None:
            for line, runs in enumerate(self._layout.lines):
                place = 0
                for run in runs:
                    if run.block.label == cursor[0]:
                        for at in range(run.count):
                            if run.block.devices[run.first + at].sample.key == cursor[1]:
                                return line, place + at
                    place += run.count
        line = max(0, min(self._at[0], len(self._layout.lines) - 1))
        return line, max(0, min(self._at[1], self._count(line) - 1))

    def _go(self, line: int, place: int) -> None:
        line = max(0, min(line, len(self._layout.lines) - 1))
        self._at = line, max(0, min(place, self._count(line) - 1))
        self._note_cursor()
        self.update_rows()
        self.reveal(line)

    def _note_cursor(self) -> None:
        found = self._found(*self._at)
        cursor = None if found is None else (found[0], found[1].sample.key)
        if cursor != self._cursor:
            self._cursor = cursor
            self.post_message(self.Moved())


def _count_runs(sizes: Counter[int], room: int) -> int:
    """How many runs there are of blocks of these sizes."""
    return sum(count * max(1, -(-size // room)) for size, count in sizes.items())


def _runs(block: Block, room: int) -> list[_Run]:
    firsts = range(0, max(1, len(block.devices)), room)
    return [_Run(block, first, min(room, len(block.devices) - first)) for first in firsts]


def _tail(label: str, cells: int, cut: str) -> str:
    """The label in exactly ``cells`` cells; one that is too long keeps its end, where names differ."""
    room = cells - 1
    if width(label) <= room:
        return " " + fit(label, room)
    kept = clip(label[::-1], room - len(cut), "")[::-1]
    return " " + fit(cut + kept, room)
