"""One event, two shapes: core ``v1`` is kept, ``events.k8s.io/v1`` shows and takes the same object."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json

__all__ = ["from_new_shape", "to_new_shape"]

_MOVED = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("source", "deprecatedSource"),
)


def _renamed(obj: Json, names: dict[str, str]) -> Json:
    return {names.get(key, key): value for key, value in obj.items()}


def to_new_shape(event: Json) -> Json:
    """A core event as ``events.k8s.io/v1`` writes it."""
    shown = _renamed(event, dict(_MOVED))
    series = shown.get("series")
    if isinstance(series, dict) and "lastObservedTime" not in series:
        shown.pop("series")
    shown.setdefault("eventTime", None)
    return shown


def from_new_shape(event: Json) -> Json:
    """An ``events.k8s.io/v1`` event as it is kept."""
    return _renamed(event, {new: old for old, new in _MOVED})
