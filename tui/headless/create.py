"""``servegrid create``: a new deployment at Exoscale Dedicated Inference."""

from __future__ import annotations

from argparse import Namespace

from clients.exoscale.creation import Creation
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef
from clients.serving.plain import plain
from tui.exits import Exit, Stop
from tui.headless.connect import Connection, connected
from tui.headless.output import Output
from tui.headless.sending import Sending
from tui.line import Line
from tui.start import Start

__all__ = ["create"]

_SYNC_SECONDS = 10.0


async def create(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Plans, asks, sends once, and with ``--wait`` follows until it is ready."""
    async with connected(start) as connection:
        sending = Sending(arguments, output, connection)
        return await sending.told(_create(arguments, connection, sending))


async def _create(arguments: Namespace, connection: Connection, sending: Sending) -> Exit:
    line, name = _place(connection, arguments.name)
    if not await connection.first_sync(_SYNC_SECONDS, line):
        lines = connection.doubts()
        raise Stop(Exit.UNREACHABLE, "\n".join(lines) or f"{line.name} did not answer in time")
    creation = Creation(
        name=name,
        model=arguments.model,
        gpu_type=arguments.gpu_type,
        gpu_count=arguments.gpu_count,
        replicas=arguments.replicas,
        parameters=tuple(getattr(arguments, "parameters", "").split()),
        engine=getattr(arguments, "engine", None),
    )
    change = ObjectChange(Verb.CREATE, ObjectRef("", "Exoscale", None, name), creation.text())
    return await sending.carry_out(line, line.scaling.plan_new(change))


def _place(connection: Connection, text: str) -> tuple[Line, str]:
    """The zone of ``exoscale/ZONE/NAME``, and the name."""
    for line in connection.lines.clouds.values():
        name = text.removeprefix(f"{line.name}/")
        if line.name.startswith("exoscale/") and name not in (text, ""):
            return line, name
    zones = [line.name for line in connection.lines.clouds.values() if line.name.startswith("exoscale/")]
    known = f" of {', '.join(zones)}" if zones else " that the settings name under [exoscale]"
    raise Stop(Exit.USAGE, f"{plain(text)}: expected exoscale/ZONE/NAME, a zone{known}")
