"""The line that words are typed into: of the palette, and of every filter."""

from __future__ import annotations

from textual.widgets import Input

__all__ = ["TypedLine"]

_LONGEST = 200


class TypedLine(Input):
    """One line with a cursor that stands still: nothing blinks, and an idle screen sends nothing."""

    def __init__(self, placeholder: str, longest: int = _LONGEST) -> None:
        """``longest``: characters that it takes."""
        super().__init__(placeholder=placeholder, compact=True, max_length=longest, select_on_focus=False)
        self.cursor_blink = False
