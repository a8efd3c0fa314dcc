"""What a system says of a workload and its pods: what is asked of the whole, which member each is."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from clients.serving.workload import RoleSpec

__all__ = ["Asked", "Member"]


class Member(NamedTuple):
    """Where a pod stands in its workload."""

    group: str
    ordinal: int | None
    role: str
    replica: int
    """Ordinal of the role replica, which is one pod here."""
    outdated: bool = False
    """Not of the template that is wanted now."""


class Asked(Struct, frozen=True):
    """What the spec wants of the whole."""

    roles: tuple[RoleSpec, ...]
    counts: tuple[tuple[str, int], ...]
    """Groups wanted. One entry where each group holds all roles, else one for each role with its count."""
    first: int | None = None
    """The lowest ordinal, where groups are named by ordinal; ``None`` where names are made at random."""
    prefix: str = ""
    """What stands before the ordinal in a group's name."""
    whole: bool = False
    """Every group holds all roles."""
    head: str | None = None
    """The role with which a group lives and goes, whatever its other pods do."""
    rolling: bool = False
    """Pods of an older template are being replaced."""
    ending: bool = False
    probed: frozenset[str] = frozenset()
    """Roles whose pods have a startup probe."""

    @property
    def desired(self) -> int:
        """Groups wanted in all."""
        return sum(count for _, count in self.counts)

    def wants(self, ordinal: int | None) -> bool:
        """Whether a group of this ordinal is to exist; only where names are made of ordinals."""
        return self.first is not None and ordinal is not None and 0 <= ordinal - self.first < self.desired
