"""``servegrid watch``: a line for everything that happens, until ended; and the console's plain mode."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import NoReturn

from clients.serving.events import Event
from clients.serving.keys import WorkloadKey
from tui.exits import Exit
from tui.headless.connect import Connection, connected
from tui.headless.event_lines import event_json, event_line
from tui.headless.naming import one_workload
from tui.headless.output import Output, escaped_json
from tui.headless.tables import fleet_table, source_lines, totals_line
from tui.start import Start

__all__ = ["plain_console", "watch"]

_FIRST_LOOK = 10.0
"""Seconds after which a source that has not synced yet is worth a note."""


async def watch(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Never ends by itself, whatever fails; only a NAME that is not there, once all is read, ends it."""
    name = getattr(arguments, "name", None)
    async with connected(start) as connection:
        key = None if name is None else await _the_one(connection, name, output)
        await _follow(connection, output, as_json=arguments.output == "jsonl", key=key)


async def plain_console(start: Start, output: Output) -> Exit:
    """The console where there is no screen: the fleet once, then what happens to it."""
    async with connected(start) as connection:
        whole = await connection.first_sync(_FIRST_LOOK)
        view = connection.fleet.view()
        shown = sorted(view.workloads.values(), key=lambda workload: workload.key)
        totals = totals_line(view.totals)
        lines = fleet_table(shown, connection.remaining, output.width)
        output.lines([*lines, *([totals] if totals else []), ""])
        if not whole:
            _note_sources(connection, output)
        await _follow(connection, output, as_json=False, key=None)


async def _the_one(connection: Connection, name: str, output: Output) -> WorkloadKey:
    whole = await connection.first_sync(_FIRST_LOOK)
    while True:
        found = one_workload(list(connection.fleet.view().workloads.values()), name, whole=whole)
        if found is not None:
            return found.key
        _note_sources(connection, output)
        whole = await connection.first_sync(60.0)


def _note_sources(connection: Connection, output: Output) -> None:
    for line in source_lines(connection.sources):
        output.note(line)


async def _follow(
    connection: Connection, output: Output, *, as_json: bool, key: WorkloadKey | None
) -> NoReturn:
    while True:
        delta = await connection.wait()
        if delta is None:
            continue
        events = _concerning(delta.events, key)
        if as_json:
            output.lines(escaped_json(event_json(event), indent=None) for event in events)
        else:
            output.lines(event_line(event) for event in events)


def _concerning(events: Iterable[Event], key: WorkloadKey | None) -> list[Event]:
    """Those of the workload, and those that concern all of them, such as a source that is cut off."""
    return [event for event in events if key is None or event.key is None or event.key == key]
