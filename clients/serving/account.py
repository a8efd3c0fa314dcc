"""A scale operation's prediction beside what happened, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.eta import spell
from clients.serving.keys import item_label
from clients.serving.operation import Operation

__all__ = ["score"]

_MOST = 6
"""Names that one line spells out."""


def score(operation: Operation) -> str:
    """``predicted G-5, G-4, ~3m10s; happened G-5, G-4, 3m02s``."""
    prediction = operation.prediction
    if prediction is None:
        promise = "nothing predicted"
    else:
        order = "order unknown" if prediction.order is None else _names(operation, prediction.order)
        promise = f"predicted {order}, {_range(prediction.eta_low, prediction.eta_high)}"
    took = "still running" if operation.ended_at is None else spell(operation.ended_at - operation.started_at)
    return f"{promise}; happened {_names(operation, operation.happened)}, {took}"


def _names(operation: Operation, names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    told = ", ".join(item_label(name, operation.key.name) for name in names[:_MOST])
    return f"{told} and {len(names) - _MOST} more" if len(names) > _MOST else told


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "no history"
    near = high - low <= max(2.0, 0.1 * high)
    return f"~{spell((low + high) / 2)}" if near else f"{spell(low)}-{spell(high)}"
