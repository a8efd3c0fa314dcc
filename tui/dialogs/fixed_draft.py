"""A change that is confirmed as it is: a freeze, a stop, an object that a form has made."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.changes import Change
from tui.dialogs.draft import Draft

__all__ = ["FixedDraft"]


class FixedDraft(Draft):
    """No fields."""

    def __init__(self, title: str, change: Change, says: Sequence[str] = ()) -> None:
        super().__init__({})
        self.title = title
        self.says = tuple(says)
        self._change = change

    def change(self) -> Change:
        """The one that there is."""
        return self._change
