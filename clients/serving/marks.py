"""Each group's place in the running scale operation: the symbols of Kthena's scaling guide.

✅ done: processed and completed · ❎ pending: exists and has not been processed · ⏳ active: in scaling ·
blank: does not exist (or is wanted and has not been begun).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clients.serving.operation import Operation
from clients.serving.phase import Mark, Phase
from clients.serving.workload import Group, Workload

__all__ = ["mark_of", "stamp"]

_NOT_THERE = (Phase.QUEUED, Phase.ABSENT)


def stamp(workload: Workload, operation: Operation | None) -> Workload:
    """The workload with the operation, and every group with its mark in it; all blank without one.

    Values that do not change keep their identity.
    """
    running = operation is not None and operation.ended_at is None
    items: dict[str, list[tuple[str, bool]]] = {}
    if operation is not None and running:
        for item in operation.times:
            if item.removing and item.gone is not None:
                continue
            group, _, role_id = item.name.partition("/")
            items.setdefault(group, []).append((role_id, item.removing))
    groups = workload.groups
    if running or any(group.mark is not None for group in groups):
        groups = _same(groups, (_marked(group, items.get(group.name), running) for group in groups))
    if groups is workload.groups and operation == workload.operation:
        return workload
    return msgspec.structs.replace(workload, groups=groups, operation=operation)


def _same(old: tuple[Group, ...], new: Iterable[Group]) -> tuple[Group, ...]:
    made = tuple(new)
    return old if all(a is b for a, b in zip(old, made, strict=True)) else made


def _marked(group: Group, items: list[tuple[str, bool]] | None, running: bool) -> Group:
    mark = mark_of(group, items or ()) if running else None
    return group if mark is group.mark else msgspec.structs.replace(group, mark=mark)


def mark_of(group: Group, items: Iterable[tuple[str, bool]]) -> Mark | None:
    """The mark of a group of which the operation affects ``items``: (role id, whether it is to go).

    An empty role id is the group itself: being made it is active until it runs, being removed it is pending
    until its deletion begins. With role replicas the group is active from the first one that is
    begun until the last one is done. A group that nothing affects is done.
    """
    if group.phase in _NOT_THERE:
        return None
    replicas = {replica.id: replica.phase for role in group.roles for replica in role.replicas}
    marks = {
        _item(replicas.get(role_id, Phase.ABSENT) if role_id else group.phase, removing)
        for role_id, removing in items
    }
    if Mark.ACTIVE in marks or len(marks) == 2:
        return Mark.ACTIVE
    return marks.pop() if marks else Mark.DONE


def _item(phase: Phase, removing: bool) -> Mark:
    if removing:
        if phase is Phase.DELETING:
            return Mark.ACTIVE
        return Mark.DONE if phase in _NOT_THERE else Mark.PENDING
    if phase in _NOT_THERE:
        return Mark.PENDING
    return Mark.DONE if phase is Phase.RUNNING else Mark.ACTIVE
