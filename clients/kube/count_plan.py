"""Plans a new count for what has a ``/scale``: Deployments, StatefulSets, LeaderWorkerSets.

The count may be a workload's own or that of a Deployment behind it; either way the write is one JSON Patch on
``/scale`` that tests the old number, so that a change in between is a conflict and not overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from clients.kube.access import Right
from clients.kube.capacity import GpuLedger
from clients.kube.capacity_guard import capacity_guard
from clients.kube.plan_parts import NOBODY, Asker, ChangeError, capacity_of, kubectl, needs, serves, size
from clients.kube.resources import in_path
from clients.kube.rows import OwnerRow, PodRow
from clients.kube.scale_guards import (
    DRY_RUN_PENDING,
    driver_guards,
    owner_guard,
)
from clients.kube.victims import victims
from clients.serving.changes import ReplicasChange
from clients.serving.cost import hourly
from clients.serving.count_guards import expected_guard, operation_guard, stale_guard
from clients.serving.eta import Durations
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.keys import ObjectRef
from clients.serving.operation import Count, Prediction
from clients.serving.phase import Phase
from clients.serving.plans import Money, ScalePlan, Step, StepKind, Write
from clients.serving.workload import Group, Workload

__all__ = ["JSON_PATCH", "CountTarget", "Predicted", "build", "predict", "right_guard"]

JSON_PATCH = "application/json-patch+json"
_MOST = 100_000
"""Groups; a higher number is a slip of the hand."""


class CountTarget(Struct, frozen=True):
    """The object whose count is written."""

    ref: ObjectRef
    plural: str
    version: str
    replicas: int
    resource_version: str
    owner: OwnerRow | None = None
    role: str | None = None
    """The component that it runs, where the workload has several."""
    takes_back: tuple[tuple[str, bool], ...] = ()
    """Kinds of owner that write the count again, and whether they do so at once."""
    note: str | None = None
    """Why it is this one that is written."""


class Predicted(Struct, frozen=True):
    """What a count leads to."""

    steps: tuple[Step, ...]
    known: bool
    note: str


def right_guard(right: Right) -> Guard:
    """No right blocks; a right that could not be asked for does not."""
    if right.allowed is False:
        return Guard("right", Level.BLOCK, right.detail)
    if right.allowed is None:
        return Guard("right", Level.PASS, "rights unknown: the server will say")
    return Guard("right", Level.PASS, "allowed")


def predict(
    workload: Workload,
    count: int,
    now: float,
    *,
    pods: Mapping[str, PodRow],
    role: str | None = None,
) -> Predicted:
    """The groups that are made or removed when ``count`` are wanted, in order where there is one.

    ``pods`` are the workload's own, by name.
    """
    standing = [
        group
        for group in workload.groups
        if group.phase not in (Phase.DELETING, Phase.ABSENT) and (role is None or group.roles[0].name == role)
    ]
    if workload.capabilities.ordered:
        return _by_ordinal(workload, standing, count)
    if count >= len(standing):
        made = tuple(_made(workload, f"new-{number}", role) for number in range(1, count - len(standing) + 1))
        return Predicted(made, False, "new pods have no order and no names yet")
    by_name = {group.name: group for group in standing}
    ranked = [pods[name] for name in by_name if name in pods]
    chosen, certain = victims(ranked, len(standing) - count, now)
    note = "order of Kubernetes' ReplicaSet" if certain else "order unknown: several pods rank alike"
    if any(group.outdated for group in standing):
        certain, note = False, "order unknown: a rollout divides it between old and new pods"
    return Predicted(tuple(_removed(by_name[name]) for name in chosen), certain, note)


def _by_ordinal(workload: Workload, standing: Sequence[Group], count: int) -> Predicted:
    by_ordinal = {group.ordinal: group for group in standing if group.ordinal is not None}
    first = min(by_ordinal, default=0)
    prefix = f"{workload.key.name}-"
    wanted = range(first, first + count)
    steps = [
        _made(workload, f"{prefix}{ordinal}", None)
        for ordinal in wanted
        if ordinal not in by_ordinal or by_ordinal[ordinal].phase is Phase.QUEUED
    ]
    gone = sorted((ordinal for ordinal in by_ordinal if ordinal not in wanted), reverse=True)
    steps += [_removed(by_ordinal[ordinal]) for ordinal in gone]
    return Predicted(tuple(steps), True, f"order of {workload.key.kind}")


def _made(workload: Workload, name: str, role: str | None) -> Step:
    specs = [spec for spec in workload.role_specs if role is None or spec.name == role]
    pods, gpus = size(specs, Count(1, tuple((spec.name, spec.replicas) for spec in specs)))
    return Step(StepKind.CREATE, name, pods, gpus)


def _removed(group: Group) -> Step:
    items = [item for part in group.roles for item in part.replicas]
    serving = any(serves(group, item) for item in items)
    note = None if serving else "not ready, goes first"
    return Step(StepKind.DELETE, group.name, sum(len(item.pods) for item in items), group.gpus, serving, note)


def build(
    workload: Workload,
    target: CountTarget,
    change: ReplicasChange,
    *,
    right: Right,
    now: float,
    gpus: GpuLedger,
    durations: Durations,
    prices: Mapping[str, Money],
    pods: Mapping[str, PodRow],
    asker: Asker = NOBODY,
    stale: str | None = None,
) -> ScalePlan:
    """The plan with all guards but the server's dry run. ``now`` is cluster time.

    Raises:
        ChangeError: counts of roles, which these kinds do not have.
    """
    if change.roles:
        raise ChangeError(f"{workload.key.kind} has no replicas of roles; its size is part of its template")
    roles = tuple((spec.name, spec.replicas) for spec in workload.role_specs)
    before = Count(workload.desired, roles)
    wanted = target.replicas if change.groups is None else change.groups
    others = (workload.desired or 0) - target.replicas
    after = Count(others + wanted, roles)
    changed = after != before
    predicted = Predicted((), True, "")
    if changed and 0 <= wanted <= _MOST:
        predicted = predict(workload, wanted, now, pods=pods, role=target.role)
    capacity = capacity_of(workload, after, predicted.steps, gpus) if changed else None
    eta = durations.eta(workload, predicted.steps, staged=False, role_counts=roles)
    guards: Iterable[Guard | None] = ()
    if changed:
        guards = (
            right_guard(right),
            expected_guard(change.expect_groups, target.replicas),
            _rule_guard(wanted),
            DRY_RUN_PENDING,
            owner_guard(target.owner, takes_back=dict(target.takes_back)),
            *driver_guards(_driven(workload, target), Count(target.replicas), Count(wanted)),
            capacity_guard(capacity),
            operation_guard(workload, after),
            stale_guard(stale),
        )
    held = size(workload.role_specs, before)
    models = gpus.models(needs(workload.role_specs))
    delta = 1 if wanted > target.replicas else -1
    more = delta * sum(step.pods for step in predicted.steps)
    cards = delta * sum(step.gpus for step in predicted.steps)
    return ScalePlan(
        key=workload.key,
        uid=workload.uid,
        change=change,
        before=before,
        after=after,
        steps=predicted.steps,
        order_known=predicted.known,
        order_note=predicted.note,
        pods_delta=more,
        gpu_delta=cards,
        capacity=capacity,
        eta=eta if changed else None,
        guards=tuple(guard for guard in guards if guard is not None),
        write=_write(target, wanted) if changed else None,
        equivalent=kubectl(
            asker,
            target.ref.namespace or "",
            "scale",
            f"{target.ref.kind.lower()}/{target.ref.name}",
            f"--replicas={wanted}",
            f"--current-replicas={target.replicas}",
        )
        if changed
        else "",
        confirmation=Confirmation.NONE,
        prediction=Prediction(
            tuple(step.name for step in predicted.steps) if predicted.known else None,
            eta.low if eta else None,
            eta.high if eta else None,
            eta.samples if eta else 0,
        ),
        cost_before=hourly(held[1], models, tuple(prices.items())),
        cost_after=hourly(held[1] + cards, models, tuple(prices.items())),
        generation=workload.generation,
        target=target.ref if target.ref.name != workload.key.name else None,
        notes=(target.note,) if target.note else (),
        undo=ReplicasChange(target.replicas),
    )


def _rule_guard(wanted: int) -> Guard | None:
    if wanted < 0:
        return Guard("rules", Level.BLOCK, f"a count below zero: {wanted}")
    if wanted > _MOST:
        return Guard("rules", Level.BLOCK, f"{wanted} is more than servegrid plans for: at most {_MOST}")
    return None


def _driven(workload: Workload, target: CountTarget) -> Workload:
    """The workload with only those drivers that set this target's count."""
    mine = (driver for driver in workload.drivers if driver.role in (None, target.role))
    return replace(workload, drivers=tuple(replace(driver, role=None) for driver in mine))


def _write(target: CountTarget, wanted: int) -> Write:
    inside = f"namespaces/{in_path(target.ref.namespace or '')}"
    path = (
        f"/apis/{target.ref.group}/{target.version}/{inside}/{target.plural}/{in_path(target.ref.name)}/scale"
    )
    body: list[dict[str, Any]]
    if target.replicas:
        body = [
            {"op": "test", "path": "/spec/replicas", "value": target.replicas},
            {"op": "replace", "path": "/spec/replicas", "value": wanted},
        ]
    else:
        # A Scale object leaves out a count of 0, so that there is nothing to test.
        version = {"op": "test", "path": "/metadata/resourceVersion", "value": target.resource_version}
        body = [version, {"op": "add", "path": "/spec/replicas", "value": wanted}]
    return Write("PATCH", path, JSON_PATCH, body)
