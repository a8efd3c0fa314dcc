"""One record of something that happened: the time line, ``watch -o jsonl`` and the history are this."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from clients.serving.keys import WorkloadKey

__all__ = ["EVENT_VERSION", "Event", "EventKind"]

EVENT_VERSION = 1


class EventKind(StrEnum):
    """What sort of thing happened."""

    DESIRED = "desired"
    PHASE = "phase"
    MARK = "mark"
    TROUBLE = "trouble"
    OPERATION = "operation"
    DRIVER = "driver"
    SOURCE = "source"
    ACTION = "action"
    LOAD = "load"


class Event(Struct, frozen=True, omit_defaults=True, rename={"before": "from", "after": "to"}):
    """Something that happened, at cluster time ``at``, noticed here at ``seen_at`` (both UTC seconds)."""

    at: float
    seen_at: float
    cluster: str
    kind: EventKind
    key: WorkloadKey | None = None
    """``None`` for what concerns a source or the whole cluster."""
    group: str | None = None
    role: str | None = None
    replica: str | None = None
    before: str | None = None
    after: str | None = None
    actor: str | None = None
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    v: int = EVENT_VERSION
