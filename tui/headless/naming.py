"""From a NAME on the command line to the one workload that it means."""

from __future__ import annotations

from collections.abc import Callable, Collection

from clients.serving.chain import Chains
from clients.serving.find import BadName, find
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.exits import Exit, Stop

__all__ = ["one_workload"]


def one_workload(
    workloads: Collection[Workload], name: str, chains: Callable[[], Chains], *, whole: bool
) -> Workload | None:
    """The workload, or ``None`` if none is seen and not ``whole``: it may be among what was not read.

    ``chains`` is asked only for a name that no workload holds itself: it walks over all that was read.

    Raises:
        Stop: the name cannot be one (2), means several (2, with the list), or nothing (4).
    """
    try:
        keys = find(name, workloads) or find(name, workloads, chains())
    except BadName as error:
        raise Stop(Exit.USAGE, plain(str(error))) from None
    if len(keys) > 1:
        listed = "\n".join(f"  {plain(str(key))}" for key in keys)
        raise Stop(Exit.USAGE, f"{plain(name)} means several; name one of:\n{listed}")
    if not keys:
        if whole:
            raise Stop(Exit.NOT_FOUND, f"{plain(name)}: not found")
        return None
    return next(workload for workload in workloads if workload.key == keys[0])
