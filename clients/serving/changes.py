"""What can be asked of a workload. Later systems add theirs; each is one immutable value."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Change", "ReplicasChange", "inverse"]


class ReplicasChange(Struct, frozen=True, tag="replicas"):
    """New counts: of groups, of replicas of roles within every group, or both in one write."""

    groups: int | None = None
    """``None`` leaves the number of groups alone."""
    roles: tuple[tuple[str, int], ...] = ()
    expect_groups: int | None = None
    """Refuse unless the desired count is this now (``--current``)."""


Change = ReplicasChange
"""The union of all changes; today there is one."""


def inverse(change: ReplicasChange, groups: int | None, roles: dict[str, int]) -> ReplicasChange:
    """The change that takes ``change`` back, given the counts as they were before it."""
    return ReplicasChange(
        groups=None if change.groups is None else groups,
        roles=tuple((name, roles[name]) for name, _ in change.roles if name in roles),
    )
