"""An HPA's own rescales, old count and new, from its events (fact sheet ``kserve-hpa-lws``, 2.4).

A ``SuccessfulRescale`` event tells only the new size. The old one is the size before: by the Deployment's own
event of the same moment, else by the HPA's status of that moment, else by the HPA's event before it. Events
of one text are folded into one, and expire; so rescales are gathered from when the console began to watch.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from clients.kube.hpa_object import KIND, HpaObject, amount_in
from clients.kube.rows import EventRow
from clients.serving.events import Event, EventKind
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.plain import plain

__all__ = ["Rescale", "Rescales", "decision_events", "rescale_events"]

_SIZE = re.compile(r"New size: ([0-9]{1,9})(?:; reason: (.*?))?(?:; error: (.*))?", re.DOTALL)
_METRIC = re.compile(
    r"(?:(?P<resource>\S+)(?: container)? resource(?: utilization \(percentage of request\))?"
    r"|pods metric (?P<pods>\S+)|external metric (?P<external>[^\s(]+)\S*(?: .*)?|\S+ metric (?P<object>\S+))"
    r" above target"
)
_SET = re.compile(r"Scaled (?:up|down) replica set \S+ from ([0-9]{1,9}) to ([0-9]{1,9})")
_TOGETHER = 10.0
"""Seconds between an HPA's event and the Deployment's that follows from it."""
_MOST = 256


class Rescale(Struct, frozen=True):
    """One move of a count by an HPA."""

    at: float
    after: int
    before: int | None = None
    reason: str = ""
    """In the controller's words; empty: stabilisation moved it back. From outside: draw it plain."""
    metric: str | None = None
    value: float | None = None
    """What the metric was when the event came, in its own unit; ``None`` for one from before we looked."""
    error: str | None = None
    """The count could not be written."""


class Rescales:
    """What is known of one HPA's moves, oldest first, at most 256. Times are cluster time."""

    def __init__(self) -> None:
        self._known: list[Rescale] = []
        self._sets: list[tuple[float, int, int]] = []

    @property
    def all(self) -> tuple[Rescale, ...]:
        """Oldest first; each with the old count, where it is known."""
        return tuple(self._paired())

    def put(self, event: EventRow, hpa: HpaObject, *, fresh: bool) -> bool:
        """An event of the HPA or of its target; others are left alone. The same one may come again.

        True: it tells of a move that was not known.

        ``fresh``: it happened while we looked, and ``hpa`` is what its controller wrote then: the readings
        are those it acted on, and its current count is the one from before.
        """
        if event.at is None or event.namespace != hpa.namespace:
            return False
        if (
            event.kind == KIND
            and event.name == hpa.name
            and event.reason in ("SuccessfulRescale", "FailedRescale")
        ):
            return self._own(event, event.at, hpa, fresh=fresh)
        if hpa.target is not None and (event.kind, event.name) == (hpa.target.kind, hpa.target.name):
            moved = _SET.match(event.message) if event.reason == "ScalingReplicaSet" else None
            if moved is not None:
                entry = (event.at, int(moved[1]), int(moved[2]))
                if entry not in self._sets:
                    insort(self._sets, entry)
                    del self._sets[:-_MOST]
        return False

    def _own(self, event: EventRow, at: float, hpa: HpaObject, *, fresh: bool) -> bool:
        found = _SIZE.fullmatch(event.message)
        if found is None:
            return False
        reason = found[2] or ""
        named = _METRIC.fullmatch(reason)
        metric = next((name for name in named.groups() if name), None) if named is not None else None
        after = int(found[1])
        made = Rescale(
            at=at,
            after=after,
            before=hpa.current if fresh and hpa.desired == after != hpa.current else None,
            reason=reason,
            metric=metric,
            value=_value(hpa, metric) if fresh and metric is not None else None,
            error=found[3],
        )
        if any((known.at, known.after) == (made.at, made.after) for known in self._known):
            return False
        insort(self._known, made, key=lambda known: known.at)
        del self._known[:-_MOST]
        return True

    def _paired(self) -> Iterable[Rescale]:
        last: int | None = None
        for known in self._known:
            before = last if known.before is None else known.before
            for at, old, new in self._sets:
                if new == known.after and abs(at - known.at) <= _TOGETHER:
                    before = old
            if before == known.after and known.error is None:
                before = None
            yield Rescale(known.at, known.after, before, known.reason, known.metric, known.value, known.error)
            if known.error is None:
                last = known.after


def _value(hpa: HpaObject, name: str) -> float | None:
    for index, metric in enumerate(hpa.metrics):
        if metric.name == name:
            return amount_in(metric.aggregate, hpa.reading(index))
    return None


def rescale_events(
    rescales: Iterable[Rescale], hpa: ObjectRef, key: WorkloadKey, seen_at: float
) -> tuple[Event, ...]:
    """The history of a workload's count; ``seen_at`` is this machine's time."""
    return tuple(
        Event(
            at=rescale.at,
            seen_at=seen_at,
            cluster=key.cluster,
            kind=EventKind.DESIRED,
            key=key,
            before=None if rescale.before is None else str(rescale.before),
            after=str(rescale.after),
            actor=plain(f"HPA/{hpa.name}"),
            reason=plain(rescale.reason) or "stabilisation moved it back",
            detail={
                name: value
                for name, value in (
                    ("metric", None if rescale.metric is None else plain(rescale.metric)),
                    ("value", rescale.value),
                    ("error", None if rescale.error is None else plain(rescale.error)),
                )
                if value is not None
            },
        )
        for rescale in rescales
    )


def decision_events(
    rescales: Iterable[Rescale], hpa: ObjectRef, key: WorkloadKey, seen_at: float
) -> tuple[Event, ...]:
    """What the HPA says of its moves, as it says it. That the count moved is told when it is seen to move."""
    return tuple(
        replace(
            event,
            kind=EventKind.DRIVER,
            before=None,
            after=None,
            detail={"decided": event.after, **event.detail},
        )
        for event in rescale_events(rescales, hpa, key, seen_at)
    )
