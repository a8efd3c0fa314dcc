"""What cannot be done to a managed cloud's workload, and why: said in the menu instead of tried."""

from __future__ import annotations

from clients.serving.workload import Workload

__all__ = ["why_not"]

_REASONS = {
    ("exoscale", "pin"): "nothing drives an Exoscale deployment: its count stays what you set",
    ("exoscale", "autoscaling"): "nothing drives an Exoscale deployment but people",
    ("modelarts", "edit"): "its autoscaler and service are edited in ModelArts' own console",
    ("modelarts", "logs"): "ModelArts gives out no logs by its API; what it says of trouble is under w",
}


def why_not(workload: Workload, action: str) -> str | None:
    """Why an action is not possible for a workload by its system; ``None``: its system does not forbid it."""
    return _REASONS.get((workload.key.system, action))
