"""The arithmetic of a Deployment's rollout: surge, unavailability, proportional scaling (Kubernetes 1.36)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from clients.embedded.apiserver.objects import Json

__all__ = [
    "DESIRED",
    "MAX_REPLICAS",
    "is_rolling",
    "limits",
    "new_replicas",
    "proportional",
    "scaled_down",
    "wanted_of",
]

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"


def wanted_of(obj: Json) -> int:
    """``spec.replicas``, 1 where it is not given."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def is_rolling(deployment: Json) -> bool:
    """Whether pods are replaced bit by bit."""
    kind: str = (deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate")
    return kind == "RollingUpdate"


def limits(deployment: Json) -> tuple[int, int]:
    """(pods above, pods below the wanted count) that a rollout may go; never both 0."""
    wanted = wanted_of(deployment)
    if not is_rolling(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = _resolved(rolling.get("maxSurge", "25%"), wanted, up=True)
    missing = _resolved(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    if surge == 0 and missing == 0:
        missing = 1
    return surge, min(missing, wanted)


def _resolved(value: Any, total: int, *, up: bool) -> int:
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    share = int(text[:-1]) * total / 100
    return math.ceil(share) if up else math.floor(share)


def new_replicas(deployment: Json, current: Json, everything: Sequence[Json]) -> int:
    """How many pods the newest ReplicaSet gets now."""
    wanted, has = wanted_of(deployment), wanted_of(current)
    if not is_rolling(deployment):
        return wanted
    surge, _ = limits(deployment)
    room = wanted + surge - sum(wanted_of(rs) for rs in everything)
    return has + min(room, wanted - has) if room > 0 else has


def scaled_down(deployment: Json, current: Json, older: Sequence[Json]) -> dict[str, int]:
    """How many pods each older ReplicaSet keeps now, by name: first without unhealthy ones, then down to what
    must stay available."""
    _, missing = limits(deployment)
    least = wanted_of(deployment) - missing
    kept = {rs["metadata"]["name"]: wanted_of(rs) for rs in older}
    ready = {rs["metadata"]["name"]: _available(rs) for rs in older}
    unready = wanted_of(current) - _available(current)
    room = sum(kept.values()) + wanted_of(current) - least - unready
    if room <= 0:
        return {}
    oldest_first = sorted(older, key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]))
    names = [rs["metadata"]["name"] for rs in oldest_first]
    for name in names:
        unhealthy = min(room, kept[name] - ready[name])
        if unhealthy > 0:
            kept[name] -= unhealthy
            room -= unhealthy
    spare = sum(ready.values()) + _available(current) - least
    for name in names:
        down = min(kept[name], spare)
        if down > 0:
            kept[name] -= down
            spare -= down
    return {rs["metadata"]["name"]: kept[rs["metadata"]["name"]] for rs in older}


def _available(rs: Json) -> int:
    return int((rs.get("status") or {}).get("availableReplicas") or 0)


def proportional(deployment: Json, active: Sequence[Json]) -> dict[str, int]:
    """A scale during a rollout, spread over old and new ReplicaSets by their size, by name."""
    wanted = wanted_of(deployment)
    surge, _ = limits(deployment)
    allowed = wanted + surge if wanted else 0
    missing = allowed - sum(wanted_of(rs) for rs in active)
    # The largest first; of equals the newer when growing, the older when shrinking.
    ordered = sorted(active, key=lambda rs: rs["metadata"]["creationTimestamp"], reverse=missing > 0)
    ordered.sort(key=wanted_of, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for rs in ordered:
        share = _share(rs, deployment, missing, added, surge) if missing else 0
        sizes[rs["metadata"]["name"]] = wanted_of(rs) + share
        added += share
    if ordered and missing:
        largest = ordered[0]["metadata"]["name"]
        sizes[largest] = max(0, sizes[largest] + missing - added)
    return sizes


def _share(rs: Json, deployment: Json, missing: int, added: int, surge: int) -> int:
    has, wanted = wanted_of(rs), wanted_of(deployment)
    if has == 0 or missing == added:
        return 0
    if wanted == 0:
        fraction = -has
    else:
        told = (rs["metadata"].get("annotations") or {}).get(MAX_REPLICAS, "")
        before = (
            int(told) if told.isdigit() and int(told) else (deployment.get("status") or {}).get("replicas")
        )
        fraction = math.floor(has * (wanted + surge) / before + 0.5) - has if before else 0
    left = missing - added
    return min(fraction, left) if missing > 0 else max(fraction, left)
