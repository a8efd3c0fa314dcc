"""``servegrid scale``: a count, bounds, a pin, a stop, on one command line."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.headless.asked import change_of
from tui.headless.connect import Connection, connected
from tui.headless.naming import one_workload
from tui.headless.output import Output
from tui.headless.sending import Sending
from tui.start import Start

__all__ = ["scale", "workload_named"]

_SYNC_SECONDS = 10.0


async def scale(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Plans, asks, sends once, and with ``--wait`` follows until it is done."""
    async with connected(start) as connection:
        sending = Sending(arguments, output, connection)
        return await sending.told(_scale(vars(arguments), connection, sending))


async def _scale(given: Mapping[str, Any], connection: Connection, sending: Sending) -> Exit:
    workload = await workload_named(connection, given["name"])
    current = given.get("current")
    if current is not None and workload.desired != current:
        why = f"conflict: {workload.desired} groups are wanted now, not {current}; nothing was sent"
        return sending.fail(Exit.FAILED, why)
    line = connection.line(workload.key)
    change = change_of(workload, given, connection.lines.pins)
    return await sending.carry_out(line, line.scaling.plan(workload, change))


async def workload_named(connection: Connection, name: str) -> Workload:
    """The workload, with all that its backend has to tell. Raises ``Stop``."""
    found = await one_workload(connection, name, _SYNC_SECONDS)
    if found is None or not connection.whole(found.key):
        lines = connection.doubts(None if found is None else found.key)
        raise Stop(Exit.UNREACHABLE, "\n".join(lines) or "the cluster did not answer in time")
    return found
