"""Which groups or role replicas a rolling update replaces next (kthena.md section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from clients.embedded.controllers.kthena_memory import GroupState, RoleState, Status
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RoleSpec, ServingSpec, scaled

__all__ = ["outdated_groups", "outdated_groups_within_budget", "outdated_roles"]


def outdated_groups(spec: ServingSpec, groups: Sequence[GroupState]) -> list[GroupState]:
    """Groups on another revision behind the partition, in the order in which they are replaced."""
    found = [group for group in groups[spec.partition :] if group.revision != spec.revision]
    return sorted(found, key=lambda g: (g.status is Status.RUNNING, -g.ordinal))


def outdated_groups_within_budget(spec: ServingSpec, groups: Sequence[GroupState]) -> list[GroupState]:
    """What ServingGroupRollingUpdate deletes now: no more than maxUnavailable allows. There is no surge."""
    unready_new = sum(
        1
        for group in groups[spec.partition :]
        if group.status is not Status.RUNNING and group.revision == spec.revision
    )
    budget = len(groups) - (spec.replicas - spec.group_budget) - unready_new
    return outdated_groups(spec, groups)[: max(0, budget)]


def outdated_roles(
    flavour: Flavour, spec: ServingSpec, group: GroupState
) -> tuple[list[tuple[str, RoleState]], bool]:
    """What RoleRollingUpdate deletes in a group now, and whether anything in it is still outdated."""
    victims: list[tuple[str, RoleState]] = []
    behind = False
    for role in spec.roles:
        existing = group.role_list(role.name)
        sparing = spec.role_partition(role) if flavour is Flavour.HEAD else 0
        outdated = [
            replica
            for replica in existing
            if replica.status is not Status.DELETING and replica.template_hash != role.template_hash
        ]
        behind = behind or bool(outdated)
        spared = {replica.name for replica in existing[:sparing]}
        free = [replica for replica in outdated if replica.name not in spared]
        free.sort(key=lambda r: (r.status is Status.RUNNING, -r.ordinal))
        victims += [(role.name, replica) for replica in free[: _role_budget(role, existing, len(free))]]
    kept = {role.name for role in spec.roles}
    for name, replicas in group.roles.items():
        if name not in kept:
            gone = [r for r in replicas.values() if r.status is not Status.DELETING]
            behind = behind or bool(gone)
            victims += [(name, replica) for replica in gone]
    return victims, behind


def _role_budget(role: RoleSpec, existing: Sequence[RoleState], outdated: int) -> int:
    if role.max_unavailable is None:
        return outdated
    unready = sum(
        1
        for replica in existing
        if replica.status is Status.DELETING
        or (replica.template_hash == role.template_hash and replica.status is not Status.RUNNING)
    )
    least = max(0, role.replicas - scaled(role.max_unavailable, role.replicas, up=False))
    return max(0, len(existing) - least - unready)
