"""From a NAME on the command line to the one workload that it means.

Beside the names of a cluster (``clients.serving.find``): ``exoscale/ZONE/NAME``,
``modelarts/REGION/SERVICE/DEPLOYMENT``, and ``NAME@ZONE`` as the fleet shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clients.serving.find import BadName, find
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.headless.connect import Connection
from tui.line import Line

__all__ = ["one_workload"]

_CLOUDS = ("exoscale", "modelarts")


async def one_workload(connection: Connection, name: str, seconds: float) -> Workload | None:
    """The workload, or ``None`` if none is seen: it may be among what was not read in that time.

    A name that says whose it is waits for no other backend.

    Raises:
        Stop: the name cannot be one (2), means several (2, with the list), or nothing (4).
    """
    line, rest = _place(connection, name)
    whole = await connection.first_sync(seconds, line)
    workloads = connection.fleet.view().workloads
    try:
        keys = _found(connection, name) if line is None else _of_cloud(line, rest, workloads)
    except BadName as error:
        raise Stop(Exit.USAGE, plain(str(error))) from None
    if len(keys) > 1:
        listed = "\n".join(f"  {plain(str(key))}" for key in keys)
        raise Stop(Exit.USAGE, f"{plain(name)} means several; name one of:\n{listed}")
    if not keys:
        if whole:
            raise Stop(Exit.NOT_FOUND, f"{plain(name)}: not found")
        return None
    return workloads[keys[0]]


def _found(connection: Connection, name: str) -> Sequence[WorkloadKey]:
    """Chains are asked only for a name that no workload holds itself: they walk over all that was read."""
    seen = list(connection.fleet.view().workloads.values())
    return find(name, seen) or find(name, seen, connection.chains())


def _of_cloud(line: Line, name: str, keys: Iterable[WorkloadKey]) -> Sequence[WorkloadKey]:
    """By the deployment's own name, or by its service's and its own."""
    own = sorted(key for key in keys if key.cluster == line.backend.cluster)
    whole = [key for key in own if name == f"{key.namespace}/{key.name}"]
    return whole or [key for key in own if name == key.name]


def _place(connection: Connection, name: str) -> tuple[Line | None, str]:
    """Whose the name says the workload is, and its name there; ``None``: it does not say."""
    clouds = connection.lines.clouds
    for line in clouds.values():
        rest = name.removeprefix(f"{line.name}/")
        if rest != name:
            return line, rest
    rest, at, cluster = name.rpartition("@")
    if at:
        if cluster in clouds:
            return clouds[cluster], rest
        raise Stop(Exit.USAGE, f"{plain(name)}: {_known(connection)}")
    if name.partition("/")[0] in _CLOUDS and name.count("/") > 1:
        raise Stop(Exit.USAGE, f"{plain(name)}: {_known(connection)}")
    return None, name


def _known(connection: Connection) -> str:
    names = ", ".join(line.name for line in connection.lines.clouds.values())
    return f"no such zone or region is in the settings{f' (there are: {names})' if names else ''}"
