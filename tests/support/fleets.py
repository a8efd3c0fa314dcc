"""Workloads made up for drawing: any number of groups and roles, in any phase."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count, Operation
from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import Capabilities, Driver, Group, Role, RoleReplica, RoleSpec, Workload

__all__ = ["group", "hpa", "key", "operation", "replica", "shuffled", "workload"]


def key(name: str, kind: str = "ModelServing", namespace: str | None = "llm") -> WorkloadKey:
    return WorkloadKey("c0ffee", "kthena", namespace, kind, name)


def replica(
    role: str,
    ordinal: int,
    phase: Phase = Phase.RUNNING,
    *,
    stage: Stage | None = None,
    progress: int | None = None,
    trouble: Trouble | None = None,
) -> RoleReplica:
    return RoleReplica(
        id=f"{role}-{ordinal}",
        ordinal=ordinal,
        phase=phase,
        controller_state=None,
        pods=(),
        need=1,
        stage=stage,
        progress=progress,
        trouble=trouble,
    )


def group(
    owner: str,
    ordinal: int,
    phase: Phase = Phase.RUNNING,
    *,
    roles: Sequence[tuple[str, int]] = (("prefill", 2), ("decode", 2)),
    mark: Mark | None = None,
    progress: int | None = None,
    stage: Stage | None = None,
    trouble: Trouble | None = None,
    gpus: int = 4,
) -> Group:
    members = []
    for name, count in roles:
        replicas = tuple(
            replica(name, index, phase, stage=stage, progress=progress, trouble=trouble)
            for index in range(count)
        )
        ready = count if phase is Phase.RUNNING and trouble is None else 0
        members.append(Role(name=name, desired=count, ready=ready, replicas=replicas))
    return Group(
        name=f"{owner}-{ordinal}",
        ordinal=ordinal,
        phase=phase,
        controller_state=None,
        roles=tuple(members),
        mark=mark,
        progress=progress,
        trouble=trouble,
        gpus=gpus,
    )


def workload(
    name: str,
    groups: Sequence[Group] | int = 2,
    *,
    desired: int | None = None,
    roles: Sequence[tuple[str, int]] = (("prefill", 2), ("decode", 2)),
    namespace: str | None = "llm",
    drivers: Sequence[Driver] = (),
    operation: Operation | None = None,
    trouble: Trouble | None = None,
    kind: str = "ModelServing",
) -> Workload:
    members = (
        tuple(group(name, at, roles=roles) for at in range(groups))
        if isinstance(groups, int)
        else tuple(groups)
    )
    return Workload(
        key=key(name, kind, namespace),
        uid=f"uid-{name}",
        desired=len(members) if desired is None else desired,
        ready=sum(member.phase is Phase.RUNNING and member.trouble is None for member in members),
        phase=Phase.RUNNING,
        groups=members,
        role_specs=tuple(
            RoleSpec(name=role, replicas=count, workers=0, gpus_entry=1) for role, count in roles
        ),
        trouble=trouble,
        drivers=tuple(drivers),
        operation=operation,
        capabilities=Capabilities(ordered=True, roles=True),
        gpus=sum(member.gpus for member in members),
    )


def operation(
    name: str, before: int, after: int, *, done: int = 0, by: str = "ops", started: float = 1000.0
) -> Operation:
    low, high = sorted((before, after))
    return Operation(
        id="op-1",
        key=key(name),
        by=by,
        before=Count(before),
        after=Count(after),
        started_at=started,
        affected=tuple(f"{name}-{at}" for at in range(low, high)),
        done=done,
        total=high - low,
    )


def hpa(minimum: int = 2, maximum: int = 8, signal: str = "cpu 72>60") -> Driver:
    return Driver(
        "HPA",
        ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler"),
        None,
        minimum,
        maximum,
        signal,
    )


_STATES: tuple[tuple[Phase, Stage | None, TroubleKind | None], ...] = (
    (Phase.RUNNING, Stage.READY, None),
    (Phase.CREATING, Stage.WEIGHTS, None),
    (Phase.CREATING, Stage.IMAGE, None),
    (Phase.DELETING, Stage.TERMINATING, None),
    (Phase.QUEUED, None, None),
    (Phase.CREATING, Stage.UNSCHEDULED, TroubleKind.BLOCKED),
    (Phase.CREATING, Stage.WEIGHTS, TroubleKind.FAILED),
)


def shuffled(value: Workload, share: float, chance: random.Random) -> Workload:
    """The same workload with that share of its role replicas in another state."""
    groups = []
    for member in value.groups:
        roles = []
        for role in member.roles:
            replicas = list(role.replicas)
            for at, old in enumerate(replicas):
                if chance.random() < share:
                    phase, stage, kind = chance.choice(_STATES)
                    trouble = None if kind is None else Trouble(kind, "Unschedulable", "4 GPUs short")
                    replicas[at] = msgspec.structs.replace(
                        old, phase=phase, stage=stage, progress=chance.randrange(100), trouble=trouble
                    )
            roles.append(msgspec.structs.replace(role, replicas=tuple(replicas)))
        groups.append(msgspec.structs.replace(member, roles=tuple(roles)))
    return msgspec.structs.replace(value, groups=tuple(groups))
