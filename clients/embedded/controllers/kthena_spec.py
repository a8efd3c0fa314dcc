"""A ModelServing's spec as the controller reads it, and the hashes that it derives from it."""

from __future__ import annotations

import copy
import zlib
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json, encode

__all__ = [
    "RESOURCE",
    "ROLE_ROLLING",
    "RoleSpec",
    "ServingSpec",
    "group_name",
    "ordinal_of",
    "read_roles",
    "read_serving",
    "role_id",
    "scaled",
]

RESOURCE = "modelservings.workload.serving.volcano.sh"
ROLE_ROLLING = "RoleRollingUpdate"

_SAFE_DIGITS = str.maketrans("0123456789", "456789bcdf")


class RoleSpec(Struct, frozen=True):
    """One role of the template."""

    name: str
    replicas: int
    workers: int
    has_worker_template: bool
    template_hash: str
    max_unavailable: int | str | None
    partition: int | str | None
    raw: Json

    @property
    def pods(self) -> int:
        """Pods of one role replica: its entry and its workers."""
        return 1 + self.workers


class ServingSpec(Struct, frozen=True):
    """What the controller knows of one generation of a ModelServing."""

    namespace: str
    name: str
    uid: str
    generation: int
    replicas: int
    scheduler: str
    recovery_policy: str
    rollout_type: str
    max_unavailable: int | str | None
    partition_setting: int | str | None
    restart_grace: float
    """Seconds between a pod's failure and its deletion."""
    min_role_replicas: dict[str, int]
    queue: str
    topology: Json
    roles: tuple[RoleSpec, ...]
    revision: str

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)"""
        return (self.namespace, self.name)

    @property
    def partition(self) -> int:
        """List positions that a rollout spares; a percentage is rounded up."""
        return scaled(self.partition_setting, self.replicas, up=True)

    @property
    def group_budget(self) -> int:
        """Groups that may be unavailable in a rollout; a percentage is rounded down."""
        setting = 1 if self.max_unavailable is None else self.max_unavailable
        return scaled(setting, self.replicas, up=False)

    @property
    def by_role(self) -> bool:
        """Whether rollouts replace role replicas instead of whole groups."""
        return self.rollout_type == ROLE_ROLLING

    def role(self, name: str) -> RoleSpec | None:
        """The role of that name."""
        return next((role for role in self.roles if role.name == name), None)

    def role_partition(self, role: RoleSpec) -> int:
        """List positions of a role that its rollout spares."""
        return scaled(role.partition, role.replicas, up=True) if self.by_role else 0


def group_name(serving: str, ordinal: int) -> str:
    """``<serving>-<ordinal>``"""
    return f"{serving}-{ordinal}"


def role_id(role: str, ordinal: int) -> str:
    """``<role>-<ordinal>``"""
    return f"{role}-{ordinal}"


def ordinal_of(name: str) -> int:
    """The digits after the last dash of a group's or role replica's name; -1 without any."""
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else -1


def scaled(setting: int | str | None, of: int, *, up: bool) -> int:
    """An int-or-percent as a number; absent or unreadable is 0."""
    if setting is None:
        return 0
    if isinstance(setting, int):
        return setting
    try:
        percent = int(setting.strip().removesuffix("%"))
    except ValueError:
        return 0
    return -(-percent * of // 100) if up else percent * of // 100


def _hash(value: Any) -> str:
    """1 to 10 characters of ``456789bcdf``, as Kthena's hashes look; ours come from a CRC of the JSON."""
    return str(zlib.crc32(encode(value))).translate(_SAFE_DIGITS)


def _without_counts(role: Json) -> Json:
    return {k: v for k, v in role.items() if k not in ("replicas", "maxUnavailable", "partition")}


def _read_role(raw: Json) -> RoleSpec:
    replicas = raw.get("replicas")
    return RoleSpec(
        name=str(raw.get("name", "")),
        replicas=1 if replicas is None else int(replicas),
        workers=int(raw.get("workerReplicas") or 0),
        has_worker_template=raw.get("workerTemplate") is not None,
        template_hash=_hash(_without_counts(raw)),
        max_unavailable=raw.get("maxUnavailable"),
        partition=raw.get("partition"),
        raw=raw,
    )


def read_roles(raw: list[Json]) -> tuple[RoleSpec, ...]:
    """Roles as a template or a ControllerRevision lists them."""
    return tuple(_read_role(role) for role in raw)


def read_serving(obj: Json) -> ServingSpec:
    """Reads a ModelServing object. The roles are copied: objects handed out by the store are shared."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    template = spec.get("template") or {}
    raw_roles: list[Json] = copy.deepcopy(template.get("roles") or [])
    rollout = spec.get("rolloutStrategy") or {}
    rolling = rollout.get("rollingUpdateConfiguration") or {}
    replicas = spec.get("replicas")
    gang = (template.get("gangPolicy") or {}).get("minRoleReplicas") or {}
    return ServingSpec(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        replicas=1 if replicas is None else int(replicas),
        scheduler=spec.get("schedulerName") or "volcano",
        recovery_policy=spec.get("recoveryPolicy") or "RoleRecreate",
        rollout_type=rollout.get("type") or "ServingGroupRollingUpdate",
        max_unavailable=rolling.get("maxUnavailable"),
        partition_setting=rolling.get("partition"),
        restart_grace=float(template.get("restartGracePeriodSeconds") or 0),
        min_role_replicas={str(k): int(v) for k, v in gang.items()},
        queue=(meta.get("annotations") or {}).get("scheduling.volcano.sh/queue-name", ""),
        topology=copy.deepcopy(template.get("networkTopology") or {}),
        roles=read_roles(raw_roles),
        revision=_hash([_without_counts(role) for role in raw_roles]),
    )
