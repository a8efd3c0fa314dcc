"""The line of keys that do something here."""

from __future__ import annotations

from widgets.cells import width
from widgets.lines import Line, Piece, TextWidget
from widgets.records import KeyHint

__all__ = ["KeyLine"]


class KeyLine(TextWidget):
    """Draws the hints it is given, as many as fit; the last one given (help, by custom) is kept."""

    _hints: tuple[KeyHint, ...] = ()

    def show(self, hints: tuple[KeyHint, ...], now: float) -> None:
        """In order of use; disabled ones are dim."""
        self._hints = hints
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """The first ones, then the last one."""
        if not self._hints:
            return [()]
        *first, last = self._hints
        tail = self._hint(last)
        room = cells - _size(tail) - 1
        pieces: list[Piece] = []
        for hint in first:
            drawn = self._hint(hint)
            if _size(drawn) > room:
                break
            room -= _size(drawn)
            pieces += drawn
        return [(*pieces, *tail)]

    def _hint(self, hint: KeyHint) -> list[Piece]:
        styles = self.look.styles
        return [
            (f" {hint.key}", styles.strong if hint.enabled else styles.dim),
            (f" {hint.label} ", styles.normal if hint.enabled else styles.dim),
        ]


def _size(pieces: list[Piece]) -> int:
    return sum(width(text) for text, _ in pieces)
