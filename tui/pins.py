"""Pins: which bounds were made one, and what they were before; kept so that unpinning puts them back.

A pin is the pair of bounds in the cluster; the state directory only remembers what stood there. Where
somebody has changed the bounds since, there is nothing to put back: the pin is dropped, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from clients.serving.changes import Bounds
from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.workload import Driver, Workload
from tui.state import StateDir, StateError

__all__ = ["Pin", "Pins"]

_FILE = "pins.json"
_VERSION = 1
_TAKES_EFFECT = 120.0
"""Cluster seconds in which a pin's bounds come to be seen: KServe writes them on to the HPA."""


class Pin(Struct, frozen=True):
    """One pin of mine."""

    key: WorkloadKey
    uid: str
    role: str | None
    at: int
    before: Bounds
    """What unpinning puts back."""
    by: str
    since: float
    """Cluster time."""

    def __str__(self) -> str:
        return f"pinned {self.at} (was {self.before}) by {plain(self.by, 40)}"


class _File(Struct):
    version: int
    pins: list[Pin]


_parse = msgspec.json.Decoder(_File).decode
_Place = tuple[WorkloadKey, str | None]


class Pins:
    """What this user pinned on any cluster; two consoles may pin and unpin at once."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._pins: dict[_Place, Pin] = {}
        self._seen: set[Pin] = set()
        """Whose bounds were in the cluster when this run looked."""
        self.problem: str | None = None
        """Why pins are not kept; ``None`` while they are."""

    def refresh(self) -> frozenset[WorkloadKey]:
        """Reads what another console has written since; the workloads whose pins are others now."""
        try:
            found = self._state.read(_FILE, _VERSION, _parse)
        except StateError as error:
            self.problem = str(error)
            return frozenset()
        old, self._pins = self._pins, {(pin.key, pin.role): pin for pin in found.pins} if found else {}
        changed = {
            place for place in old.keys() | self._pins.keys() if old.get(place) != self._pins.get(place)
        }
        return frozenset(key for key, _ in changed)

    def of(self, key: WorkloadKey, role: str | None = None) -> Pin | None:
        """The pin of a workload, or of one role of it."""
        return self._pins.get((key, role))

    def keep(self, pin: Pin) -> None:
        """Remembers a pin; ``problem`` says if that failed.

        Pinned again at another number, what comes back is what stood there before the first pin.
        """

        def add(pins: dict[_Place, Pin]) -> None:
            place = (pin.key, pin.role)
            older = pins.get(place)
            again = older is not None and older.uid == pin.uid and pin.before == Bounds(older.at, older.at)
            pins[place] = replace(pin, before=older.before) if older is not None and again else pin

        self._change(add)

    def drop(self, key: WorkloadKey, role: str | None = None) -> None:
        """Forgets a pin."""
        if (key, role) in self._pins:

            def forget(pins: dict[_Place, Pin]) -> None:
                pins.pop((key, role), None)

            self._change(forget)

    def mark(self, workload: Workload) -> Workload:
        """The workload with the word on its pins beside the drivers that they hold."""
        if not self._pins:
            return workload
        drivers = tuple(self._marked(workload, driver) for driver in workload.drivers)
        return workload if drivers == workload.drivers else replace(workload, drivers=drivers)

    def _marked(self, workload: Workload, driver: Driver) -> Driver:
        pin = self.of(workload.key, driver.role)
        if pin is None or pin.uid != workload.uid or not _holds(pin, driver):
            return driver
        return replace(driver, note=str(pin))

    def check(self, workloads: Mapping[WorkloadKey, Workload], now: float, seen_at: float) -> list[Event]:
        """Drops the pins that somebody else has undone, and tells of them. ``now`` is cluster time."""
        told: list[Event] = []
        for pin in list(self._pins.values()):
            workload = workloads.get(pin.key)
            if workload is None:
                continue
            driver = next((one for one in workload.drivers if one.role == pin.role and _bounded(one)), None)
            if workload.uid != pin.uid:
                self.drop(pin.key, pin.role)
            elif driver is None:
                continue
            elif _holds(pin, driver):
                self._seen.add(pin)
            elif pin in self._seen or now - pin.since > _TAKES_EFFECT:
                self.drop(pin.key, pin.role)
                told.append(_undone(pin, driver, now, seen_at))
        return told

    def _change(self, change: Callable[[dict[_Place, Pin]], None]) -> None:
        def whole(file: _File | None) -> bytes:
            pins = {(pin.key, pin.role): pin for pin in file.pins} if file else {}
            change(pins)
            self._pins = pins
            return msgspec.json.encode(_File(_VERSION, list(pins.values())))

        try:
            self._state.update(_FILE, _VERSION, _parse, whole)
        except StateError as error:
            self.problem = str(error)
        else:
            self.problem = None


def _bounded(driver: Driver) -> bool:
    return driver.minimum is not None or driver.maximum is not None


def _holds(pin: Pin, driver: Driver) -> bool:
    return driver.minimum == pin.at and driver.maximum == pin.at


def _undone(pin: Pin, driver: Driver, now: float, seen_at: float) -> Event:
    return Event(
        at=now,
        seen_at=seen_at,
        cluster=pin.key.cluster,
        kind=EventKind.DRIVER,
        key=pin.key,
        role=pin.role,
        before=str(pin),
        after=f"{driver.kind} {Bounds(driver.minimum, driver.maximum)}",
        reason="somebody else changed the bounds: the pin is forgotten",
    )
