"""What an HPA decides now, and what it does next if nothing changes (kube-controller-manager 1.36).

The algorithm of the fact sheet ``kserve-hpa-lws``, 2.5, from what can be read: the object, its target's scale
and pods, the metrics APIs, and the recommendations made since the console began to watch. ``decide`` may be
asked at any time; once in each period of the controller its answer is handed to ``remember``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from clients.kube.hpa_history import Change, History, Recommendation
from clients.kube.hpa_object import Behavior, HpaObject, Rules, amount_in, condition_words
from clients.kube.hpa_replicas import DEFAULT_FLAGS, Flags, HpaPod, MetricValues, Scale, propose
from clients.serving.decision import Clamped, Decision, MetricDecision, Outcome, RateLimited, Stabilised

__all__ = ["Inputs", "decide", "decide_from", "remember", "window_of"]

_AFTER = 0.001
"""A recommendation leaves its window just after it is as old as the window."""
_SELECTOR = ("AmbiguousSelector", "InvalidSelector")
"""What only the controller sees: it compares the selectors of all HPAs."""
_NO_BEHAVIOR = "doubling, or 4 (no behavior)"


class Inputs(Struct, frozen=True):
    """What was read for one decision."""

    scale: Scale | None = None
    pods: tuple[HpaPod, ...] = ()
    values: tuple[MetricValues, ...] = ()
    problem: str | None = None
    """Why there is no scale, or no pods."""
    hidden: bool = False
    """The problem is ours alone: the controller may well read it."""


class _Limits(Struct, frozen=True):
    """One HPA's numbers for the steps after the proposals."""

    current: int
    minimum: int
    maximum: int
    behavior: Behavior | None
    down_window: float


class _Step(Struct, frozen=True):
    desired: int
    stabilised: Stabilised | None = None
    limited: RateLimited | None = None
    clamped: Clamped | None = None


def window_of(hpa: HpaObject, flags: Flags = DEFAULT_FLAGS) -> float:
    """The longest time, in seconds, for which a recommendation of this HPA counts."""
    if hpa.behavior is None:
        return flags.window
    down = hpa.behavior.down.window
    return float(max(hpa.behavior.up.window or 0, flags.window if down is None else down))


def remember(
    history: History, hpa: HpaObject, decision: Decision, flags: Flags = DEFAULT_FLAGS, *, acted: bool = True
) -> None:
    """Keeps what this look recommended and, if the HPA ``acted`` on it, by how much it changed the count.

    Called once for each look of the controller, that is every ``flags.sync`` seconds.
    """
    if decision.best is not None:
        history.recommended(decision.best, decision.at, window_of(hpa, flags))
    if acted and decision.outcome is Outcome.SCALES:
        assert decision.current is not None
        assert decision.desired is not None
        history.scaled(decision.current, decision.desired, decision.at, hpa.behavior)


def decide(
    hpa: HpaObject,
    scale: Scale,
    pods: Collection[HpaPod],
    values: Sequence[MetricValues],
    history: History,
    now: float,
    flags: Flags = DEFAULT_FLAGS,
) -> Decision:
    """The decision at cluster time ``now``; ``values`` are by index of ``hpa.metrics``."""
    current = scale.spec_replicas
    history.seen(current, now)
    maximum = current if hpa.maximum is None else hpa.maximum
    made = Decision(
        subject=hpa.ref,
        at=now,
        outcome=Outcome.NONE,
        target=hpa.target,
        current=current,
        minimum=hpa.minimum,
        maximum=hpa.maximum,
        interval=flags.sync,
        assumptions=flags.words[:1],
    )
    if current == 0 and hpa.minimum != 0:
        return replace(made, outcome=Outcome.DISABLED, desired=0, reason="the target is at 0")
    if current > maximum or current < hpa.minimum:
        above = current > maximum
        bound = maximum if above else hpa.minimum
        reason = f"{current} is {'above max' if above else 'below min'} {bound}, whatever the metrics say"
        return replace(made, outcome=Outcome.SCALES, desired=bound, reason=reason, goes_to=bound, until=now)
    metrics = tuple(
        propose(metric, reading, pods, scale, now, _tolerance(hpa, flags), flags)
        for metric, reading in zip(hpa.metrics, _padded(values, len(hpa.metrics)), strict=True)
    )
    assumptions = _assumptions(hpa, metrics, flags)
    best, winner, refusal = _best(metrics, current)
    if best is None:
        return replace(made, metrics=metrics, reason=refusal, assumptions=assumptions)
    down = hpa.behavior.down.window if hpa.behavior is not None else None
    limits = _Limits(
        current, hpa.minimum, maximum, hpa.behavior, flags.window if down is None else float(down)
    )
    if not history.reaches(now, window_of(hpa, flags)):
        assumptions += ("what it recommended before servegrid looked is unknown",)
    step = _unseen(_step(best, limits, history, now), hpa, limits, history, now)
    goes_to, until, at_latest = _next(best, step, limits, history, now)
    return replace(
        made,
        outcome=Outcome.HOLDS if step.desired == current else Outcome.SCALES,
        desired=step.desired,
        metrics=metrics,
        best=best,
        winner=winner,
        stabilised=step.stabilised,
        limited=step.limited,
        clamped=step.clamped,
        goes_to=goes_to,
        until=until,
        at_latest=at_latest,
        assumptions=assumptions,
    )


def decide_from(
    hpa: HpaObject, inputs: Inputs, history: History, now: float, flags: Flags = DEFAULT_FLAGS
) -> Decision:
    """The decision from what was read; where that is not enough, which part is missing."""
    if inputs.scale is None:
        return Decision(
            subject=hpa.ref,
            at=now,
            outcome=Outcome.UNKNOWN if inputs.hidden else Outcome.NONE,
            target=hpa.target,
            current=hpa.current,
            minimum=hpa.minimum,
            maximum=hpa.maximum,
            reason=inputs.problem,
            interval=flags.sync,
        )
    made = decide(hpa, inputs.scale, inputs.pods, inputs.values, history, now, flags)
    active = hpa.condition("ScalingActive")
    stopped = active is not None and active.status is False
    if made.metrics and active is not None and stopped and active.reason in _SELECTOR:
        reason = condition_words(active)
        return replace(
            made, outcome=Outcome.NONE, desired=None, best=None, winner=None, stabilised=None, limited=None,
            clamped=None, reason=reason, since=active.since, goes_to=None, until=None, at_latest=False,
        )  # fmt: skip
    if made.outcome is not Outcome.NONE:
        return made
    if any(values.hidden for values in inputs.values):
        return replace(made, outcome=Outcome.UNKNOWN, metrics=_as_told(hpa, made.metrics))
    return replace(made, since=active.since if active is not None and stopped else None)


def _as_told(hpa: HpaObject, metrics: tuple[MetricDecision, ...]) -> tuple[MetricDecision, ...]:
    """What we may not read, as the controller last read it; its proposal is not known."""
    found = []
    for index, (spec, metric) in enumerate(zip(hpa.metrics, metrics, strict=True)):
        current = amount_in(spec.aggregate, hpa.reading(index))
        if metric.error is not None and current is not None:
            metric = replace(metric, current=current, notes=("as the controller last read it",))
        found.append(metric)
    return tuple(found)


def _padded(values: Sequence[MetricValues], count: int) -> list[MetricValues]:
    missing = [MetricValues(error="not read")] * (count - len(values))
    return [*values[:count], *missing]


def _tolerance(hpa: HpaObject, flags: Flags) -> tuple[float, float]:
    """(down, up)"""
    if hpa.behavior is None:
        return flags.tolerance, flags.tolerance
    down, up = hpa.behavior.down.tolerance, hpa.behavior.up.tolerance
    return flags.tolerance if down is None else down, flags.tolerance if up is None else up


def _assumptions(hpa: HpaObject, metrics: Sequence[MetricDecision], flags: Flags) -> tuple[str, ...]:
    """The flags that bear on this decision."""
    sync, window, tolerance, initialization, delay = flags.words
    behavior = hpa.behavior
    used = [sync]
    if behavior is None or behavior.down.window is None:
        used.append(window)
    if behavior is None or behavior.down.tolerance is None or behavior.up.tolerance is None:
        used.append(tolerance)
    if any(metric.name == "cpu" and metric.kind.endswith("Resource") for metric in metrics):
        used += [initialization, delay]
    return tuple(used)


def _best(metrics: Sequence[MetricDecision], current: int) -> tuple[int | None, int | None, str | None]:
    """(the highest proposal, whose, or why there is none): with a metric missing it may only go up."""
    best: int | None = None
    winner: int | None = None
    for index, metric in enumerate(metrics):
        if metric.proposal is not None and (not best or metric.proposal > best):
            best, winner = metric.proposal, index
    failed = [metric for metric in metrics if metric.error is not None]
    if best is None:
        return None, None, "; ".join(f"{metric.name}: {metric.error}" for metric in failed)
    if failed and best < current:
        first = failed[0]
        return None, None, f"{first.name}: {first.error}; without it the count is not lowered"
    return best, winner, None


def _step(best: int, limits: _Limits, history: History, now: float) -> _Step:
    if limits.behavior is None:
        return _plain(best, limits, history, now)
    return _behaved(best, limits, limits.behavior, history, now)


def _plain(best: int, limits: _Limits, history: History, now: float) -> _Step:
    """Without a behavior: held up by the last minutes, at most doubled."""
    window = limits.down_window
    valid = [entry for entry in history.recommendations if entry.at >= now - window]
    stable = max([best, *(entry.replicas for entry in valid)])
    held = _holding(valid, stable, window, now, down=True) if stable > best else None
    if stable < limits.minimum:
        return _Step(limits.minimum, held, None, Clamped(limits.minimum, "min"))
    doubled = max(2 * limits.current, 4)
    if stable > min(limits.maximum, doubled):
        if limits.maximum > doubled:
            return _Step(doubled, held, RateLimited(doubled, _NO_BEHAVIOR))
        return _Step(limits.maximum, held, None, Clamped(limits.maximum, "max"))
    return _Step(stable, held)


def _behaved(best: int, limits: _Limits, behavior: Behavior, history: History, now: float) -> _Step:
    current = limits.current
    up_window, down_window = float(behavior.up.window or 0), limits.down_window
    ups = [entry for entry in history.recommendations if entry.at > now - up_window]
    downs = [entry for entry in history.recommendations if entry.at > now - down_window]
    low = min([best, *(entry.replicas for entry in ups)])
    high = max([best, *(entry.replicas for entry in downs)])
    stable = min(max(current, low), high)
    held = None
    if stable > best:
        held = _holding(downs, stable, down_window, now, down=True)
    elif stable < best:
        held = _holding(ups, stable, up_window, now, down=False)
    if stable > current:
        limit, policy, left = _limit(current, behavior.up, history, now, up=True)
        limit = max(limit, current)
        if stable <= min(limits.maximum, limit):
            return _Step(stable, held)
        if limits.maximum > limit:
            return _Step(limit, held, RateLimited(limit, policy, left))
        return _Step(limits.maximum, held, None, Clamped(limits.maximum, "max"))
    if stable < current:
        limit, policy, left = _limit(current, behavior.down, history, now, up=False)
        limit = min(limit, current)
        if stable >= max(limits.minimum, limit):
            return _Step(stable, held)
        if limits.minimum < limit:
            return _Step(limit, held, RateLimited(limit, policy, left))
        return _Step(limits.minimum, held, None, Clamped(limits.minimum, "min"))
    return _Step(stable, held)


def _holding(
    valid: Sequence[Recommendation], stable: int, window: float, now: float, *, down: bool
) -> Stabilised | None:
    """The newest recommendation that holds the count: when it leaves the window, the hold ends."""
    for entry in sorted(valid, key=lambda entry: entry.at, reverse=True):
        if entry.replicas >= stable if down else entry.replicas <= stable:
            age = now - entry.at
            return Stabilised(stable, down, window, max(0.0, window - age), entry.replicas, age)
    return None


def _limit(
    current: int, rules: Rules, history: History, now: float, *, up: bool
) -> tuple[int, str, float | None]:
    """(how far the policies let it go, which one, seconds until its oldest change leaves the period)"""
    if rules.select == "Disabled":
        return current, "Disabled", None
    found: list[tuple[int, str, float | None]] = []
    for policy in rules.policies:
        added, removed = (_within(changes, policy.period, now) for changes in (history.ups, history.downs))
        start = current - sum(entry.replicas for entry in added) + sum(entry.replicas for entry in removed)
        if policy.kind == "Pods":
            limit = start + policy.value if up else start - policy.value
        elif up:
            limit = math.ceil(start * (1 + policy.value / 100))
        else:
            limit = int(start * (1 - policy.value / 100))
        moved = [entry.at for entry in (added if up else removed)]
        found.append((limit, str(policy), min(moved) + policy.period - now if moved else None))
    widest: Callable[..., tuple[int, str, float | None]] = max if up == (rules.select != "Min") else min
    return widest(found, key=lambda entry: entry[0])


def _within(changes: Sequence[Change], period: float, now: float) -> list[Change]:
    return [entry for entry in changes if entry.at > now - period]


def _unseen(step: _Step, hpa: HpaObject, limits: _Limits, history: History, now: float) -> _Step:
    """The step, unless something from before we looked holds the count.

    At its last look the controller wanted the count that it found (``status.desiredReplicas``). Had nothing
    in its memory held the count, it would have moved it then.
    """
    down = step.desired < limits.current
    up_window = float(limits.behavior.up.window or 0) if limits.behavior is not None else 0.0
    window = limits.down_window if down else up_window
    moves = step.desired != limits.current
    if not moves or hpa.desired != limits.current or history.reaches(now, window):
        return step
    left = max(0.0, history.since + window - now)
    return _Step(limits.current, Stabilised(limits.current, down, window, left, seen=False))


def _next(
    best: int, step: _Step, limits: _Limits, history: History, now: float
) -> tuple[int | None, float | None, bool]:
    """(the next count, when, whether that is the latest time): the first moment at which it would move."""
    if step.desired != limits.current:
        return step.desired, now, False
    unseen = step.stabilised is not None and not step.stabilised.seen
    windows = [limits.down_window]
    periods: list[float] = []
    if limits.behavior is not None:
        windows.append(float(limits.behavior.up.window or 0))
        rules = (limits.behavior.up, limits.behavior.down)
        periods = [float(policy.period) for side in rules for policy in side.policies]
    moments = {entry.at + window for entry in history.recommendations for window in windows}
    moments |= {entry.at + period for entry in (*history.ups, *history.downs) for period in periods}
    if unseen and step.stabilised is not None:
        moments.add(now + step.stabilised.left)
    for moment in sorted(moments):
        if moment < now or (unseen and step.stabilised and moment < now + step.stabilised.left):
            continue
        found = _step(best, limits, history, moment + _AFTER).desired
        if found != limits.current:
            return found, moment, unseen
    return None, None, False
