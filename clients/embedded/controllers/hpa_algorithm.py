"""How many replicas an HPA asks for: proposals, windows and limits, as in kube-controller-manager 1.36.

Pure: numbers in, numbers out, and a ``History`` that the caller keeps. Values are whole thousandths, times
UTC seconds. Controller flags have their defaults.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from clients.embedded.quantity import parse_quantity

__all__ = [
    "Behavior",
    "Grouped",
    "History",
    "PodSample",
    "Policy",
    "Proposal",
    "ProposalError",
    "Rules",
    "Select",
    "Settled",
    "Tolerance",
    "by_average",
    "by_total",
    "by_utilization",
    "by_value",
    "group_pods",
    "read_behavior",
    "record_rescale",
    "settle",
]

DOWNSCALE_WINDOW = 300.0
TOLERANCE = 0.1
CPU_INITIALIZATION = 300.0
INITIAL_READINESS = 30.0
_DOUBLE = 2.0
_AT_LEAST = 4.0


class ProposalError(Exception):
    """A metric gives no count; says why in the controller's words."""


class Select(StrEnum):
    """Which of several policies counts."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class Policy(Struct, frozen=True):
    """So many pods, or so many per cent, in so many seconds."""

    percent: bool
    value: int
    period: float


class Rules(Struct, frozen=True):
    """One direction of a behavior."""

    window: float
    policies: tuple[Policy, ...]
    select: Select = Select.MAX
    tolerance: float = TOLERANCE


class Behavior(Struct, frozen=True):
    """Both directions."""

    up: Rules
    down: Rules


class Tolerance(Struct, frozen=True):
    """How far off the target a ratio may be, below and above."""

    down: float = TOLERANCE
    up: float = TOLERANCE

    def holds(self, ratio: float) -> bool:
        """Whether nothing needs to change."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class PodSample(Struct, frozen=True):
    """A pod as a metric sees it."""

    name: str
    phase: str
    deleting: bool = False
    ready: bool | None = True
    """None without a Ready condition."""
    ready_since: float | None = None
    started: float | None = None
    value: int | None = None
    """The sample; None if it is missing."""


class Grouped(Struct):
    """Pods by what they count for."""

    ready: dict[str, int]
    """Samples of those that count in full."""
    unready: list[str]
    missing: list[str]


class Proposal(Struct, frozen=True):
    """What one metric asks for."""

    replicas: int
    average: int | None = None
    """Thousandths per pod."""
    utilization: int | None = None
    """Per cent of the request."""
    value: int | None = None
    """Thousandths in all."""


def group_pods(
    pods: Iterable[PodSample], now: float, *, cpu: bool, sampled_at: float = 0.0, window: float = 0.0
) -> Grouped:
    """Sorts pods; for ``cpu`` a pod that starts, or never was ready, does not count yet."""
    found = Grouped({}, [], [])
    for pod in pods:
        if pod.deleting or pod.phase == "Failed":
            continue
        if pod.phase == "Pending":
            found.unready.append(pod.name)
        elif pod.value is None:
            found.missing.append(pod.name)
        elif cpu and _starting(pod, now, sampled_at, window):
            found.unready.append(pod.name)
        else:
            found.ready[pod.name] = pod.value
    return found


def _starting(pod: PodSample, now: float, sampled_at: float, window: float) -> bool:
    if pod.ready is None or pod.started is None or pod.ready_since is None:
        return True
    if pod.started + CPU_INITIALIZATION > now:
        return not pod.ready or sampled_at < pod.ready_since + window
    return not pod.ready and pod.started + INITIAL_READINESS > pod.ready_since


def by_average(current: int, grouped: Grouped, target: int, tolerance: Tolerance) -> Proposal:
    """Pods metrics, and resources with an averageValue. Raises ProposalError."""
    if not grouped.ready:
        raise ProposalError("did not receive metrics for targeted pods (pods might be unready)")
    average = sum(grouped.ready.values()) // len(grouped.ready)
    ratio = average / target
    if not grouped.missing and not (grouped.unready and ratio > 1.0):
        replicas = current if tolerance.holds(ratio) else math.ceil(ratio * len(grouped.ready))
        return Proposal(replicas, average)
    samples = _rebalanced(grouped, ratio, dict.fromkeys(grouped.missing, target))
    again = sum(samples.values()) // len(samples) / target
    return Proposal(_damped(current, ratio, again, len(samples), tolerance), average)


def by_utilization(
    current: int, grouped: Grouped, requests: Mapping[str, int], target: int, tolerance: Tolerance
) -> Proposal:
    """Resources in whole per cent of what the pods ask for. Raises ProposalError."""
    if not grouped.ready:
        raise ProposalError("did not receive metrics for targeted pods (pods might be unready)")
    total = sum(grouped.ready.values())
    utilization = _utilization(grouped.ready, requests)
    average = total // len(grouped.ready)
    ratio = utilization / target
    if not grouped.missing and not (grouped.unready and ratio > 1.0):
        replicas = current if tolerance.holds(ratio) else math.ceil(ratio * len(grouped.ready))
        return Proposal(replicas, average, utilization)
    fallback = max(100, target)
    instead = {name: requests.get(name, 0) * fallback // 100 for name in grouped.missing}
    samples = _rebalanced(grouped, ratio, instead)
    again = _utilization(samples, requests) / target
    return Proposal(_damped(current, ratio, again, len(samples), tolerance), average, utilization)


def _utilization(samples: Mapping[str, int], requests: Mapping[str, int]) -> int:
    asked = sum(requests[name] for name in samples if name in requests)
    if asked == 0:
        raise ProposalError("no metrics returned matched known pods")
    return sum(value for name, value in samples.items() if name in requests) * 100 // asked


def _rebalanced(grouped: Grouped, ratio: float, instead: Mapping[str, int]) -> dict[str, int]:
    """Samples with what is assumed of the pods that have none: what makes the step smaller."""
    samples = dict(grouped.ready)
    if ratio < 1.0:
        samples |= instead
    elif ratio > 1.0:
        samples |= dict.fromkeys(grouped.missing, 0)
        samples |= dict.fromkeys(grouped.unready, 0)
    return samples


def _damped(current: int, ratio: float, again: float, samples: int, tolerance: Tolerance) -> int:
    if tolerance.holds(again) or (ratio < 1.0 < again) or (ratio > 1.0 > again):
        return current
    replicas = math.ceil(again * samples)
    if (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current):
        return current
    return replicas


def by_value(current: int, value: int, target: int, running_ready: int, tolerance: Tolerance) -> Proposal:
    """Object and external metrics with a value; ``running_ready`` pods are Running and Ready."""
    ratio = value / target
    if current == 0:
        return Proposal(math.ceil(ratio), value=value)
    replicas = current if tolerance.holds(ratio) else math.ceil(ratio * running_ready)
    return Proposal(replicas, value=value)


def by_total(status_replicas: int, total: int, target: int, tolerance: Tolerance) -> Proposal:
    """Object and external metrics with an averageValue, divided by the target's status.replicas."""
    if status_replicas == 0:
        return Proposal(math.ceil(total / target), average=0)
    ratio = total / (target * status_replicas)
    replicas = status_replicas if tolerance.holds(ratio) else math.ceil(total / target)
    return Proposal(replicas, average=math.ceil(total / status_replicas))


# -- from the best proposal to the count ---------------------------------------------------------------------


class History:
    """What the controller remembers of one HPA, in memory only."""

    def __init__(self) -> None:
        self.recommendations: list[tuple[float, int]] = []
        self.added: list[tuple[float, int]] = []
        self.removed: list[tuple[float, int]] = []


class Settled(Struct, frozen=True):
    """The count after windows and limits, and what the conditions say of it: (reason, message)."""

    desired: int
    stabilized: int
    able: tuple[str, str]
    limited: tuple[str, str]

    @property
    def is_limited(self) -> bool:
        """Whether a bound or a rate cut the stabilised count."""
        return self.desired != self.stabilized


_MATCHES = ("ReadyForNewScale", "recommended size matches current size")
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_HELD_UP = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_HELD_DOWN = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)


def settle(
    history: History, now: float, current: int, best: int, least: int, most: int, behavior: Behavior | None
) -> Settled:
    """The count to set, and ``best`` remembered for later."""
    if behavior is None:
        return _without_behavior(history, now, current, best, least, most)
    return _with_behavior(history, now, current, best, least, most, behavior)


def _without_behavior(
    history: History, now: float, current: int, best: int, least: int, most: int
) -> Settled:
    history.recommendations = [r for r in history.recommendations if r[0] >= now - DOWNSCALE_WINDOW]
    stabilized = max([best, *(count for _, count in history.recommendations)])
    history.recommendations.append((now, best))
    able = _HELD_UP if stabilized != best else _MATCHES
    rate = int(max(_DOUBLE * current, _AT_LEAST))
    ceiling, over = (rate, _UP_LIMIT) if most > rate else (most, _TOO_MANY)
    if stabilized < least:
        return Settled(least, stabilized, able, _TOO_FEW)
    if stabilized > ceiling:
        return Settled(ceiling, stabilized, able, over)
    return Settled(stabilized, stabilized, able, _WITHIN)


def _with_behavior(
    history: History, now: float, current: int, best: int, least: int, most: int, behavior: Behavior
) -> Settled:
    since_up, since_down = now - behavior.up.window, now - behavior.down.window
    oldest = min(since_up, since_down, now - DOWNSCALE_WINDOW)
    history.recommendations = [r for r in history.recommendations if r[0] >= oldest]
    lowest = min([best, *(count for at, count in history.recommendations if at > since_up)])
    highest = max([best, *(count for at, count in history.recommendations if at > since_down)])
    stabilized = min(max(current, lowest), highest)
    history.recommendations.append((now, best))
    able = _MATCHES
    if stabilized != best:
        able = _HELD_DOWN if best >= current else _HELD_UP
    if stabilized > current:
        rate = max(_limit(history, now, current, behavior.up, up=True), current)
        ceiling, over = (rate, _UP_LIMIT) if most > rate else (most, _TOO_MANY)
        if stabilized > ceiling:
            return Settled(ceiling, stabilized, able, over)
    elif stabilized < current:
        rate = min(_limit(history, now, current, behavior.down, up=False), current)
        floor, under = (rate, _DOWN_LIMIT) if least < rate else (least, _TOO_FEW)
        if stabilized < floor:
            return Settled(floor, stabilized, able, under)
    return Settled(stabilized, stabilized, able, _WITHIN)


def _limit(history: History, now: float, current: int, rules: Rules, *, up: bool) -> int:
    """How far the policies let the count go."""
    if rules.select is Select.DISABLED:
        return current
    limits = []
    for policy in rules.policies:
        added = sum(change for at, change in history.added if at > now - policy.period)
        removed = sum(change for at, change in history.removed if at > now - policy.period)
        begin = current - added + removed
        if policy.percent:
            share = policy.value / 100
            limits.append(math.ceil(begin * (1 + share)) if up else int(begin * (1 - share)))
        else:
            limits.append(begin + policy.value if up else begin - policy.value)
    farthest, nearest = (max, min) if up else (min, max)
    return (nearest if rules.select is Select.MIN else farthest)(limits)


def record_rescale(history: History, now: float, old: int, new: int, behavior: Behavior | None) -> None:
    """Remembers a change for the rates; without a behavior there are none.

    A change is forgotten when a newer one of its own direction takes its place, after the longest period of
    that direction: until then the other direction still counts it.
    """
    if behavior is None:
        return
    changes, rules = (history.added, behavior.up) if new > old else (history.removed, behavior.down)
    longest = max((policy.period for policy in rules.policies), default=0.0)
    outdated = [index for index, (at, _) in enumerate(changes) if at < now - longest]
    if outdated:
        changes[outdated[-1]] = (now, abs(new - old))
    else:
        changes.append((now, abs(new - old)))


def read_behavior(spec: Mapping[str, Any]) -> Behavior | None:
    """The behavior of an HPA's spec as the API server defaulted it; None where there is none."""
    told = spec.get("behavior")
    if told is None:
        return None
    return Behavior(
        _rules(told.get("scaleUp") or {}, 0.0), _rules(told.get("scaleDown") or {}, DOWNSCALE_WINDOW)
    )


def _rules(told: Mapping[str, Any], window: float) -> Rules:
    policies: Sequence[Mapping[str, Any]] = told.get("policies") or ()
    given = told.get("stabilizationWindowSeconds")
    return Rules(
        window=window if given is None else float(given),
        policies=tuple(
            Policy(p.get("type") == "Percent", int(p["value"]), float(p["periodSeconds"])) for p in policies
        ),
        select=Select(told.get("selectPolicy") or "Max"),
        tolerance=TOLERANCE if told.get("tolerance") is None else float(parse_quantity(told["tolerance"])),
    )
