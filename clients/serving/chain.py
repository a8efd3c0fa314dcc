"""Who owns and who drives what: links between objects, as the system modules emit them, and where they lead.

A row of the fleet stands for everything below it (what it owns) and is reached from everything above it
(what scales, bounds or owns it). A row that another row owns is folded into that one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["Chains", "Link", "LinkKind", "fold_drivers", "resolve"]


class LinkKind(StrEnum):
    """How one object bears on another."""

    OWNS = "owns"
    SCALES = "scales"
    BOUNDS = "bounds"
    EXPOSES = "exposes"
    """A Service in front of it: it leads there, and drives nothing."""


class Link(Struct, frozen=True):
    """``origin`` owns, scales, bounds or exposes ``target``."""

    origin: ObjectRef
    target: ObjectRef
    kind: LinkKind


class Chains:
    """Links, resolved against the rows of the fleet. Made by ``resolve``; links may form circles."""

    def __init__(self, links: Iterable[Link], rows: Collection[ObjectRef]) -> None:
        self._below: dict[ObjectRef, dict[ObjectRef, LinkKind]] = {}
        self._above: dict[ObjectRef, dict[ObjectRef, LinkKind]] = {}
        for link in links:
            self._below.setdefault(link.origin, {})[link.target] = link.kind
            self._above.setdefault(link.target, {})[link.origin] = link.kind
        given = frozenset(rows)
        folded = {row: self._top(row, given) for row in given}
        self._home = folded
        self.rows = frozenset(folded.values())
        """Those that no other row owns."""

    def _top(self, row: ObjectRef, rows: Collection[ObjectRef]) -> ObjectRef:
        found, seen, at = row, {row}, [row]
        while at:
            here = at.pop()
            for owner, kind in sorted(self._above.get(here, {}).items()):
                if kind is LinkKind.OWNS and owner not in seen:
                    seen.add(owner)
                    at.append(owner)
                    if owner in rows:
                        found = owner
        return found

    def rows_of(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Rows that an object belongs to: itself, its owner above, or what it drives below; sorted."""
        up = self._reach(ref, self._above, only_owners=True)
        found = {self._home[here] for here in up if here in self._home}
        if not found:
            down = self._reach(ref, self._below, only_owners=False)
            found = {self._home[here] for here in down if here in self._home}
        return tuple(sorted(found, key=_order))

    def drivers_of(self, row: ObjectRef) -> tuple[tuple[ObjectRef, ...], ...]:
        """Paths of objects that drive the row, each from the nearest to the farthest: (HPA, ScaledObject)."""
        paths: list[tuple[ObjectRef, ...]] = []

        def climb(here: ObjectRef, path: tuple[ObjectRef, ...]) -> None:
            above = [
                ref
                for ref, kind in self._above.get(here, {}).items()
                if kind is not LinkKind.EXPOSES and ref not in path and ref != row
            ]
            if not above and path:
                paths.append(path)
            for ref in sorted(above, key=_order):
                climb(ref, (*path, ref))

        climb(row, ())
        return tuple(paths)

    def named(self, name: str) -> tuple[ObjectRef, ...]:
        """All linked objects and rows of that name; sorted."""
        known = {*self._below, *self._above, *self._home}
        return tuple(sorted((ref for ref in known if ref.name == name), key=_order))

    def _reach(
        self,
        ref: ObjectRef,
        step: dict[ObjectRef, dict[ObjectRef, LinkKind]],
        *,
        only_owners: bool,
    ) -> set[ObjectRef]:
        seen, at = {ref}, [ref]
        while at:
            for other, kind in step.get(at.pop(), {}).items():
                if other not in seen and (kind is LinkKind.OWNS or not only_owners):
                    seen.add(other)
                    at.append(other)
        return seen


def resolve(links: Iterable[Link], rows: Collection[ObjectRef]) -> Chains:
    """The chains between the fleet's rows and everything that bears on them."""
    return Chains(links, rows)


def _order(ref: ObjectRef) -> tuple[str, str, str, str]:
    return (ref.kind, ref.namespace or "", ref.name, ref.group)


def fold_drivers(found: Iterable[Driver]) -> tuple[Driver, ...]:
    """One driver for each object and role, the one that wins first: owners, then who acts soonest.

    The same driver may be told of by itself and by what it acts through (KEDA and its HPA): its own bounds
    count, and the signal of the other where it has none that is measured.
    """
    merged: dict[tuple[ObjectRef, str | None], Driver] = {}
    for driver in found:
        place = (driver.ref, driver.role)
        other = merged.get(place)
        if other is None:
            merged[place] = driver
            continue
        own, through = (other, driver) if other.via is None else (driver, other)
        merged[place] = msgspec.structs.replace(
            own,
            signal=through.signal or own.signal,
            via=own.via or through.via,
        )
    return tuple(sorted(merged.values(), key=_rank))


def _rank(driver: Driver) -> tuple[bool, float, str, tuple[str, str, str, str], str]:
    interval = float("inf") if driver.interval is None else driver.interval
    return (not driver.reverts, interval, driver.kind, _order(driver.ref), driver.role or "")
