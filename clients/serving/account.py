"""A scale operation told in words: the prediction beside what happened, and six lines to pass on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from clients.serving.eta import spell
from clients.serving.operation import Count, Operation, Outcome, StageTimes
from clients.serving.plain import plain

__all__ = ["score", "short", "summary"]

_MOST = 6
"""Names that one line spells out."""


def short(operation: Operation, name: str) -> str:
    """``G-3`` for ``qwen-3``, ``G-3/decode-1`` for ``qwen-3/decode-1``; other names as they are."""
    group, slash, role_id = name.partition("/")
    ordinal = group.removeprefix(f"{operation.key.name}-")
    if ordinal != group and ordinal.isdecimal():
        group = f"G-{ordinal}"
    return plain(f"{group}{slash}{role_id}")


def _names(operation: Operation, names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    told = ", ".join(short(operation, name) for name in names[:_MOST])
    return f"{told}, … ({len(names)})" if len(names) > _MOST else told


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


def _range(low: float | None, high: float | None) -> str:
    return "no history" if low is None or high is None else f"~{spell((low + high) / 2)}"


def summary(operation: Operation) -> list[str]:
    """Six lines for a chat or a ticket: what, who, when, order, time per stage, failures."""
    return [
        f"{plain(str(operation.key))}: {_change(operation.before, operation.after)}",
        _asked(operation),
        _when(operation),
        score(operation),
        _stages(operation.times),
        _failures(operation),
    ]


def _change(before: Count, after: Count) -> str:
    parts = []
    if before.groups != after.groups:
        parts.append(f"groups {_number(before.groups)} to {_number(after.groups)}")
    for name, replicas in after.roles:
        was = before.role(name)
        if was != replicas:
            parts.append(f"{plain(name)} {_number(was)} to {replicas}")
    return ", ".join(parts) or "no change"


def _number(count: int | None) -> str:
    return "–" if count is None else str(count)


def _asked(operation: Operation) -> str:
    who = f"asked for by {plain(operation.by)}"
    return f"{who}: {plain(operation.reason)}" if operation.reason else who


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _when(operation: Operation) -> str:
    begun = f"begun {_clock(operation.started_at)}"
    if operation.ended_at is None:
        return f"{begun}, {operation.done} of {operation.total} done"
    ended = f"{begun}, {operation.outcome or Outcome.DONE} {_clock(operation.ended_at)}"
    return f"{ended}: {plain(operation.detail)}" if operation.detail else ended


def _stages(times: Iterable[StageTimes]) -> str:
    """Each stage's shortest and longest time over all items, from the station before it."""
    made = [item for item in times if not item.removing]
    gone = [item for item in times if item.removing]
    parts = [
        _span("scheduling", [(item.begun, item.scheduled) for item in made]),
        _span("starting", [(item.scheduled, item.started) for item in made]),
        _span("loading", [(item.started, item.ready) for item in made]),
        _span("deleting", [(item.begun, item.gone) for item in gone]),
    ]
    return "per stage: " + (", ".join(part for part in parts if part) or "nothing was seen")


def _span(word: str, pairs: Iterable[tuple[float | None, float | None]]) -> str:
    spans = [max(0.0, end - start) for start, end in pairs if start is not None and end is not None]
    if not spans:
        return ""
    low, high = spell(min(spans)), spell(max(spans))
    return f"{word} {low}" if low == high else f"{word} {low}–{high}"


def _failures(operation: Operation) -> str:
    failed = [item for item in operation.times if item.failures]
    if not failed:
        return "no failures"
    told = ", ".join(f"{short(operation, item.name)} {item.failures}×" for item in failed[:_MOST])
    more = f", … ({len(failed)})" if len(failed) > _MOST else ""
    return f"failures: {told}{more}"
