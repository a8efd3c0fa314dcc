"""A Deployment's status and conditions, with the reasons and messages of Kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.deployment_rollout import limits, wanted_of

__all__ = ["NEW_AVAILABLE", "complete", "deadline_left", "progress", "rollout_status", "set_condition"]

NEW_AVAILABLE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"
_UNLIMITED = 2**31 - 1


def rollout_status(
    deployment: Json, current: Json | None, everything: Sequence[Json], now: float, *, rolled: bool
) -> Json:
    """The status that a pass leaves: counts, Available and, of a pass that ``rolled``, Progressing."""
    status = _counts(deployment, current, everything)
    conditions: list[Json] = [dict(c) for c in (deployment.get("status") or {}).get("conditions") or ()]
    _, missing = limits(deployment)
    if status.get("availableReplicas", 0) >= wanted_of(deployment) - missing:
        available = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        available = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    set_condition(conditions, "Available", *available, now)
    if rolled and _deadline(deployment) is not None:
        _progressing(conditions, deployment, status, current, now)
    elif rolled:
        conditions[:] = [c for c in conditions if c["type"] != "Progressing"]
    return status | {"conditions": conditions}


def _counts(deployment: Json, current: Json | None, everything: Sequence[Json]) -> Json:
    def total(field: str) -> int:
        return sum(int((rs.get("status") or {}).get(field) or 0) for rs in everything)

    replicas, available = total("replicas"), total("availableReplicas")
    counts = {
        "replicas": replicas,
        "updatedReplicas": int((current.get("status") or {}).get("replicas") or 0) if current else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(wanted_of(rs) for rs in everything) - available),
    }
    told: Json = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    return told | {name: count for name, count in counts.items() if count}


def _deadline(deployment: Json) -> float | None:
    seconds = deployment["spec"].get("progressDeadlineSeconds", 600)
    return None if seconds is None or seconds >= _UNLIMITED else float(seconds)


def _progressing(
    conditions: list[Json], deployment: Json, status: Json, current: Json | None, now: float
) -> None:
    earlier = next((c for c in conditions if c["type"] == "Progressing"), None)
    about = "Deployment" if current is None else "ReplicaSet"
    name = (deployment if current is None else current)["metadata"]["name"]
    if (
        earlier is not None
        and earlier["reason"] == NEW_AVAILABLE
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
    ):
        return
    if complete(deployment, status):
        message = f'{about} "{name}" has successfully progressed.'
        set_condition(conditions, "Progressing", "True", NEW_AVAILABLE, message, now)
    elif _advanced(deployment.get("status") or {}, status):
        message = f'{about} "{name}" is progressing.'
        _put(conditions, "Progressing", "True", "ReplicaSetUpdated", message, now)
    elif deadline_left(deployment, earlier, now) == 0:
        message = f'{about} "{name}" has timed out progressing.'
        set_condition(conditions, "Progressing", "False", _TIMED_OUT, message, now)


def complete(deployment: Json, status: Json) -> bool:
    """Whether every wanted pod is of the newest ReplicaSet and available, and no other is left."""
    wanted = wanted_of(deployment)
    return all(
        status.get(f, 0) == wanted for f in ("replicas", "updatedReplicas", "availableReplicas")
    ) and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)


def _advanced(before: Json, after: Json) -> bool:
    def older(status: Json) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return older(after) < older(before) or any(after.get(f, 0) > before.get(f, 0) for f in more)


def deadline_left(deployment: Json, condition: Json | None, now: float) -> float | None:
    """Seconds until the rollout counts as stuck (0: it does), or None where it cannot."""
    deadline = _deadline(deployment)
    if deadline is None or condition is None or condition["reason"] == NEW_AVAILABLE:
        return None
    if condition["reason"] == _TIMED_OUT:
        return 0.0
    since = datetime.fromisoformat(condition["lastUpdateTime"]).timestamp()
    return max(0.0, since + deadline - now)


def progress(conditions: Sequence[Json]) -> Json | None:
    """The Progressing condition."""
    return next((c for c in conditions if c["type"] == "Progressing"), None)


def set_condition(
    conditions: list[Json], kind: str, status: str, reason: str, message: str, now: float
) -> None:
    """Sets a condition unless it has this status and reason already."""
    earlier = next((c for c in conditions if c["type"] == kind), None)
    if earlier is None or (earlier["status"], earlier["reason"]) != (status, reason):
        _put(conditions, kind, status, reason, message, now)


def _put(conditions: list[Json], kind: str, status: str, reason: str, message: str, now: float) -> None:
    earlier = next((c for c in conditions if c["type"] == kind), None)
    since = timestamp(now)
    if earlier is not None and earlier["status"] == status:
        since = earlier["lastTransitionTime"]
    conditions[:] = [c for c in conditions if c["type"] != kind]
    conditions.append(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": timestamp(now),
            "lastTransitionTime": since,
        }
    )
