"""The LeaderWorkerSet webhooks: defaults, and the mistakes that are refused (v0.10)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json

__all__ = ["review", "with_defaults"]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
_INT32_MOST = 2**31 - 1


def with_defaults(obj: Json) -> Json:
    """Completes a LeaderWorkerSet in place, and returns it."""
    spec = obj["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("startupPolicy", "LeaderCreated")
    template = spec.setdefault("leaderWorkerTemplate", {})
    template.setdefault("size", 1)
    # The deprecated word stands for no policy at all.
    if template.setdefault("restartPolicy", "RecreateGroupOnPodRestart") == "Default":
        template["restartPolicy"] = "None"
    if (template.get("subGroupPolicy") or {}).get("subGroupSize") is not None:
        template["subGroupPolicy"].setdefault("subGroupPolicyType", "LeaderWorker")
    rollout = spec.setdefault("rolloutStrategy", {})
    if rollout.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = rollout.setdefault("rollingUpdateConfiguration", {})
        for name, value in (("partition", 0), ("maxUnavailable", 1), ("maxSurge", 0)):
            rolling.setdefault(name, value)
    spec.setdefault("networkConfig", {}).setdefault("subdomainPolicy", "Shared")
    return obj


def review(operation: str, old: Json | None, new: Json | None, subresource: str | None) -> list[str] | None:
    """The admission hook; completes ``new`` in place. Raises ApiError 403 for what is refused."""
    if operation not in ("CREATE", "UPDATE") or subresource or new is None:
        return None
    faults = list(_faults(with_defaults(new), old))
    if not faults:
        return None
    told = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    message = f'admission webhook "vleaderworkerset.kb.io" denied the request: {told}'
    raise ApiError(403, "Forbidden", message)


def _faults(obj: Json, old: Json | None) -> Iterator[str]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    template, replicas = spec["leaderWorkerTemplate"], spec["replicas"]
    size = template["size"]
    if not _LABEL.fullmatch(name) or len(name) > 63:
        yield _invalid("metadata.name", name, "must be a DNS-1035 label")
    if replicas < 0:
        yield _invalid("spec.replicas", replicas, "replicas must be equal or greater than 0")
    if size < 1:
        yield _invalid("spec.leaderWorkerTemplate.size", size, "size must be equal or greater than 1")
    if replicas * size > _INT32_MOST:
        why = f"the product of replicas and worker replicas must not exceed {_INT32_MOST}"
        yield _invalid("spec.replicas", replicas, why)
    yield from _rolling_faults(spec["rolloutStrategy"].get("rollingUpdateConfiguration") or {}, replicas)
    yield from _subgroup_faults(template, size, old)


def _rolling_faults(rolling: Json, replicas: int) -> Iterator[str]:
    path = "spec.rolloutStrategy.rollingUpdateConfiguration"
    amounts = {}
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field, 0)
        amounts[field] = _amount(value, replicas, up=field == "maxSurge")
        if amounts[field] is None or amounts[field] < 0:
            yield _invalid(f"{path}.{field}", value, "must be a non-negative integer or a percentage")
    if replicas and amounts["maxUnavailable"] == 0 and amounts["maxSurge"] == 0:
        yield _invalid(
            f"{path}.maxUnavailable", rolling.get("maxUnavailable"), "must not be 0 when `maxSurge` is 0"
        )
    if rolling.get("partition", 0) < 0:
        yield _invalid(f"{path}.partition", rolling["partition"], "must be greater than or equal to 0")


def _amount(value: Any, total: int, *, up: bool) -> Any:
    if isinstance(value, int):
        return value
    if not _PERCENT.fullmatch(str(value)):
        return None
    share = int(str(value)[:-1]) * total
    return -(-share // 100) if up else share // 100


def _subgroup_faults(template: Json, size: int, old: Json | None) -> Iterator[str]:
    path = "spec.leaderWorkerTemplate.subGroupPolicy"
    policy = template.get("subGroupPolicy") or {}
    wanted = policy.get("subGroupSize")
    former = ((old or {}).get("spec") or {}).get("leaderWorkerTemplate") or {}
    if old is not None and (former.get("subGroupPolicy") or {}).get("subGroupSize") != wanted:
        yield _invalid(f"{path}.subGroupSize", wanted, "field is immutable")
    if wanted is None:
        return
    if wanted < 1:
        yield _invalid(f"{path}.subGroupSize", wanted, "subGroupSize must be equal or greater than 1")
    elif size < wanted:
        yield _invalid(f"{path}.subGroupSize", wanted, "subGroupSize cannot be larger than size")
    elif size % wanted and (size - 1) % wanted:
        yield _invalid(f"{path}.subGroupSize", wanted, "size or size - 1 must be divisible by subGroupSize")


def _invalid(path: str, value: Any, why: str) -> str:
    shown = f'"{value}"' if isinstance(value, str) else "null" if value is None else value
    return f"{path}: Invalid value: {shown}: {why}"
