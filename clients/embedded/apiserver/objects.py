"""Kubernetes objects as plain dicts: their JSON, their paths and their timestamps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

__all__ = ["Json", "at_path", "decode", "encode", "micro_time", "put_path", "timestamp"]

Json: TypeAlias = dict[str, Any]

encode = msgspec.json.Encoder(order="deterministic").encode
"""JSON with keys in order: equal objects give equal bytes, so a write that changes nothing is seen."""

decode = msgspec.json.Decoder().decode


def timestamp(seconds: float) -> str:
    """UTC seconds as ``metav1.Time`` writes them: RFC 3339, whole seconds, ``Z``."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time(seconds: float) -> str:
    """UTC seconds as ``metav1.MicroTime`` writes them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def at_path(obj: Any, path: tuple[str, ...]) -> Any:
    """The value under ``path``, or None where any step is missing."""
    for step in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def put_path(obj: Json, path: tuple[str, ...], value: Any) -> None:
    """Sets the value under ``path``, making the maps on the way."""
    for step in path[:-1]:
        following = obj.get(step)
        if not isinstance(following, dict):
            following = obj[step] = {}
        obj = following
    obj[path[-1]] = value
