"""Events as they leave the program: a line of text for people, an object of JSON for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from clients.serving.events import Event, EventKind
from clients.serving.plain import plain
from clients.serving.telling import told
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
    """``time object place what by who: why``; what there is not is left out."""
    words = told(event, detailed=True)
    place = "/".join(part for part in (event.group, event.replica or event.role) if part)
    if event.kind in (EventKind.SOURCE, EventKind.DRIVER):
        place = words.where
    parts = [rfc3339(event.at, whole=True), str(event.key or ""), place, words.what]
    if words.who:
        parts.append(f"by {words.who}")
    line = " ".join(part for part in parts if part)
    return plain(f"{line}: {words.why}" if words.why else line, _MESSAGE)
