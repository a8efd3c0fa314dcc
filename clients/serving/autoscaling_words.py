"""What drives a workload, in the words that the screen and the command line share; all plain text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from msgspec import Struct

from clients.serving.autoscaling import Autoscaling, Bears, Part, headroom
from clients.serving.decision import Decision, MetricDecision, Outcome, SampleState, Stabilised
from clients.serving.decision_words import amount, lasted, metric_words, sentence
from clients.serving.events import Event
from clients.serving.keys import ObjectRef
from clients.serving.plain import plain
from clients.serving.schedule import Schedule, ScheduledJob, clock_times, zone_named
from clients.serving.telling import decision_why

__all__ = [
    "Step",
    "bounds_words",
    "fold_pods",
    "headlines",
    "job_words",
    "metric_cells",
    "named",
    "part_words",
    "rescale_words",
    "steps",
    "zone_words",
]

_UNKNOWN = "–"
_SHORT = {
    "HorizontalPodAutoscaler": "HPA",
    "CronHorizontalPodAutoscaler": "CronHPA",
    "AutoscalingPolicyBinding": "binding",
    "AutoscalingPolicy": "policy",
}
_BEARS = {
    Bears.IS: "",
    Bears.BELONGS: "belongs to it and has the count",
    Bears.SCALES: "scales it",
    Bears.BOUNDS: "moves its bounds",
    Bears.KEEPS: "keeps it",
}


class Step(Struct, frozen=True):
    """One step of a decision; every decision has the same five, so that nothing moves on a screen."""

    name: str
    replicas: int | None
    """What is left of the count after it; ``None`` where it did nothing."""
    why: str


def named(ref: ObjectRef) -> str:
    """``HPA qwen-hpa``."""
    return plain(f"{_SHORT.get(ref.kind, ref.kind)} {ref.name}", 120)


def part_words(part: Part) -> str:
    """What an object of the chain does to the one before it."""
    words = _BEARS[part.bears]
    if part.kept_by is not None:
        words += f", kept by {named(part.kept_by)}"
    return words.removeprefix(", ")


def headlines(value: Autoscaling) -> list[str]:
    """The sentence of each decision, named where there are several; what there is to say without one."""
    several = len(value.decisions) > 1
    lines = []
    for decision in value.decisions:
        head = f"{named(decision.subject)}{_of_role(decision)}: " if several else ""
        lines.append(head + sentence(decision))
    if not lines and value.schedules:
        lines.append("only a schedule drives it: between its jobs the number stays")
    return lines or ["nothing drives it: the number stays what somebody sets by hand"]


def _of_role(decision: Decision) -> str:
    return "" if decision.role is None else f" of {plain(decision.role, 60)}"


def bounds_words(decision: Decision, free_groups: int | None) -> str:
    """``1-10, now 8: 2 more to max; the free GPUs hold 18 more groups``; room is what is soon left."""
    words = f"{_count(decision.minimum)}-{_count(decision.maximum)}, now {_count(decision.current)}"
    if decision.desired is not None and decision.desired != decision.current:
        words += f">{decision.desired}"
    room = headroom(decision)
    if room is not None:
        pinned = decision.minimum == decision.maximum
        words += ": pinned" if pinned else f": {room} more to max" if room else ": at max"
    if free_groups is not None:
        words += f"; the free GPUs hold {free_groups} more group{'' if free_groups == 1 else 's'}"
    return words


def steps(decision: Decision) -> tuple[Step, ...]:
    """Proposal, stabilised, limited, clamped, desired."""
    held, limited, clamped = decision.stabilised, decision.limited, decision.clamped
    asked = plain(decision.reason or "") if decision.reason else _UNKNOWN
    if decision.winner is not None and decision.winner < len(decision.metrics):
        asked = metric_words(decision.metrics[decision.winner])
    found = [Step("asks for", decision.best, asked)]
    if held is None:
        found.append(Step("stabilised", None, _UNKNOWN))
    else:
        found.append(Step("stabilised", held.replicas, _held(held)))
    if limited is None:
        found.append(Step("rate limit", None, _UNKNOWN))
    else:
        more = "" if limited.left is None else f", more in {lasted(limited.left)}"
        found.append(Step("rate limit", limited.replicas, f"{plain(limited.policy)}{more}"))
    if clamped is None:
        found.append(Step("bounds", None, _UNKNOWN))
    else:
        found.append(Step("bounds", clamped.replicas, f"{clamped.bound} is {clamped.replicas}"))
    return (*found, Step("desired", decision.desired, _then(decision)))


def _held(held: Stabilised) -> str:
    left = f"{'' if held.seen else 'at most '}{lasted(held.left)} left of the window of {lasted(held.window)}"
    if held.by is None or held.age is None:
        return f"a recommendation from before servegrid looked holds it; {left}"
    return f"{held.by} was recommended {lasted(held.age)} ago; {left}"


def _then(decision: Decision) -> str:
    if decision.outcome is Outcome.SCALES:
        within = "" if decision.interval is None else f" within {lasted(decision.interval)}"
        return f"from {_count(decision.current)}{within}"
    if decision.goes_to is not None and decision.until is not None and decision.goes_to != decision.desired:
        most = "at most " if decision.at_latest else ""
        return f"as it is; then {decision.goes_to} in {most}{lasted(decision.until - decision.at)}"
    return "as it is" if decision.desired is not None else _UNKNOWN


def metric_cells(metric: MetricDecision) -> tuple[str, str, str, str, str, str]:
    """(name, current, target, ratio, asks for, what else there is to say)"""
    notes = [*metric.notes]
    if metric.tolerated:
        notes.insert(0, "near enough")
    for word, what in ((metric.container, "container"), (metric.object, "of"), (metric.selector, "where")):
        if word is not None:
            notes.append(f"{what} {word}")
    if metric.error is not None:
        notes.insert(0, metric.error)
    return (
        plain(metric.name, 80),
        amount(metric.current, metric.unit),
        amount(metric.target, metric.unit),
        _UNKNOWN if metric.ratio is None else f"{metric.ratio:.2f}",
        _count(metric.proposal),
        plain("; ".join(notes)),
    )


def fold_pods(metric: MetricDecision) -> str:
    """``6 ready 9.4%-11%, 1 unready, 1 missing counted as 0%``: all pods in one line."""
    parts = []
    for state in SampleState:
        found = [sample for sample in metric.pods if sample.state is state]
        if not found:
            continue
        words = f"{len(found)} {state}"
        values = [sample.value for sample in found if sample.value is not None]
        if values:
            low, high = amount(min(values), metric.unit), amount(max(values), metric.unit)
            words += f" {low}" if low == high else f" {low} to {high}"
        counted = {sample.counted_as for sample in found if sample.counted_as is not None}
        if len(counted) == 1:
            words += f" counted as {amount(counted.pop(), metric.unit)}"
        parts.append(words)
    return ", ".join(parts)


def rescale_words(event: Event) -> tuple[str, str, str]:
    """(``1 > 4``, who, why with the metric's value)"""
    moved = f"{event.before or _UNKNOWN} > {event.after or _UNKNOWN}"
    return plain(moved, 40), plain(event.actor or "unknown", 80), plain(decision_why(event))


def zone_words(schedule: Schedule) -> str:
    """In which time zone it runs, and whether that is known."""
    if schedule.zone_known:
        return plain(schedule.zone, 60)
    return f"{plain(schedule.zone, 60)} (assumed: its controller's own is not told)"


def job_words(
    schedule: Schedule, job: ScheduledJob, now: float, local: tzinfo | None = None
) -> tuple[str, str, str, Iterable[str]]:
    """(when next in both zones, replicas, its line and how it went last, notes)"""
    when = "never again" if job.error is not None or job.once else "not known"
    if job.next_at is not None:
        times = clock_times(job.next_at, zone_named(schedule.zone), local)
        when = f"{times} in {lasted(job.next_at - now)}"
    result = "" if job.state is None else f" {job.state}"
    if job.message and job.state not in (None, "Submitted"):
        result += f": {job.message}"
    skipped = [
        firing.skipped
        for firing in schedule.firings
        if firing.job == job.name and firing.at == job.next_at and firing.skipped
    ]
    notes = [*([job.error] if job.error else []), *skipped, *job.notes]
    return (
        plain(when, 80),
        _count(job.replicas),
        plain(f"[{job.line}]{result}", 300),
        [plain(note, 300) for note in notes],
    )


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)
