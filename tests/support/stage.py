"""One widget on a screen of its own, without a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from widgets.cells import width
from widgets.lines import LineWidget
from widgets.theme import DARK, textual_theme

__all__ = ["Stage", "lines", "staged"]


class Stage(App[None]):
    """Holds the widget and keeps what it says."""

    CSS = "LineWidget { height: 1fr; }"

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.heard: list[Message] = []
        self.register_theme(textual_theme())
        self.theme = DARK

    def compose(self) -> ComposeResult:
        yield self.widget

    async def _dispatch_message(self, message: Message) -> None:
        self.heard.append(message)
        await super()._dispatch_message(message)

    def said(self, kind: type[Message]) -> list[Message]:
        """What the widget said of one kind, in order."""
        return [message for message in self.heard if isinstance(message, kind)]


@asynccontextmanager
async def staged(
    widget: Widget, columns: int = 120, rows: int = 12
) -> AsyncIterator[tuple[Stage, Pilot[None]]]:
    """The widget on a screen of that size."""
    stage = Stage(widget)
    async with stage.run_test(size=(columns, rows)) as pilot:
        await pilot.pause()
        yield stage, pilot


def lines(widget: LineWidget) -> list[str]:
    """What it draws; fails if any line is not exactly as wide as the widget, or holds a control character."""
    drawn = widget.lines_as_text()
    for line in drawn:
        assert width(line) == widget.size.width, line
        assert all(char >= " " and not "\x7f" <= char <= "\x9f" for char in line), line
    return drawn
