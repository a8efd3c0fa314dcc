"""JSON Patches that change nothing but what was looked at: each old value is tested before it is replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clients.serving.plain import plain

__all__ = ["MISSING", "at", "changed", "pointer", "tested"]

MISSING: Any = object()
"""What ``at`` finds where nothing is."""


def pointer(*steps: str | int) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def at(obj: Any, path: str) -> Any:
    """The value at a pointer, or ``MISSING``."""
    for step in _steps(path):
        if isinstance(obj, Mapping) and step in obj:
            obj = obj[step]
        elif isinstance(obj, list) and step.isdecimal() and int(step) < len(obj):
            obj = obj[int(step)]
        else:
            return MISSING
    return obj


def tested(obj: Mapping[str, Any], changes: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """A patch from the object as it was read to one with these values; ``MISSING`` removes one.

    What is absent can not be tested: then it is added, with the objects around it that are absent too, and
    the object must not have changed at all since (``resourceVersion``), which is stricter than needed and
    never wrong.
    """
    patch: list[dict[str, Any]] = []
    blind = False
    made: set[str] = set()
    for path, new in changes:
        old = at(obj, path)
        if old == new:
            continue
        if old is not MISSING:
            patch.append({"op": "test", "path": path, "value": old})
            patch.append(
                {"op": "remove", "path": path}
                if new is MISSING
                else {"op": "replace", "path": path, "value": new}
            )
            continue
        blind = True
        steps = _steps(path)
        for depth in range(1, len(steps)):
            around = pointer(*steps[:depth])
            if at(obj, around) is MISSING and around not in made:
                made.add(around)
                patch.append({"op": "add", "path": around, "value": {}})
        patch.append({"op": "add", "path": path, "value": new})
    if blind:
        version = at(obj, "/metadata/resourceVersion")
        patch.insert(0, {"op": "test", "path": "/metadata/resourceVersion", "value": version})
    return patch


def changed(obj: Mapping[str, Any], patch: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What of the object is not as the patch tests it to be, in words: ``minReplicas is 3 now, not 2``."""
    found = []
    for step in patch:
        if step.get("op") != "test":
            continue
        path, was, now = step["path"], step["value"], at(obj, step["path"])
        if now == was:
            continue
        if path == "/metadata/resourceVersion":
            found.append("it was edited since it was read")
        else:
            found.append(f"{_steps(path)[-1]} is {_shown(now)} now, not {_shown(was)}")
    return tuple(found)


def _shown(value: Any) -> str:
    return "absent" if value is MISSING else plain(str(value), 60)
