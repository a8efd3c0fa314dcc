"""What is said of a plan's cost where there is no number."""

from __future__ import annotations

from clients.serving.plain import plain
from clients.serving.plans import ScalePlan

__all__ = ["COST", "without_number"]

COST = "cost"
"""Id of the guard with which a system explains a cost."""


def without_number(plan: ScalePlan) -> str:
    """``unknown``, or what its system says: ``prepaid, no extra: dedicated pool p``. Never 0."""
    said = next((guard.reason for guard in plan.guards if guard.id == COST), "unknown")
    return plain(said.removeprefix(f"{COST} "), 200)
