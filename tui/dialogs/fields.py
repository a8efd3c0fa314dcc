"""The numbers on top of the scale dialog: groups, and each role."""

from __future__ import annotations

from textual.geometry import Size

from tui.dialogs.draft import Field
from widgets.cells import shown
from widgets.lines import Line, Piece, TextWidget
from widgets.theme import Look

__all__ = ["CountFields"]


class CountFields(TextWidget):
    """``groups 2 > [3]   prefill 1 > [1]``: several to a line while they fit, the current one marked."""

    DEFAULT_CSS = """
    CountFields { height: auto; }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._fields: tuple[Field, ...] = ()
        self._current: str | None = None

    def show(self, fields: tuple[Field, ...], current: str | None) -> None:
        """Draws the fields; ``current`` is the one that takes digits, ``None`` while none does."""
        before = len(self._fields)
        self._fields, self._current = fields, current
        self.update_rows()
        if len(fields) != before:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the fields need."""
        del container, viewport
        return max(1, len(self.lay_out(width)))

    def lay_out(self, cells: int) -> list[Line]:
        """The fields, broken between fields only."""
        styles = self.look.styles
        lines: list[list[Piece]] = [[]]
        used = 0
        for field in self._fields:
            name = shown(field.name, 40)
            before = self.look.glyphs.unknown if field.before is None else str(field.before)
            here = field.name == self._current
            box = styles.cursor if here else styles.strong if field.changed else styles.normal
            pieces: list[Piece] = [
                (f" {name} ", styles.strong if here else styles.dim),
                (f"{before} > ", styles.normal),
                (f"[{field.text:>4}]", box),
                ("  ", styles.normal),
            ]
            size = sum(len(text) for text, _ in pieces)
            if used and used + size > cells:
                lines.append([])
                used = 0
            lines[-1] += pieces
            used += size
        return [tuple(line) for line in lines]
