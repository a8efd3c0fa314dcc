"""Who owns which field: ``managedFields``, as far as writers and server-side apply need it.

A field set is a set of paths; a step is ``f:name``, ``k:{"name":"x"}`` for an item of a keyed list or
``v:"x"`` for an item of a set. Everything below an atomic list belongs to the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from clients.embedded.apiserver.listkeys import item_step, list_keys
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.registry import Resource

__all__ = [
    "FieldSet",
    "Path",
    "coarse_entry",
    "entry",
    "field_set",
    "in_order",
    "leaves",
    "update_managers",
    "without_fields",
]

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = set[Path]

_UNOWNED = frozenset(
    (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "generateName",
    )
)


def leaves(definition: Resource, obj: Json) -> dict[Path, Any]:
    """Every ownable leaf of an object with its value."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name in ("kind", "apiVersion"):
            continue
        if name == "metadata":
            for inner, told in value.items():
                if inner not in _UNOWNED:
                    _walk(definition, told, (inner, "metadata"), ("f:metadata", f"f:{inner}"), found)
            continue
        _walk(definition, value, (name,), (f"f:{name}",), found)
    return found


_ATOMIC = frozenset(
    ("selector", "labelSelector", "nodeSelector", "roleRef", "involvedObject", "regarding", "targetRef")
)
"""Maps of built-in kinds that are owned as a whole."""
_FREE_MAPS = frozenset(
    ("labels", "annotations", "data", "binaryData", "resources", "limits", "requests", "rollingUpdate")
)


def _maps(definition: Resource, found: Iterable[Path]) -> FieldSet:
    """The maps on the way to these fields that can be absent, and so are owned by who made them.

    In a custom resource that is every one; what a built-in kind's Go structs always hold is not told here,
    only the maps of free keys that are certain.
    """
    made: FieldSet = set()
    for path in found:
        for end in range(1, len(path)):
            step = path[end - 1]
            free = step.startswith("f:") if definition.custom else step[2:] in _FREE_MAPS
            if free and path[:end] != ("f:metadata",):
                made.add(path[:end])
    return made


def _walk(
    definition: Resource, value: Any, names: tuple[str, ...], path: Path, found: dict[Path, Any]
) -> None:
    """``names`` are the field names on the way, innermost first: what decides how a list merges."""
    if isinstance(value, dict) and value and (definition.custom or names[0] not in _ATOMIC):
        for name, inner in value.items():
            _walk(definition, inner, (name, *names), (*path, f"f:{name}"), found)
        return
    if isinstance(value, list) and value:
        keys = list_keys(definition, names)
        if keys is not None:
            for item in value:
                step = item_step(keys, item)
                inner_path = (*path, step)
                found[inner_path] = None if isinstance(item, dict) else item
                if isinstance(item, dict):
                    for name, inner in item.items():
                        _walk(definition, inner, (name, *names), (*inner_path, f"f:{name}"), found)
            return
    found[path] = value


def field_set(fields: Json) -> FieldSet:
    """A FieldsV1 document as a set of paths."""
    found: FieldSet = set()

    def walk(node: Json, path: Path) -> None:
        for step, inner in node.items():
            if step == ".":
                found.add(path)
            elif inner:
                walk(inner, (*path, step))
            else:
                found.add((*path, step))

    walk(fields, ())
    return found


def entry(
    definition: Resource, manager: str, operation: str, subresource: str | None, fields: FieldSet, at: str
) -> Json:
    """One managedFields entry."""
    document: Json = {}
    for path in sorted(fields):
        node = document
        for step in path:
            node = node.setdefault(step, {})
    for path in fields:
        node = document
        for step in path:
            node = node[step]
        if node and "." not in node:
            node["."] = {}
    made: Json = {
        "manager": manager,
        "operation": operation,
        "apiVersion": definition.api_version(),
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": document,
    }
    if subresource:
        made["subresource"] = subresource
    return made


def coarse_entry(definition: Resource, manager: str, at: str) -> Json:
    """Says who made an object without going through its fields: for kinds that come by the thousand."""
    return entry(definition, manager, "Update", None, {("f:metadata", "f:labels"), ("f:spec",)}, at)


def update_managers(
    definition: Resource, old: Json | None, new: Json, *, manager: str, subresource: str | None, at: str
) -> list[Json]:
    """managedFields after an ordinary write: the writer owns what it changed, nobody what it removed."""
    # What of an object the writer could not change through this door is nobody's doing.
    about_status = subresource == "status"

    def owned_here(obj: Json) -> dict[Path, Any]:
        found = leaves(definition, obj)
        if definition.status:
            return {p: v for p, v in found.items() if (p[0] == "f:status") == about_status}
        return found

    before = owned_here(old) if old is not None else {}
    after = owned_here(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    maps, former = _maps(definition, after), _maps(definition, before)
    changed |= maps - former
    gone |= former - maps
    entries = list(new["metadata"].get("managedFields") or ())
    if not changed and not gone:
        return entries
    kept: list[Json] = []
    mine: FieldSet = set()
    for told in entries:
        owned = field_set(told.get("fieldsV1") or {})
        if (told.get("manager"), told.get("operation"), told.get("subresource")) == (
            manager,
            "Update",
            subresource,
        ):
            mine = owned
            continue
        kept += without_fields(definition, [told], changed | gone)
    mine = (mine | changed) - gone
    if mine:
        kept.append(entry(definition, manager, "Update", subresource, mine, at))
    return in_order(kept)


def in_order(entries: list[Json]) -> list[Json]:
    """Applied fields first, then by time, manager and subresource, as the server sorts them."""
    return sorted(
        entries,
        key=lambda told: [
            str(told.get(key) or "") for key in ("operation", "time", "manager", "apiVersion", "subresource")
        ],
    )


def without_fields(definition: Resource, entries: list[Json], fields: FieldSet) -> list[Json]:
    """The entries with nobody owning ``fields``; those that owned nothing else are left out."""
    kept: list[Json] = []
    for told in entries:
        owned = field_set(told.get("fieldsV1") or {})
        left = owned - fields
        if left == owned:
            kept.append(told)
        elif left:
            kept.append({**told, "fieldsV1": entry(definition, "", "", None, left, "")["fieldsV1"]})
    return kept
