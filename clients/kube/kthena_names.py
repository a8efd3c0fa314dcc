"""How Kthena names things: ServingGroups, role replicas and pods, by name and by label.

Pods are named ``<serving>-<group>-<role>-<replica>-<index>`` and labelled with the same facts. Labels of a
role's template are applied after Kthena's own and may overwrite them (upstream's own examples do), the
name cannot be: where it has the pattern, the name is believed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

from msgspec import Struct

from clients.kube.pod_labels import GROUP, ROLE, ROLE_ID
from clients.kube.rows import PodRow

__all__ = [
    "Place",
    "group_name",
    "group_ordinal",
    "place_of",
    "pod_name",
    "serving_of",
]

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_REST = re.compile(rf"{_NUMBER}-(.+)-{_NUMBER}-{_NUMBER}")
_ORDINAL = re.compile(_NUMBER)


class Place(Struct, frozen=True):
    """Where in its ModelServing a pod belongs."""

    group: str
    ordinal: int | None
    """Of the group; ``None`` for a group whose name is not of Kthena's making."""
    role: str
    role_id: str
    role_ordinal: int | None
    index: int | None
    """0 is the entry pod, 1… are workers."""


def group_name(serving: str, ordinal: int) -> str:
    """A ServingGroup's name."""
    return f"{serving}-{ordinal}"


def pod_name(serving: str, ordinal: int, role_id: str, index: int) -> str:
    """A pod's name; its headless service has the same for index 0."""
    return f"{serving}-{ordinal}-{role_id}-{index}"


def group_ordinal(serving: str, name: str) -> int | None:
    """The ordinal in a ServingGroup's name."""
    prefix = len(serving) + 1
    if len(name) <= prefix or name[prefix - 1] != "-" or not name.startswith(serving):
        return None
    found = _ORDINAL.fullmatch(name, prefix)
    return int(found[1]) if found else None


@lru_cache(maxsize=4096)
def _role_ordinal(role: str, role_id: str) -> int | None:
    return group_ordinal(role, role_id)


def _by_name(serving: str, name: str) -> Place | None:
    prefix = len(serving) + 1
    if not name.startswith(serving) or name[prefix - 1 : prefix] != "-":
        return None
    found = _REST.fullmatch(name, prefix)
    if found is None:
        return None
    group, role, replica, index = found.groups()
    return Place(
        group=intern(f"{serving}-{group}"),
        ordinal=int(group),
        role=intern(role),
        role_id=intern(f"{role}-{replica}"),
        role_ordinal=int(replica),
        index=int(index),
    )


def place_of(serving: str, pod: PodRow) -> tuple[Place | None, str | None]:
    """Where the pod belongs, by its name or else by its labels, and the key of a label that says otherwise.

    ``(None, None)`` where neither the name nor the labels tell.
    """
    place = _by_name(serving, pod.name)
    labels = pod.labels
    if place is not None:
        for key, told, expected in (
            (GROUP, labels.group, place.group),
            (ROLE, labels.role, place.role),
            (ROLE_ID, labels.role_id, place.role_id),
        ):
            if told is not None and told != expected:
                return place, key
        return place, None
    group, role, role_id = labels.group, labels.role, labels.role_id
    if not group or not role or not role_id:
        return None, None
    return (
        Place(
            group=group,
            ordinal=group_ordinal(serving, group),
            role=role,
            role_id=role_id,
            role_ordinal=_role_ordinal(role, role_id),
            index=None,
        ),
        None,
    )


def serving_of(pod: PodRow) -> tuple[str, str] | None:
    """(namespace, name) of the ModelServing that a pod belongs to, or once belonged to, by owner or label."""
    if pod.owner is not None and pod.owner.kind == "ModelServing":
        return pod.namespace, pod.owner.name
    name = pod.labels.serving
    return (pod.namespace, name) if name else None
