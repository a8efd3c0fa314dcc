"""``servegrid delete``: the end of a deployment at Exoscale Dedicated Inference."""

from __future__ import annotations

from argparse import Namespace

from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef
from clients.serving.plain import plain
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
    if key.system != "exoscale":
        raise Stop(Exit.STOPPED, f"{plain(str(key))}: servegrid deletes nothing but Exoscale deployments")
    line = connection.line(key)
    change = ObjectChange(Verb.DELETE, ObjectRef("", key.kind, None, key.name), "")
    return await sending.carry_out(line, line.scaling.plan(workload, change))
