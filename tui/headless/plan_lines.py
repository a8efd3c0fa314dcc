"""A scale plan in words, for people who decide, and as JSON, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clients.serving.cost_words import COST, without_number
from clients.serving.eta import spell
from clients.serving.guards import Guard, Level
from clients.serving.operation import Operation
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan, Step
from tui.headless.tables import moves

__all__ = ["ending_line", "plan_json", "plan_lines"]

_STEPS_SHOWN = 20
_LINE = 400


def plan_lines(plan: ScalePlan, context: str | None) -> list[str]:
    """What the scale dialog says, one fact a line."""
    where = f" in {context}" if context else ""
    still = plan.write is not None and plan.before == plan.after
    lines = [f"{plan.key}{where}: {'no group moves now' if still else moves(plan.before, plan.after)}"]
    if plan.write is None:
        lines += [line for guard in plan.guards if guard.level > Level.PASS for line in _guard(guard)]
        return [plain(line, _LINE) for line in lines]
    if plan.target is not None:
        lines.append(f"writes {plan.target}")
    if plan.bounds_before is not None and plan.bounds_after is not None:
        pinned = " (pinned)" if plan.bounds_after.pinned else ""
        lines.append(f"bounds {plan.bounds_before} to {plan.bounds_after}{pinned}")
    lines += [plan.order_note] if plan.steps else []
    lines += [f"  {number}. {_step(step)}" for number, step in enumerate(plan.steps[:_STEPS_SHOWN], start=1)]
    if len(plan.steps) > _STEPS_SHOWN:
        lines.append(f"  … and {len(plan.steps) - _STEPS_SHOWN} more")
    if plan.steps:
        pods = "" if plan.key.managed else f"pods {plan.pods_delta:+d}, "
        lines.append(f"{pods}GPUs {plan.gpu_delta:+d}{_capacity(plan)}")
        lines.append(f"time: {_time(plan)}")
    if plan.before != plan.after:
        lines.append(f"cost per hour: {_cost(plan)}")
    lines += [line for guard in plan.guards if _tells(plan, guard) for line in _guard(guard)]
    lines += [f"note: {note}" for note in (*plan.notes, plan.write.note) if note]
    lines.append(f"same as: {plan.equivalent}")
    return [plain(line, _LINE) for line in lines]


def _tells(plan: ScalePlan, guard: Guard) -> bool:
    """What objects; of clouds also what does not, for it holds quota, GPUs and what is kept at zero."""
    if guard.id == COST and plan.cost_before is None and plan.cost_after is None:
        return False  # It stands in the line about cost.
    return guard.level > Level.PASS or plan.key.managed


def _step(step: Step) -> str:
    size = f"{step.gpus} GPUs" if not step.pods else f"{step.pods} pods, {step.gpus} GPUs"
    words = [str(step.kind), step.name, f"({size})"]
    if step.serving:
        words.append("serving now")
    if step.note:
        words.append(f"- {step.note}")
    return " ".join(words)


def _capacity(plan: ScalePlan) -> str:
    """What is needed and free; nothing where a guard objects, since that guard says it all."""
    capacity = plan.capacity
    objected = any(guard.id == "gpus" and guard.level > Level.PASS for guard in plan.guards)
    if capacity is None or capacity.needed <= 0 or objected:
        return ""
    free = "unknown" if capacity.free is None else str(capacity.free)
    return f" (needs {capacity.needed}, free {free})"


def _cost(plan: ScalePlan) -> str:
    """A price that nobody has written is unknown, never 0."""
    before, after = plan.cost_before, plan.cost_after
    if before is None and after is None:
        return without_number(plan)
    told = [f"{money.amount} {money.currency}" if money else "unknown" for money in (before, after)]
    return " to ".join(told)


def _time(plan: ScalePlan) -> str:
    if plan.eta is None:
        return plan.vendor_time or "no history"
    samples = f"from {plan.eta.samples} earlier time{'' if plan.eta.samples == 1 else 's'}"
    low, high = spell(plan.eta.low), spell(plan.eta.high)
    return f"~{high}, {samples}" if low == high else f"{low} to {high}, {samples}"


def _guard(guard: Guard) -> list[str]:
    remedies = [f"  try: {remedy}" for remedy in guard.remedies]
    return [f"{guard.level.name.lower()}: {guard.id}: {guard.reason}", *remedies]


def ending_line(operation: Operation) -> str:
    """Prediction and outcome side by side."""
    took = spell(None if operation.ended_at is None else operation.ended_at - operation.started_at)
    happened = f"happened {_names(operation.happened)}, {took}"
    prediction = operation.prediction
    if prediction is None:
        return plain(f"no prediction; {happened}", _LINE)
    time = "no history" if prediction.eta_high is None else f"~{spell(prediction.eta_high)}"
    order = "order unknown" if prediction.order is None else _names(prediction.order)
    return plain(f"predicted {order}, {time}; {happened}", _LINE)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


def plan_json(plan: ScalePlan) -> Mapping[str, Any]:
    """The plan for ``scale -o json``; the request itself is left to ``equivalent``."""
    return {
        "before": _count(plan.before),
        "after": _count(plan.after),
        "steps": [msgspec.to_builtins(step) for step in plan.steps],
        "order_known": plan.order_known,
        "order_note": plan.order_note,
        "pods_delta": plan.pods_delta,
        "gpu_delta": plan.gpu_delta,
        "capacity": msgspec.to_builtins(plan.capacity),
        "eta": msgspec.to_builtins(plan.eta),
        "cost_before": msgspec.to_builtins(plan.cost_before),
        "cost_after": msgspec.to_builtins(plan.cost_after),
        "vendor_time": plan.vendor_time or None,
        "guards": [
            {**msgspec.to_builtins(guard), "level": guard.level.name.lower()} for guard in plan.guards
        ],
        "target": msgspec.to_builtins(plan.target),
        "bounds_before": msgspec.to_builtins(plan.bounds_before),
        "bounds_after": msgspec.to_builtins(plan.bounds_after),
        "notes": list(plan.notes),
        "confirmation": plan.confirmation,
        "equivalent": plan.equivalent,
    }


def _count(count: Any) -> Mapping[str, Any]:
    return {"groups": count.groups, "roles": dict(count.roles)}
