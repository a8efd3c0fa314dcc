"""How much of a plan is done."""

from __future__ import annotations

from clients.load.plan import LoadPlan

__all__ = ["done"]


def done(plan: LoadPlan, seconds: float, due: int) -> float | None:
    """0 to 1, by time or by how many came due, whichever is further; ``None`` where neither ends it."""
    shares = [seconds / plan.begins_for] if plan.begins_for else []
    shares += [due / plan.requests] if plan.requests else []
    return min(1.0, max(shares)) if shares else None
