"""Reading driver objects that anybody may have written: a missing, null or wrong-typed field is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clients.kube.quantity import parse
from clients.kube.rows import OwnerRow

__all__ = [
    "group_of",
    "integer",
    "label_selector",
    "listed",
    "mapping",
    "metadata",
    "number",
    "opened",
    "owner_of",
    "text",
]

_EXACT = 2**53


def opened(raw: bytes | msgspec.Raw) -> Mapping[str, Any]:
    """The object; an empty one if it is none. Raises ``msgspec.DecodeError`` where it is not JSON."""
    return mapping(msgspec.json.decode(raw))


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Mapping[str, Any]]:
    """The objects in the value if it is a list, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object, default: str = "") -> str:
    """The value if it is a string that is not empty."""
    return value if isinstance(value, str) and value else default


def integer(value: object) -> int | None:
    """The value if it is a whole number, and one that a float holds exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if abs(value) > _EXACT or (isinstance(value, float) and not value.is_integer()):
        return None
    return int(value)


def number(value: object) -> float | None:
    """A number, or a Kubernetes quantity such as ``97500m``; ``None`` for anything else."""
    exact = parse(value)
    return None if exact is None else float(exact)


def group_of(api_version: object, default: str) -> str:
    """``apps`` of ``apps/v1``; the core group is empty."""
    given = text(api_version)
    if not given:
        return default
    return given.rpartition("/")[0]


def metadata(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """(uid, namespace, name)"""
    meta = mapping(obj.get("metadata"))
    return text(meta.get("uid")), text(meta.get("namespace")), text(meta.get("name"))


def owner_of(obj: Mapping[str, Any]) -> OwnerRow | None:
    """The controlling owner."""
    for owner in listed(mapping(obj.get("metadata")).get("ownerReferences")):
        if owner.get("controller") is True:
            group = group_of(owner.get("apiVersion"), "")
            return OwnerRow(text(owner.get("kind")), text(owner.get("name")), text(owner.get("uid")), group)
    return None


def label_selector(given: object) -> str | None:
    """A LabelSelector as a query string."""
    selector = mapping(given)
    labels = mapping(selector.get("matchLabels"))
    parts = [f"{key}={text(labels[key])}" for key in sorted(labels)]
    for entry in listed(selector.get("matchExpressions")):
        key, values = text(entry.get("key")), entry.get("values")
        among = ",".join(sorted(text(value) for value in values)) if isinstance(values, list) else ""
        match text(entry.get("operator")):
            case "In":
                parts.append(f"{key} in ({among})")
            case "NotIn":
                parts.append(f"{key} notin ({among})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts) or None
