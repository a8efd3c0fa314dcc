"""``servegrid delete``: the end of a deployment at Exoscale Dedicated Inference."""

from __future__ import annotations

from argparse import Namespace

from tui.deletion import deletion, why_kept
from tui.exits import Exit, Stop
from tui.headless.connect import Connection, connected
from tui.headless.output import Output
from tui.headless.scale import workload_named
from tui.headless.sending import Sending
from tui.start import Start

__all__ = ["delete"]


async def delete(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Plans, asks for the name, sends once, and with ``--wait`` waits until it is gone."""
    async with connected(start) as connection:
        sending = Sending(arguments, output, connection)
        return await sending.told(_delete(arguments.name, connection, sending))


async def _delete(name: str, connection: Connection, sending: Sending) -> Exit:
    workload = await workload_named(connection, name)
    key = workload.key
    line = connection.line(key)
    kept = why_kept(key, line.name)
    if kept is not None:
        raise Stop(Exit.STOPPED, kept)
    return await sending.carry_out(line, line.scaling.plan(workload, deletion(key)))
