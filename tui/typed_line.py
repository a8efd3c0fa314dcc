"""The line that words are typed into: of the palette, and of every filter."""

from __future__ import annotations

from textual.events import Key
from textual.widgets import Input

__all__ = ["TypedLine"]

_LONGEST = 200


class TypedLine(Input):
    """One line with a cursor that stands still: nothing blinks, and an idle screen sends nothing."""

    def __init__(self, placeholder: str, longest: int = _LONGEST) -> None:
        """``longest``: characters that it takes."""
        super().__init__(placeholder=placeholder, compact=True, max_length=longest, select_on_focus=False)
        self.cursor_blink = False

    async def on_key(self, event: Key) -> None:
        """Edits when its turn comes, among the letters.

        Textual 8.2 takes letters at once, but runs bindings only when the key has come back to the
        application: of ``Backspace 5``, read in one piece from a slow line, the 5 would come first.
        """
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
