"""Counts in the scale dialog: a number for the groups and one for each role."""

from __future__ import annotations

from clients.serving.changes import ReplicasChange
from clients.serving.operation import Count
from clients.serving.workload import Workload
from tui.dialogs.draft import GROUPS, Draft

__all__ = ["CountDraft", "wanted"]


def wanted(workload: Workload) -> Count:
    """What the workload asks for now."""
    return Count(workload.desired, tuple((role.name, role.replicas) for role in workload.role_specs))


class CountDraft(Draft):
    """Groups first, then the roles in spec order."""

    def __init__(self, workload: Workload, field: str = GROUPS) -> None:
        before = wanted(workload)
        values: dict[str, int | None] = {GROUPS: before.groups}
        if workload.capabilities.roles:
            values |= dict(before.roles)
        super().__init__(values, field)

    def take(self, change: ReplicasChange) -> None:
        """Puts a whole change into the fields, as undo does."""
        if change.groups is not None:
            self.put(GROUPS, change.groups)
        for name, replicas in change.roles:
            self.put(name, replicas)

    def follow(self, workload: Workload) -> tuple[str, ...]:
        """Takes in what is wanted now; untouched fields follow."""
        now = wanted(workload)
        return self.now({GROUPS: now.groups, **{name: now.role(name) for name, _ in now.roles}})

    def change(self) -> ReplicasChange:
        """Only what differs is in it."""
        groups = self._fields[GROUPS]
        roles = tuple(
            (field.name, field.value)
            for field in self.fields
            if field.name != GROUPS and field.changed and field.value is not None
        )
        if groups.changed or not roles:
            return ReplicasChange(
                groups=groups.value if groups.value is not None else groups.before, roles=roles
            )
        return ReplicasChange(groups=None, roles=roles)
