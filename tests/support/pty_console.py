"""The console as its user starts it, in a real terminal, and what a person does there."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.pty import Terminal

__all__ = [
    "DIALOG",
    "at_fleet",
    "confirm",
    "console",
    "dialog_open",
    "enter",
    "go_to",
    "selected",
    "watched",
]

DIALOG = "- Scale "
"""In the frame of the scale dialog, whatever it scales."""

_HELD = 0.35
"""Seconds that a plan must have been on the screen before Enter counts, and a little more."""
_TRIES = 20
"""How often Enter may come too early: on a busy machine what is planned arrives in pieces."""


def console(
    home: Path,
    *words: str,
    columns: int = 120,
    lines: int = 36,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = ("-P", "-m", "tui"),
) -> Terminal:
    """``servegrid words…`` with a home of its own. Use it as a context manager."""
    environ = {"HOME": str(home), **(env or {})}
    return Terminal([sys.executable, *program, *words], columns, lines, env=environ)


def at_fleet(terminal: Terminal) -> bool:
    """Whether the fleet is on the screen, with workloads in it."""
    heads, counted = (terminal.found(words) for words in (r"NAME .*READY", r"[1-9]\d* workloads"))
    return heads and counted


def selected(terminal: Terminal, name: str) -> bool:
    """Whether the cursor is on the row of the fleet that holds the name."""
    return terminal.found(rf"^ ?▸ ?\S*{re.escape(name)}")


def go_to(terminal: Terminal, name: str) -> None:
    """Down the fleet, row by row, until the cursor is on the row of the name."""
    terminal.wait(lambda: at_fleet(terminal) and terminal.find(name))
    while not selected(terminal, name):
        before = cursor_line(terminal)
        terminal.send("j")
        terminal.wait(lambda before=before: cursor_line(terminal) != before)  # type: ignore[misc]


def cursor_line(terminal: Terminal) -> str:
    """The name in the row under the cursor."""
    return next((line.split()[1] for line in terminal.text() if re.match(r" ?▸ \S", line)), "")


def dialog_open(terminal: Terminal) -> bool:
    """Whether the scale dialog is on the screen."""
    return terminal.find(DIALOG)


def confirm(terminal: Terminal, typed: str = "", *, sent: Callable[[], bool] | None = None) -> None:
    """Waits for the server's word on the plan, types as fast as hands do, presses Enter once it counts.

    Enter is pressed again only where the dialog says that it came too early, as a person would. It is done
    when the dialog has closed, or when ``sent`` says so.
    """
    terminal.wait("the server's dry run accepts it")
    done = sent or (lambda: not dialog_open(terminal))
    for _ in range(_TRIES):
        for key in typed:
            terminal.send(key)
            time.sleep(_HELD / 2)
        time.sleep(_HELD)
        terminal.send("\r")
        terminal.wait(lambda: done() or terminal.find("not sent:"))
        if done():
            return
    raise AssertionError("never confirmed:\n" + "\n".join(terminal.text()))


def enter(terminal: Terminal, done: Callable[[], bool]) -> None:
    """Enter on what has to have been on the screen for a while; again only where it says that it was not."""
    for _ in range(_TRIES):
        time.sleep(_HELD)
        terminal.send("\r")
        terminal.wait(lambda: done() or terminal.find("press it again"))
        if done():
            return
    raise AssertionError("never taken:\n" + "\n".join(terminal.text()))


def watched(
    terminal: Terminal,
    line: str,
    until: Callable[[], bool] | str,
    *,
    deadline: float = 60.0,
) -> list[str]:
    """What stood in the lines that match ``line``, each time it was different, until the words are there."""
    pattern = re.compile(line)
    seen: list[str] = []
    end = time.monotonic() + deadline
    while True:
        text = terminal.text()
        now = "\n".join(found for found in text if pattern.search(found))
        if now and (not seen or seen[-1] != now):
            seen.append(now)
        if any(until in found for found in text) if isinstance(until, str) else until():
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for {until!r} on:\n" + "\n".join(text))
        time.sleep(0.005)
