"""What a Kthena AutoscalingPolicy decides (HEAD 3cc05728; fact sheet ``kthena``, section 7).

Its controller scrapes pods or asks Prometheus and writes no metric value into the API. Where the caller has
read the same pages the decision is recomputed; where not, only what the status and the bounds tell is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from clients.kube.kthena_policy_division import clamp, repaired, split
from clients.kube.kthena_policy_object import (
    PolicyMetric,
    PolicyObject,
    PolicyTarget,
    Ratio,
    Shape,
    StableRule,
)
from clients.serving.decision import (
    Aggregate,
    Clamped,
    Decision,
    MetricDecision,
    Outcome,
    PodSample,
    RateLimited,
    Stabilised,
)

__all__ = ["PolicyHistory", "PolicyValue", "decide"]

_INTERVAL = 15.0
_MOST = 1_000_000_000
_KEPT = 1024
_SYNC = "--autoscaling-sync-period-seconds=15"


class PolicyValue(Struct, frozen=True):
    """One metric as the controller sums it up."""

    total: float = 0.0
    reporters: int | None = None
    """Pods that gave a value; ``None`` for Prometheus' one number for all."""
    unready: int = 0
    """Pods of the scrape group that are not ready."""
    error: str | None = None
    """Why there is no value."""
    hidden: bool = False
    """Only from here: the controller may well have one."""
    pods: tuple[PodSample, ...] = ()


class PolicyHistory:
    """What was recommended and set since the console began to watch; times are cluster time."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._recommended: list[tuple[float, int]] = []
        self._set: list[tuple[float, int]] = []
        self.panic_until = -math.inf

    def remember(self, decision: Decision) -> None:
        """Once for each look of the controller, every 15 s."""
        if decision.best is None or decision.desired is None:
            return
        self._recommended.append((decision.at, decision.best))
        self._set.append((decision.at, decision.desired))
        del self._recommended[:-_KEPT], self._set[:-_KEPT]

    def recommended(self, now: float, window: float) -> list[tuple[float, int]]:
        """(when, count) within a window; a window of 0 holds nothing."""
        return [entry for entry in self._recommended if entry[0] + window >= now] if window else []

    def stood(self, now: float, period: float, current: int) -> list[int]:
        """Counts that stood at some time in the period, the one of now first; none where the period is 0."""
        if not period:
            return []
        ends = [at for at, _ in self._set[1:]]
        stood = [count for (_, count), end in zip(self._set, ends, strict=False) if end + period >= now]
        stood += [count for at, count in self._set[-1:] if at + 2 * period >= now]
        return [current, *stood]


def decide(
    policy: PolicyObject,
    current: Mapping[tuple[str, str | None], int],
    values: Mapping[str | None, Mapping[str, PolicyValue]],
    histories: Mapping[str | None, PolicyHistory],
    now: float,
    *,
    keep: bool = False,
) -> tuple[Decision, ...]:
    """One decision for each target and role. ``current``: (name, role) → the count that is asked for.

    ``values`` and ``histories`` are by role, or by ``None`` for whole targets; a missing value was not read.
    ``keep``: the decision is one of the controller's own looks, and later ones remember it.
    """
    if policy.shape is Shape.HETEROGENEOUS:
        return _divided(policy, current, values.get(None, {}), histories.get(None), now, keep=keep)
    made = [
        _one(
            policy,
            target,
            current.get((target.target.name, target.role)),
            values.get(target.role, {}),
            histories.get(target.role),
            now,
            keep=keep,
        )
        for target in policy.targets
    ]
    if policy.shape is Shape.DISAGGREGATED:
        made = _all_or_none(made)
        if policy.ratio is not None:
            made = _in_ratio(policy, policy.ratio, made)
    return tuple(made)


def _begin(policy: PolicyObject, target: PolicyTarget, current: int | None, now: float) -> Decision:
    return Decision(
        subject=policy.ref,
        at=now,
        outcome=Outcome.UNKNOWN,
        target=target.target,
        role=target.role,
        current=current,
        minimum=target.minimum,
        maximum=target.maximum,
        interval=_INTERVAL,
        reason=policy.problem or "its target is not there",
        assumptions=(_SYNC,),
    )


def _value_of(metric: PolicyMetric, values: Mapping[str, PolicyValue]) -> PolicyValue:
    if metric.source is None:
        return PolicyValue(error="has no source: it is left out")
    unread = PolicyValue(error=f"read by the controller from {metric.source}", hidden=True)
    return values.get(metric.name, unread)


def _one(
    policy: PolicyObject,
    target: PolicyTarget,
    current: int | None,
    values: Mapping[str, PolicyValue],
    history: PolicyHistory | None,
    now: float,
    *,
    keep: bool,
) -> Decision:
    made = _begin(policy, target, current, now)
    bounds = target.bounds
    if current is None or bounds is None:
        return made if bounds is not None else replace(made, reason="its bounds are not told")
    least, most = bounds
    fixed = target.role is not None and least == most > 0
    if fixed or not least <= current <= most:
        bound = clamp(current, bounds)
        reason = f"min is max: the role stays at {bound}" if fixed else f"{current} is out of its bounds"
        return _settled(replace(made, reason=reason), bound)
    known = [_value_of(metric, values) for metric in target.metrics]
    metrics = tuple(
        _proposed(metric, value, current, policy) for metric, value in zip(target.metrics, known, strict=True)
    )
    made = replace(made, metrics=metrics)
    hidden = next((metric for metric, value in zip(metrics, known, strict=True) if value.hidden), None)
    if hidden is not None:
        return _by_status(policy, replace(made, reason=f"{hidden.name}: {hidden.error}"))
    proposals = [
        (metric.proposal, index) for index, metric in enumerate(metrics) if metric.proposal is not None
    ]
    if not proposals:
        why = next((f"{metric.name}: {metric.error}" for metric in metrics), "it has no metric")
        return replace(made, outcome=Outcome.NONE, reason=why)
    asked, winner = max(proposals, key=lambda each: each[0])
    best = clamp(asked, bounds)
    made = replace(made, best=best, winner=winner, reason=None)
    if history is None or history.since > now - policy.down.window:
        made = replace(
            made, assumptions=(*made.assumptions, "what it recommended before servegrid looked is unknown")
        )
    made = _corrected(policy, made, current, best, history or PolicyHistory(now), now)
    if keep and history is not None:
        history.remember(made)
    if best != asked and made.desired == best:
        made = replace(made, clamped=Clamped(best, "max" if best < asked else "min"))
    return made


def _by_status(policy: PolicyObject, made: Decision) -> Decision:
    """Without values: what the status of a disaggregated policy says was asked for."""
    role = next((role for role in policy.roles if role.name == made.role), None)
    if role is None or role.desired is None:
        return made
    panic = ", in panic" if role.mode == "Panic" else ""
    told = replace(
        made, best=role.desired, reason=f"its metrics ask for {role.desired}{panic}, says its status"
    )
    return _settled(told, min(max(role.desired, made.minimum or 0), made.maximum or role.desired))


def _settled(made: Decision, desired: int) -> Decision:
    moves = made.current != desired
    return replace(
        made,
        outcome=Outcome.SCALES if moves else Outcome.HOLDS,
        desired=desired,
        goes_to=desired if moves else None,
        until=made.at if moves else None,
    )


# -- the proposal of a metric


def _proposed(metric: PolicyMetric, value: PolicyValue, current: int, policy: PolicyObject) -> MetricDecision:
    made = MetricDecision(kind="policy", name=metric.name, target=metric.target, pods=value.pods)
    if value.error is not None or not metric.target or metric.target < 0:
        return replace(made, error=value.error or "its target is not above 0")
    if value.reporters is None:
        wanted = value.total / metric.target
        ratio = wanted / current if current else math.inf
        near = abs(ratio - 1) <= policy.tolerance
        return replace(
            made,
            aggregate=Aggregate.VALUE,
            current=value.total,
            ratio=ratio if math.isfinite(ratio) else None,
            tolerated=near,
            proposal=current if near else _ceil(wanted),
        )
    if value.reporters <= 0:
        return replace(made, error="no pod gives a value")
    average = value.total / value.reporters
    proposal, near = _per_pod(value, current, metric.target, policy.tolerance)
    return replace(
        made,
        aggregate=Aggregate.AVERAGE,
        current=average,
        ratio=average / metric.target,
        proposal=proposal,
        tolerated=near,
    )


def _per_pod(value: PolicyValue, current: int, target: float, tolerance: float) -> tuple[int, bool]:
    """(proposal, near enough): pods without a say count as 0 upwards, as the target downwards."""
    count, total = value.reporters or 0, value.total
    missing = max(current - value.unready - count, 0)
    ratio = total / count / target
    up = ratio >= 1
    if not missing and not (value.unready and up):
        near = abs(ratio - 1) <= tolerance
        return (current, True) if near else (_ceil(ratio * count), False)
    count += missing
    if not up:
        total += missing * target
    elif value.unready:
        count += value.unready
    again = total / count / target
    if abs(again - 1) <= tolerance or up != (again >= 1):
        return current, abs(again - 1) <= tolerance
    wanted = _ceil(again * count)
    against = wanted > current if again < 1 else wanted < current
    return (current if against else wanted), False


def _ceil(value: float) -> int:
    return _MOST if value >= _MOST else max(0, math.ceil(value))


# -- behavior


def _corrected(
    policy: PolicyObject, made: Decision, current: int, best: int, history: PolicyHistory, now: float
) -> Decision:
    if policy.panic.hold and best * 100 >= current * policy.panic.threshold:
        history.panic_until = now + policy.panic.hold
    if policy.panic.hold and now <= history.panic_until:
        return _panicking(policy, made, current, best, history, now)
    if best == current:
        return _settled(made, current)
    down = best < current
    rule = policy.down if down else policy.up
    kept = history.recommended(now, rule.window)
    pick = max if down else min
    stable = pick([best, *(count for _, count in kept)])
    stable = min(stable, current) if down else max(stable, current)
    if stable != best:
        held = [(at, count) for at, count in kept if (count >= stable if down else count <= stable)]
        at, by = max(held)
        left = max(0.0, at + rule.window - now)
        made = replace(made, stabilised=Stabilised(stable, down, rule.window, left, by, now - at))
    limit = _limit(rule, history.stood(now, rule.period, current), down=down)
    desired = stable
    if limit is not None:
        desired = min(max(stable, limit), current) if down else max(min(stable, limit), current)
    if desired != stable:
        made = replace(made, limited=RateLimited(desired, _rule_words(rule)))
    made = _settled(made, desired)
    if desired == current and made.stabilised is not None:
        return replace(made, until=now + made.stabilised.left, goes_to=best)
    return made


def _limit(rule: StableRule, stood: list[int], *, down: bool) -> int | None:
    """How far a step may go, from the highest (down) or lowest (up) count of the period."""
    if not stood or rule.select not in ("Or", "And"):
        return None
    past = max(stood) if down else min(stood)
    share = past * rule.percent // 100
    limits = (past - rule.instances, past - share) if down else (past + rule.instances, past + share)
    widest = min if down else max
    narrowest = max if down else min
    return (widest if rule.select == "Or" else narrowest)(limits)


def _rule_words(rule: StableRule) -> str:
    return f"{rule.instances} {rule.select.lower()} {rule.percent}% in {rule.period:g}s"


def _panicking(
    policy: PolicyObject, made: Decision, current: int, best: int, history: PolicyHistory, now: float
) -> Decision:
    past = min(history.stood(now, policy.panic.period, current), default=0)
    desired = best
    if past:
        limit = past + int(past * policy.panic.percent / 100)
        if limit < best:
            desired = limit
            words = f"panic, {policy.panic.percent}% in {policy.panic.period:g}s"
            made = replace(made, limited=RateLimited(max(desired, current), words))
    return _settled(replace(made, adjusted="in panic: it does not go down"), max(desired, current))


# -- several targets, and roles in a ratio


def _divided(
    policy: PolicyObject,
    current: Mapping[tuple[str, str | None], int],
    values: Mapping[str, PolicyValue],
    history: PolicyHistory | None,
    now: float,
    *,
    keep: bool,
) -> tuple[Decision, ...]:
    counts = [current.get((target.target.name, target.role)) for target in policy.targets]
    ranges = [target.bounds for target in policy.targets]
    known = [bounds for bounds in ranges if bounds is not None]
    if not known or len(known) < len(ranges) or any(count is None for count in counts):
        return tuple(_begin(policy, t, count, now) for t, count in zip(policy.targets, counts, strict=True))
    whole = PolicyTarget(
        policy.ref,
        sum(least for least, _ in known),
        sum(most for _, most in known),
        metrics=policy.targets[0].metrics,
    )
    together = _one(policy, whole, sum(count or 0 for count in counts), values, history, now, keep=keep)
    if together.desired is None:
        return tuple(
            replace(
                together,
                target=target.target,
                current=count,
                minimum=target.minimum,
                maximum=target.maximum,
            )
            for target, count in zip(policy.targets, counts, strict=True)
        )
    shares = split(policy.targets, together.desired, policy.expansion)
    return tuple(
        _settled(
            replace(
                together,
                target=target.target,
                current=count,
                minimum=target.minimum,
                maximum=target.maximum,
                adjusted=f"{share} of {together.desired} in all, the cheapest first",
            ),
            share,
        )
        for target, count, share in zip(policy.targets, counts, shares, strict=True)
    )


def _all_or_none(made: list[Decision]) -> list[Decision]:
    """Roles are set together: where one has no decision, or none that is known, no other moves by itself."""
    lost = next((one for one in made if one.outcome is Outcome.NONE), None)
    lost = lost or next((one for one in made if one.desired is None), None)
    if lost is None:
        return made
    reason = f"roles are scaled together, and of {lost.role} there is no decision"
    return [
        decision
        if decision.desired is None
        else replace(decision, outcome=lost.outcome, desired=None, goes_to=None, until=None, reason=reason)
        for decision in made
    ]


def _in_ratio(policy: PolicyObject, ratio: Ratio, made: list[Decision]) -> list[Decision]:
    """Roles kept in their ratio; nothing is said of it where a role's own count is not known."""
    wanted = {decision.role: decision.desired for decision in made}
    numerator, denominator = wanted.get(ratio.numerator), wanted.get(ratio.denominator)
    bounds = {target.role: target.bounds for target in policy.targets}
    above, below = bounds.get(ratio.numerator), bounds.get(ratio.denominator)
    if numerator is None or denominator is None or above is None or below is None:
        return made
    pair = repaired((numerator, denominator), above, below, ratio.least, ratio.most)
    if pair is None:
        reason = f"no counts within the bounds keep {ratio.numerator} to {ratio.denominator} in its ratio"
        return [replace(decision, outcome=Outcome.NONE, desired=None, reason=reason) for decision in made]
    kept = {ratio.numerator: pair[0], ratio.denominator: pair[1]}
    return [
        _settled(
            replace(
                decision, adjusted=f"the ratio of {ratio.numerator} to {ratio.denominator} needs {kept[role]}"
            ),
            kept[role],
        )
        if (role := decision.role or "") in kept and kept[role] != decision.desired
        else decision
        for decision in made
    ]
