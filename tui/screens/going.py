"""Screens without a workload under the cursor: what leads from them to somewhere else."""

from __future__ import annotations

from tui.dialogs.choice import Choice, ChoiceDialog
from tui.keys import in_place
from tui.needs import Need
from tui.screens.base import ConsoleScreen
from tui.screens.bindings import action_of

__all__ = ["GoingScreen"]

_MOVES = frozenset(
    {"down", "up", "left", "right", "top", "top_twice", "bottom", "page_down", "page_up", "menu"}
)


class GoingScreen(ConsoleScreen):
    """Pages, logs, events, sources."""

    def go_to(self, need: Need) -> None:
        """Back to the first screen, which leads there."""
        self.session.visit(need)

    def action_menu(self) -> None:
        """What is possible here."""
        choices = [
            Choice(key.id, f"{key.shown:<7} {key.label}", self.why_not(key.id) or "", self.enabled(key.id))
            for key in in_place(self.place)
            if key.id not in _MOVES
        ]
        self.app.push_screen(ChoiceDialog(self.session, "what is possible here", choices), self._from_menu)

    async def _from_menu(self, chosen: str | None) -> None:
        if chosen:
            await self.run_action(action_of(chosen))
