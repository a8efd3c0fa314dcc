"""Runs a program in a real pseudo-terminal, keeps what it draws, counts its bytes, types at it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.screen import Screen

__all__ = ["ROOT", "Terminal"]

ROOT = Path(__file__).resolve().parents[2]

_HALF_DRAWN = "?2026"
"""The mode in which a terminal shows nothing until the frame is whole (synchronized output)."""


class Terminal:
    """A program in a terminal of ``columns`` × ``lines``. Use it as a context manager."""

    def __init__(
        self,
        argv: Sequence[str],
        columns: int = 120,
        lines: int = 36,
        *,
        env: Mapping[str, str] | None = None,
        screen: Screen | None = None,
    ) -> None:
        self.screen = screen or Screen(columns, lines)
        self.bytes = 0
        self.raw = bytearray()
        self.keep = True
        """Draws what comes; off for measurements that need the processor for themselves."""
        self._reading = threading.Event()
        self._reading.set()
        self._open = True
        self._lock = threading.Lock()
        self._master, slave = pty.openpty()
        self._size(columns, lines, tell=False)
        environ = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", "/"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(slave)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @classmethod
    def python(
        cls, *args: str, columns: int = 120, lines: int = 36, env: Mapping[str, str] | None = None
    ) -> Terminal:
        """A terminal that runs this Python."""
        return cls([sys.executable, *args], columns, lines, env=env)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What is seen

    def text(self) -> list[str]:
        """The lines on the screen."""
        with self._lock:
            return self.screen.text()

    def find(self, words: str) -> bool:
        """Whether the words are on the screen."""
        return any(words in line for line in self.text())

    def found(self, pattern: str) -> bool:
        """Whether a line on the screen matches."""
        return any(re.search(pattern, line) for line in self.text())

    def wait(self, condition: Callable[[], bool] | str, deadline: float = 60.0) -> None:
        """Until the words are on the screen or the condition holds; fails with what is there instead."""
        end = time.monotonic() + deadline
        while not (self.find(condition) if isinstance(condition, str) else condition()):
            if time.monotonic() > end:
                raise AssertionError(f"waited {deadline} s for {condition!r} on:\n" + "\n".join(self.text()))
            time.sleep(0.01)

    def settled(self, quiet: float = 0.15, deadline: float = 60.0) -> None:
        """Until nothing was sent for ``quiet`` seconds, and no frame is drawn half."""
        end = time.monotonic() + deadline
        last, since = self.bytes, time.monotonic()
        while time.monotonic() - since < quiet or _HALF_DRAWN in self.screen.modes:
            if time.monotonic() > end:
                raise AssertionError("the program keeps sending")
            time.sleep(0.01)
            if self.bytes != last:
                last, since = self.bytes, time.monotonic()

    # What is done

    def send(self, keys: str | bytes) -> None:
        """Types."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, lines: int) -> None:
        """Changes the size, as dragging a window does."""
        with self._lock:
            self.screen.resize(columns, lines)
        self._size(columns, lines, tell=True)

    def stop_reading(self) -> None:
        """The terminal takes no more bytes."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        """The terminal takes bytes again."""
        self._reading.set()

    def signal(self, number: int) -> None:
        """To the program."""
        os.kill(self.process.pid, number)

    def ended(self, deadline: float = 60.0) -> int:
        """The program's exit status, once it ended."""
        self._reading.set()
        return self.process.wait(deadline)

    def hang_up(self) -> None:
        """The line is cut."""
        self._open = False
        self._thread.join(60)
        os.close(self._master)

    def close(self) -> None:
        """Ends the program, whatever it is doing."""
        self._reading.set()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        if self._open:
            self.hang_up()

    def _size(self, columns: int, lines: int, *, tell: bool) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if tell and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGWINCH)

    def _read(self) -> None:
        while self._open:
            if not self._reading.wait(0.1):
                if self.process.poll() is not None:
                    return
                continue
            ready, _, _ = select.select([self._master], [], [], 0.1)
            if not ready:
                if self.process.poll() is not None:
                    return
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.bytes += len(data)
                if self.keep:
                    self.raw += data
                    self.screen.feed(data)
                replies, self.screen.replies = self.screen.replies, []
            for reply in replies:
                os.write(self._master, reply)
