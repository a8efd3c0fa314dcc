"""``servegrid watch``: a line for everything that happens, until ended; and the console's plain mode."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import NoReturn

from clients.serving.events import Event
from clients.serving.keys import WorkloadKey, reading_order
from clients.serving.plain import plain
from clients.serving.sources import SourceState
from tui.exits import Exit
from tui.headless.connect import Connection, connected
from tui.headless.event_lines import event_json, event_line
from tui.headless.naming import one_workload
from tui.headless.output import Output, escaped_json
from tui.headless.tables import fleet_table, totals_line
from tui.start import Start

__all__ = ["plain_console", "watch"]

_FIRST_LOOK = 10.0
"""Seconds after which the plain console shows what it has."""
_LOOK = 1.0


async def watch(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Never ends by itself, whatever fails; only a NAME that is not there, once all is read, ends it."""
    name = getattr(arguments, "name", None)
    async with connected(start) as connection:
        key = await _until_read(connection, output, arguments.output, name)
        _say_where(connection, output, key)
        await _follow(connection, output, arguments.output, key)


async def plain_console(start: Start, output: Output) -> Exit:
    """The console where there is no screen: the fleet once, then what happens to it."""
    async with connected(start) as connection:
        if not await connection.first_sync(_FIRST_LOOK):
            output.notes(connection.doubts())
        connection.missed()
        view = connection.fleet.view()
        shown = sorted(view.workloads.values(), key=lambda workload: reading_order(workload.key))
        last = [line for line in (totals_line(view.totals), str(view.not_shown)) if line]
        output.lines([*fleet_table(shown, connection.remaining, output.width), *last, ""])
        _say_where(connection, output, None)
        await _follow(connection, output, "text", None)


async def _until_read(
    connection: Connection, output: Output, form: str, name: str | None
) -> WorkloadKey | None:
    """Until all that is required was read once, or of several backends one, with the workload of the name.

    Says what stands in the way, whenever that changes.
    """
    noted: list[str] = []
    while True:
        if name is None:
            if await connection.first_sync(_LOOK) or connection.some:
                return None
        elif (found := await one_workload(connection, name, _LOOK)) is not None:
            return found.key
        _tell(connection.missed(), output, form, None)
        if all(source.state is not SourceState.SYNCING for source in connection.sources if source.required):
            lines = connection.doubts()
            if lines != noted:
                output.notes(lines)
            noted = lines
        await connection.pause(_LOOK)


def _say_where(connection: Connection, output: Output, key: WorkloadKey | None) -> None:
    count = len(connection.fleet.view().workloads)
    what = str(key) if key is not None else f"{count} workload{'' if count == 1 else 's'}"
    where = connection.where if key is None else connection.line(key).name
    output.note(plain(f"watching {what} in {where}", 400))


async def _follow(connection: Connection, output: Output, form: str, key: WorkloadKey | None) -> NoReturn:
    _tell(connection.missed(), output, form, key)
    while True:
        delta = await connection.wait()
        if delta is not None:
            _tell(delta.events, output, form, key)


def _tell(events: Iterable[Event], output: Output, form: str, key: WorkloadKey | None) -> None:
    """Those of the workload, and those that concern all of them, such as a source that is cut off."""
    shown = [event for event in events if key is None or event.key is None or event.key == key]
    if form == "jsonl":
        output.lines(escaped_json(event_json(event), indent=None) for event in shown)
    else:
        output.lines(event_line(event) for event in shown)
