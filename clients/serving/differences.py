"""What happened between two values of one workload, told as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from clients.serving.account import score
from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase, Trouble
from clients.serving.plain import plain
from clients.serving.workload import Driver, Group, RoleReplica, Workload

__all__ = ["differences", "own_trouble"]

_TEXT = 400


def differences(
    before: Workload | None,
    after: Workload | None,
    now: float,
    seen_at: float,
    *,
    ended: Operation | None = None,
    new: bool = False,
    bounded: Callable[[Driver], str | None] = lambda driver: None,
) -> list[Event]:
    """Events in a fixed order: desired counts, drivers, the operation's beginning, the workload's own
    trouble, then group by group phase, mark, trouble and those of its role replicas, and last the operation's
    end.

    ``before`` is ``None`` for a workload that is seen for the first time, ``after`` for one that is gone.
    First sight is no change: only what is underway is told, an operation and trouble that are there already;
    unless the workload is ``new``, made after one began to look. Groups that are the same object in both
    cost nothing. ``now`` is cluster time, ``seen_at`` this machine's; ``ended`` is the operation that
    ended in this step, with its outcome; ``bounded`` tells who set the bounds that a driver has now.
    """
    if before is not None and after is not None and before.uid != after.uid:
        gone = differences(before, None, now, seen_at, ended=ended)
        return gone + differences(None, after, now, seen_at, new=True)
    only = after or before
    if only is None or before is after:
        return []
    tell = _Teller(only.key, now, seen_at, ended, bounded)
    if after is None:
        return list(tell.goes(only))
    if before is None:
        return list(tell.appears(after, new=new))
    return list(tell.changes(before, after))


class _Teller:
    """Makes the events of one workload at one moment."""

    def __init__(
        self,
        key: WorkloadKey,
        now: float,
        seen_at: float,
        ended: Operation | None,
        bounded: Callable[[Driver], str | None],
    ) -> None:
        self._key = key
        self._now = now
        self._seen_at = seen_at
        self._ended = ended
        self._bounded = bounded

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

    def appears(self, after: Workload, *, new: bool) -> Iterator[Event]:
        if new:
            yield self._event(EventKind.PHASE, Phase.ABSENT, after.phase, detail={"desired": after.desired})
        operation = after.operation
        if operation is not None and _runs(operation):
            yield self._operation(operation, "begun" if new else "underway", operation.reason)
        yield from self._trouble(None, own_trouble(after), already=not new)
        for group in after.groups:
            name = plain(group.name)
            yield from self._trouble(None, group.trouble, name, already=not new)
            for role in group.roles:
                for replica in role.replicas:
                    place = name, plain(role.name), plain(replica.id)
                    yield from self._trouble(None, replica.trouble, *place, already=not new)
        if self._ended is not None:
            yield self._end(operation)

    def goes(self, before: Workload) -> Iterator[Event]:
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
        yield from self._trouble(own_trouble(before), own_trouble(after))
        if before.groups is not after.groups:
            yield from self._groups(before.groups, after.groups)
        if not replaced and new is None and (old is not None or self._ended is not None):
            yield self._end(old)

    def _desired(self, before: Workload, after: Workload) -> Iterator[Event]:
        asked = _asker(before.operation, after.operation)
        if before.desired != after.desired:
            actor = asked or after.replicas_manager
            yield self._event(EventKind.DESIRED, before.desired, after.desired, actor=actor)
        if before.role_specs is not after.role_specs:
            actor = asked or after.roles_manager
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
        by = self._bounded(new) if old is not None and new is not None else None
        return self._event(
            EventKind.DRIVER,
            _bounds(old) if old else None,
            _bounds(new) if new else None,
            actor=f"{about.kind}/{about.ref.name}",
            role=None if about.role is None else plain(about.role),
            detail={} if by is None else {"by": plain(by)},
        )

    def _end(self, known: Operation | None) -> Event:
        """The end of an operation that was known before, or that began and ended between two looks."""
        about = self._ended or known
        assert about is not None
        return self._operation(about, "ended", about.outcome, about.detail)

    def _operation(self, about: Operation, state: str, reason: str | None, said: str | None = None) -> Event:
        detail: dict[str, Any] = {"id": about.id, "state": state, "done": about.done, "total": about.total}
        if about.ended_at is not None:
            detail |= {"seconds": round(about.ended_at - about.started_at, 1), "score": score(about)}
        if said:
            detail["message"] = plain(said, _TEXT)
        return self._event(
            EventKind.OPERATION,
            *_moved(about.before, about.after),
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
        group: str | None = None,
        role: str | None = None,
        replica: str | None = None,
        *,
        already: bool = False,
    ) -> Iterator[Event]:
        if _same(old, new):
            return
        about = new or old
        assert about is not None
        detail: dict[str, Any] = {"already": True} if already else {}
        if about.message:
            detail["message"] = plain(about.message, _TEXT)
        yield self._event(
            EventKind.TROUBLE,
            old.kind if old else None,
            new.kind if new else None,
            at=new.since if new else None,
            group=group,
            role=role,
            replica=replica,
            reason=about.reason,
            detail=detail,
        )


def _runs(operation: Operation | None) -> bool:
    return operation is not None and operation.ended_at is None


def _asker(before: Operation | None, after: Operation | None) -> str | None:
    """Who asked for the counts that just changed, by the operation that carries them out."""
    if after is None:
        return None
    grown = before is not None and before.id == after.id
    by = after.by.removeprefix(f"{before.by}, ") if before is not None and grown else after.by
    return None if ", " in by else by


def _phase(item: Group | RoleReplica | None) -> Phase:
    return item.phase if item is not None else Phase.ABSENT


def _bounds(driver: Driver) -> str:
    bounds = "-".join("–" if bound is None else str(bound) for bound in (driver.minimum, driver.maximum))
    return bounds if driver.reverts else f"{bounds} paused"


def own_trouble(workload: Workload) -> Trouble | None:
    """The workload's trouble, unless it is only the worst of its groups'."""
    trouble = workload.trouble
    return (
        None
        if trouble is None or any(_same(group.trouble, trouble) for group in workload.groups)
        else trouble
    )


def _same(one: Trouble | None, other: Trouble | None) -> bool:
    """Whether there is nothing new in it but its words."""
    return (one and (one.kind, one.reason)) == (other and (other.kind, other.reason))


def _moved(before: Count, after: Count) -> tuple[str, str]:
    """Both counts in words, without what is the same in both."""
    roles = [name for name, replicas in after.roles if before.role(name) != replicas]
    groups = before.groups != after.groups or not roles
    return _words(before, roles, groups=groups), _words(after, roles, groups=groups)


def _words(count: Count, roles: Sequence[str], *, groups: bool) -> str:
    if not roles:
        return _number(count.groups)
    parts = [f"{_number(count.groups)} groups"] if groups else []
    return ", ".join([*parts, *(f"{plain(name)} {_number(count.role(name))}" for name in roles)])


def _number(count: int | None) -> str:
    return "–" if count is None else str(count)
