"""In which order Kthena creates and deletes: HEAD, v1.0, and as its scaling guide documents it.

HEAD and v1.0: kthena.md section 5. Documented (the guide shipped with v0.1 to v1.0, which no released
controller follows): one group at a time, up G-2 then G-3, down G-3 then G-2; roles from the last group to
G-0, each waiting for the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Protocol

from clients.embedded.controllers.kthena_memory import GroupState, RoleState, Status
from clients.embedded.controllers.kthena_spec import RoleSpec, ServingSpec

__all__ = [
    "Flavour",
    "group_victims",
    "groups_to_create",
    "groups_to_walk",
    "role_ordinals_to_create",
    "role_victims",
]


class Flavour(StrEnum):
    """Whose order is followed."""

    HEAD = "head"
    V1_0 = "v1.0"
    DOCUMENTED = "documented"


class _Placed(Protocol):
    @property
    def ordinal(self) -> int: ...


def _gaps(existing: Sequence[_Placed], wanted: int) -> Iterator[int]:
    """The lowest free ordinals in [0, wanted), at most as many as are short. All stored ones count.

    One by one: ``wanted`` is whatever a user typed.
    """
    taken = {item.ordinal for item in existing}
    free = (ordinal for ordinal in range(wanted) if ordinal not in taken)
    return islice(free, max(0, wanted - len(existing)))


def groups_to_create(flavour: Flavour, spec: ServingSpec, groups: Sequence[GroupState]) -> Iterator[int]:
    """Ordinals to create in this sync, in order."""
    if flavour is Flavour.DOCUMENTED:
        if any(group.status is not Status.RUNNING for group in groups):
            return iter(())
        return islice(_gaps(groups, spec.replicas), 1)
    if flavour is Flavour.HEAD:
        return _gaps(groups, spec.replicas)
    taken = {group.ordinal for group in groups}
    bound = min(spec.partition, spec.replicas)
    protected = (ordinal for ordinal in range(bound) if ordinal not in taken)
    stored = len(taken) + bound - sum(1 for ordinal in taken if 0 <= ordinal < bound)
    first = max(bound, max(taken, default=-1) + 1)
    return chain(protected, range(first, first + max(0, spec.replicas - stored)))


def group_victims(
    flavour: Flavour, spec: ServingSpec, groups: Sequence[GroupState], cost: Callable[[GroupState], int]
) -> list[GroupState]:
    """Groups to delete in this sync, first victim first. Those already Deleting stay candidates."""
    surplus = len(groups) - spec.replicas
    if surplus <= 0:
        return []
    if flavour is Flavour.DOCUMENTED:
        if any(group.status is Status.DELETING for group in groups):
            return []
        return [max(groups, key=lambda g: g.ordinal)]

    def urgency(group: GroupState) -> tuple[bool, int, int]:
        return (group.status is Status.RUNNING, cost(group), -group.ordinal)

    free, spared = groups[spec.partition :], groups[: spec.partition]
    return [*sorted(free, key=urgency), *sorted(spared, key=urgency)][:surplus]


def role_ordinals_to_create(flavour: Flavour, role: RoleSpec, existing: Sequence[RoleState]) -> Iterator[int]:
    """Ordinals of role replicas to create in a group, in order."""
    if flavour is Flavour.V1_0:
        first = existing[-1].ordinal + 1 if existing else 0
        return iter(range(first, first + max(0, role.replicas - len(existing))))
    return _gaps(existing, role.replicas)


def role_victims(
    flavour: Flavour,
    spec: ServingSpec,
    role: RoleSpec,
    existing: Sequence[RoleState],
    cost: Callable[[RoleState], int],
) -> list[RoleState]:
    """Role replicas to delete in a group, first victim first; those already Deleting are skipped."""
    alive = [replica for replica in existing if replica.status is not Status.DELETING]
    surplus = len(alive) - role.replicas
    if surplus <= 0:
        return []
    if flavour is Flavour.DOCUMENTED:
        return sorted(alive, key=lambda r: -r.ordinal)[:surplus]

    def urgency(replica: RoleState) -> tuple[bool, int, int]:
        return (replica.status is Status.RUNNING, cost(replica), -replica.ordinal)

    sparing = spec.role_partition(role) if flavour is Flavour.HEAD else 0
    spared_names = {replica.name for replica in existing[:sparing]}
    free = [replica for replica in alive if replica.name not in spared_names]
    spared = [replica for replica in alive if replica.name in spared_names]
    return [*sorted(free, key=urgency), *sorted(spared, key=urgency)][:surplus]


def groups_to_walk(
    flavour: Flavour,
    groups: Sequence[GroupState],
    mismatched: Callable[[GroupState], bool],
) -> tuple[list[GroupState], list[GroupState]]:
    """(groups whose roles are scaled in this sync, groups that are only marked as Scaling and wait)."""
    alive = [group for group in groups if group.status is not Status.DELETING]
    if flavour is not Flavour.DOCUMENTED:
        return alive, []
    waiting: list[GroupState] = []
    turn: GroupState | None = None
    for group in sorted(alive, key=lambda g: -g.ordinal):
        if turn is None:
            if mismatched(group) or group.status is Status.SCALING:
                turn = group
        elif mismatched(group):
            waiting.append(group)
    return ([turn] if turn is not None else []), waiting
