"""The three patch types that edit a document: JSON Patch, JSON Merge Patch and strategic merge.

RFC 6902 and RFC 7386; strategic merge as Kubernetes documents it (merge keys, ``$patch``,
``$deleteFromPrimitiveList``, ``$setElementOrder``, ``$retainKeys``).
"""

from __future__ import annotations

import copy
from typing import Any

from clients.embedded.apiserver.errors import ApiError, bad_request
from clients.embedded.apiserver.listkeys import strategic_key
from clients.embedded.apiserver.objects import Json

__all__ = ["json_patch", "merge_patch", "strategic_merge"]


def merge_patch(target: Any, patch: Any) -> Any:
    """The document after a merge patch: null removes, maps merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    made: Json = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge_patch(made.get(key), value)
    return made


def _refused() -> ApiError:
    """The server keeps to itself which operation it was, and why."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def json_patch(document: Json, operations: Any) -> Json:
    """The document after a JSON Patch, all of it or nothing.

    Raises ApiError 400 for what is no patch, 422 for a failed test or a path that leads nowhere.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type Patch")
    made: Any = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise _refused()
        made = _operate(made, operation)
    if not isinstance(made, dict):
        raise _refused()
    return made


def _operate(document: Any, operation: Json) -> Any:
    kind, path = operation.get("op"), _pointer(operation["path"])
    if kind == "test":
        if "value" not in operation or _tested(document, path) != operation["value"]:
            raise _refused()
        return document
    if kind in ("add", "replace"):
        if "value" not in operation:
            raise _refused()
        if kind == "replace":
            _found(document, path)
        return _placed(document, path, copy.deepcopy(operation["value"]), replace=kind == "replace")
    if kind == "remove":
        return _without(document, path)
    if kind in ("copy", "move"):
        if not isinstance(operation.get("from"), str):
            raise _refused()
        source = _pointer(operation["from"])
        value = copy.deepcopy(_found(document, source))
        if kind == "move":
            document = _without(document, source)
        return _placed(document, path, value, replace=False)
    raise _refused()


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise _refused()
    return [step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/")]


def _index(items: list[Any], step: str, *, end: bool) -> int:
    if step == "-" and end:
        return len(items)
    if not step.isdigit() or int(step) >= len(items) + int(end):
        raise _refused()
    return int(step)


def _found(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, list):
            document = document[_index(document, step, end=False)]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            raise _refused()
    return document


def _tested(document: Any, path: list[str]) -> Any:
    """An absent member counts as null in a test: so has it evanphx/json-patch (kube-apiserver 1.36)."""
    holder = _found(document, path[:-1]) if path else None
    return None if isinstance(holder, dict) and path[-1] not in holder else _found(document, path)


def _placed(document: Any, path: list[str], value: Any, *, replace: bool) -> Any:
    if not path:
        return value
    holder, last = _found(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        index = _index(holder, last, end=not replace)
        if replace:
            holder[index] = value
        else:
            holder.insert(index, value)
    elif isinstance(holder, dict):
        holder[last] = value
    else:
        raise _refused()
    return document


def _without(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    _found(document, path)
    holder, last = _found(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        del holder[_index(holder, last, end=False)]
    else:
        del holder[last]
    return document


def strategic_merge(target: Json, patch: Json) -> Json:
    """A built-in object after a strategic merge patch. Raises ApiError 400 for unknown directives."""
    return _merge_map(target, patch, ())


def _merge_map(target: Any, patch: Json, names: tuple[str, ...]) -> Json:
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    if directive not in (None, "merge", "delete"):
        raise bad_request(f"unknown patch type: {directive!r}")
    if directive == "delete":
        return {}
    made: Json = dict(target) if isinstance(target, dict) else {}
    keep = patch.get("$retainKeys")
    for key, value in patch.items():
        if key in ("$patch", "$retainKeys") or key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            made[field] = [item for item in made.get(field) or () if item not in value]
        elif value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            made[key] = _merge_map(made.get(key), value, (key, *names))
        elif isinstance(value, list):
            order = patch.get(f"$setElementOrder/{key}")
            made[key] = _merge_list(made.get(key), value, order, (key, *names))
        else:
            made[key] = value
    if isinstance(keep, list):
        made = {k: v for k, v in made.items() if k in keep}
    for key, order in patch.items():
        field = key.partition("/")[2]
        if key.startswith("$setElementOrder/") and field not in patch and isinstance(made.get(field), list):
            made[field] = _ordered(made[field], order, strategic_key((field, *names)))
    return made


def _merge_list(target: Any, patch: list[Any], order: Any, names: tuple[str, ...]) -> list[Any]:
    key = strategic_key(names)
    if key is None or not isinstance(target, list):
        return [_plain(item, names) for item in patch if not _is_directive(item)]
    if key == "":
        return _ordered(target + [item for item in patch if item not in target], order, key)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if not _is_directive(item)]
    made = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = next((i for i, old in enumerate(made) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if place is not None:
                del made[place]
        elif place is None:
            made.append(_merge_map({}, item, names))
        else:
            made[place] = _merge_map(made[place], item, names)
    return _ordered(made, order, key)


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and item.get("$patch") in ("replace", "delete")


def _plain(item: Any, names: tuple[str, ...]) -> Any:
    return _merge_map({}, item, names) if isinstance(item, dict) else item


def _ordered(items: list[Any], order: Any, key: str | None) -> list[Any]:
    """Items that the order names come in that order; the others keep their places behind them."""
    if not isinstance(order, list) or key is None:
        return items
    wanted = [o.get(key) if key and isinstance(o, dict) else o for o in order]

    def place(item: Any) -> int:
        name = item.get(key) if key and isinstance(item, dict) else item
        return wanted.index(name) if name in wanted else len(wanted)

    return sorted(items, key=place)
