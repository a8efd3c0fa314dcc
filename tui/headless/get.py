"""``servegrid get``: one snapshot."""

from __future__ import annotations

from argparse import Namespace

from clients.serving.keys import reading_order
from clients.serving.workload import Workload
from tui.exits import Exit
from tui.headless.connect import Connection, connected
from tui.headless.naming import one_workload
from tui.headless.output import Output, escaped_json
from tui.headless.snapshot import snapshot
from tui.headless.tables import fleet_table, group_table, totals_line
from tui.start import Start

__all__ = ["get"]


async def get(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Prints what there is once the required sources have answered, or time is up."""
    async with connected(start) as connection:
        name = getattr(arguments, "name", None)
        if name is None:
            whole = await connection.first_sync(arguments.timeout)
            workloads = connection.fleet.view().workloads
            shown = sorted(workloads.values(), key=lambda workload: reading_order(workload.key))
        else:
            found = await one_workload(connection, name, arguments.timeout)
            whole = connection.whole(None if found is None else found.key)
            shown = [] if found is None else [found]
        if arguments.output == "json":
            output.lines([_json(connection, shown, one=name is not None)])
        else:
            output.lines(_table(connection, shown, output.width, detailed=name is not None))
            if not shown:
                output.note("no workloads" if whole else "no workloads read")
        for line in connection.doubts(shown[0].key if name is not None and shown else None):
            output.note(line)
        return Exit.DONE if whole else Exit.UNREACHABLE


def _json(connection: Connection, shown: list[Workload], *, one: bool) -> str:
    view = connection.fleet.view()
    return escaped_json(
        snapshot(
            shown,
            connection.sources_of(shown[0].key if one and shown else None),
            connection.lines.clock(None),
            connection.remaining,
            view.not_shown,
        )
    )


def _table(connection: Connection, shown: list[Workload], width: int | None, *, detailed: bool) -> list[str]:
    lines = fleet_table(shown, connection.remaining, width)
    if detailed:
        for workload in shown:
            lines += ["", *group_table(workload, width)]
        return lines
    view = connection.fleet.view()
    last = [line for line in (totals_line(view.totals), str(view.not_shown)) if line]
    return [*lines, "", *last] if last else lines
