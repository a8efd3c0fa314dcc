"""``servegrid create``: a new deployment at Exoscale Dedicated Inference."""

from __future__ import annotations

import shlex
from argparse import Namespace

from clients.exoscale.creation import Creation
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef
from clients.serving.plain import plain
from tui.exits import Exit, Stop
from tui.headless.connect import Connection, connected
from tui.headless.output import Output
from tui.headless.scale import workload_named
from tui.headless.sending import Sending
from tui.line import Line
from tui.start import Start

__all__ = ["create"]

_SYNC_SECONDS = 10.0


async def create(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Plans, asks, sends once, and with ``--wait`` follows until it is ready."""
    async with connected(start) as connection:
        sending = Sending(arguments, output, connection)
        return await sending.told(_create(arguments, connection, sending, output))


async def _create(arguments: Namespace, connection: Connection, sending: Sending, output: Output) -> Exit:
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
    old_name = getattr(arguments, "instead_of", None)
    if old_name is None:
        return await sending.carry_out(line, line.scaling.plan_new(change))
    old = await workload_named(connection, old_name)
    if connection.line(old.key) is not line:
        raise Stop(Exit.USAGE, f"{plain(old_name)}: expected a deployment in {line.name}")
    code = await sending.carry_out(line, line.scaling.plan(old, change))
    if code is Exit.DONE and not getattr(arguments, "dry_run", False):
        then = shlex.join(["servegrid", "scale", f"{line.name}/{old.key.name}", "--replicas", "0"])
        ready = getattr(arguments, "wait", False)
        output.note(f"{'it is ready' if ready else 'once it is ready'}: move callers to its URL, then {then}")
    return code


def _place(connection: Connection, text: str) -> tuple[Line, str]:
    """The zone of ``exoscale/ZONE/NAME``, and the name."""
    for line in connection.lines.clouds.values():
        name = text.removeprefix(f"{line.name}/")
        if line.name.startswith("exoscale/") and name not in (text, ""):
            return line, name
    zones = [line.name for line in connection.lines.clouds.values() if line.name.startswith("exoscale/")]
    known = f" of {', '.join(zones)}" if zones else " that the settings name under [exoscale]"
    raise Stop(Exit.USAGE, f"{plain(text)}: expected exoscale/ZONE/NAME, a zone{known}")
