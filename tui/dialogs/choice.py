"""A list to choose from: the menu, pods, containers, contexts, namespaces; and questions with two answers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.strip import Strip
from textual.widgets import Static

from clients.serving.plain import plain
from tui.dialogs.base import Dialog
from tui.keys import Place
from tui.screens.bindings import bindings
from tui.session import Session
from widgets.cells import width
from widgets.lines import LineWidget, Piece, strip
from widgets.theme import Look

__all__ = ["Choice", "ChoiceDialog", "ChoiceList"]


class Choice(Struct, frozen=True):
    """One line of the list."""

    id: str
    label: str
    note: str = ""
    """Beside it: a key, or why it is not possible."""
    enabled: bool = True
    picked: bool = False


_BESIDE = 9
"""Lines of a screen that the list leaves free: frame, title, hint, margins."""


class ChoiceList(LineWidget):
    """Lines under a cursor; those that are not possible are dim and can't be chosen, but say why."""

    DEFAULT_CSS = """
    ChoiceList { height: auto; }
    """

    def __init__(
        self, look: Look, choices: Sequence[Choice], at: int = 0, *, label: int | None = None
    ) -> None:
        """``label``: cells for labels; the longest one's if not given."""
        super().__init__(look)
        self.choices = tuple(choices)
        self.at = max(0, min(at, len(self.choices) - 1))
        longest = max((width(plain(choice.label)) for choice in self.choices), default=0)
        self._label = longest if label is None else label

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One row a choice, and no more than leave room for what else the dialog holds."""
        del container, width
        return max(1, min(len(self.choices), viewport.height - _BESIDE))

    @property
    def chosen(self) -> Choice | None:
        """The line under the cursor."""
        return self.choices[self.at] if self.choices else None

    def put(self, choices: Sequence[Choice]) -> None:
        """Other lines; the cursor stays with its line."""
        before = self.chosen
        self.choices = tuple(choices)
        ids = [choice.id for choice in self.choices]
        self.at = ids.index(before.id) if before and before.id in ids else min(self.at, max(0, len(ids) - 1))
        self.update_rows()

    def move(self, by: int) -> None:
        """The cursor; it stops at both ends."""
        if self.choices:
            self.at = max(0, min(self.at + by, len(self.choices) - 1))
            self.update_rows()
            self.reveal(self.at)

    def row_keys(self) -> list[object]:
        """A line and whether the cursor is on it."""
        return [(choice, index == self.at) for index, choice in enumerate(self.choices)] or ["nothing"]

    def draw_row(self, row: int, cells: int) -> Strip:
        """Cursor, mark, label, note."""
        styles = self.look.styles
        if not self.choices:
            return strip(((" nothing to choose from", styles.dim),), cells, self.look)
        choice = self.choices[row]
        cursor = self.look.glyphs.cursor if row == self.at else " "
        mark = self.look.glyphs.picked if choice.picked else " "
        style = styles.normal if choice.enabled else styles.dim
        label = plain(choice.label)
        label += " " * max(0, min(self._label, cells - 4) - width(label))
        line: list[Piece] = [(cursor + mark + " ", styles.accent), (label, style)]
        if choice.note:
            line.append(("  " + plain(choice.note), styles.dim))
        return strip(line, cells, self.look, styles.cursor if row == self.at else None)


class ChoiceDialog(Dialog[str]):
    """Asks for one line of a list; the answer is its id."""

    BINDINGS = bindings(Place.CHOICE)
    DEFAULT_CSS = """
    ChoiceDialog > #box { width: auto; min-width: 40; max-width: 90%; }
    ChoiceDialog #title { text-style: bold; height: auto; }
    ChoiceDialog #hint { height: auto; }
    """

    def __init__(
        self, session: Session, title: str, choices: Sequence[Choice], *, at: int = 0, hint: str = ""
    ) -> None:
        super().__init__(session)
        self._title = title
        self._hint = hint
        self.list = ChoiceList(session.look, choices, at)

    def compose(self) -> ComposeResult:
        """Title, list, and what to press."""
        with Vertical(id="box"):
            yield Static(plain(self._title), markup=False, id="title")
            yield self.list
            yield Static(self._hint or "Enter takes it, Esc leaves all as it is", markup=False, id="hint")

    def on_mount(self) -> None:
        """The first line may be chosen once it was to be seen."""
        self._aim()

    def _aim(self) -> None:
        chosen = self.list.chosen
        self.aim(chosen.id if chosen else None)

    def _say(self, text: str) -> None:
        self.query_one("#hint", Static).update(plain(text, 300))

    def action_down(self) -> None:
        """One down."""
        self.list.move(1)
        self._aim()

    def action_up(self) -> None:
        """One up."""
        self.list.move(-1)
        self._aim()

    def action_choose(self) -> None:
        """Takes the line under the cursor, if it may be taken and was to be seen."""
        chosen = self.list.chosen
        if chosen is None:
            self.dismiss(None)
        elif not chosen.enabled:
            self._say(chosen.note or "not possible now")
        elif not self.settled.ready:
            self._say("not taken: Enter came before the list was to be seen; press it again")
        else:
            self.dismiss(chosen.id)
