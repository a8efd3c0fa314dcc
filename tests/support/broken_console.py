"""The console with a fault in it, to be run in a pty: ``broken_console.py WHERE words of the command line…``.

WHERE is ``action`` (of the key M), ``worker`` (what that action has started), ``tick`` (each data tick
since), ``draw`` (the fleet's rows since) or ``command`` (before any screen). The error's own words hold
hostile text and credentials, its variables hold a password.
"""

from __future__ import annotations

import sys

from tui import commands
from tui.app import Console
from tui.cli import main
from widgets.fleet_table import FleetTable

SAID = (
    "\x1b]0;owned\x07 [red]x[/] Bearer abc.def.ghi https://ops:hunter3@example.com "
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IkFB"
)


class Fault(Exception):  # noqa: N818 - the name is looked for in the report
    """What goes wrong."""


def break_down(*_arguments: object, **_options: object) -> None:
    """Goes wrong."""
    password = "hunter2" * 2
    raise Fault(SAID if password else "")


async def _work() -> None:
    break_down()


def _plant(where: str) -> None:
    def pressed(self: Console) -> None:
        if where == "worker":
            self.run_worker(_work())
        elif where == "tick":
            Console.tick = break_down  # type: ignore[method-assign]
            self.set_interval(0.05, self.tick)
        elif where == "draw":
            FleetTable.render_line = break_down  # type: ignore[assignment]
            self.fleet_screen.table.refresh()
        else:
            break_down()

    if where == "command":
        commands.run = break_down  # type: ignore[assignment]
    Console.action_mouse = pressed  # type: ignore[method-assign]


if __name__ == "__main__":
    _plant(sys.argv[1])
    raise SystemExit(main(sys.argv[2:]))
