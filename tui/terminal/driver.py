"""Textual's driver for Unix terminals, with an output that never makes the screen's loop wait.

Textual 8.2 writes through a queue of 30 places and waits on the loop when that is full; a terminal that stops
reading then stops the program. Here writes are taken at once and written by a thread of their own.
``waiting`` tells how many frames the terminal has not taken: the app leaves frames out while that is more
than two (``tui.terminal.app``), so what waits is bounded by two frames.

It draws on standard output, which is what must be a terminal for a screen to be opened. Textual 8.2 draws on
standard error, so that ``2>file`` would leave the terminal blank.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Resize
from textual.message import Message

from tui.exits import Exit

__all__ = ["MOST_WAITING", "TerminalDriver", "Writer"]

MOST_WAITING = 2
"""Frames that may wait before the next ones are left out."""

_CLOSING = 2.0
"""Seconds that a terminal has to take the last bytes when the program ends."""

_ENDING = (signal.SIGHUP, signal.SIGTERM)


class Writer(threading.Thread):
    """Writes to a file descriptor in the order in which it is told to, and counts."""

    def __init__(self, fileno: int, on_room: Callable[[], None]) -> None:
        super().__init__(name="terminal-output", daemon=True)
        self._fileno = fileno
        self._on_room = on_room
        self._changed = threading.Condition()
        self._pending: deque[str] = deque()
        self._ended = 0
        self._closing = False
        self.waiting = 0
        """Frames not yet taken by the terminal, the one being written included."""
        self.written = 0
        """Bytes that the terminal has taken."""
        self.gone = False
        """The terminal was closed; what is written goes nowhere."""

    def put(self, text: str) -> None:
        """Takes text to be written; returns at once."""
        with self._changed:
            self._pending.append(text)
            self._changed.notify()

    def end_frame(self) -> None:
        """What was put since the last call is one frame."""
        with self._changed:
            if self._pending:
                self._ended += 1
                self.waiting += 1

    def close(self) -> None:
        """Writes what is left, for as long as a terminal may reasonably take, and ends."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self.is_alive():
            self.join(_CLOSING)

    def run(self) -> None:
        """The thread: everything that waits goes out in one write."""
        while True:
            with self._changed:
                while not self._pending and not self._closing:
                    self._changed.wait()
                if not self._pending:
                    return
                text = "".join(self._pending)
                frames = self._ended
                self._pending.clear()
                self._ended = 0
            self._write(text.encode("utf-8", "replace"))
            with self._changed:
                had = self.waiting
                self.waiting -= frames
            if had > MOST_WAITING >= self.waiting:
                self._on_room()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self.gone:
            try:
                count = os.write(self._fileno, view[:65536])
            except BlockingIOError:
                select.select([], [self._fileno], [], 0.5)
                continue
            except OSError:
                self.gone = True
                return
            self.written += count
            view = view[count:]


class TerminalDriver(LinuxDriver):
    """The driver to give to an app: ``App(driver_class=TerminalDriver)``."""

    on_room: Callable[[], None] | None = None
    """Called on the app's loop once the terminal has taken what had made frames be left out."""

    on_disturbed: Callable[[], None] | None = None
    """Called on the app's loop when what the terminal shows may have changed without us."""

    def __init__(
        self, app: Any, *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._writer: Writer | None = None
        self._disturbed = False
        self._seen_size: tuple[int, int] | None = None
        self._typed_ahead: bytes = getattr(app, "typed_ahead", b"")
        self._bytes_before = 0
        self._handlers_before: dict[int, Any] = {}

    # What the app may know

    @property
    def waiting(self) -> int:
        """Frames that the terminal has not taken."""
        return 0 if self._writer is None else self._writer.waiting

    @property
    def lagging(self) -> bool:
        """Whether frames should be left out now."""
        return self.waiting > MOST_WAITING

    @property
    def bytes_written(self) -> int:
        """Bytes that the terminal has taken since the start."""
        return self._bytes_before + (0 if self._writer is None else self._writer.written)

    @property
    def gone(self) -> bool:
        """Whether the terminal was closed."""
        return self._writer is not None and self._writer.gone

    def take_disturbed(self) -> bool:
        """Whether the glass was disturbed since the last call (resize, suspension)."""
        disturbed, self._disturbed = self._disturbed, False
        return disturbed

    def set_mouse(self, on: bool) -> None:
        """Mouse reports on or off; off gives the terminal's own selection back."""
        if on and not self._mouse:
            self._mouse = True
            self._enable_mouse_support()
        elif not on and self._mouse:
            self._disable_mouse_support()
            self._mouse = False

    # Output

    def write(self, data: str) -> None:
        """Takes data to be written; never waits."""
        if self._writer is not None:
            self._writer.put(data)

    def flush(self) -> None:
        """Ends a frame."""
        if self._writer is not None:
            self._writer.end_frame()

    # Life

    def start_application_mode(self) -> None:
        """Takes the terminal; again after a suspension."""
        again = self._writer is not None
        if self._writer is not None:
            self._bytes_before += self._writer.written
        output = sys.__stdout__
        assert output is not None, "a terminal program has a standard output"
        self._writer = Writer(output.fileno(), self._room)
        self._writer.start()
        if not again:
            threading.Thread(target=self._watch_line, name="terminal-line", daemon=True).start()
            self._mind_signals()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        stock = signal.getsignal(signal.SIGWINCH)

        def resized(number: int, frame: Any) -> None:
            self._disturb()
            if callable(stock):
                stock(number, frame)

        signal.signal(signal.SIGWINCH, resized)
        if again:
            self._disturb()

    def close(self) -> None:
        """Gives the terminal back."""
        super().close()
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._handlers_before.clear()
        if self._writer is not None:
            self._writer.close()

    def _sigcont_application(self, *_: object) -> None:
        """Continued. After a plain SIGSTOP the terminal was not given back before, and has to be retaken."""
        if self._auto_restart and self._key_thread is not None and self._key_thread.is_alive():
            self.suspend_application_mode()
        super()._sigcont_application()

    # Input

    def run_input_thread(self) -> None:
        """What was typed before the terminal was taken comes first."""
        if self._typed_ahead:
            parser = XTermParser(self._debug)
            for event in parser.feed(self._typed_ahead.decode("utf-8", "ignore")):
                self.process_message(event)
            self._typed_ahead = b""
        super().run_input_thread()

    def process_message(self, message: Message) -> None:
        """Looks for sizes that the terminal reports in band."""
        if isinstance(message, Resize):
            size = (message.size.width, message.size.height)
            if self._seen_size is not None and size != self._seen_size:
                self._disturb()
            self._seen_size = size
        super().process_message(message)

    def _watch_line(self) -> None:
        """Waits for the terminal to be closed. Textual 8.2 would read its end of file again and again."""
        line = select.poll()
        line.register(self.fileno, 0)
        line.poll()
        self._on_loop(self._end)

    def _mind_signals(self) -> None:
        """Ends in order when told to: an exception out of a handler could cut any callback in two."""
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers_before[number] = signal.signal(number, lambda *_: self._on_loop(self._end))

    def _end(self) -> None:
        self._app.call_later(self._app.exit, None, int(Exit.INTERRUPTED))

    def _room(self) -> None:
        self._on_loop(self.on_room)

    def _disturb(self) -> None:
        self._disturbed = True
        self._on_loop(self.on_disturbed)

    def _on_loop(self, callback: Callable[[], None] | None) -> None:
        if callback is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)
