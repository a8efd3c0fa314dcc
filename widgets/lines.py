"""The base of every widget here: rows drawn as strips, kept, and sent again only where they changed.

A widget says how many rows its value has, gives a key for each (everything that the row's drawing
depends on), and draws one row in exactly the width it is given. ``update_rows`` then refreshes those rows
whose key changed and no others. Always whole rows: Textual 8.2 crops a dirty region on its right
side only, so regions smaller than a row cost more than they save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.segment import Segment
from rich.style import Style
from textual.events import MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from widgets.cells import clip, width
from widgets.theme import DEFAULT_LOOK, Look, under_cursor

__all__ = ["Keys", "Line", "LineWidget", "Piece", "TextWidget", "strip"]

Piece = tuple[str, Style]
"""Some text, already safe to show, in one style."""

Line = tuple[Piece, ...]


class Keys(Protocol):
    """What rows depend on, by row: a list, or what makes a key when it is asked for one."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> object: ...


def strip(line: Sequence[Piece], cells: int, look: Look, over: Style | None = None) -> Strip:
    """The line in exactly ``cells`` cells, cut with an ellipsis or padded; ``over`` is laid on all of it."""
    segments: list[Segment] = []
    room = cells
    for text, style in line:
        if over is not None:
            style = under_cursor(style, over)
        size = width(text)
        if size > room:
            text = clip(text, room, look.glyphs.ellipsis)
            size = width(text)
            if size:
                segments.append(Segment(text, style))
            room -= size
            break
        if size:
            segments.append(Segment(text, style))
            room -= size
    if room > 0:
        segments.append(Segment(" " * room, look.styles.normal if over is None else over))
    return Strip(segments, cells)


class LineWidget(Widget):
    """Rows with keys. The first ``pinned`` rows stay in place, the others scroll under them."""

    DEFAULT_CSS = """
    LineWidget { width: 1fr; height: 1fr; }
    """

    pinned = 0

    def __init__(
        self,
        look: Look = DEFAULT_LOOK,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own word
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.look = look
        self.top = 0
        self._keys: Keys = []
        self._drawn: dict[int, tuple[object, int, Strip]] = {}

    # What a widget says of its value

    def row_keys(self) -> Keys:
        """One key per row, pinned ones first: equal keys mean that the rows look the same."""
        raise NotImplementedError

    def draw_row(self, row: int, cells: int) -> Strip:
        """Row ``row`` in exactly ``cells`` cells."""
        raise NotImplementedError

    # What it gets for it

    def set_look(self, look: Look) -> None:
        """Draws with other glyphs or colours from now on."""
        if look != self.look:
            self.look = look
            self._forget()

    @property
    def row_count(self) -> int:
        """Rows in all, the pinned ones included."""
        return len(self._keys)

    @property
    def room(self) -> int:
        """Rows that can be seen at once beside the pinned ones."""
        return max(0, self.size.height - self.pinned)

    def update_rows(self) -> None:
        """Compares the rows with those on the screen and refreshes the ones that differ."""
        old = self._keys
        new = self.row_keys()
        self._keys = new
        if len(old) != len(new):
            self._drawn = {row: drawn for row, drawn in self._drawn.items() if row < len(new)}
        if self._clamp():
            self.refresh()
            return
        height = self.size.height
        if not height:
            return
        common = min(len(old), len(new))
        grown = len(old) != len(new)
        begin: int | None = None
        for y in range(height + 1):
            row = self._row_at(y)
            if y == height:
                dirty = False
            elif row < common:
                dirty = old[row] != new[row]
            else:
                dirty = grown and row < max(len(old), len(new))
            if dirty and begin is None:
                begin = y
            elif not dirty and begin is not None:
                self._refresh_lines(begin, y - begin)
                begin = None

    def scroll_rows(self, delta: int) -> None:
        """Moves the view, not a cursor."""
        before = self.top
        self.top += delta
        self._clamp()
        if self.top != before:
            self.refresh()

    def reveal(self, row: int) -> bool:
        """Scrolls so that the row can be seen; whether that moved anything."""
        before = self.top
        if row >= self.pinned and self.room:
            self.top = min(self.top, row - self.pinned)
            self.top = max(self.top, row - self.pinned - self.room + 1)
            self._clamp()
        if self.top != before:
            self.refresh()
            return True
        return False

    def lines_as_text(self) -> list[str]:
        """What is on the screen now, as text: for tests, for copying, for plain output."""
        return [self.render_line(y).text for y in range(self.size.height)]

    def render_line(self, y: int) -> Strip:
        """Textual's Line API."""
        cells = self.size.width
        row = self._row_at(y)
        if row >= len(self._keys):
            return Strip.blank(cells, self.look.styles.normal)
        key = self._keys[row]
        drawn = self._drawn.get(row)
        if drawn is not None and drawn[1] == cells and (drawn[0] is key or drawn[0] == key):
            return drawn[2]
        result = self.draw_row(row, cells)
        self._drawn[row] = (key, cells, result)
        return result

    def on_resize(self, event: Resize) -> None:
        """The width may be part of what rows look like."""
        self.resized()

    def resized(self) -> None:
        """Lays out again at the present size."""
        self._keys = self.row_keys()
        self._clamp()
        self.refresh()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Three rows a notch."""
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Three rows a notch."""
        event.stop()
        self.scroll_rows(-3)

    def _forget(self) -> None:
        self._drawn.clear()
        self._keys = self.row_keys()
        self._clamp()
        self.refresh()

    def _row_at(self, y: int) -> int:
        return y if y < self.pinned else y + self.top

    def _clamp(self) -> bool:
        top = max(0, min(self.top, len(self._keys) - self.pinned - self.room))
        moved = top != self.top
        self.top = top
        return moved

    def _refresh_lines(self, y: int, count: int) -> None:
        gutter = self.gutter
        self.refresh(Region(0, y + gutter.top, self.outer_size.width, count))


class TextWidget(LineWidget):
    """A few lines laid out at once: the key of a row is the line itself."""

    DEFAULT_CSS = """
    TextWidget { width: 1fr; height: 1; }
    """

    def lay_out(self, cells: int) -> list[Line]:
        """All lines of the present value for that width; they are cut and padded afterwards."""
        raise NotImplementedError

    def row_keys(self) -> list[object]:
        """The lines themselves."""
        return list(self.lay_out(self.size.width))

    def draw_row(self, row: int, cells: int) -> Strip:
        """The line, cut or padded."""
        line = self._keys[row]
        assert isinstance(line, tuple)
        return strip(line, cells, self.look)
