"""A pane of log lines: a ring that holds the newest ones, drawn only where it is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from textual.strip import Strip

from widgets.cells import clip, shown, width, wrapped
from widgets.lines import LineWidget, strip
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["LogLines"]

_LONGEST = 4000
"""Characters kept of one line; a longer one ends in an ellipsis."""


class LogLines(LineWidget):
    """Follows the end until it is scrolled up, and again once it is scrolled down to the end."""

    def __init__(
        self,
        look: Look = DEFAULT_LOOK,
        *,
        keep: int = 10_000,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own word
        classes: str | None = None,
    ) -> None:
        super().__init__(look, name=name, id=id, classes=classes)
        self._lines: deque[tuple[int, str]] = deque(maxlen=keep)
        self._number = 0
        self._left = 0
        self._note = ""
        self.following = True

    # Value

    def append(self, lines: Iterable[str]) -> None:
        """Adds lines at the end; the oldest go when there are more than ``keep``, and what is read stays."""
        dropped = 0
        for line in lines:
            self._number += 1
            dropped += len(self._lines) == self._lines.maxlen
            self._lines.append((self._number, shown(line.rstrip("\r\n"), _LONGEST)))
        if not self.following:
            self.top = max(0, self.top - dropped)
        self._settle()

    def say(self, note: str) -> None:
        """A last line of our own, such as why no more come; empty takes it back."""
        self._note = shown(note, 300)
        self._settle()

    def clear(self) -> None:
        """Forgets all lines."""
        self._lines.clear()
        self._settle()

    # What keys do

    def scroll_rows(self, delta: int) -> None:
        """Lines on (negative: back)."""
        super().scroll_rows(delta)
        self.following = self.top + self.room >= self.row_count

    def scroll_pages(self, pages: int) -> None:
        """By whole screens."""
        self.scroll_rows(pages * max(1, self.room - 1))

    def scroll_first(self) -> None:
        """To the oldest line."""
        self.scroll_rows(-self.row_count)

    def scroll_last(self) -> None:
        """To the end, and follow it."""
        self.following = True
        self._settle()

    def scroll_sideways(self, cells: int) -> None:
        """Long lines are not wrapped but looked at piece by piece."""
        left = max(0, self._left + cells)
        if left != self._left:
            self._left = left
            self._drawn.clear()
            self.refresh()

    # Rows

    def row_keys(self) -> list[object]:
        """Numbers of the lines held, which never change, and the lines of the note."""
        keys: list[object] = [number for number, _ in self._lines]
        if self._note:
            keys += wrapped(self._note, max(20, self.size.width))
        return keys

    def draw_row(self, row: int, cells: int) -> Strip:
        """One line from the column on that is looked at."""
        if row >= len(self._lines):
            return strip(((str(self._keys[row]), self.look.styles.dim),), cells, self.look)
        text = self._lines[row][1]
        if self._left:
            text = text[len(clip(text, self._left, "")) :] if width(text) > self._left else ""
        return strip(((text, self.look.styles.normal),), cells, self.look)

    def resized(self) -> None:
        """Keeps to the end where it followed it."""
        super().resized()
        if self.following:
            self._settle()

    def _settle(self) -> None:
        self.update_rows()
        if len(self._drawn) > 2000:
            self._drawn.clear()
        if self.following:
            self.reveal(self.row_count - 1)
