"""JSON Patches that change nothing but what was looked at: each old value is tested before it is replaced."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clients.serving.plain import plain

__all__ = ["MISSING", "at", "changed", "pointer", "tested"]

_SHORT = 2000
"""Characters of JSON that a test may be long."""
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
    what is there around them must be as it was: as a whole where that is short, by the object's version where
    it is not. The version alone would not do for an HPA, whose status moves every 15 s.
    """
    patch: list[dict[str, Any]] = []
    around_it: list[dict[str, Any]] = []
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
        steps = _steps(path)
        test = _around(obj, steps)
        around_it += [test] if test not in around_it else []
        for depth in range(1, len(steps)):
            around = pointer(*steps[:depth])
            if at(obj, around) is MISSING and around not in made:
                made.add(around)
                patch.append({"op": "add", "path": around, "value": {}})
        patch.append({"op": "add", "path": path, "value": new})
    return [*around_it, *patch]


def _around(obj: Mapping[str, Any], steps: list[str]) -> dict[str, Any]:
    """The test that nothing has come to be where nothing was."""
    for depth in range(len(steps) - 1, 0, -1):
        path = pointer(*steps[:depth])
        there = at(obj, path)
        if there is not MISSING and path != "/metadata" and len(json.dumps(there)) <= _SHORT:
            return {"op": "test", "path": path, "value": there}
    version = at(obj, "/metadata/resourceVersion")
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version}


def changed(obj: Mapping[str, Any], patch: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What of the object is not as the patch tests it to be, in words: ``minReplicas is 3 now, not 2``."""
    found = []
    for step in patch:
        if step.get("op") != "test":
            continue
        path, was, now = step["path"], step["value"], at(obj, step["path"])
        if now == was:
            continue
        if path == "/metadata/resourceVersion" or isinstance(was, dict | list):
            found.append("it was edited since it was read")
        else:
            found.append(f"{_steps(path)[-1]} is {_shown(now)} now, not {_shown(was)}")
    return tuple(found)


def _shown(value: Any) -> str:
    return "absent" if value is MISSING else plain(str(value), 60)
