"""The shape of a load in a few words."""

from __future__ import annotations

from clients.load.plan import LoadPlan
from clients.serving.decision_words import lasted

__all__ = ["shape"]


def shape(plan: LoadPlan) -> str:
    """``20 users for 2m``, ``5 > 40 a second, ramp for 3m``."""
    if plan.effective_loop == "closed":
        load = f"{plan.users} user{'' if plan.users == 1 else 's'}"
    elif plan.ramp is not None:
        steps = f"{plan.ramp.steps} steps" if plan.ramp.steps else "ramp"
        load = f"{plan.rate:g} > {plan.ramp.to:g} a second, {steps}"
    else:
        load = f"{plan.rate:g} a second, {plan.effective_arrivals}"
    if plan.begins_for is not None:
        load += f" for {lasted(plan.begins_for)}"
    if plan.requests is None:
        return load
    return f"{load}, {plan.requests} request{'' if plan.requests == 1 else 's'}"
