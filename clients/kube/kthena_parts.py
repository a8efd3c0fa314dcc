"""What a ServingGroup consists of, and what it has to know of its ModelServing to be derived."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.kube.kthena_replicas import ReplicaNode
from clients.kube.pod_reasons import Hints
from clients.kube.rows import PodGroupRow, RoleRow
from clients.serving.workload import Group

__all__ = ["GroupContext", "GroupNode"]


class GroupContext(Struct, eq=False):
    """What a group has to know of its ModelServing, the same for all its groups."""

    serving: str
    roles: tuple[RoleRow, ...]
    by_name: Mapping[str, RoleRow]
    hints: Hints
    recovery: str
    """The recovery policy: RoleRecreate, ServingGroupRecreate or None."""
    role_rollout: bool
    update_revision: str | None
    rollout_pending: bool
    """Current and wanted revision differ."""
    unobserved: bool
    """The controller has not yet finished a pass over the newest spec; its status tells of the one before."""
    target_hashes: Mapping[str, frozenset[str]]
    """By role: hashes that pods of the wanted revision bear; only during a role-wise rollout."""
    partitions: Mapping[str, int]
    """By role, only for a role-wise rollout: so many of the first list positions keep the old template."""
    pod_groups: bool
    """PodGroups of this ModelServing are seen at all."""
    excess: bool
    """There are more groups than wanted."""
    ending: bool
    """The ModelServing itself is being deleted."""
    append: bool
    first: bool
    held: frozenset[str]
    """Pod names that pods of an earlier namesake still bear."""


class GroupNode:
    """The role replicas of one group, its PodGroup, and the last value."""

    __slots__ = (
        "count",
        "deletion_cost",
        "dirty",
        "first_seq",
        "gpus",
        "live",
        "name",
        "ordinal",
        "pod_group",
        "protected",
        "replicas",
        "revision",
        "roles",
        "steady",
        "strays",
        "terms",
        "touched",
        "value",
        "wake",
        "whole",
    )

    def __init__(self, name: str, ordinal: int | None) -> None:
        self.name = name
        self.ordinal = ordinal
        self.replicas: dict[str, ReplicaNode] = {}
        """By role id; a role's name and an ordinal make it unique within the group."""
        self.roles: dict[str, list[ReplicaNode]] | None = None
        self.pod_group: PodGroupRow | None = None
        self.protected = False
        self.value: Group | None = None
        self.dirty = True
        self.count = self.live = self.gpus = self.deletion_cost = 0
        self.first_seq: int | None = None
        self.revision: str | None = None
        """Of its newest pod."""
        self.strays = False
        """Some pods belong to a role that is not in the spec any more."""
        self.terms: tuple[object, ...] | None = None
        """What its role replicas were last derived under."""
        self.steady = False
        """It ran at the last value, and since then only pods have changed, none came or went."""
        self.touched: list[ReplicaNode] = []
        """Role replicas with changed pods, while it is steady."""
        self.wake: float | None = None
        self.whole = False
        """Every wanted pod is there and ready."""

    def forget(self) -> None:
        """Everything in it is to be derived again."""
        self.dirty = True
        self.steady = False
        for node in self.replicas.values():
            node.forget()

    @property
    def by_role(self) -> dict[str, list[ReplicaNode]]:
        """Its role replicas by role, by ordinal."""
        found = self.roles
        if found is None:
            found = {}
            for node in self.replicas.values():
                found.setdefault(node.role, []).append(node)
            for nodes in found.values():
                nodes.sort(key=lambda node: (1 << 30 if node.ordinal is None else node.ordinal, node.id))
            self.roles = found
        return found
