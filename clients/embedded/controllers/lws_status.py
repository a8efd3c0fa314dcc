"""A LeaderWorkerSet's status: counts and its three conditions, quirks included (v0.10)."""

from __future__ import annotations

from collections.abc import Mapping

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.lws_objects import pod_selector
from clients.embedded.controllers.lws_rollout import Group

__all__ = ["status_of"]

_AVAILABLE = ("Available", "AllGroupsReady", "All replicas are ready")
_PROGRESSING = ("Progressing", "GroupsProgressing", "Replicas are progressing")
_UPDATING = ("UpdateInProgress", "GroupsUpdating", "Rolling Upgrade is in progress")


def status_of(
    obj: Json, leaders: int, groups: Mapping[int, Group], now: float
) -> tuple[Json, tuple[str, str] | None]:
    """The status, and (reason, note) of the event that a changed condition makes.

    ``leaders`` is the leader StatefulSet's ``status.replicas``; ``groups`` those that are complete.
    """
    wanted = int(obj["spec"]["replicas"])
    rolling = obj["spec"]["rolloutStrategy"].get("rollingUpdateConfiguration") or {}
    kept = min(int(rolling.get("partition", 0)), wanted)
    ready = sum(g.ready for g in groups.values())
    own = {index: g for index, g in groups.items() if index < wanted}
    current = sum(index >= kept for index in own)
    updated = sum(g.updated for index, g in own.items() if index >= kept)
    done = sum(g.updated and g.ready for index, g in own.items() if index >= kept)
    status: Json = dict(obj.get("status") or {})
    status["observedGeneration"] = obj["metadata"]["generation"]
    status["hpaPodSelector"] = pod_selector(obj["metadata"]["name"])
    told = {
        "replicas": leaders,
        "readyReplicas": ready,
        "updatedReplicas": sum(g.updated for g in groups.values()),
    }
    for name, count in told.items():
        status.pop(name, None)
        if count:
            status[name] = count
    if updated < current:
        wants = [_UPDATING, _PROGRESSING]
    elif sum(g.ready for g in own.values()) == wanted and done == wanted - kept:
        wants = [_AVAILABLE]
    else:
        wants = [_PROGRESSING]
    conditions: list[Json] = [dict(c) for c in status.get("conditions") or ()]
    changed = [_set(conditions, *want, obj["metadata"]["generation"], now) for want in wants]
    status["conditions"] = conditions
    if not any(changed):
        return status, None
    _, reason, message = wants[0]
    return status, (reason, f"{message}, with {ready} groups ready of total {wanted} groups")


def _set(conditions: list[Json], kind: str, reason: str, message: str, generation: int, now: float) -> bool:
    """Makes one condition true and those that it excludes false: these keep their reason and message."""
    changed = False
    mine = next((c for c in conditions if c["type"] == kind), None)
    if mine is None:
        mine = {"type": kind}
        conditions.append(mine)
    if mine.get("status") != "True":
        mine |= {
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": timestamp(now),
            "observedGeneration": generation,
        }
        changed = True
    for other in conditions:
        excluded = (kind == "Available") != (other["type"] == "Available")
        if excluded and other["status"] == "True":
            other["status"], other["lastTransitionTime"] = "False", timestamp(now)
            changed = True
    return changed
