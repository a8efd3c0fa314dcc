"""What needs a person, most urgent first: failures, what waits in vain, operations that are stuck, logins."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import IntEnum

import msgspec
from msgspec import Struct

from clients.serving.differences import own_trouble
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.phase import TroubleKind
from clients.serving.plain import plain
from clients.serving.reasons import trouble_text
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Group, RoleReplica, Workload
from tui.succession import offer_words
from widgets.records import Need as Shown
from widgets.words import group_label

__all__ = ["Need", "Needs", "Urgency", "arrival", "following", "needs_of", "of_sources", "offered", "stuck"]

_CONTEXT = "context"
_PATIENCE = 900.0
"""Cluster seconds after which an operation without history counts as stuck."""
_GRACE = 60.0
"""Cluster seconds that are added to twice the predicted time before an operation counts as stuck."""


class Urgency(IntEnum):
    """Lower is more urgent."""

    LOGIN = 0
    """Nothing else that is shown can be believed."""
    FAILED = 1
    BLOCKED = 2
    STUCK = 3
    DEGRADED = 4
    OFFERED = 5
    """Nothing is wrong: something is paid for that was to go."""


_URGENCY = {
    TroubleKind.FAILED: Urgency.FAILED,
    TroubleKind.BLOCKED: Urgency.BLOCKED,
    TroubleKind.DEGRADED: Urgency.DEGRADED,
}


class Need(Struct, frozen=True):
    """One thing that needs a person."""

    urgency: Urgency
    key: WorkloadKey
    """Of kind ``context`` where it is not about a workload but about the data."""
    group: str | None
    where: str | None
    """Group and role replica, plain: ``G-0 prefill-1``."""
    text: str
    """Plain, one line."""
    since: float | None = None
    """Cluster time, where known."""
    replica: str | None = None
    """The role replica's id."""

    @property
    def about_workload(self) -> bool:
        """Whether there is a workload to go to."""
        return self.key.kind != _CONTEXT

    @property
    def shown(self) -> Shown:
        """As the line draws it."""
        return Shown(self.key, self.where, self.text, failed=self.urgency <= Urgency.FAILED)


def stuck(operation: Operation, now: float) -> bool:
    """Whether a running operation takes far longer than it should: twice its prediction and a minute."""
    if operation.ended_at is not None:
        return False
    high = operation.prediction.eta_high if operation.prediction else None
    return now - operation.started_at > (_PATIENCE if high is None else 2 * high + _GRACE)


def needs_of(workload: Workload, now: float) -> tuple[Need, ...]:
    """What needs a person about one workload: one for each reason, and its operation if that is stuck."""
    merged: dict[tuple[TroubleKind, str], tuple[Need, int]] = {}
    key = workload.key
    for group in workload.groups:
        replica = _culprit(group)
        trouble = replica.trouble if replica else group.trouble
        if trouble is None:
            continue
        same = (trouble.kind, trouble.reason)
        if same in merged:
            merged[same] = (merged[same][0], merged[same][1] + 1)
            continue
        label = group_label(group)
        where = label if replica is None else f"{label} {plain(replica.id)}"
        text = trouble_text(trouble)
        which = replica.id if replica else None
        need = Need(_URGENCY[trouble.kind], key, group.name, where, text, trouble.since, which)
        merged[same] = (need, 0)
    found = [need if not more else _and_more(need, more) for need, more in merged.values()]
    trouble = own_trouble(workload)
    if trouble is not None:
        found.append(Need(_URGENCY[trouble.kind], key, None, None, trouble_text(trouble), trouble.since))
    operation = workload.operation
    if operation and stuck(operation, now):
        minutes = int(now - operation.started_at) // 60
        text = f"scaling for {minutes} min, {operation.done} of {operation.total} done"
        found.append(Need(Urgency.STUCK, key, None, None, text, operation.started_at))
    return tuple(found)


def offered(key: WorkloadKey, successor: WorkloadKey) -> Need:
    """That a workload may go to zero, since what was made in its place is ready."""
    return Need(Urgency.OFFERED, key, None, None, offer_words(successor))


def _and_more(need: Need, more: int) -> Need:
    where = f"{need.where} and {more} more group{'s' if more > 1 else ''}"
    return msgspec.structs.replace(need, where=where)


def _culprit(group: Group) -> RoleReplica | None:
    """The role replica that the group's trouble comes from; without a group's own, the first in trouble."""
    own = group.trouble
    for role in group.roles:
        for replica in role.replicas:
            if replica.trouble and (own is None or replica.trouble.reason == own.reason):
                return replica
    return None


def of_sources(sources: Iterable[SourceStatus], context: str) -> tuple[Need, ...]:
    """A login that is needed comes before everything else: without it nothing shown is fresh."""
    for source in sources:
        if source.state is SourceState.LOGIN:
            key = WorkloadKey(source.cluster, "", None, _CONTEXT, context)
            text = "the login has expired; press R to log in again"
            return (Need(Urgency.LOGIN, key, None, None, text),)
    return ()


class Needs:
    """All of them, most urgent first, older before newer, then by name; kept in order as they come and go."""

    def __init__(self) -> None:
        self._of: dict[WorkloadKey | None, tuple[Need, ...]] = {}
        self._orders: list[tuple[int, float, str, str]] = []
        self._sorted: list[Need] = []
        self._all: tuple[Need, ...] | None = ()

    def put(self, about: WorkloadKey | None, found: tuple[Need, ...]) -> None:
        """What a workload needs now, instead of what it needed; ``None`` is about the data."""
        before = self._of.get(about, ())
        if found == before:
            return
        self._all = None
        for need in before:
            at = bisect_left(self._orders, _order(need))
            while self._sorted[at] is not need:
                at += 1
            del self._orders[at], self._sorted[at]
        for need in found:
            order = _order(need)
            at = bisect_right(self._orders, order)
            self._orders.insert(at, order)
            self._sorted.insert(at, need)
        if found:
            self._of[about] = found
        else:
            del self._of[about]

    @property
    def all(self) -> tuple[Need, ...]:
        """The same tuple until one of them changes."""
        if self._all is None:
            self._all = tuple(self._sorted)
        return self._all


def _order(need: Need) -> tuple[int, float, str, str]:
    since = need.since if need.since is not None else float("inf")
    return (need.urgency, since, str(need.key), need.group or "")


def arrival(needs: tuple[Need, ...], need: Need) -> str:
    """What is said where ``n`` has led: which of how many, and its text where no cell of a grid shows it."""
    about = [one for one in needs if one.about_workload]
    place = f"{about.index(need) + 1} of {len(about)}" if need in about else f"{len(about)}"
    what = f"{plain(need.key.name)} {need.where}" if need.where else plain(need.key.name)
    return f"needs you, {place}: {what}" + ("" if need.group else f": {need.text}")


def following(needs: tuple[Need, ...], current: Need | None) -> Need | None:
    """The one that ``n`` goes to next: round and round, from where it was, also if that is solved by now."""
    about = [need for need in needs if need.about_workload]
    if not about:
        return None
    if current is None:
        return about[0]
    for index, need in enumerate(about):
        if (need.key, need.group, need.urgency) == (current.key, current.group, current.urgency):
            return about[(index + 1) % len(about)]
    return next((need for need in about if _order(need) > _order(current)), about[0])
