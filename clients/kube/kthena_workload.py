"""A ModelServing as a whole: what its spec says of it, whatever its pods do."""

from __future__ import annotations

from clients.kube.rows import ModelServingRow
from clients.serving.keys import ObjectRef
from clients.serving.workload import Capabilities, RoleSpec

__all__ = ["CAPABILITIES", "owner_of", "role_specs"]

CAPABILITIES = Capabilities(
    exact=True, bounds=False, to_zero=True, roles=True, ordered=True, ready_known=True, stop=False
)
"""Of every ModelServing. Whether 0 is allowed under a role-wise rollout is a guard's business."""


_GANG = "volcano"
"""Kthena makes a PodGroup of each group for this scheduler, with or without ``gangPolicy`` (v0.1 to HEAD)."""


def role_specs(row: ModelServingRow) -> tuple[RoleSpec, ...]:
    """What the spec asks of each role, in each group."""
    minimums = dict(row.min_role_replicas)
    return tuple(
        RoleSpec(
            name=role.name,
            replicas=role.replicas,
            workers=role.workers,
            gpus_entry=role.gpus_entry,
            gpus_worker=role.gpus_worker,
            minimum=minimums.get(role.name),
            placement=role.placement,
            worker_placement=role.worker_placement,
            gang=row.scheduler == _GANG,
        )
        for role in row.roles
    )


def owner_of(row: ModelServingRow) -> ObjectRef | None:
    """The object that owns and may rewrite it."""
    owner = row.owner
    return ObjectRef(owner.group, owner.kind, row.namespace, owner.name) if owner is not None else None
