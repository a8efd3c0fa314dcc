"""Lines to a pipe or file by a thread of their own: a reader that stands still never holds up what writes."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Thread

__all__ = ["LineWriter"]


class LineWriter:
    """Takes lines at once, writes them when it can. Whole lines go out in one write each batch."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = Thread(target=self._write, daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """A line, with its line feed."""
        self._queue.put(line)

    def close(self, timeout: float) -> None:
        """Writes what is left, for at most so many seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            rest = line
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except OSError:
                    return
