"""Whether the GPUs that a plan needs are there, in words: the guard ``gpus``."""

from __future__ import annotations

from clients.serving.guards import Guard, Level
from clients.serving.plans import Capacity

__all__ = ["capacity_guard"]

_GUARD = "gpus"


def capacity_guard(capacity: Capacity | None) -> Guard | None:
    """GPUs short or unknown warn: pods may wait, and the cluster may grow."""
    if capacity is None or capacity.needed == 0:
        return None
    needed, free = capacity.needed, capacity.free
    unlooked = f"; {_and(capacity.unlooked)} not looked at" if capacity.unlooked else ""
    if free is None:
        return Guard(_GUARD, Level.WARN, f"{needed} GPUs needed, free ones unknown: no right to list them")
    if free < needed:
        reason = f"{needed - free} GPUs short: {needed} needed, {free} free on {capacity.nodes or 0} nodes"
        if capacity.usable is not None and capacity.usable < free:
            reason += f", of use are {_most(capacity)} of them"
        if capacity.unschedulable:
            reason += f"; {capacity.unschedulable} more unschedulable"
        return Guard(_GUARD, Level.WARN, reason + unlooked, ("scale something else in first", "add nodes"))
    if capacity.fits is False:
        reason = (
            f"{needed} GPUs needed and {free} free, but scattered: "
            f"of use are {_most(capacity)} of them, no node holds the other pods"
        )
        return Guard(_GUARD, Level.WARN, reason + unlooked, ("free a whole node", "add nodes"))
    if capacity.unlooked:
        reason = f"{needed} GPUs needed, at most {free} of the free ones fit"
        return Guard(_GUARD, Level.WARN, reason + unlooked)
    return Guard(_GUARD, Level.PASS, f"{needed} GPUs needed, {free} free")


def _most(capacity: Capacity) -> str:
    return f"{'at most ' if capacity.unlooked else ''}{capacity.usable or 0}"


def _and(words: tuple[str, ...]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
