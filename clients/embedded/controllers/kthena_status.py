"""How Kthena fills a ModelServing's status, misleading parts included (kthena.md sections 2 and 8).

``replicas`` counts groups still being deleted; ``availableReplicas`` only follows the groups' remembered
status; ``currentReplicas`` is overwritten when everything is up; a condition that turns False keeps its old
reason, message and time; a condition that is already True is not refreshed; numbers in messages are list
positions, not ordinals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_labels import ENTRY, NAME, ROLE, ROLE_ID
from clients.embedded.controllers.kthena_memory import GroupState, Status
from clients.embedded.controllers.kthena_spec import ServingSpec, role_id

__all__ = ["label_selector", "write_status"]

_AVAILABLE = ("Available", "AllGroupsReady")
_PROGRESSING = ("Progressing", "GroupProgressing")
_UPDATING = ("UpdateInProgress", "GroupsUpdating")


def label_selector(spec: ServingSpec) -> str:
    """Matches one pod per group: the entry pod of the first role's first replica."""
    wanted = {NAME: spec.name, ENTRY: "true"}
    if spec.roles:
        wanted[ROLE] = spec.roles[0].name
        wanted[ROLE_ID] = role_id(spec.roles[0].name, 0)
    return ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))


def write_status(status: Json, spec: ServingSpec, groups: Sequence[GroupState], now: str) -> bool:
    """Updates ``status`` in place. Returns whether a revision in it changed (old templates may then go)."""
    moving: list[int] = []
    updated: list[int] = []
    current: list[int] = []
    available = 0
    revisions: Counter[str] = Counter()
    for position, group in enumerate(groups):
        if group.status is Status.DELETING:
            moving.append(position)
            continue
        if group.status is Status.RUNNING:
            available += 1
        else:
            moving.append(position)
        if group.revision == spec.revision:
            updated.append(position)
        else:
            current.append(position)
            revisions[group.revision] += 1
    _write_conditions(status, spec, moving, updated, current, now)
    status["replicas"] = len(groups)
    status["availableReplicas"] = available
    status["updatedReplicas"] = len(updated)
    status["currentReplicas"] = len(current)
    before = (status.get("currentRevision"), status.get("updateRevision"))
    status["currentRevision"] = _current_revision(before[0], spec, revisions, len(updated) == len(groups))
    status["updateRevision"] = spec.revision
    if spec.partition_setting is None and spec.replicas == available == len(updated) == len(groups):
        status["currentReplicas"] = len(updated)
    status["observedGeneration"] = spec.generation
    status["labelSelector"] = label_selector(spec)
    return before != (status["currentRevision"], status["updateRevision"])


def _current_revision(
    known: str | None, spec: ServingSpec, revisions: Counter[str], all_updated: bool
) -> str:
    if all_updated or not revisions:
        return spec.revision
    if known and revisions[known]:
        return known
    return revisions.most_common(1)[0][0]


def _positions(numbers: Sequence[int]) -> str:
    return "[" + " ".join(map(str, numbers)) + "]"


def _write_conditions(
    status: Json, spec: ServingSpec, moving: list[int], updated: list[int], current: list[int], now: str
) -> None:
    if not moving:
        (kind, reason), message = _AVAILABLE, "All Serving groups are ready"
    else:
        message = f"Some groups is progressing: {_positions(moving)}"
        if len(current) > spec.partition:
            (kind, reason) = _UPDATING
            message += f", Updated Groups are: {_positions(updated)}"
        else:
            (kind, reason) = _PROGRESSING
    conditions: list[Json] = status.setdefault("conditions", [])
    new: Json = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }
    found = False
    for index, condition in enumerate(conditions):
        if condition["type"] == kind:
            found = True
            if condition["status"] != "True":
                conditions[index] = new
        elif condition["status"] == "True" and "Available" in (kind, condition["type"]):
            condition["status"] = "False"
    if not found:
        conditions.append(new)
