"""What dialogs share: the box, the rule about Enter, and that a paste does nothing."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.events import Paste
from textual.screen import ModalScreen

from clients.serving.plain import plain
from tui.dialogs.settled import Settled
from tui.live import Frame
from tui.session import Session

__all__ = ["Dialog"]

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A box over the screen below, which stays live."""

    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > #box {
        width: 100%; max-width: 104; height: auto; max-height: 100%;
        border: ascii $primary; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.settled = Settled(session.door.monotonic)
        self._drawn = False

    @property
    def drawable(self) -> bool:
        """Its widgets are there: composed, not yet taken down, and the application is not ending."""
        return self.is_mounted and self.app.is_running and self in self.app.screen_stack

    def aim(self, target: object) -> None:
        """Says what Enter would do now; it counts once that was on the screen for a while."""
        self._drawn = False
        self.settled.aim(target)
        self.call_after_refresh(self._after_drawing)

    def _after_drawing(self) -> None:
        self._drawn = True
        self.tick()

    def tick(self) -> None:
        """Every data tick: what was drawn is on the screen once the terminal has taken it."""
        if self._drawn and self.session.backlog() == 0:
            self.settled.painted()
        if self.drawable:
            self._show_load()

    def _show_load(self) -> None:
        """In its frame, for it may hide the line of the screen below, and that line's key may type here."""
        test = self.session.load_running
        name = "" if test is None else plain(test.key.name, 40).replace("[", "(")
        box = self.query_one("#box")
        box.border_subtitle = f"LOAD RUNS {name}: ctrl-x aborts it" if name else ""

    def take(self, frame: Frame) -> None:
        """New data; most dialogs have no use for it."""

    def on_paste(self, event: Paste) -> None:
        """A paste never confirms, nor does it type into a confirmation."""
        event.stop()
        event.prevent_default()

    def action_back(self) -> None:
        """Closes without doing anything."""
        self.dismiss(None)
