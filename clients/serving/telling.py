"""An event in few words: where, what, who asked and why. Every screen and every line says it this way."""

from __future__ import annotations

from msgspec import Struct

from clients.serving.eta import spell
from clients.serving.events import Event, EventKind
from clients.serving.keys import item_label
from clients.serving.phase import Cause, Phase
from clients.serving.plain import plain

__all__ = ["Told", "decision_why", "told", "where"]

_LONG = 400
_UNKNOWN = "unknown"


class Told(Struct, frozen=True):
    """The words of one event, safe to show."""

    where: str
    """``G-3 decode-0``, ``pods``, ``HPA/scaler``; empty where it is about the workload as a whole."""
    what: str
    who: str | None = None
    why: str | None = None
    bad: bool = False
    """It is trouble that begins, or that is there."""


def told(event: Event, *, detailed: bool = False) -> Told:
    """What a person needs of it; ``detailed`` all that is known: what it was before, messages, the score."""
    kind = event.kind
    who = event.detail.get("by") if kind is EventKind.DRIVER else event.actor
    if who == _UNKNOWN and not detailed:
        who = None
    return Told(
        where(event),
        _what(event, detailed),
        None if who is None else plain(who, 60),
        _why(event, detailed),
        kind is EventKind.TROUBLE and event.after is not None,
    )


def where(event: Event) -> str:
    """The part of the workload that it is about, or the source or driver."""
    if event.kind is EventKind.SOURCE:
        return plain(str(event.detail.get("source") or ""), 60)
    parts = [event.replica or event.role or ""]
    if event.group:
        parts.insert(0, item_label(event.group, event.key.name if event.key is not None else ""))
    if event.kind is EventKind.DRIVER:
        parts.insert(0, event.actor or "")
    return " ".join(plain(part, 100) for part in parts if part)


def decision_why(event: Event) -> str:
    """Why a driver moved the count, in its own words, with the metric's value; hostile still."""
    why = event.reason or ""
    value = event.detail.get("value")
    if isinstance(value, int | float):
        why += f" ({event.detail.get('metric', 'metric')} {value:.6g})"
    if event.detail.get("error"):
        why += f"; not written: {event.detail['error']}"
    return why


def _what(event: Event, detailed: bool) -> str:
    before = None if event.before is None else plain(event.before, 120)
    after = None if event.after is None else plain(event.after, 120)
    match event.kind:
        case EventKind.PHASE:
            return _phase(event, before if detailed else None, after)
        case EventKind.TROUBLE:
            now = f"already {after}" if event.detail.get("already") else after
            return _change(before, now, f"{before or 'trouble'} is over")
        case EventKind.MARK:
            return f"mark {_change(before, after, f'{before} is over')}"
        case EventKind.DRIVER if event.detail.get("decided") is not None:
            return f"decided {plain(str(event.detail['decided']), 20)}"
        case EventKind.DRIVER if after is None:
            return "drives no more"
        case EventKind.DRIVER:
            return _change(before, after, "") if before is not None else f"drives {after}"
        case EventKind.SOURCE:
            return _change(before, after, "")
        case EventKind.OPERATION:
            return f"scale {_change(before, after, '')} {_state(event)}".strip()
        case _:
            return f"{event.kind} {_change(before, after, f'{before} > none')}"


def _change(before: str | None, after: str | None, over: str) -> str:
    if after is None:
        return over
    return after if before is None else f"{before} > {after}"


def _phase(event: Event, before: str | None, after: str | None) -> str:
    """Of a digest also how many of its role replicas have come how far."""
    now = "gone" if after == Phase.ABSENT and before is None else after
    counted = event.detail.get("replicas")
    parts = [_change(before, now, "")] if now is not None else []
    if counted:
        have, of, state = counted
        parts.append(f"{have} of {of} role replicas {state}")
    return ": ".join(parts)


def _state(event: Event) -> str:
    detail = event.detail
    match detail.get("state"):
        case "underway":
            return f"already underway, {detail.get('done')} of {detail.get('total')} done"
        case "ended":
            seconds = detail.get("seconds")
            took = f" after {spell(seconds)}" if isinstance(seconds, int | float) else ""
            return f"{plain(event.reason or 'ended', 60)}{took}"
        case _:
            return "begun"


def _why(event: Event, detailed: bool) -> str | None:
    parts = [event.reason]
    if event.kind is EventKind.OPERATION:
        parts = [event.detail.get("message")]
        if event.detail.get("state") != "ended":
            parts.append(event.reason)
        elif detailed:
            parts.append(event.detail.get("score"))
    elif event.kind is EventKind.PHASE and event.reason == Cause.SCALE and not detailed:
        return None
    elif event.kind is EventKind.DRIVER:
        parts = [decision_why(event)]
    elif detailed:
        parts.append(event.detail.get("message"))
    text = ": ".join(str(part) for part in parts if part)
    return plain(text, _LONG) if text else None
