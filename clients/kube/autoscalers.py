"""The objects that drive counts, whole: what each of them drives, and what they did since the console looks.

The world is told of each as a driver. HPAs' own moves are gathered for all of them, whether anybody looks or
not: their events expire, and are the only trace of why a count was moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from clients.kube import cronhpa, hpa, keda, kthena_policy
from clients.kube.cronhpa import CronHpaRow
from clients.kube.driver_index import Place, place_of
from clients.kube.hpa_looks import HpaLooks
from clients.kube.hpa_object import HpaObject
from clients.kube.hpa_rescales import Rescale, Rescales, decision_events
from clients.kube.keda_object import KedaObject
from clients.kube.kthena_policy_looks import PolicyLooks
from clients.kube.kthena_policy_object import PolicyObject, bound
from clients.kube.rows import EventRow
from clients.kube.session import Session
from clients.kube.world import World
from clients.serving.events import Event
from clients.serving.keys import ObjectRef, WorkloadKey

__all__ = ["Autoscaler", "Autoscalers"]

Autoscaler: TypeAlias = HpaObject | KedaObject | PolicyObject | CronHpaRow

_TELLING = frozenset({"SuccessfulRescale", "FailedRescale", "ScalingReplicaSet"})
_EARLY = 2000
"""Objects whose events are kept for an HPA that may be read later."""
_AGES = 60.0
"""Seconds of this machine after which what was told of a CronHPA is old: within how long it acts."""
_TOGETHER = 1.0
"""Seconds of this machine within which the status of an HPA follows its event."""


class Autoscalers:
    """All of one cluster. Used on the data thread only."""

    def __init__(self, session: Session, world: World) -> None:
        self._clock = session.clock
        self._world = world
        self._since = self._clock.now()
        self._by_place: dict[Place, Autoscaler] = {}
        self._places: dict[str, Place] = {}
        self._on: dict[Place, set[Place]] = {}
        """HPAs by what they scale."""
        self._rescales: dict[Place, Rescales] = {}
        self._early: dict[Place, list[EventRow]] = {}
        """Events of objects without an HPA that is known: the events may be read before the HPAs."""
        self._waiting: list[tuple[EventRow, float]] = []
        """Events of HPAs whose status is still to come, each with when it arrived."""
        self._untold: list[tuple[Place, float]] = []
        """(HPA, when) of moves of which no event was made yet."""
        self._due: dict[str, tuple[float, float]] = {}
        """When a CronHPA fires next, and when, of this machine, it was told of last."""
        self.zone: str | None = None
        """The time zone of the CronHPA controller, where it could be read."""
        self.zone_asked = False
        self.looks = HpaLooks(session, self._hpa, self.rescales)
        self.policies = PolicyLooks(session, self._policy, self._counts)

    # -- objects in

    def put_hpa(self, row: HpaObject) -> None:
        """A new or changed HPA."""
        before = self._put(row)
        self._world.put_scaler(row, hpa.drivers(row), hpa.links(row))
        place = place_of(row.ref, row.namespace)
        old = before.target if isinstance(before, HpaObject) else None
        if old is not None and old != row.target:
            self._on.get(place_of(old, row.namespace), set()).discard(place)
        if row.target is not None:
            self._on.setdefault(place_of(row.target, row.namespace), set()).add(place)
        if before is None:
            for event in self._early_ones(row, place):
                self._of(place).put(event, row, fresh=False)
        for event, _ in [entry for entry in self._waiting if _place(entry[0]) == place]:
            self._take(event, row)

    def _early_ones(self, row: HpaObject, place: Place) -> Iterator[EventRow]:
        yield from self._early.get(place, ())
        if row.target is not None:
            yield from self._early.get(place_of(row.target, row.namespace), ())

    def put_keda(self, row: KedaObject) -> None:
        """A new or changed ScaledObject."""
        self._put(row)
        self._world.put_scaler(row, keda.drivers(row), keda.links(row))

    def put_policy(self, row: PolicyObject) -> None:
        """A new or changed AutoscalingPolicy, or binding."""
        self._put(row)
        self._world.put_scaler(row, kthena_policy.drivers(row), kthena_policy.links(row))

    def put_cron(self, row: CronHpaRow) -> None:
        """A new or changed CronHPA, or one whose next firing is another now."""
        self._put(row)
        now = self._clock.now()
        drivers = cronhpa.drivers(row, now, self.zone)
        self._world.put_scaler(row, drivers, cronhpa.links(row))
        waits = [driver.interval for _, driver in drivers if driver.interval is not None]
        self._due.pop(row.uid, None)
        if waits:
            self._due[row.uid] = (now + min(waits), self._clock.monotonic())

    def drop(self, row: Autoscaler) -> None:
        """An object that is gone."""
        self._world.drop_scaler(row)
        self._due.pop(row.uid, None)
        place = self._places.pop(row.uid, None)
        known = self._by_place.get(place) if place is not None else None
        if place is None or known is None or known.uid != row.uid:
            return
        del self._by_place[place]
        if isinstance(known, HpaObject):
            self._rescales.pop(place, None)
            if known.target is not None:
                self._on.get(place_of(known.target, known.namespace), set()).discard(place)

    def _put(self, row: Autoscaler) -> Autoscaler | None:
        place = place_of(row.ref, row.namespace)
        before = self._by_place.get(place)
        self._by_place[place] = row
        self._places[row.uid] = place
        return before

    def put_event(self, row: EventRow) -> None:
        """An event that may tell of an HPA's move."""
        known = self._by_place.get(_place(row))
        if row.kind == hpa.KIND and isinstance(known, HpaObject):
            if row.at is not None and row.at >= self._since:
                self._waiting.append((row, self._clock.monotonic()))
            else:
                self._take(row, known)
            return
        places = self._on.get(_place(row), ())
        for place in places:
            known = self._by_place.get(place)
            if isinstance(known, HpaObject):
                self._of(place).put(row, known, fresh=False)
        if not places and row.reason in _TELLING:
            self._early.setdefault(_place(row), []).append(row)
            while len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]

    def _take(self, row: EventRow, known: HpaObject) -> None:
        self._waiting = [entry for entry in self._waiting if entry[0] is not row]
        fresh = row.at is not None and row.at >= self._since
        place = _place(row)
        if self._of(place).put(row, known, fresh=fresh) and fresh and row.at is not None:
            self._untold.append((place, row.at))

    def _of(self, place: Place) -> Rescales:
        return self._rescales.setdefault(place, Rescales())

    # -- out

    def at(self, ref: ObjectRef, namespace: str | None = None) -> Autoscaler | None:
        """The object that is named; ``namespace`` where the reference has none."""
        return self._by_place.get(place_of(ref, namespace or ref.namespace or ""))

    def _hpa(self, uid: str) -> HpaObject | None:
        place = self._places.get(uid)
        known = self._by_place.get(place) if place is not None else None
        return known if isinstance(known, HpaObject) else None

    def rules(self, row: Autoscaler | None) -> PolicyObject | None:
        """The policy that a binding of v0.1 to v0.4 follows."""
        if not isinstance(row, PolicyObject) or row.policy is None:
            return None
        rules = self.at(ObjectRef(kthena_policy.GROUP, kthena_policy.KIND, row.namespace, row.policy))
        return rules if isinstance(rules, PolicyObject) else None

    def whole(self, row: PolicyObject) -> PolicyObject:
        """A policy with its targets, a binding with its policy's rules."""
        rules = self.rules(row)
        return row if rules is None else bound(row, rules)

    def _policy(self, uid: str) -> PolicyObject | None:
        place = self._places.get(uid)
        known = self._by_place.get(place) if place is not None else None
        return self.whole(known) if isinstance(known, PolicyObject) else None

    def _counts(self, policy: PolicyObject) -> dict[tuple[str, str | None], int]:
        """What its targets ask for, whole and by role."""
        found: dict[tuple[str, str | None], int] = {}
        for name, namespace in {(one.target.name, one.target.namespace) for one in policy.targets}:
            row = self._world.servings.row(namespace or policy.namespace, name)
            if row is not None:
                found[(name, None)] = row.replicas
                found |= {(name, role.name): role.replicas for role in row.roles}
        return found

    def rescales(self, row: HpaObject) -> tuple[Rescale, ...]:
        """What the HPA did, oldest first."""
        known = self._rescales.get(place_of(row.ref, row.namespace))
        return () if known is None else known.all

    @property
    def any_cron(self) -> bool:
        """Whether there is a CronHPA, so that its controller's time zone matters."""
        return any(isinstance(row, CronHpaRow) for row in self._by_place.values())

    def in_zone(self, zone: str | None) -> None:
        """The controller's time zone, as far as it could be read."""
        self.zone_asked = True
        if zone is not None and zone != self.zone:
            self.zone = zone
            for row in list(self._by_place.values()):
                if isinstance(row, CronHpaRow):
                    self.put_cron(row)

    def fire(self) -> None:
        """Tells anew of CronHPAs that have fired since, and now and then of all: in how long they fire."""
        now, here = self._clock.now(), self._clock.monotonic()
        for uid in [uid for uid, (at, told) in self._due.items() if at <= now or here - told >= _AGES]:
            place = self._places.get(uid)
            row = self._by_place.get(place) if place is not None else None
            if isinstance(row, CronHpaRow):
                self.put_cron(row)

    def events(self, seen_at: float) -> list[Event]:
        """What HPAs said of their moves since the last call; ``seen_at`` is this machine's time."""
        now = self._clock.monotonic()
        for row in [row for row, arrived in self._waiting if now - arrived >= _TOGETHER]:
            known = self._by_place.get(_place(row))
            if isinstance(known, HpaObject):
                self._take(row, known)
        untold, self._untold = self._untold, []
        keys = self._keys() if untold else {}
        return [event for place, at in untold for event in self._told(place, at, keys, seen_at)]

    def _told(
        self, place: Place, at: float, keys: Mapping[ObjectRef, WorkloadKey], seen_at: float
    ) -> Iterator[Event]:
        row = self._by_place.get(place)
        if not isinstance(row, HpaObject):
            return
        for rescale in self.rescales(row):
            if rescale.at == at:
                self.looks.scaled(row, rescale)
                if row.ref in keys:
                    yield from decision_events([rescale], row.ref, keys[row.ref], seen_at)

    def _keys(self) -> dict[ObjectRef, WorkloadKey]:
        """Which workload an HPA drives."""
        return {
            ref: workload.key
            for workload in self._world.workloads
            for driver in workload.drivers
            for ref in (driver.ref, driver.via)
            if ref is not None
        }


def _place(row: EventRow) -> Place:
    return (row.kind, row.namespace, row.name)
