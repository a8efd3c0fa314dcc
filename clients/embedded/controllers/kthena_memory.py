"""Kthena's memory: the states of ServingGroups and role replicas, which no API object carries.

kthena.md section 4; Kthena keeps it in ``datastore/store.go`` and dumps it at ``/debug/modelserving/cache``.
"""

from __future__ import annotations

from enum import StrEnum

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_spec import ordinal_of

__all__ = ["GroupState", "Memory", "RoleState", "Status"]


class Status(StrEnum):
    """Statuses of groups and role replicas; a role replica is never Scaling."""

    CREATING = "Creating"
    RUNNING = "Running"
    SCALING = "Scaling"
    DELETING = "Deleting"


class RoleState:
    """One role replica."""

    __slots__ = ("name", "ordinal", "revision", "status", "template_hash")

    def __init__(self, name: str, revision: str, template_hash: str) -> None:
        self.name = name
        self.ordinal = ordinal_of(name)
        self.revision = revision
        self.template_hash = template_hash
        self.status = Status.CREATING


class GroupState:
    """One ServingGroup."""

    __slots__ = ("name", "ordinal", "revision", "roles", "running_pods", "status")

    def __init__(self, name: str, revision: str) -> None:
        self.name = name
        self.ordinal = ordinal_of(name)
        self.revision = revision
        self.status = Status.CREATING
        self.running_pods: set[str] = set()
        self.roles: dict[str, dict[str, RoleState]] = {}

    def role_list(self, role: str) -> list[RoleState]:
        """Its replicas of a role, by ordinal; those being deleted included."""
        return sorted(self.roles.get(role, {}).values(), key=lambda r: r.ordinal)

    def replica(self, role: str, replica: str) -> RoleState | None:
        """One role replica."""
        return self.roles.get(role, {}).get(replica)

    def add_role(self, role: str, replica: str, revision: str, template_hash: str) -> RoleState:
        """Remembers a role replica; one that is known stays as it is."""
        known = self.roles.setdefault(role, {})
        if replica not in known:
            known[replica] = RoleState(replica, revision, template_hash)
        return known[replica]


class Memory:
    """ModelServing → group → role → role replica."""

    def __init__(self) -> None:
        self._servings: dict[tuple[str, str], dict[str, GroupState]] = {}

    def known(self, key: tuple[str, str]) -> bool:
        """Whether anything was ever stored for the ModelServing: 'no groups' and 'never had one' differ."""
        return key in self._servings

    def groups(self, key: tuple[str, str]) -> list[GroupState]:
        """Its groups by ordinal, those being deleted included."""
        return sorted(self._servings.get(key, {}).values(), key=lambda g: g.ordinal)

    def group(self, key: tuple[str, str], name: str) -> GroupState | None:
        """One group."""
        return self._servings.get(key, {}).get(name)

    def add_group(self, key: tuple[str, str], name: str, revision: str) -> GroupState:
        """Remembers a group as Creating; one that is known stays as it is."""
        groups = self._servings.setdefault(key, {})
        if name not in groups:
            groups[name] = GroupState(name, revision)
        return groups[name]

    def drop_group(self, key: tuple[str, str], name: str) -> None:
        """Its objects are gone."""
        self._servings.get(key, {}).pop(name, None)

    def drop_serving(self, key: tuple[str, str]) -> None:
        """The ModelServing is gone."""
        self._servings.pop(key, None)

    def clear(self) -> None:
        """What a restart of the controller does."""
        self._servings.clear()

    def dump(self) -> Json:
        """The debug endpoint's answer."""
        return {
            f"{namespace}/{name}": {
                group.name: {
                    "name": group.name,
                    "runningPods": sorted(group.running_pods),
                    "revision": group.revision,
                    "status": group.status.value,
                    "roles": {
                        role: {
                            replica.name: {
                                "name": replica.name,
                                "revision": replica.revision,
                                "roleTemplateHash": replica.template_hash,
                                "status": replica.status.value,
                            }
                            for replica in replicas.values()
                        }
                        for role, replicas in group.roles.items()
                    },
                }
                for group in groups.values()
            }
            for (namespace, name), groups in self._servings.items()
        }
