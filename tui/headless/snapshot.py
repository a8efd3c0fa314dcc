"""The snapshot of ``get -o json``: schema 1, a contract, additive from here on; docs/cli.md tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from clients.clock import Clock
from clients.serving.backend import NotShown
from clients.serving.operation import Operation
from clients.serving.phase import Trouble
from clients.serving.sources import SourceStatus
from clients.serving.workload import Driver, Group, RoleReplica, Workload
from tui.moments import moment

__all__ = ["SCHEMA", "Remaining", "Snapshot", "snapshot", "workload_json"]

SCHEMA = 1

Remaining = Callable[[Workload], float | None]
"""Seconds that a workload's running operation will probably still take; ``None``: no history."""


class SourceJson(Struct):
    """One stream of data, and how old what it told is."""

    cluster: str
    name: str
    state: str
    age_s: float | None
    detail: str | None


class PodJson(Struct):
    """One pod; ``phase`` is Kubernetes' own."""

    name: str
    node: str | None
    phase: str
    ready: bool


class ReplicaJson(Struct):
    """One role replica; ``progress`` counts stages passed, 0–100."""

    id: str
    ordinal: int | None
    phase: str
    trouble: str | None
    progress: int | None
    reason: str | None
    controller_state: str | None
    pods: list[PodJson]


class RoleJson(Struct):
    """One role of one group."""

    name: str
    desired: int
    replicas: list[ReplicaJson]


class GroupJson(Struct):
    """One ServingGroup."""

    name: str
    ordinal: int | None
    phase: str
    trouble: str | None
    cause: str | None
    mark: str | None
    controller_state: str | None
    roles: list[RoleJson]


class DriverJson(Struct):
    """Whatever changes the desired count; the first of several, which wins."""

    kind: str
    name: str
    min: int | None
    max: int | None
    signal: str | None


class OperationJson(Struct, rename={"before": "from", "after": "to"}):
    """The running scale operation. ``from`` and ``to`` count groups; ``roles`` is there if roles change."""

    by: str
    before: int | None
    after: int | None
    started_at: datetime
    done: int
    total: int
    eta_s: float | None
    predicted: list[str] | None
    roles: dict[str, dict[str, int | None]] | UnsetType = UNSET


class WorkloadJson(Struct):
    """One row of the fleet and its grid."""

    cluster: str
    system: str
    kind: str
    namespace: str | None
    name: str
    uid: str
    desired: int | None
    ready: int | None
    phase: str
    trouble: str | None
    driver: DriverJson | None
    operation: OperationJson | None
    endpoint: str | None
    """Its URL, where one is known."""
    groups: list[GroupJson]


class Snapshot(Struct):
    """Everything in scope, as it was seen at one moment of the cluster's time."""

    schema: int
    observed_at: datetime
    sources: list[SourceJson]
    workloads: list[WorkloadJson]
    not_shown: dict[str, int]
    """Objects by kind that were read and are no workload here."""


def snapshot(
    workloads: Iterable[Workload],
    sources: Iterable[SourceStatus],
    clock: Clock,
    remaining: Remaining,
    not_shown: NotShown,
) -> Snapshot:
    """The values as JSON shapes. ``clock.now()`` is cluster time."""
    return Snapshot(
        SCHEMA,
        moment(clock.now()),
        [_source(source, clock.monotonic()) for source in sources],
        [workload_json(workload, remaining) for workload in workloads],
        dict(not_shown.counts),
    )


def _source(source: SourceStatus, now: float) -> SourceJson:
    age = None if source.last_contact is None else round(max(0.0, now - source.last_contact), 1)
    return SourceJson(source.cluster, source.name, source.state, age, source.detail)


def workload_json(workload: Workload, remaining: Remaining) -> WorkloadJson:
    """One workload, as in the snapshot and in the answer of ``scale -o json``."""
    key = workload.key
    running = workload.operation is not None and workload.operation.ended_at is None
    return WorkloadJson(
        key.cluster,
        key.system,
        key.kind,
        key.namespace,
        key.name,
        workload.uid,
        workload.desired,
        workload.ready,
        workload.phase,
        _trouble(workload.trouble),
        _driver(workload.drivers[0]) if workload.drivers else None,
        _operation(workload.operation, remaining(workload)) if running and workload.operation else None,
        workload.endpoint,
        [_group(group) for group in workload.groups],
    )


def _trouble(trouble: Trouble | None) -> str | None:
    return None if trouble is None else str(trouble.kind)


def _driver(driver: Driver) -> DriverJson:
    return DriverJson(driver.kind, driver.ref.name, driver.minimum, driver.maximum, driver.signal)


def _operation(operation: Operation, eta: float | None) -> OperationJson:
    before, after = dict(operation.before.roles), dict(operation.after.roles)
    names = [*before, *(name for name in after if name not in before)]
    changed: dict[str, Any] = {
        name: {"from": before.get(name), "to": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    }
    predicted = operation.prediction.order if operation.prediction is not None else None
    return OperationJson(
        operation.by,
        operation.before.groups,
        operation.after.groups,
        moment(operation.started_at),
        operation.done,
        operation.total,
        None if eta is None else round(eta, 1),
        None if predicted is None else list(predicted),
        changed or UNSET,
    )


def _group(group: Group) -> GroupJson:
    return GroupJson(
        group.name,
        group.ordinal,
        group.phase,
        _trouble(group.trouble),
        group.cause,
        group.mark,
        group.controller_state,
        [
            RoleJson(role.name, role.desired, [_replica(replica) for replica in role.replicas])
            for role in group.roles
        ],
    )


def _replica(replica: RoleReplica) -> ReplicaJson:
    trouble = replica.trouble
    return ReplicaJson(
        replica.id,
        replica.ordinal,
        replica.phase,
        _trouble(trouble),
        replica.progress,
        ": ".join(part for part in (trouble.reason, trouble.message) if part) if trouble else None,
        replica.controller_state,
        [PodJson(pod.name, pod.node, pod.phase, pod.ready) for pod in replica.pods],
    )
