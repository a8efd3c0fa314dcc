"""A scale operation in six lines of text: what a person pastes into a ticket."""

from __future__ import annotations

from collections.abc import Iterable

from clients.serving.operation import Operation, StageTimes
from clients.serving.plain import plain
from tui.moments import rfc3339
from widgets.cells import duration, span
from widgets.words import counts, item_label

__all__ = ["summary"]


def summary(operation: Operation, where: str, now: float) -> str:
    """What, who and why, predicted, happened, time per stage, failures; one line each."""
    name = operation.key.name
    ended = operation.ended_at
    state = (
        str(operation.outcome)
        if operation.outcome
        else f"running, {operation.done} of {operation.total} done"
    )
    took = duration(max(0.0, (now if ended is None else ended) - operation.started_at))
    reason = plain(operation.reason) if operation.reason else "no reason given"
    lines = [
        f"{where}: {counts(operation.before, operation.after) or 'nothing changed'}, {state}",
        f"asked by {plain(operation.by)} at {rfc3339(operation.started_at, whole=True)}: {reason}",
        f"predicted: {_predicted(operation)}",
        f"happened:  {_items(operation.happened, name)} in {took}",
        f"stages:    {_stages(operation.times)}",
        f"failures:  {_failures(operation)}",
    ]
    return "\n".join(lines)


def _predicted(operation: Operation) -> str:
    prediction = operation.prediction
    if prediction is None:
        return "nothing, it was not asked for from here"
    order = "order unknown" if prediction.order is None else _items(prediction.order, operation.key.name)
    if prediction.eta_low is None or prediction.eta_high is None:
        return f"{order}, no history"
    source = f"from {prediction.samples} earlier" if prediction.samples else "as its vendor says"
    return f"{order}, {span(prediction.eta_low, prediction.eta_high)} {source}"


def _items(names: Iterable[str], workload: str) -> str:
    return ", ".join(item_label(name, workload) for name in names) or "nothing"


def _stages(times: Iterable[StageTimes]) -> str:
    """The median over all affected items of how long each stage took."""
    found: dict[str, list[float]] = {"waiting": [], "image": [], "loading": [], "ending": []}
    for item in times:
        for stage, begin, end in (
            ("waiting", item.begun, item.scheduled),
            ("image", item.scheduled, item.started),
            ("loading", item.started, item.ready),
            ("ending", item.begun, item.gone),
        ):
            if begin is not None and end is not None and end >= begin:
                found[stage].append(end - begin)
    words = [f"{stage} {duration(sorted(took)[len(took) // 2])}" for stage, took in found.items() if took]
    return ", ".join(words) or "not seen"


def _failures(operation: Operation) -> str:
    words = [
        f"{item_label(item.name, operation.key.name)} {item.failures}"
        for item in operation.times
        if item.failures
    ]
    if operation.detail:
        words.append(plain(operation.detail))
    return ", ".join(words) or "none"
