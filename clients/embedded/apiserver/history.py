"""What changed, kept for a while so that a watch can start from a version in the past."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from msgspec import Struct

from clients.clock import Clock
from clients.embedded.apiserver.records import Record

__all__ = ["Change", "ChangeListener", "History"]

_MAX_AGE = 300.0
_MAX_BYTES = 96 << 20
_MAX_COUNT = 60_000


class Change(Struct, frozen=True, gc=False):
    """One commit. ``record`` is the new version; of a deletion, the last, with the deletion's own version."""

    type: str
    """ADDED, MODIFIED or DELETED."""
    resource: str
    record: Record
    previous: Record | None
    at: float
    """Monotonic seconds."""
    weight: int
    """Bytes that this change alone keeps alive, about."""


ChangeListener = Callable[[Change], None]


class History:
    """The newest changes of all resources, bounded by count, bytes and age."""

    def __init__(self, clock: Clock, start: int) -> None:
        self._clock = clock
        self._changes: dict[str, deque[Change]] = {}
        self._order: deque[Change] = deque()
        self._floors: dict[str, int] = {}
        self._start = start
        self._bytes = 0

    def append(self, kind: str, resource: str, record: Record, previous: Record | None) -> Change:
        """Keeps a commit, and forgets what is too old or too much."""
        weight = 400 + len(record.meta) + len(record.status or b"")
        if previous is None or record.spec is not previous.spec:
            weight += len(record.spec or b"")
        if previous is None or record.rest is not previous.rest:
            weight += len(record.rest or b"")
        now = self._clock.monotonic()
        change = Change(kind, resource, record, previous, now, weight)
        kept = self._changes.get(resource)
        if kept is None:
            kept = self._changes[resource] = deque()
        kept.append(change)
        self._order.append(change)
        self._bytes += weight
        self._trim(now)
        return change

    def _trim(self, now: float) -> None:
        order = self._order
        while order and (self._bytes > _MAX_BYTES or len(order) > _MAX_COUNT or now - order[0].at > _MAX_AGE):
            oldest = order.popleft()
            self._bytes -= oldest.weight
            self._changes[oldest.resource].popleft()
            self._floors[oldest.resource] = oldest.record.rv

    def reaches(self, resource: str, rv: int) -> bool:
        """Whether every change after ``rv`` is still here."""
        return rv >= self._floors.get(resource, self._start)

    def after(self, resource: str, rv: int) -> list[Change]:
        """The changes of one resource after ``rv``, oldest first."""
        found: list[Change] = []
        for change in self._backwards(resource):
            if change.record.rv <= rv:
                break
            found.append(change)
        found.reverse()
        return found

    def _backwards(self, resource: str) -> Iterator[Change]:
        return reversed(self._changes.get(resource, deque()))

    def forget(self, resource: str, rv: int) -> None:
        """A resource is served no longer: a watch from before ``rv`` must start anew."""
        gone = self._changes.pop(resource, None)
        if gone:
            self._order = deque(c for c in self._order if c.resource != resource)
            self._bytes -= sum(c.weight for c in gone)
        self._floors[resource] = rv
