"""Which drivers act on an object, directly or through another: a CronHPA that moves an HPA's bounds."""

from __future__ import annotations

from collections.abc import Iterable

from clients.serving.chain import fold_drivers
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["DriverIndex", "Place", "place_of"]

Place = tuple[str, str, str]
"""(kind, namespace, name). References seldom agree on API groups and versions, so those do not count."""


def place_of(ref: ObjectRef, namespace: str) -> Place:
    """Where a reference points; one without a namespace points into ``namespace``."""
    return (ref.kind, ref.namespace or namespace, ref.name)


class DriverIndex:
    """Drivers by what they act on. Used on the data thread only."""

    def __init__(self) -> None:
        self._targets: dict[str, tuple[tuple[Place, Driver], ...]] = {}
        self._places: dict[str, Place] = {}
        self._by_target: dict[Place, dict[str, list[Driver]]] = {}
        self._uid_at: dict[Place, str] = {}

    def put(
        self, uid: str, me: ObjectRef, namespace: str, drivers: Iterable[tuple[ObjectRef, Driver]]
    ) -> set[Place]:
        """A new or changed driver object; returns every place on which something changed."""
        touched = self.drop(uid)
        targets = tuple((place_of(target, namespace), driver) for target, driver in drivers)
        self._targets[uid] = targets
        place = self._places[uid] = place_of(me, namespace)
        self._uid_at[place] = uid
        for target, driver in targets:
            self._by_target.setdefault(target, {}).setdefault(uid, []).append(driver)
        return touched | self._reached(uid)

    def drop(self, uid: str) -> set[Place]:
        """A driver object that is gone; returns every place on which something changed."""
        touched = self._reached(uid)
        for target, _ in self._targets.pop(uid, ()):
            kept = self._by_target.get(target)
            if kept is not None:
                kept.pop(uid, None)
                if not kept:
                    del self._by_target[target]
        place = self._places.pop(uid, None)
        if place is not None and self._uid_at.get(place) == uid:
            del self._uid_at[place]
        return touched

    def _reached(self, uid: str) -> set[Place]:
        """What it acts on, and what the drivers among that act on."""
        found: set[Place] = set()
        at = [uid]
        while at:
            for target, _ in self._targets.get(at.pop(), ()):
                if target not in found:
                    found.add(target)
                    further = self._uid_at.get(target)
                    if further is not None:
                        at.append(further)
        return found

    def of(self, places: Iterable[Place]) -> tuple[Driver, ...]:
        """All drivers of a workload that stands at these places (itself, and what it owns); winners first."""
        found: list[Driver] = []
        seen: set[Place] = set()
        at = list(places)
        while at:
            place = at.pop()
            if place in seen:
                continue
            seen.add(place)
            for uid, drivers in self._by_target.get(place, {}).items():
                found += drivers
                at.append(self._places[uid])
        return fold_drivers(found)
