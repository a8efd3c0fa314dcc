"""Kthena's validating webhook for ModelServings, as its rules stand at HEAD (kthena.md section 2).

It sees writes of the object, not of ``/scale`` or ``/status``; its denial carries no code, hence HTTP 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_spec import ROLE_ROLLING, scaled

__all__ = ["errors_of", "review"]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
_LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex "
    "used for validation is '[0-9]+%')"
)


def review(operation: str, _old: Json | None, new: Json | None, subresource: str | None) -> list[str] | None:
    """The admission hook: reasons to deny, or None."""
    if operation not in ("CREATE", "UPDATE") or subresource or new is None:
        return None
    found = list(errors_of(new))
    return found or None


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def _invalid(path: str, value: Any, why: str) -> str:
    return f"{path}: Invalid value: {_shown(value)}: {why}"


def _label_errors(name: str) -> list[str]:
    found = []
    if len(name) > 63:
        found.append("must be no more than 63 bytes")
    if not _LABEL.fullmatch(name):
        found.append(_LABEL_RULE)
    return found


def errors_of(obj: Json) -> Iterator[str]:
    """Every broken rule, in the order in which Kthena checks them."""
    spec = obj.get("spec") or {}
    name = (obj.get("metadata") or {}).get("name", "")
    roles: list[Json] = (spec.get("template") or {}).get("roles") or []
    rollout = spec.get("rolloutStrategy") or {}
    by_role = rollout.get("type") == ROLE_ROLLING
    replicas = spec.get("replicas")
    for role in roles:
        groups = 1 if replicas is None else replicas
        generated = f"{name}-{groups}-{role.get('name')}-{_replicas(role)}-{role.get('workerReplicas') or 0}"
        if found := _label_errors(generated):
            yield _invalid("metadata.name", name, f"invalid name: {'; '.join(found)}")
    for index, role in enumerate(roles):
        if found := _label_errors(str(role.get("name", ""))):
            why = (
                "role name must be a valid DNS-1035 label (lowercase alphanumeric characters or '-', must "
                f"start with a letter): {'; '.join(found)}"
            )
            yield _invalid(f"spec.template.roles[{index}].name", role.get("name"), why)
    yield from _image_errors(roles)
    yield from _replica_errors(replicas, roles)
    yield from _rollout_errors(rollout, by_role, replicas)
    for index, role in enumerate(roles):
        yield from _role_rollout_errors(f"spec.template.roles[{index}]", role, by_role)
    yield from _gang_errors((spec.get("template") or {}).get("gangPolicy") or {}, roles)
    for index, role in enumerate(roles):
        workers = role.get("workerReplicas") or 0
        path = f"spec.template.roles[{index}]"
        if workers < 0:
            yield _invalid(f"{path}.workerReplicas", workers, "workerReplicas must be a non-negative integer")
        if workers > 0 and role.get("workerTemplate") is None:
            why = "workerTemplate is required when workerReplicas is greater than 0"
            yield f"{path}.workerTemplate: Required value: {why}"
    if by_role and spec.get("recoveryPolicy") == "ServingGroupRecreate":
        why = (
            "incompatible recoveryPolicy and rolloutStrategy.type after applying defaults: "
            "recoveryPolicy=ServingGroupRecreate, rolloutStrategy.type=RoleRollingUpdate; valid pairs: "
            "(ServingGroupRecreate,ServingGroupRollingUpdate) or (RoleRecreate,RoleRollingUpdate)"
        )
        yield _invalid("spec.rolloutStrategy.type", ROLE_ROLLING, why)


def _replicas(role: Json) -> int:
    replicas = role.get("replicas")
    return 1 if replicas is None else int(replicas)


def _image_errors(roles: list[Json]) -> Iterator[str]:
    for index, role in enumerate(roles):
        for template in ("entryTemplate", "workerTemplate"):
            containers = ((role.get(template) or {}).get("spec") or {}).get("containers") or []
            for position, container in enumerate(containers):
                image = container.get("image") or ""
                if " " in image:
                    path = f"spec.template.roles[{index}].{template}.spec.containers[{position}].image"
                    why = "invalid container image reference: image cannot contain spaces"
                    yield _invalid(path, image, why)


def _replica_errors(replicas: Any, roles: list[Json]) -> Iterator[str]:
    if replicas is None or replicas < 0:
        yield _invalid("spec.replicas", replicas, "replicas must be a non-negative integer")
    if not roles:
        yield _invalid("spec.template.roles", "[]", "roles must be specified")
    for index, role in enumerate(roles):
        own = role.get("replicas")
        if own is None or own < 0:
            path = f"spec.template.roles[{index}].replicas"
            yield _invalid(path, own, "role replicas must be a non-negative integer")


def _rollout_errors(rollout: Json, by_role: bool, replicas: Any) -> Iterator[str]:
    rolling = rollout.get("rollingUpdateConfiguration")
    path = "spec.rolloutStrategy.rollingUpdateConfiguration"
    if rolling is None:
        return
    if by_role:
        why = (
            "rollingUpdateConfiguration is only valid when rolloutStrategy.type is ServingGroupRollingUpdate"
        )
        yield f"{path}: Forbidden: {why}"
        return
    most = rolling.get("maxUnavailable")
    yield from _int_or_percent(f"{path}.maxUnavailable", most)
    yield from _int_or_percent(f"{path}.partition", rolling.get("partition"))
    if replicas is not None and most is not None and scaled(most, int(replicas), up=False) == 0:
        yield _invalid(path, "", "maxUnavailable cannot be 0")


def _role_rollout_errors(path: str, role: Json, by_role: bool) -> Iterator[str]:
    partition, most = role.get("partition"), role.get("maxUnavailable")
    if partition is not None:
        yield from _int_or_percent(f"{path}.partition", partition)
        if not by_role:
            why = "partition is only valid when rolloutStrategy.type is RoleRollingUpdate"
            yield f"{path}.partition: Forbidden: {why}"
    if not by_role or most is None:
        return
    yield from _int_or_percent(f"{path}.maxUnavailable", most)
    replicas = _replicas(role)
    number = scaled(most, replicas, up=False)
    if number == 0:
        yield _invalid(f"{path}.maxUnavailable", most, "maxUnavailable cannot be 0")
    elif number > replicas:
        why = f"maxUnavailable cannot be greater than replicas ({replicas})"
        yield _invalid(f"{path}.maxUnavailable", most, why)


def _int_or_percent(path: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, int):
        if value < 0:
            yield _invalid(path, value, "must be a non-negative integer")
    elif not _PERCENT.fullmatch(str(value)):
        yield _invalid(path, value, _PERCENT_RULE)
    elif int(str(value)[:-1]) > 100:
        yield _invalid(path, value, "must be a valid percent value (0-100)")


def _gang_errors(gang: Json, roles: list[Json]) -> Iterator[str]:
    by_name = {role.get("name"): role for role in roles}
    for name, least in sorted((gang.get("minRoleReplicas") or {}).items()):
        path = f"spec.template.gangPolicy.minRoleReplicas[{name}]"
        role = by_name.get(name)
        if role is None:
            yield _invalid(path, name, f"role {name} does not exist in template.roles")
            continue
        replicas = _replicas(role)
        if least > replicas:
            why = f"minRoleReplicas ({least}) for role {name} cannot exceed replicas ({replicas})"
            yield _invalid(path, least, why)
        if least < 0:
            yield _invalid(path, least, f"minRoleReplicas for role {name} must be non-negative")
