"""Server-side apply: a manager states the fields it wants; conflicts with other managers are refused."""

from __future__ import annotations

import copy
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.fields import FieldSet, Path, entry, field_set, in_order, leaves
from clients.embedded.apiserver.listkeys import item_step, list_keys
from clients.embedded.apiserver.objects import Json, decode
from clients.embedded.apiserver.registry import Resource

__all__ = ["Applied", "apply"]


class Applied(Struct):
    """The outcome of an apply."""

    obj: Json
    managers: list[Json]


def apply(
    definition: Resource,
    live: Json | None,
    config: Json,
    *,
    manager: str,
    subresource: str | None,
    force: bool,
    at: str,
) -> Applied:
    """Merges ``config`` into ``live``. Raises ApiError 409 with a cause for each field that others own."""
    wanted = leaves(definition, config)
    before = leaves(definition, live) if live is not None else {}
    entries: list[Json] = list(live["metadata"].get("managedFields") or ()) if live is not None else []
    others: list[tuple[Json, FieldSet]] = []
    former: FieldSet = set()
    for told in entries:
        owned = field_set(told.get("fieldsV1") or {})
        if (told.get("manager"), told.get("operation"), told.get("subresource")) == (
            manager,
            "Apply",
            subresource,
        ):
            former = owned
        else:
            others.append((told, owned))
    differing = {path for path, value in wanted.items() if path in before and before[path] != value}
    _refuse_conflicts(definition, live, others, differing, manager, force)
    merged = _merge(definition, live, config)
    elsewhere: FieldSet = set().union(*(owned for _, owned in others)) if others else set()
    kept_paths = wanted.keys() | elsewhere
    for path in sorted(former - kept_paths, key=len):
        if path[-1].startswith("k:") and any(p[: len(path)] == path for p in kept_paths):
            continue
        if len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in decode(path[-2][2:].encode()):
            continue
        _remove(merged, path)
    managers: list[Json] = []
    mine = set(wanted)
    stated = entry(definition, manager, "Apply", subresource, mine, at)
    kept = {id(told): owned - differing for told, owned in others}
    for told in entries:
        left = kept.get(id(told))
        if left is None:
            managers.append(told if mine == former else stated)
        elif left == field_set(told.get("fieldsV1") or {}):
            managers.append(told)
        elif left:
            managers.append({**told, "fieldsV1": entry(definition, "", "", None, left, "")["fieldsV1"]})
    if len(others) == len(entries):
        managers.append(stated)
    return Applied(merged, in_order(managers))


def _refuse_conflicts(
    definition: Resource,
    live: Json | None,
    others: list[tuple[Json, FieldSet]],
    differing: FieldSet,
    manager: str,
    force: bool,
) -> None:
    if force or live is None:
        return
    causes = []
    for told, owned in others:
        for path in sorted(owned & differing):
            by = f'"{told.get("manager")}"'
            if told.get("subresource"):
                by += f' with subresource "{told["subresource"]}"'
            if told.get("operation") != "Apply":
                by += f" using {told.get('apiVersion')}"
            causes.append(
                {"reason": "FieldManagerConflict", "message": f"conflict with {by}", "field": dotted(path)}
            )
    if not causes:
        return
    count = "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"
    text = "; ".join(f"{c['message']}: {c['field']}" for c in causes)
    details: Json = {"causes": causes}
    raise ApiError(409, "Conflict", f"Apply failed with {count}: {text}", details=details)


def dotted(path: Path) -> str:
    """``.spec.containers[name="engine"].image``"""
    told = ""
    for step in path:
        if step.startswith("f:"):
            told += "." + step[2:]
        elif step.startswith("k:"):
            keys = decode(step[2:].encode())
            told += "[" + ",".join(f'{k}="{v}"' for k, v in keys.items()) + "]"
        else:
            told += f"[={step[2:]}]"
    return told


def _merge(definition: Resource, live: Json | None, config: Json) -> Json:
    if live is None:
        return copy.deepcopy(config)
    made = dict(live)
    for name, value in config.items():
        if name in ("kind", "apiVersion"):
            continue
        if name == "metadata":
            metadata = dict(live["metadata"])
            for inner, told in value.items():
                metadata[inner] = _merge_value(definition, metadata.get(inner), told, (inner, "metadata"))
            made["metadata"] = metadata
        else:
            made[name] = _merge_value(definition, made.get(name), value, (name,))
    return made


def _merge_value(definition: Resource, live: Any, value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        made = dict(live) if isinstance(live, dict) else {}
        for name, inner in value.items():
            made[name] = _merge_value(definition, made.get(name), inner, (name, *names))
        return made
    if isinstance(value, list) and isinstance(live, list):
        keys = list_keys(definition, names)
        if keys is not None:
            return _merge_items(definition, live, value, keys, names)
    return copy.deepcopy(value)


def _merge_items(
    definition: Resource, live: list[Any], value: list[Any], keys: tuple[str, ...], names: tuple[str, ...]
) -> list[Any]:
    made = list(live)
    places = {item_step(keys, item): index for index, item in enumerate(live)}
    for item in value:
        place = places.get(item_step(keys, item))
        if place is None:
            made.append(copy.deepcopy(item))
        elif isinstance(item, dict):
            merged = dict(made[place])
            for name, inner in item.items():
                merged[name] = _merge_value(definition, merged.get(name), inner, (name, *names))
            made[place] = merged
    return made


def _remove(obj: Any, path: Path) -> None:
    """Takes a field, or an item with everything in it, away; and the maps that this leaves empty."""
    holders: list[tuple[Any, Any]] = []
    node = obj
    for step in path:
        place = _place(node, step)
        if place is None:
            return
        holders.append((node, place))
        node = node[place]
    first, *outer = reversed(holders)
    del first[0][first[1]]
    for holder, place in outer[:-1]:
        if holder[place]:
            return
        del holder[place]


def _place(node: Any, step: str) -> Any:
    if step.startswith("f:"):
        return step[2:] if isinstance(node, dict) and step[2:] in node else None
    if not isinstance(node, list):
        return None
    for index, item in enumerate(node):
        keys = tuple(decode(step[2:].encode())) if step.startswith("k:") else ()
        if item_step(keys, item) == step:
            return index
    return None
