"""What stands between a change of a workload's counts and its being sent, whatever its system."""

from __future__ import annotations

from clients.serving.guards import Guard, Level
from clients.serving.operation import Count
from clients.serving.plain import plain
from clients.serving.workload import Workload

__all__ = ["expected_guard", "operation_guard", "stale_guard"]


def expected_guard(expected: int | None, now: int | None) -> Guard | None:
    """``--current``: refuses unless so many groups are wanted now."""
    if expected is None or expected == now:
        return None
    return Guard("current", Level.BLOCK, f"expected {expected} groups to be wanted now, but it is {now}")


def operation_guard(workload: Workload, after: Count) -> Guard | None:
    """A running operation warns; going back to where it began is always allowed."""
    operation = workload.operation
    if operation is None or operation.ended_at is not None:
        return None
    if after == operation.before:
        return Guard("operation", Level.PASS, f"takes back what {plain(operation.by)} began")
    reason = f"a change by {plain(operation.by)} is under way, {operation.done} of {operation.total} done"
    return Guard("operation", Level.WARN, reason, ("wait until it is done",))


def stale_guard(stale: str | None) -> Guard | None:
    """What is shown may be old; ``stale`` says why."""
    return Guard("stale", Level.WARN, stale, ("read again first",)) if stale else None
