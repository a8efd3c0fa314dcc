"""What a scale operation affects: which groups and role replicas are made or removed, and how far each is.

The counts say how many; the names come from observation. Until a name is seen to begin it is a guess: queued
ones are made, the predicted ones or the highest ordinals are removed. A guess gives way to what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from clients.serving.operation import Count, Operation, StageTimes
from clients.serving.phase import Cause, Phase, Stage, TroubleKind
from clients.serving.workload import Group, RoleReplica, Workload

__all__ = ["Affected", "count_of"]

_NOT_THERE = (Phase.QUEUED, Phase.ABSENT)
_STARTED = (Stage.WEIGHTS, Stage.PROBING, Stage.READY)
_LAST = 1 << 62


def count_of(workload: Workload) -> Count:
    """What the workload's spec asks for."""
    return Count(workload.desired, tuple((spec.name, spec.replicas) for spec in workload.role_specs))


class _Item(Struct, frozen=True):
    """A group or role replica as it is."""

    name: str
    ordinal: int
    phase: Phase
    foreign: bool
    """A rollout or recovery moves it, not the scaling."""
    failed: bool
    created_seq: int
    deleting_seq: int
    replicas: tuple[RoleReplica, ...]
    since: float | None
    served: bool

    @property
    def exists(self) -> bool:
        return self.phase not in _NOT_THERE

    @property
    def stands(self) -> bool:
        """It counts towards what is wanted: it lives, or comes back by itself."""
        if self.foreign:
            return self.phase is not Phase.ABSENT
        return self.exists and self.phase is not Phase.DELETING


class Affected(Struct, frozen=True):
    """Where an operation stands after one look at the workload."""

    before: Count
    times: tuple[StageTimes, ...] = ()
    """Begun ones in the order of their beginning, then those that wait."""
    begun: tuple[str, ...] = ()
    """Names that have begun, in that order."""
    done: int = 0
    unnamed: int = 0
    """How many more will be made whose names nobody knows yet."""
    settled: bool = False
    """Everything is done, and as many stand as are wanted."""

    @classmethod
    def at_first_sight(cls, workload: Workload) -> Affected:
        """What seems to be under way, by a change that was not seen; ``times`` is empty if nothing is.

        What fails or recovers at first sight is no scaling.
        """
        groups = _of_groups(workload)
        making, leaving = _unsettled(groups)
        times = [StageTimes(item.name) for item in making]
        times += [StageTimes(item.name, removing=True) for item in leaving]
        standing = sum(item.stands for item in groups)
        was = standing - sum(item.exists for item in making) + len(leaving)
        new = {item.name for item in (*making, *leaving)}
        roles: list[tuple[str, int]] = []
        for spec in workload.role_specs:
            deltas = [0]
            for group in workload.groups:
                if group.name in new:
                    continue
                making, leaving = _unsettled(_of_role(group, spec.name), timid=True)
                times += [StageTimes(item.name) for item in making]
                times += [StageTimes(item.name, removing=True) for item in leaving]
                deltas.append(len(making) - len(leaving))
            furthest = max(deltas, key=abs)
            roles.append((spec.name, max(0, spec.replicas - furthest)))
        before = Count(None if workload.desired is None else was, tuple(roles))
        return cls(before, tuple(times))

    @classmethod
    def step(cls, operation: Operation, before: Workload | None, after: Workload, now: float) -> Affected:
        """One look further: names corrected by what began, times taken, ends counted."""
        ledger = _Ledger(operation, now)
        was = {group.name: group for group in before.groups} if before else None
        if operation.after.groups is not None:
            previous = _of_groups(before) if before else None
            ledger.level("", _of_groups(after), previous, operation.after.groups)
        whole = {item.name for item in ledger.items.values() if "/" not in item.name}
        roles = _changed_roles(operation)
        for group in after.groups if roles else ():
            if group.name in whole or group.phase in (*_NOT_THERE, Phase.DELETING):
                ledger.release(group.name)
                continue
            old = was.get(group.name) if was is not None else None
            if old is not None and old.phase in (*_NOT_THERE, Phase.DELETING):
                old = None
            for role, wanted in roles:
                previous = None if old is None else _of_role(old, role)
                ledger.level(f"{group.name}/{role}-", _of_role(group, role), previous, wanted)
        ledger.release_gone({group.name for group in after.groups})
        return ledger.result(operation, after)


def _changed_roles(operation: Operation) -> list[tuple[str, int]]:
    touched = {item.name.partition("/")[2].rpartition("-")[0] for item in operation.times}
    return [
        (name, wanted)
        for name, wanted in operation.after.roles
        if operation.before.role(name) != wanted or name in touched
    ]


def _foreign(cause: Cause | None) -> bool:
    return cause in (Cause.ROLLOUT, Cause.RECOVERY)


def _of_groups(workload: Workload) -> list[_Item]:
    return [
        _Item(
            group.name,
            -1 if group.ordinal is None else group.ordinal,
            group.phase,
            _foreign(group.cause),
            group.trouble is not None and group.trouble.kind is TroubleKind.FAILED,
            _LAST if group.created_seq is None else group.created_seq,
            _LAST if group.deleting_seq is None else group.deleting_seq,
            tuple(replica for role in group.roles for replica in role.replicas),
            group.since,
            group.served,
        )
        for group in workload.groups
    ]


def _of_role(group: Group | None, name: str) -> list[_Item]:
    role = next((role for role in group.roles if role.name == name), None) if group else None
    if group is None or role is None:
        return []
    return [
        _Item(
            f"{group.name}/{replica.id}",
            -1 if replica.ordinal is None else replica.ordinal,
            replica.phase,
            _foreign(replica.cause),
            replica.trouble is not None and replica.trouble.kind is TroubleKind.FAILED,
            _LAST if replica.created_seq is None else replica.created_seq,
            _LAST if replica.deleting_seq is None else replica.deleting_seq,
            (replica,),
            replica.since,
            replica.served,
        )
        for replica in role.replicas
    ]


def _unsettled(items: Sequence[_Item], *, timid: bool = False) -> tuple[list[_Item], list[_Item]]:
    """What is being made and what is leaving, seen without a past. ``timid``: only what has not begun
    counts as made, for a role replica that starts in a running group is more likely to recover."""
    making = [
        item
        for item in items
        if not item.foreign
        and not item.failed
        and not item.served
        and (item.phase is Phase.QUEUED or (item.phase is Phase.CREATING and not timid))
    ]
    leaving = [item for item in items if item.phase is Phase.DELETING and not item.foreign]
    return making, leaving


class _Ledger:
    """The operation's items while one look is being taken in."""

    def __init__(self, operation: Operation, now: float) -> None:
        self.items: dict[tuple[str, bool], StageTimes] = {
            (item.name, item.removing): item for item in operation.times
        }
        self._predicted = (operation.prediction.order if operation.prediction else None) or ()
        self._now = now
        self._fresh: list[tuple[int, str]] = []
        self._unnamed = 0
        self._settled = True
        self._done: set[tuple[str, bool]] = set()

    def level(self, prefix: str, items: Sequence[_Item], was: Sequence[_Item] | None, wanted: int) -> None:
        """Takes in all groups, or one role's replicas in one group; their names begin with ``prefix``."""
        there = (
            {item.name for item in was if item.exists and item.phase is not Phase.DELETING} if was else set()
        )
        standing = [item for item in items if item.stands]
        for item in standing:
            known = (item.name, False) in self.items
            if item.exists and not item.foreign and not known and was is not None and item.name not in there:
                self.items[(item.name, False)] = StageTimes(item.name)
        self._guess_made(prefix, items, wanted - len(standing))
        for item in items:
            leaving = item.phase is Phase.DELETING and not item.foreign
            if leaving and not self._waits((item.name, False)):
                self.items.setdefault((item.name, True), StageTimes(item.name, removing=True))
                self.items.pop((item.name, False), None)
        lost = there - {item.name for item in items if item.exists}
        if len(there) > wanted:
            for name in sorted(lost):
                self.items.setdefault((name, True), StageTimes(name, removing=True))
                self.items.pop((name, False), None)
        self._guess_removed(prefix, standing, len(standing) - wanted)
        by_name = {item.name: item for item in items}
        failed_before = {item.name for item in was if item.failed} if was else set()
        for key in [key for key in self.items if _within(prefix, key[0])]:
            self._look(key, by_name.get(key[0]), key[0] in failed_before)
        if len(standing) != wanted or any(i.phase is Phase.DELETING and not i.foreign for i in items):
            self._settled = False

    def _waits(self, key: tuple[str, bool]) -> bool:
        item = self.items.get(key)
        return item is not None and item.begun is None

    def _guess_made(self, prefix: str, items: Sequence[_Item], short: int) -> None:
        """Keeps as many waiting names as are short: queued ones, held ones, then predicted ones."""
        waiting = [
            key
            for key, item in self.items.items()
            if not key[1] and _within(prefix, key[0]) and item.begun is None
        ]
        standing = {item.name for item in items if item.stands and item.exists}
        waiting = [key for key in waiting if key[0] not in standing]
        gone_deleting = {item.name for item in items if item.phase is Phase.DELETING and not item.foreign}
        queued = [item.name for item in items if item.phase is Phase.QUEUED and not item.foreign]
        held = sorted((item for item in items if item.name in gone_deleting), key=lambda item: item.ordinal)
        begun = {key[0] for key, item in self.items.items() if item.begun is not None and not key[1]}
        predicted = [name for name in self._predicted if _within(prefix, name)]
        pool = [*queued, *(item.name for item in held), *(key[0] for key in waiting), *predicted]
        free = [name for name in dict.fromkeys(pool) if name not in standing and name not in begun]
        chosen = free[: max(0, short)]
        for key in waiting:
            if key[0] not in chosen:
                del self.items[key]
        for name in chosen:
            self.items.setdefault((name, False), StageTimes(name))
        self._unnamed += max(0, short) - len(chosen)

    def _guess_removed(self, prefix: str, standing: Sequence[_Item], surplus: int) -> None:
        """Keeps as many waiting names as are too many: predicted, named before, or highest ordinals."""
        names = {item.name for item in standing if item.exists}
        waiting = [
            key[0]
            for key, item in self.items.items()
            if key[1] and key[0] in names and _within(prefix, key[0]) and item.begun is None
        ]
        last = [item.name for item in sorted(standing, key=lambda item: -item.ordinal)]
        pool = [name for name in (*self._predicted, *waiting, *last) if name in names]
        chosen = list(dict.fromkeys(pool))[: max(0, surplus)]
        for name in waiting:
            if name not in chosen:
                del self.items[(name, True)]
        for name in chosen:
            self.items.setdefault((name, True), StageTimes(name, removing=True))
            made = self.items.get((name, False))
            if made is not None and made.ready is None:
                del self.items[(name, False)]

    def _look(self, key: tuple[str, bool], item: _Item | None, failed_before: bool) -> None:
        known = self.items[key]
        phase = item.phase if item else Phase.ABSENT
        if known.removing:
            self._look_leaving(key, known, item, phase)
            return
        if item is None or phase in (*_NOT_THERE, Phase.DELETING):
            return
        begun = known.begun
        if begun is None:
            begun = _created(item.replicas, self._now)
            self._fresh.append((item.created_seq, known.name))
        stages = [pod.stage for replica in item.replicas for pod in replica.pods if not pod.terminating]
        complete = len(stages) >= sum(replica.need for replica in item.replicas) > 0
        scheduled = complete and Stage.UNSCHEDULED not in stages
        started = complete and all(stage in _STARTED for stage in stages)
        running = phase is Phase.RUNNING
        self.items[key] = msgspec.structs.replace(
            known,
            begun=begun,
            scheduled=self._first(known.scheduled, scheduled or running),
            started=self._first(known.started, started or running),
            ready=self._first(known.ready, running, item.since),
            failures=known.failures + (item.failed and not failed_before),
        )
        if running:
            self._done.add(key)

    def _look_leaving(
        self, key: tuple[str, bool], known: StageTimes, item: _Item | None, phase: Phase
    ) -> None:
        begun, gone = known.begun, known.gone
        if begun is None and phase in (*_NOT_THERE, Phase.DELETING):
            since = item.since if item and phase is Phase.DELETING else None
            begun = self._now if since is None else min(self._now, since)
            self._fresh.append((item.deleting_seq if item else _LAST, known.name))
        if begun is not None and gone is None and phase is not Phase.DELETING:
            gone = self._now
        self.items[key] = msgspec.structs.replace(known, begun=begun, gone=gone)
        if gone is not None:
            self._done.add(key)

    def _first(self, known: float | None, so: bool, since: float | None = None) -> float | None:
        if known is not None or not so:
            return known
        return self._now if since is None else min(self._now, since)

    def release(self, group: str) -> None:
        """The group as a whole comes or goes: its role replicas are no items of their own."""
        for key in [key for key in self.items if key[0].startswith(f"{group}/")]:
            del self.items[key]

    def release_gone(self, groups: set[str]) -> None:
        """Role replicas of groups that are no more."""
        for key in [key for key in self.items if "/" in key[0] and key[0].partition("/")[0] not in groups]:
            del self.items[key]

    def result(self, operation: Operation, workload: Workload) -> Affected:
        """Begun ones in order, then those that wait; and whether everything is as it should be."""
        order = [name for _, name in sorted(self._fresh)]
        known = [*operation.happened, *order]
        place = {name: index for index, name in reversed(list(enumerate(known)))}
        wait = {name: index for index, name in enumerate(self._predicted)}
        times = sorted(
            self.items.values(),
            key=lambda item: (
                (0, place[item.name])
                if item.begun is not None and item.name in place
                else (1, wait.get(item.name, _LAST))
            ),
        )
        settled = self._settled and not self._unnamed and self._done >= set(self.items)
        settled = settled and not any(_holds(group) for group in workload.groups)
        return Affected(
            operation.before,
            tuple(times),
            tuple(name for name in order if any(key[0] == name for key in self.items)),
            len(self._done & set(self.items)),
            self._unnamed,
            settled,
        )


def _within(prefix: str, name: str) -> bool:
    if not prefix:
        return "/" not in name
    return name.startswith(prefix) and name[len(prefix) :].isdecimal()


def _holds(group: Group) -> bool:
    """An untouched group on the move holds the end up, unless it is in trouble or moved by something else."""
    moving = group.phase in (Phase.QUEUED, Phase.CREATING, Phase.SCALING, Phase.DELETING)
    return moving and group.trouble is None and not _foreign(group.cause)


def _created(replicas: Iterable[RoleReplica], now: float) -> float:
    times = [
        pod.created
        for replica in replicas
        for pod in replica.pods
        if pod.created is not None and not pod.terminating
    ]
    return min(now, min(times, default=now))
