"""What happened between two values of one workload, told as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase, Trouble
from clients.serving.plain import plain
from clients.serving.workload import Driver, Group, RoleReplica, Workload

__all__ = ["differences"]

_TEXT = 400


def differences(
    before: Workload | None,
    after: Workload | None,
    now: float,
    seen_at: float,
    *,
    ended: Operation | None = None,
) -> list[Event]:
    """Events in a fixed order: desired counts, drivers, the operation's beginning, then group by group
    phase, mark, trouble and those of its role replicas, and last the operation's end.

    ``before`` is ``None`` for a workload that appears, ``after`` for one that is gone: each is one
    event. Groups that are the same object in both cost nothing. ``now`` is cluster time, ``seen_at``
    this machine's; ``ended`` is the operation that ended in this step, with its outcome.
    """
    if before is not None and after is not None and before.uid != after.uid:
        gone = differences(before, None, now, seen_at, ended=ended)
        return gone + differences(None, after, now, seen_at)
    only = after or before
    if only is None or before is after:
        return []
    tell = _Teller(only.key, now, seen_at, ended)
    if before is None or after is None:
        return list(tell.comes_or_goes(before, after))
    return list(tell.changes(before, after))


class _Teller:
    """Makes the events of one workload at one moment."""

    def __init__(self, key: WorkloadKey, now: float, seen_at: float, ended: Operation | None) -> None:
        self._key = key
        self._now = now
        self._seen_at = seen_at
        self._ended = ended

    def _event(
        self,
        kind: EventKind,
        old: object,
        new: object,
        *,
        at: float | None = None,
        group: str | None = None,
        role: str | None = None,
        replica: str | None = None,
        actor: str | None = None,
        reason: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Event:
        return Event(
            at=self._now if at is None else min(at, self._now),
            seen_at=self._seen_at,
            cluster=self._key.cluster,
            kind=kind,
            key=self._key,
            group=group,
            role=role,
            replica=replica,
            before=None if old is None else str(old),
            after=None if new is None else str(new),
            actor=None if actor is None else plain(actor),
            reason=None if reason is None else plain(reason),
            detail=detail or {},
        )

    def comes_or_goes(self, before: Workload | None, after: Workload | None) -> Iterator[Event]:
        if after is not None:
            yield self._event(EventKind.PHASE, Phase.ABSENT, after.phase, detail={"desired": after.desired})
        elif before is not None:
            if _runs(before.operation) or self._ended is not None:
                yield self._end(before.operation)
            yield self._event(EventKind.PHASE, before.phase, Phase.ABSENT)

    def changes(self, before: Workload, after: Workload) -> Iterator[Event]:
        yield from self._desired(before, after)
        if before.drivers != after.drivers:
            yield from self._drivers(before.drivers, after.drivers)
        old = before.operation if _runs(before.operation) else None
        new = after.operation if _runs(after.operation) else None
        replaced = new is not None and old is not None and new.id != old.id
        if replaced:
            yield self._end(old)
        if new is not None and (old is None or replaced):
            yield self._operation(new, "begun", new.reason)
        if before.groups is not after.groups:
            yield from self._groups(before.groups, after.groups)
        if not replaced and new is None and (old is not None or self._ended is not None):
            yield self._end(old)

    def _desired(self, before: Workload, after: Workload) -> Iterator[Event]:
        operation = after.operation
        fresh = operation is not None and operation != before.operation
        actor = operation.by if operation and fresh else None
        if before.desired != after.desired:
            actor = actor or after.replicas_manager
            yield self._event(EventKind.DESIRED, before.desired, after.desired, actor=actor)
        if before.role_specs is not after.role_specs:
            old = {spec.name: spec.replicas for spec in before.role_specs}
            for spec in after.role_specs:
                was = old.pop(spec.name, None)
                if was != spec.replicas:
                    yield self._event(
                        EventKind.DESIRED, was, spec.replicas, role=plain(spec.name), actor=actor
                    )
            for name, was in sorted(old.items()):
                yield self._event(EventKind.DESIRED, was, None, role=plain(name), actor=actor)

    def _drivers(self, before: tuple[Driver, ...], after: tuple[Driver, ...]) -> Iterator[Event]:
        old = {(driver.ref, driver.role): driver for driver in before}
        for driver in after:
            was = old.pop((driver.ref, driver.role), None)
            if was is None or _bounds(was) != _bounds(driver):
                yield self._driver(was, driver, driver)
        for was in old.values():
            yield self._driver(was, None, was)

    def _driver(self, old: Driver | None, new: Driver | None, about: Driver) -> Event:
        return self._event(
            EventKind.DRIVER,
            _bounds(old) if old else None,
            _bounds(new) if new else None,
            actor=f"{about.kind}/{about.ref.name}",
            role=None if about.role is None else plain(about.role),
        )

    def _end(self, known: Operation | None) -> Event:
        """The end of an operation that was known before, or that began and ended between two looks."""
        about = self._ended or known
        assert about is not None
        return self._operation(about, "ended", about.outcome, about.detail)

    def _operation(self, about: Operation, state: str, reason: str | None, said: str | None = None) -> Event:
        detail = {"id": about.id, "state": state, "done": about.done, "total": about.total}
        if said:
            detail["message"] = plain(said, _TEXT)
        return self._event(
            EventKind.OPERATION,
            _words(about.before),
            _words(about.after),
            actor=about.by,
            reason=reason,
            detail=detail,
        )

    def _groups(self, before: tuple[Group, ...], after: tuple[Group, ...]) -> Iterator[Event]:
        old = {group.name: group for group in before}
        for group in after:
            was = old.pop(group.name, None)
            if was is not group:
                yield from self._group(was, group, group.name)
        for name, was in old.items():
            yield from self._group(was, None, name)

    def _group(self, was: Group | None, group: Group | None, raw: str) -> Iterator[Event]:
        name = plain(raw)
        old, new = _phase(was), _phase(group)
        if old != new:
            yield self._event(
                EventKind.PHASE,
                old,
                new,
                at=group.since if group else None,
                group=name,
                reason=group.cause if group else None,
            )
        old_mark, new_mark = (was.mark if was else None), (group.mark if group else None)
        if old_mark != new_mark:
            yield self._event(EventKind.MARK, old_mark, new_mark, group=name)
        yield from self._trouble(was.trouble if was else None, group.trouble if group else None, name)
        replicas = {
            (role.name, replica.id): replica
            for role in (was.roles if was else ())
            for replica in role.replicas
        }
        for role in group.roles if group else ():
            for replica in role.replicas:
                before = replicas.pop((role.name, replica.id), None)
                if before is not replica:
                    yield from self._replica(before, replica, name, (role.name, replica.id))
        for place, before in replicas.items():
            yield from self._replica(before, None, name, place)

    def _replica(
        self, was: RoleReplica | None, replica: RoleReplica | None, group: str, place: tuple[str, str]
    ) -> Iterator[Event]:
        role, name = plain(place[0]), plain(place[1])
        old, new = _phase(was), _phase(replica)
        if old != new:
            yield self._event(
                EventKind.PHASE,
                old,
                new,
                at=replica.since if replica else None,
                group=group,
                role=role,
                replica=name,
                reason=replica.cause if replica else None,
            )
        troubles = (was.trouble if was else None), (replica.trouble if replica else None)
        yield from self._trouble(*troubles, group, role, name)

    def _trouble(
        self,
        old: Trouble | None,
        new: Trouble | None,
        group: str,
        role: str | None = None,
        replica: str | None = None,
    ) -> Iterator[Event]:
        if (old and (old.kind, old.reason)) == (new and (new.kind, new.reason)):
            return
        about = new or old
        assert about is not None
        yield self._event(
            EventKind.TROUBLE,
            old.kind if old else None,
            new.kind if new else None,
            at=new.since if new else None,
            group=group,
            role=role,
            replica=replica,
            reason=about.reason,
            detail={"message": plain(about.message, _TEXT)} if about.message else None,
        )


def _runs(operation: Operation | None) -> bool:
    return operation is not None and operation.ended_at is None


def _phase(item: Group | RoleReplica | None) -> Phase:
    return item.phase if item is not None else Phase.ABSENT


def _bounds(driver: Driver) -> str:
    bounds = "-".join("–" if bound is None else str(bound) for bound in (driver.minimum, driver.maximum))
    return bounds if driver.reverts else f"{bounds} paused"


def _words(count: Count) -> str:
    roles = [f"{plain(name)} {replicas}" for name, replicas in count.roles]
    return ", ".join([f"{'–' if count.groups is None else count.groups} groups", *roles])
