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

    What is absent is tested for null, which kube-apiserver (evanphx/json-patch 4 and 5) takes for absent as
    long as the object around it is there; then it is added, with the objects around it that are absent too.
    An item after the end of a list cannot be tested: there the whole list must be as it was. The object's
    version would not do, for a status moves every few seconds.
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
        test = _absence(obj, steps)
        around_it += [test] if test not in around_it else []
        for depth in range(1, len(steps)):
            around = pointer(*steps[:depth])
            if at(obj, around) is MISSING and around not in made:
                made.add(around)
                patch.append({"op": "add", "path": around, "value": {}})
        patch.append({"op": "add", "path": path, "value": new})
    return [*around_it, *patch]


def _absence(obj: Mapping[str, Any], steps: list[str]) -> dict[str, Any]:
    """The test that nothing has come to be where nothing was."""
    first = next(depth for depth in range(1, len(steps) + 1) if at(obj, pointer(*steps[:depth])) is MISSING)
    around = at(obj, pointer(*steps[: first - 1]))
    if isinstance(around, list):
        return {"op": "test", "path": pointer(*steps[: first - 1]), "value": around}
    return {"op": "test", "path": pointer(*steps[:first]), "value": None}


def changed(obj: Mapping[str, Any], patch: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What of the object is not as the patch tests it to be, in words: ``minReplicas is 3 now, not 2``."""
    found = []
    for step in patch:
        if step.get("op") != "test":
            continue
        path, was, now = step["path"], step["value"], at(obj, step["path"])
        if now == was or (was is None and now is MISSING):
            continue
        if isinstance(was, dict | list):
            found.append("it was edited since it was read")
        else:
            found.append(f"{_steps(path)[-1]} is {_shown(now)} now, not {_shown(was)}")
    return tuple(found)


def _shown(value: Any) -> str:
    return "absent" if value is MISSING or value is None else plain(str(value), 60)
