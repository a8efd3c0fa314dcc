"""Events as they leave the program: a line of text for people, an object of JSON for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from clients.serving.events import Event, EventKind
from clients.serving.plain import plain
from tui.moments import moment, rfc3339

__all__ = ["event_json", "event_line"]

_MESSAGE = 400
"""Characters of an event line from outside; a terminal wraps them."""


def event_json(event: Event) -> dict[str, Any]:
    """The record, all fields always there, times as RFC 3339."""
    whole = msgspec.to_builtins(event)
    return {
        "v": event.v,
        "at": moment(event.at),
        "seen_at": moment(event.seen_at),
        "cluster": event.cluster,
        "key": whole.get("key"),
        "group": event.group,
        "role": event.role,
        "replica": event.replica,
        "kind": event.kind,
        "from": event.before,
        "to": event.after,
        "actor": event.actor,
        "reason": event.reason,
        "detail": event.detail,
    }


def event_line(event: Event) -> str:
    """``time object place: kind from -> to by actor: reason``; what there is not is left out."""
    parts = [rfc3339(event.at, whole=True)]
    if event.key is not None:
        parts.append(str(event.key))
    source = event.detail.get("source") if event.kind is EventKind.SOURCE else None
    place = "/".join(str(part) for part in (source, event.group, event.replica or event.role) if part)
    if place:
        parts.append(place)
    parts.append(str(event.kind))
    change = " -> ".join(value for value in (event.before, event.after) if value is not None)
    if change:
        parts.append(change)
    if event.actor:
        parts.append(f"by {event.actor}")
    line = " ".join(parts)
    return plain(f"{line}: {event.reason}" if event.reason else line, _MESSAGE)
