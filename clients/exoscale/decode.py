"""What Exoscale's API answers, as values; whatever is missing, null, unknown or of another type is left out.

Shapes: OpenAPI of the PyPI package ``exoscale`` 0.16.4. Of a deployment it requires only name, state, URL,
model and visibility, and older snapshots call the state ``status``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from clients.managed.calls import CloudError

__all__ = [
    "Deployment", "InstanceType", "LogLine", "Operation", "Quota", "deployment", "deployments",
    "instance_types", "log_lines", "models", "operation", "quotas", "zones",
]  # fmt: skip

READY, ERROR, SCALING = "ready", "error", "scaling"
_MOST = 1_000_000
"""A higher count is no count."""


class Deployment(Struct, frozen=True):
    """One deployment. It tells how many replicas are wanted, and never how many are ready."""

    name: str
    id: str | None = None
    """``None``: nothing can be asked of it by its path."""
    state: str = ""
    """As it was told; empty where it was not."""
    details: str = ""
    gpu_type: str | None = None
    gpu_count: int | None = None
    """Of one replica; fixed at creation."""
    replicas: int | None = None
    """Wanted."""
    level: str | None = None
    url: str | None = None
    model: str | None = None
    public: bool = False
    """Of Managed Inference: everybody's, and not ours to scale."""
    created: float | None = None
    updated: float | None = None
    engine: str | None = None
    parameters: tuple[str, ...] = ()


class Operation(Struct, frozen=True):
    """Something that Exoscale does in the background."""

    id: str | None = None
    state: str = ""
    """``pending``, ``success``, ``failure``, ``timeout``."""
    reason: str = ""
    message: str = ""


class Quota(Struct, frozen=True):
    """How many of one resource are used and allowed; a limit of -1 is none."""

    resource: str
    usage: int
    limit: int


class InstanceType(Struct, frozen=True):
    """A GPU family of a zone, and whether the organisation may use it there."""

    family: str
    authorized: bool | None


class LogLine(Struct, frozen=True):
    """One line of the engine's log. Hostile until passed through ``plain``."""

    time: str
    node: str
    message: str


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CloudError("Exoscale answered with something that is not JSON") from None
    if not isinstance(found, dict):
        raise CloudError("Exoscale answered with JSON of another shape")
    return found


def _items(body: bytes, name: str) -> Iterator[dict[str, Any]]:
    """The entries of a list; raises CloudError where there is none, for that is not an empty one."""
    found = _json(body).get(name)
    if not isinstance(found, list):
        raise CloudError(f"Exoscale answered without {name}")
    return (one for one in found if isinstance(one, dict))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any, least: int = 0) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and least <= value <= _MOST else None


def _time(value: Any) -> float | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if when is None else (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def deployments(body: bytes) -> tuple[Deployment, ...]:
    """Of a list; entries without a name are no deployments. Raises CloudError for another shape."""
    found = (_deployment(entry) for entry in _items(body, "deployments"))
    return tuple(one for one in found if one is not None)


def deployment(body: bytes) -> Deployment:
    """One, as ``show`` tells it; raises CloudError if it is none."""
    found = _deployment(_json(body))
    if found is None:
        raise CloudError("Exoscale answered with a deployment that has no name")
    return found


def _deployment(entry: dict[str, Any]) -> Deployment | None:
    name = _text(entry.get("name"))
    if name is None:
        return None
    model = entry.get("model")
    model = model if isinstance(model, dict) else {}
    words = entry.get("inference-engine-parameters")
    return Deployment(
        name,
        _text(entry.get("id")),
        _text(entry.get("state")) or _text(entry.get("status")) or "",
        _text(entry.get("state-details")) or "",
        _text(entry.get("gpu-type")),
        _count(entry.get("gpu-count"), 1),
        _count(entry.get("replicas")),
        _text(entry.get("service-level")),
        _text(entry.get("deployment-url")),
        _text(model.get("name")),
        entry.get("visibility") == "public",
        _time(entry.get("created-at")),
        _time(entry.get("updated-at")),
        _text(entry.get("inference-engine-version")),
        tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else (),
    )


def operation(body: bytes) -> Operation:
    """Every part of it may be missing; raises CloudError for what is no JSON object."""
    found = _json(body)
    return Operation(
        _text(found.get("id")),
        _text(found.get("state")) or "",
        _text(found.get("reason")) or "",
        _text(found.get("message")) or "",
    )


def quotas(body: bytes) -> tuple[Quota, ...]:
    """Those that tell both numbers; raises CloudError for another shape."""
    found = []
    for entry in _items(body, "quotas"):
        resource, usage = _text(entry.get("resource")), _count(entry.get("usage"))
        limit = _count(entry.get("limit"), -1)
        if resource is not None and usage is not None and limit is not None:
            found.append(Quota(resource, usage, limit))
    return tuple(found)


def instance_types(body: bytes) -> tuple[InstanceType, ...]:
    """GPU families; raises CloudError for another shape."""
    found = []
    for entry in _items(body, "instance-types"):
        family, authorized = _text(entry.get("family")), entry.get("authorized")
        if family is not None:
            found.append(InstanceType(family, authorized if isinstance(authorized, bool) else None))
    return tuple(found)


def log_lines(body: bytes) -> tuple[LogLine, ...]:
    """Oldest first, as told; raises CloudError for another shape."""
    return tuple(
        LogLine(
            _text(entry.get("time")) or "", _text(entry.get("node")) or "", _text(entry.get("message")) or ""
        )
        for entry in _items(body, "logs")
    )


def models(body: bytes) -> dict[str, int]:
    """Bytes of each model by its name, where told; raises CloudError for another shape."""
    found = ((_text(entry.get("name")), entry.get("model-size")) for entry in _items(body, "models"))
    return {name: size for name, size in found if name is not None and type(size) is int and size > 0}


def zones(body: bytes) -> tuple[str, ...]:
    """Names; raises CloudError for another shape."""
    found = (_text(entry.get("name")) for entry in _items(body, "zones"))
    return tuple(name for name in found if name is not None)
