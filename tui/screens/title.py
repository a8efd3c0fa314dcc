"""The line that says what a page is about."""

from __future__ import annotations

from widgets.cells import shown
from widgets.lines import Line, TextWidget
from widgets.theme import Look

__all__ = ["Title"]


class Title(TextWidget):
    """One line."""

    def __init__(self, look: Look, text: str) -> None:
        super().__init__(look)
        self._text = text

    def put(self, text: str) -> None:
        """Another title."""
        self._text = text
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """The text."""
        return [((" " + shown(self._text, 300), self.look.styles.head),)]
