"""The line in which a filter is typed, and that says what it hides as long as it holds."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from clients.serving.plain import plain
from tui.filter import Filter, Hidden
from tui.typed_line import TypedLine

__all__ = ["FilterLine"]


class FilterLine(Horizontal):
    """Hidden without a filter; shows the text and what it leaves out with one."""

    BINDINGS = [  # noqa: RUF012 - Textual's way to give them
        Binding("escape", "clear", "clear the filter", show=False),
        Binding("down,up", "keep", "keep the filter and go on", show=False),
    ]
    DEFAULT_CSS = """
    FilterLine { height: auto; max-height: 4; display: none; }
    FilterLine.-on { display: block; }
    FilterLine #sign { width: 3; text-style: bold; }
    FilterLine Input { width: 1fr; min-width: 12; }
    FilterLine #result { width: auto; max-width: 70%; height: auto; padding: 0 1; }
    """

    class Changed(Message):
        """Another filter text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__()
        self._columns = columns
        self._said = ""

    def compose(self) -> ComposeResult:
        """Slash, text, result."""
        yield Static(" / ", id="sign")
        hint = f"text, regex, !not, {' '.join(column + ':' for column in self._columns)}"
        yield TypedLine(hint)
        yield Static(markup=False, id="result")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    def open(self) -> None:
        """Takes the keys."""
        self.set_class(True, "-on")
        self.screen.set_focus(self.query_one(Input))

    def clear(self) -> None:
        """No filter any more."""
        self.query_one(Input).value = ""
        self.set_class(False, "-on")
        self.screen.set_focus(None)
        self.post_message(self.Changed(""))

    def result(self, chosen: Filter, hidden: Hidden) -> None:
        """What the filter leaves out, and what of it could not be taken as typed."""
        words = plain("; ".join((*chosen.notes, hidden.words))) if chosen.text else ""
        if words != self._said:  # Each update lays the whole screen out again.
            self._said = words
            self.query_one("#result", Static).update(words)

    def action_clear(self) -> None:
        """Esc in the line."""
        self.clear()

    def action_keep(self) -> None:
        """Back to the rows; an empty filter goes away."""
        if self.text.strip():
            self.screen.set_focus(None)
        else:
            self.clear()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_keep()
