"""A Textual app whose frames are diffs, and that leaves frames out while the terminal lags.

A frame that is left out is not lost: the next one that is sent is compared with what the terminal shows.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.driver import Driver
from textual.screen import Screen

from tui.terminal.driver import TerminalDriver
from tui.terminal.emitter import DiffEmitter, unsupported

__all__ = ["TerminalApp"]

R = TypeVar("R")


class TerminalApp(App[R]):
    """Base of the console. ``wire_note`` is what the status line must say of the output, if anything.

    Colours are the terminal's own from the first moment: Textual 8.2 decides before a theme is chosen whether
    ``NO_COLOR`` means none (as it must) or greys.
    """

    def __init__(
        self, *, driver_class: type[Driver] | None = None, typed_ahead: bytes = b"", **options: Any
    ) -> None:
        if driver_class is None and os.name == "posix" and "TEXTUAL_DRIVER" not in os.environ:
            driver_class = TerminalDriver
        self.typed_ahead = typed_ahead
        """What was typed while the terminal was probed."""
        super().__init__(driver_class=driver_class, ansi_color=True, **options)
        self.wire_note: str | None = unsupported()
        self._emitter = DiffEmitter() if self.wire_note is None else None
        self._owed = False
        self.frames_left_out = 0

    @property
    def lagging(self) -> bool:
        """Whether the terminal has not taken the last frames."""
        driver = self._driver
        return isinstance(driver, TerminalDriver) and driver.lagging

    @property
    def bytes_written(self) -> int:
        """Bytes that the terminal has taken."""
        driver = self._driver
        return driver.bytes_written if isinstance(driver, TerminalDriver) else 0

    def repaint(self) -> None:
        """Sends the whole screen again, whatever the terminal is believed to show."""
        if self._emitter is not None:
            self._emitter.reset()
        self.refresh()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        driver, emitter = self._driver, self._emitter
        drawing = self._running and not self._closed and not self._batch_count and renderable is not None
        if emitter is None or not drawing or not isinstance(driver, TerminalDriver) or driver.is_inline:
            super()._display(screen, renderable)
            return
        if driver.on_room is None:
            driver.on_room = self._pay
            driver.on_disturbed = self._redraw
        if driver.lagging:
            self._owed = True
            self.frames_left_out += 1
            self.post_display_hook()
            return
        if driver.take_disturbed():
            emitter.reset()
        text = emitter.render(renderable, _colors(self.console))
        rendered: Any = renderable if text is None else _Rendered(text)
        if text is None:
            emitter.reset()
        if text == "" and self.cursor_position == self._previous_cursor_position:
            self.post_display_hook()
        else:
            super()._display(screen, rendered)

    def _pay(self) -> None:
        if self._owed:
            self._owed = False
            self.call_later(self.refresh)

    def _redraw(self) -> None:
        self.call_later(self.refresh)


class _Rendered(CompositorUpdate):
    """Bytes that are ready."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        """The bytes, as text."""
        return self._text


def _colors(console: Console) -> ColorSystem:
    return console._color_system or ColorSystem.TRUECOLOR
