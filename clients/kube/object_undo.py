"""What takes the making, the editing or the deletion of an object back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef

__all__ = ["inverse", "inverse_patch"]

_OF_THE_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


def inverse(change: ObjectChange, before: Mapping[str, Any] | None) -> ObjectChange | None:
    """``before`` is the object as it was; ``None`` where nothing is known that would take it back."""
    match change.verb:
        case Verb.CREATE:
            return ObjectChange(Verb.DELETE, change.ref, "")
        case Verb.DELETE:
            return None if before is None else _made_again(change.ref, before)
        case Verb.PATCH:
            back = inverse_patch(json.loads(change.body))
            return ObjectChange(Verb.PATCH, change.ref, json.dumps(back)) if back else None


def _made_again(ref: ObjectRef, before: Mapping[str, Any]) -> ObjectChange:
    metadata = {name: value for name, value in before["metadata"].items() if name not in _OF_THE_SERVER}
    kept = {name: value for name, value in before.items() if name not in ("metadata", "status")}
    return ObjectChange(Verb.CREATE, ref, json.dumps({**kept, "metadata": metadata}))


def inverse_patch(patch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The patch back: what a step put there is tested first. Old values are those that the patch tests."""
    old = {step["path"]: step["value"] for step in patch if step["op"] == "test"}
    back: list[dict[str, Any]] = []
    for step in reversed(patch):
        path = step["path"]
        match step["op"]:
            case "replace" if path in old:
                back.append({"op": "test", "path": path, "value": step["value"]})
                back.append({"op": "replace", "path": path, "value": old[path]})
            case "add" if step["value"] == {}:
                back.append({"op": "remove", "path": path})
            case "add":
                back.append({"op": "test", "path": path, "value": step["value"]})
                back.append({"op": "remove", "path": path})
            case "remove" if path in old:
                back.append({"op": "add", "path": path, "value": old[path]})
    return back
