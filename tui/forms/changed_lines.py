"""What a change of an object does to it, line by line: ``- `` goes, ``+ `` comes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from clients.serving.changes import ObjectChange, Verb
from tui.object_text import as_yaml

__all__ = ["changed_lines"]


def changed_lines(change: ObjectChange) -> tuple[str, ...]:
    """Of the whole object where it is made, of the fields where it is edited."""
    match change.verb:
        case Verb.CREATE:
            return tuple(f"+ {line}" for line in as_yaml(json.loads(change.body)).splitlines())
        case Verb.DELETE:
            return (f"- {change.ref}",)
    return tuple(_of_patch(json.loads(change.body)))


def _of_patch(patch: list[Mapping[str, Any]]) -> Iterator[str]:
    gone = {step["path"] for step in patch if step["op"] in ("replace", "remove")}
    for step in patch:
        path = step["path"].removeprefix("/")
        match step["op"]:
            case "test" if step["path"] in gone:
                yield f"- {path}: {_short(step['value'])}"
            case "add" | "replace" if step["value"] not in ({}, []):
                yield f"+ {path}: {_short(step['value'])}"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
