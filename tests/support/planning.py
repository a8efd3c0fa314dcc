"""Workloads as planning and following see them: groups and role replicas with states, costs and pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clients.kube.rows import ModelServingRow, RoleRow
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Cause, ControllerState, Phase, Stage
from clients.serving.workload import Group, PodView, Role, RoleReplica, RoleSpec, Workload

__all__ = ["KEY", "NAME", "NOW", "grid", "group", "names", "pod", "replica", "row_of", "wanting"]

NAME = "qwen"
KEY = WorkloadKey("c1", "kthena", "llm", "ModelServing", NAME)
NOW = 1_000_000.0

_STATES = {
    Phase.RUNNING: ControllerState.RUNNING,
    Phase.CREATING: ControllerState.CREATING,
    Phase.SCALING: ControllerState.SCALING,
    Phase.DELETING: ControllerState.DELETING,
}

SPECS = (RoleSpec("prefill", 1, 0, gpus_entry=2), RoleSpec("decode", 2, 1, gpus_entry=1, gpus_worker=1))


def pod(
    name: str, *, ready: bool = True, leaving: bool = False, created: float = NOW, gpus: int = 1
) -> PodView:
    stage = Stage.TERMINATING if leaving else Stage.READY if ready else Stage.WEIGHTS
    return PodView(name, f"uid-{name}", 0, "n1", "Running", ready, leaving, stage, gpus, 0, created)


def replica(
    role: str,
    ordinal: int,
    phase: Phase = Phase.RUNNING,
    *,
    group: str = f"{NAME}-0",
    cost: int = 0,
    pods: int = 1,
    served: bool | None = None,
    cause: Cause | None = None,
    created: float = NOW,
) -> RoleReplica:
    there = 0 if phase in (Phase.QUEUED, Phase.ABSENT) else pods
    return RoleReplica(
        id=f"{role}-{ordinal}",
        ordinal=ordinal,
        phase=phase,
        controller_state=_STATES.get(phase),
        pods=tuple(
            pod(
                f"{group}-{role}-{ordinal}-{index}",
                ready=phase is Phase.RUNNING,
                leaving=phase is Phase.DELETING,
                created=created,
            )
            for index in range(there)
        ),
        need=pods,
        served=phase is Phase.RUNNING if served is None else served,
        deletion_cost=cost,
        cause=cause,
    )


def group(
    ordinal: int,
    phase: Phase = Phase.RUNNING,
    *,
    cost: int = 0,
    specs: Sequence[RoleSpec] = SPECS,
    roles: Mapping[str, Sequence[RoleReplica]] | None = None,
    served: bool | None = None,
    cause: Cause | None = None,
    seq: int | None = None,
    gone_seq: int | None = None,
    created: float = NOW,
) -> Group:
    """A group whose role replicas are all in its phase, unless ``roles`` says otherwise."""
    name = f"{NAME}-{ordinal}"
    made = []
    for spec in specs:
        replicas = (roles or {}).get(spec.name)
        if replicas is None:
            inner = Phase.RUNNING if phase in (Phase.SCALING, Phase.UPDATING) else phase
            replicas = [
                replica(spec.name, at, inner, group=name, pods=1 + spec.workers, created=created)
                for at in range(spec.replicas)
            ]
        ready = sum(one.phase is Phase.RUNNING for one in replicas)
        made.append(Role(spec.name, spec.replicas, ready, tuple(replicas)))
    there = phase not in (Phase.QUEUED, Phase.ABSENT)
    return Group(
        name=name,
        ordinal=ordinal,
        phase=phase,
        controller_state=_STATES.get(phase),
        roles=tuple(made),
        cause=cause,
        served=phase in (Phase.RUNNING, Phase.SCALING) if served is None else served,
        gpus=sum(spec.gpus for spec in specs) if there else 0,
        deletion_cost=cost,
        created_seq=seq,
        deleting_seq=gone_seq,
    )


def grid(
    *groups: Group | int,
    desired: int | None = None,
    specs: Sequence[RoleSpec] = SPECS,
    generation: int = 1,
    observed: int | None = None,
) -> Workload:
    """A workload of these groups; a bare ordinal is a running group."""
    made = tuple(group(one, specs=specs) if isinstance(one, int) else one for one in groups)
    there = [one for one in made if one.phase not in (Phase.QUEUED, Phase.ABSENT)]
    return Workload(
        key=KEY,
        uid="u1",
        desired=len(there) if desired is None else desired,
        ready=sum(one.phase is Phase.RUNNING for one in made),
        phase=Phase.RUNNING,
        groups=made,
        role_specs=tuple(specs),
        generation=generation,
        observed_generation=generation if observed is None else observed,
    )


def wanting(workload: Workload, groups: int | None = None, **roles: int) -> Workload:
    """The same with other counts asked for and nothing done about it yet."""
    specs = tuple(
        msgspec.structs.replace(spec, replicas=roles.get(spec.name, spec.replicas))
        for spec in workload.role_specs
    )
    return msgspec.structs.replace(
        workload,
        desired=workload.desired if groups is None else groups,
        role_specs=specs,
        generation=(workload.generation or 0) + 1,
    )


def row_of(workload: Workload, **changes: object) -> ModelServingRow:
    """The row that such a workload comes from."""
    minimums = tuple((spec.name, spec.minimum) for spec in workload.role_specs if spec.minimum is not None)
    row = ModelServingRow(
        uid=workload.uid,
        namespace=workload.key.namespace or "",
        name=workload.key.name,
        resource_version="918273",
        generation=workload.generation,
        api_version="workload.serving.volcano.sh/v1alpha1",
        created=NOW,
        deleted=None,
        replicas=workload.desired or 0,
        roles=tuple(
            RoleRow(
                spec.name,
                index,
                spec.replicas,
                spec.workers,
                gpus_entry=spec.gpus_entry,
                gpus_worker=spec.gpus_worker,
                placement=spec.placement,
            )
            for index, spec in enumerate(workload.role_specs)
        ),
        min_role_replicas=minimums,
    )
    return msgspec.structs.replace(row, **changes)


def names(*ordinals: int) -> tuple[str, ...]:
    return tuple(f"{NAME}-{ordinal}" for ordinal in ordinals)
