"""Short texts about rows of managed clouds, for cells and lines alike. Everything here is plain."""

from __future__ import annotations

from clients.serving.phase import Phase
from clients.serving.workload import Workload

__all__ = ["at_rest", "each"]

_EACH = "GPUs each"
"""What both clouds call it among the facts of a row."""


def each(workload: Workload) -> str:
    """``2 GPU each``: what a cloud gives every replica; empty where that is not told."""
    told = dict(workload.about).get(_EACH, "").partition(" ")[0]
    return f"{told} GPU each" if told.isascii() and told.isdigit() else ""


def at_rest(workload: Workload) -> str:
    """The state of what does not run and does not move."""
    if workload.key.system == "exoscale" and workload.desired == 0 and workload.phase is Phase.ABSENT:
        return "0 GPUs, URL and key kept"
    return workload.state
