"""What drives one workload, put together: chain, decisions, schedules, what happened, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from clients.clock import Clock
from clients.kube import cronhpa, hpa, keda, kserve, kthena_policy
from clients.kube import keda_object as keda_rules
from clients.kube.autoscalers import Autoscaler, Autoscalers
from clients.kube.capacity import GpuLedger
from clients.kube.cronhpa import CronHpaRow
from clients.kube.driver_index import Place, place_of
from clients.kube.hpa_object import HpaObject, condition_words
from clients.kube.hpa_rescales import rescale_events
from clients.kube.keda_object import KedaObject
from clients.kube.kthena_policy_object import PolicyObject
from clients.kube.plan_parts import needs
from clients.kube.planner import SPECS
from clients.serving.autoscaling import Autoscaling, Bears, Part
from clients.serving.decision import Decision
from clients.serving.decision_words import lasted
from clients.serving.events import Event, EventKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.schedule import Schedule
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload

__all__ = ["autoscaling", "free_groups"]

_SOURCES = {
    spec.source: name
    for module, name in (
        (hpa, "HPAs"),
        (cronhpa, "CronHPA"),
        (keda, "KEDA"),
        (kthena_policy, "Kthena's policies"),
    )
    for spec in module.WATCHES[:1]
}
_SILENT = 60.0
"""Seconds after which a controller that has not taken up a new object is said to be silent."""
_JOB = re.compile(r".*executed successfully\. current replicas:([0-9]{1,9}), desired replicas:([0-9]{1,9})\.")


async def autoscaling(
    workload: Workload,
    scalers: Autoscalers,
    ledger: GpuLedger,
    sources: Sequence[SourceStatus],
    clock: Clock,
    seen_at: float,
) -> Autoscaling:
    """Everything that drives the workload. Metrics are read; what cannot be read is named.

    ``clock`` is the cluster's, ``seen_at`` this machine's time.
    """
    namespace = workload.key.namespace or ""
    rows = _rows(workload, scalers, namespace)
    decisions: list[Decision] = []
    rescales: list[Event] = []
    for row in rows:
        if isinstance(row, HpaObject):
            rescales += rescale_events(scalers.rescales(row), row.ref, workload.key, seen_at)
        elif isinstance(row, CronHpaRow):
            rescales += _jobs_done(row, workload.key, seen_at)
        decisions += await _decisions(row, rows, workload, scalers, clock)
    now = clock.now()
    return Autoscaling(
        key=workload.key,
        at=now,
        chain=tuple(_ways(workload, rows, namespace)),
        decisions=tuple(decisions),
        schedules=tuple(
            _schedule(row, rows, scalers.zone, now) for row in rows if isinstance(row, CronHpaRow)
        ),
        rescales=tuple(sorted(rescales, key=lambda event: event.at)),
        conditions=tuple(_conditions(rows)),
        absences=tuple(_absences(workload, rows, sources, now)),
        free_groups=free_groups(workload, ledger),
    )


def _rows(workload: Workload, scalers: Autoscalers, namespace: str) -> list[Autoscaler]:
    """Every object that drives it, the one that acts on the count first, each once."""
    found: dict[Place, Autoscaler] = {}
    for driver in workload.drivers:
        for ref in (driver.via, driver.ref):
            row = scalers.at(ref, namespace) if ref is not None else None
            if row is not None:
                found.setdefault(place_of(row.ref, namespace), row)
            rules = scalers.rules(row)
            if rules is not None:
                found.setdefault(place_of(rules.ref, namespace), rules)
    return list(found.values())


# -- decisions


async def _decisions(
    row: Autoscaler, rows: Sequence[Autoscaler], workload: Workload, scalers: Autoscalers, clock: Clock
) -> list[Decision]:
    match row:
        case HpaObject() if not any(_keeps(other, row) for other in rows):
            return [await scalers.looks.decision(row)]
        case KedaObject():
            kept = next((other for other in rows if _keeps(row, other)), None)
            through = None
            if isinstance(kept, HpaObject):
                through = await scalers.looks.decision(kept)
            current = workload.desired if through is None or through.current is None else through.current
            return [keda_rules.decide(row, current, clock.now(), through)]
        case PolicyObject() if row.targets:
            key = workload.key
            made = await scalers.policies.decision(scalers.whole(row))
            return [
                one
                for one in made
                if one.target is not None
                and (one.target.namespace, one.target.name) == (key.namespace, key.name)
            ]
    return []


def _keeps(keeper: Autoscaler, row: Autoscaler) -> bool:
    """Whether a ScaledObject keeps this HPA."""
    return isinstance(keeper, KedaObject) and isinstance(row, HpaObject) and keeper.hpa == row.name


def _schedule(row: CronHpaRow, rows: Sequence[Autoscaler], zone: str | None, now: float) -> Schedule:
    target = next((one for one in rows if isinstance(one, HpaObject) and one.ref == row.target), None)
    note = cronhpa.owner_note(target.owner) if target is not None else None
    return cronhpa.plan(row, now, zone, notes=() if note is None else (note,))


def _jobs_done(row: CronHpaRow, key: WorkloadKey, seen_at: float) -> Iterator[Event]:
    """The last run of each job that moved the count; its condition is all that tells of it."""
    for job in row.jobs:
        found = _JOB.fullmatch(job.message or "") if job.state == "Succeed" else None
        if found is not None and job.probed is not None and found[1] != found[2]:
            yield Event(
                at=job.probed,
                seen_at=seen_at,
                cluster=key.cluster,
                kind=EventKind.DESIRED,
                key=key,
                before=found[1],
                after=found[2],
                actor=f"CronHPA/{row.name}",
                reason=f"job {job.name}",
            )


# -- the chain


def _ways(workload: Workload, rows: Sequence[Autoscaler], namespace: str) -> Iterator[tuple[Part, ...]]:
    """Each way from the workload's own object outwards."""
    key = workload.key
    own = ObjectRef(SPECS[key.kind].group, key.kind, key.namespace, key.name)
    above: dict[Place, list[tuple[Part, Place]]] = {}
    bases: dict[Place, ObjectRef] = {}
    here = {place_of(row.ref, namespace) for row in rows}
    for row in rows:
        place = place_of(row.ref, namespace)
        for target, bears in _acts_on(row, rows, workload):
            at = place_of(target, namespace)
            owner = None
            if isinstance(row, HpaObject) and row.owner is not None:
                owner = ObjectRef(row.owner.group, row.owner.kind, row.namespace, row.owner.name)
                owner = None if place_of(owner, namespace) in here else owner
            above.setdefault(at, []).append((Part(row.ref, bears, owner), place))
            if at not in here:
                bases[at] = target

    def climb(place: Place, path: tuple[Part, ...], seen: frozenset[Place]) -> Iterator[tuple[Part, ...]]:
        further = [step for step in above.get(place, ()) if step[1] not in seen]
        if not further:
            yield path
        for part, at in further:
            yield from climb(at, (*path, part), seen | {at})

    for place, base in bases.items():
        path = [Part(own, Bears.IS)]
        if place != place_of(own, namespace):
            path.append(Part(base, Bears.BELONGS))
        yield from climb(place, tuple(path), frozenset((place,)))


def _acts_on(
    row: Autoscaler, rows: Sequence[Autoscaler], workload: Workload
) -> Iterator[tuple[ObjectRef, Bears]]:
    match row:
        case HpaObject() if row.target is not None:
            yield row.target, Bears.SCALES
        case KedaObject():
            kept = next((other for other in rows if _keeps(row, other)), None)
            if kept is not None:
                yield kept.ref, Bears.KEEPS
            elif row.target is not None:
                yield row.target, Bears.SCALES
        case CronHpaRow() if row.target is not None:
            yield row.target, Bears.BOUNDS if row.target.kind == hpa.KIND else Bears.SCALES
        case PolicyObject():
            followers = [one for one in rows if isinstance(one, PolicyObject) and one.policy == row.name]
            for follower in followers:
                yield follower.ref, Bears.BOUNDS
            targets = {one.target: None for one in row.targets if one.target.name == workload.key.name}
            for target in targets:
                yield target, Bears.SCALES


# -- what else there is to say


def _conditions(rows: Sequence[Autoscaler]) -> Iterator[str]:
    named = sum(isinstance(row, HpaObject | KedaObject) for row in rows) > 1
    for row in rows:
        head = f"{row.name}: " if named else ""
        if isinstance(row, HpaObject):
            for condition in row.conditions:
                yield f"{head}{condition.kind}: {condition_words(condition)}"
        elif isinstance(row, KedaObject):
            for words in keda_rules.state_words(row):
                yield f"{head}{words}"


def _absences(
    workload: Workload, rows: Sequence[Autoscaler], sources: Sequence[SourceStatus], now: float
) -> Iterator[str]:
    known = {status.name: status for status in sources if status.name in _SOURCES}
    for name, status in known.items():
        if status.state in (SourceState.DENIED, SourceState.STALE, SourceState.LOGIN):
            yield f"{_SOURCES[name]} cannot be seen: {status.detail or status.state}"
    missing = [_SOURCES[name] for name, status in known.items() if status.state is SourceState.ABSENT]
    if missing:
        yield f"not installed here: {', '.join(missing)}"
    for row in rows:
        if isinstance(row, HpaObject) and not row.conditions and _older(row.created, now):
            waited = lasted(now - (row.created or now))
            yield f"no HPA controller has looked at {row.name} for {waited}: it is down, or there is none"
    silent = workload.observed_generation is None and not workload.groups and not workload.stopped
    if workload.key.kind == kserve.INFERENCE_SERVICES.kind and silent and _older(workload.created, now):
        waited = lasted(now - (workload.created or now))
        yield f"KServe has made nothing of it for {waited}: its controller is not installed, or is down"


def _older(created: float | None, now: float) -> bool:
    return created is not None and now - created > _SILENT


def free_groups(workload: Workload, ledger: GpuLedger) -> int | None:
    """How many more groups the free GPUs hold; ``None`` where that is not known, or none are needed."""
    each = {spec.name: spec.replicas for spec in workload.role_specs}
    capacity = ledger.fits(needs(workload.role_specs, each))
    if not capacity.needed or capacity.free is None or capacity.unlooked:
        return None

    def fit(groups: int) -> bool:
        times: Mapping[str, int] = {name: groups * count for name, count in each.items()}
        return ledger.fits(needs(workload.role_specs, times)).fits is True

    low, high = 0, capacity.free // capacity.needed
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fit(middle) else (low, middle - 1)
    return low
