"""A decision told in one sentence, and its numbers in their units."""

from __future__ import annotations

from clients.serving.decision import Decision, MetricDecision, Outcome, Unit
from clients.serving.plain import plain

__all__ = ["amount", "lasted", "metric_words", "sentence"]

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NAME = 80


def amount(value: float | None, unit: Unit = Unit.PLAIN) -> str:
    """A number in its unit, short: ``72%``, ``0.5`` cores, ``1.5Gi``; ``–`` for what is not known."""
    if value is None:
        return "–"
    if unit is Unit.PERCENT:
        return f"{value:.3g}%" if abs(value) < 100 else f"{value:.0f}%"
    if unit is Unit.BYTES:
        step = 0
        while abs(value) >= 1024 and step < len(_BINARY) - 1:
            value, step = value / 1024, step + 1
        return f"{value:.3g}{_BINARY[step]}" if abs(value) < 1000 else f"{value:.0f}{_BINARY[step]}"
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.4g}"


def lasted(seconds: float) -> str:
    """A duration: ``50s``, ``2m50s``, ``3m``, ``1h05m``, ``2d3h``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d{hours % 24}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    return f"{rest}s"


def metric_words(metric: MetricDecision) -> str:
    """A metric's state: ``cpu 88% of 80% asks for 5``, ``queue: no metrics API``."""
    name = plain(metric.name, _NAME)
    if metric.error is not None:
        return f"{name}: {plain(metric.error)}"
    state = f"{name} {amount(metric.current, metric.unit)} of {amount(metric.target, metric.unit)}"
    if metric.proposal is None:
        return state
    if metric.tolerated:
        return f"{state} is near enough: asks for {metric.proposal}"
    return f"{state} asks for {metric.proposal}"


def sentence(decision: Decision) -> str:
    """What it does now, why, and what comes next; plain text of one line."""
    if decision.outcome in (Outcome.NONE, Outcome.UNKNOWN):
        words = "no decision" if decision.outcome is Outcome.NONE else "not known"
        if decision.reason:
            words += f": {plain(decision.reason)}"
        if decision.since is not None:
            words += f" since {lasted(decision.at - decision.since)}"
        return words
    if decision.outcome is Outcome.DISABLED:
        return f"off: {plain(decision.reason or 'the target is at 0')}"
    words = _scales(decision) if decision.outcome is Outcome.SCALES else _holds(decision)
    if decision.outcome is Outcome.HOLDS and decision.goes_to is not None and decision.until is not None:
        wait = lasted(decision.until - decision.at)
        words += f"; goes to {decision.goes_to} in {'at most ' if decision.at_latest else ''}{wait}"
    return words


def _scales(decision: Decision) -> str:
    words = f"goes from {_count(decision.current)} to {_count(decision.desired)}"
    if decision.interval:
        words += f" within {lasted(decision.interval)}"
    return f"{words}: {_why(decision)}"


def _holds(decision: Decision) -> str:
    held, at = decision.stabilised, _count(decision.desired)
    if decision.clamped is not None:
        return f"at {decision.clamped.bound} {at}: {_asks(decision)}"
    if held is not None and held.replicas == decision.desired:
        return f"holds at {at} because {_recommended(decision)}"
    if decision.limited is not None:
        return f"holds at {at}: {_asks(decision)}, {_limit(decision)}"
    return f"holds at {at}: {_asks(decision)}"


def _why(decision: Decision) -> str:
    held = decision.stabilised
    if decision.best is None and decision.reason:
        return plain(decision.reason)
    parts = [_recommended(decision) if held is not None else _asks(decision)]
    if decision.limited is not None:
        parts.append(_limit(decision))
    if decision.clamped is not None:
        parts.append(f"{decision.clamped.bound} is {decision.clamped.replicas}")
    if decision.adjusted is not None:
        parts.append(plain(decision.adjusted))
    return ", ".join(parts)


def _recommended(decision: Decision) -> str:
    held = decision.stabilised
    assert held is not None
    if not held.seen or held.by is None or held.age is None:
        return "a recommendation from before servegrid looked holds it"
    return f"{held.by} was recommended {lasted(held.age)} ago"


def _limit(decision: Decision) -> str:
    limited = decision.limited
    assert limited is not None
    if limited.policy == "Disabled":
        return "this direction is disabled"
    return f"at most {limited.replicas} now by {limited.policy}"


def _asks(decision: Decision) -> str:
    if decision.winner is None or decision.winner >= len(decision.metrics):
        return plain(decision.reason) if decision.reason else f"{_count(decision.best)} is asked for"
    return metric_words(decision.metrics[decision.winner])


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)
