"""What is under the cursor, in full: cells are short, and what they cut off is read here."""

from __future__ import annotations

from rich.style import Style

from widgets.cells import clip, width, wrapped
from widgets.lines import Line, TextWidget

__all__ = ["CursorWords"]


class CursorWords(TextWidget):
    """A name and a sentence over as many lines as the widget is high; a longer one ends in an ellipsis."""

    DEFAULT_CSS = """
    CursorWords { height: 2; }
    """

    _name = ""
    _text = ""
    _style = Style()

    def show(self, name: str, text: str, style: Style) -> None:
        """Both texts are safe to draw; an empty name draws nothing."""
        self._name, self._text, self._style = name, text, style
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """The name in front, further lines below it."""
        styles, high = self.look.styles, max(1, self.size.height)
        if not self._name:
            return [()] * high
        room = max(20, cells - 2)
        head = clip(self._name, room // 2, self.look.glyphs.ellipsis)
        parts = wrapped(self._text, room, room - width(head) - 2)
        if len(parts) > high:
            rest = clip(" ".join(parts[high - 1 :]), room, self.look.glyphs.ellipsis)
            parts = [*parts[: high - 1], rest]
        first: Line = ((f" {head}  ", styles.strong), (parts[0], self._style))
        return [first, *(((f" {part}", self._style),) for part in parts[1:])]
