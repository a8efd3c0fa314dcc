"""Standard output and error of a command: plain lines, and a reader that may leave at any time."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec
from rich.cells import cell_len, set_cell_size

from clients.serving.plain import plain

__all__ = ["Output", "ReaderLeftError", "aligned", "escaped_json"]

_BEYOND_ASCII = re.compile("[^\x00-\x7e]")
_ACTING = {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}

_COLUMN_GAP = "  "
_LONGEST = 1000
"""Characters of one cell: the reason a person needs is whole where nothing is cut to a width."""
_NARROWEST = 8
"""Cells that a column keeps when a terminal is too narrow for all of them."""


class ReaderLeftError(Exception):
    """Nobody reads standard output any more."""


class Output:
    """Where a command writes. Texts must be plain already; lines are flushed as they come."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._progress = False
        for stream in (self._out, self._err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    @property
    def terminal(self) -> bool:
        """Whether a person sees the lines as they come."""
        return self._out.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int | None:
        """Columns of the terminal; ``None`` for a pipe or file, where nothing is cut."""
        return shutil.get_terminal_size().columns if self._out.isatty() else None

    def lines(self, texts: Iterable[str]) -> None:
        """Writes whole lines. Raises ``ReaderLeftError`` when the pipe is closed."""
        self._end_progress()
        self._write(self._out, "".join(f"{text}\n" for text in texts))

    def progress(self, text: str) -> None:
        """Replaces the last progress line on a terminal; in a pipe it is a line like any other."""
        if not self.terminal:
            self.lines([text])
            return
        width = shutil.get_terminal_size().columns
        self._write(self._out, "\r\x1b[K" + set_cell_size(text, min(cell_len(text), width - 1)))
        self._progress = True

    def note(self, text: str) -> None:
        """One line on standard error, after the program's name."""
        self.notes([f"servegrid: {text}"])

    def notes(self, texts: Iterable[str]) -> None:
        """Lines on standard error as they are."""
        self._end_progress()
        try:
            self._write(self._err, "".join(f"{text}\n" for text in texts))
        except ReaderLeftError:
            pass

    @property
    def can_ask(self) -> bool:
        """Whether a person can read a question and answer it."""
        return sys.stdin.isatty() and self._err.isatty()

    async def ask(self, question: str) -> str | None:
        """A person's answer; ``None`` where the input ended. Only if ``can_ask``.

        Reads the terminal from the loop: watches go on, and a signal ends the question.
        """
        self._end_progress()
        self._write(self._err, question)
        loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
        answer: asyncio.Future[bytes] = loop.create_future()

        def typed() -> None:
            if not answer.done():
                answer.set_result(os.read(terminal, 4096))

        loop.add_reader(terminal, typed)
        try:
            line = await answer
        finally:
            loop.remove_reader(terminal)
        return line.decode("utf-8", "replace").rstrip("\r\n") if line.endswith(b"\n") else None

    def _end_progress(self) -> None:
        if self._progress:
            self._progress = False
            self._write(self._out, "\n")

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            # What is left in the buffer would fail again, and loudly, when the interpreter ends.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
            raise ReaderLeftError from None


def escaped_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON in which characters that act on a terminal, or cannot be seen, stand as escapes: same value."""
    data = msgspec.json.encode(value)
    if indent is not None:
        data = msgspec.json.format(data, indent=indent)
    return _BEYOND_ASCII.sub(_escape, data.decode("utf-8"))


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if unicodedata.category(char) not in _ACTING:
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def aligned(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Rows as columns, by cells and not characters. Too wide for ``width``, the widest are cut first."""
    cells = [[plain(text, _LONGEST) for text in row] for row in rows]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(rows[0]))]
    if width is not None:
        room = width - len(_COLUMN_GAP) * (len(widths) - 1)
        while sum(widths) > room and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
    lines = [
        _COLUMN_GAP.join(_cell(text, columns) for text, columns in zip(row, widths, strict=True))
        for row in cells
    ]
    return [line.rstrip() if width is None else set_cell_size(line, width).rstrip() for line in lines]


def _cell(text: str, columns: int) -> str:
    return text + " " * (columns - cell_len(text)) if cell_len(text) <= columns else _cut(text, columns)


def _cut(text: str, columns: int) -> str:
    return set_cell_size(text, columns - 1) + "…"
