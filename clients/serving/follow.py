"""Moves a workload's scale operation along, from a changed desired count until what is observed equals it.

Pure: the same workload before and after, the same time and hint give the same operation. A count that moves
on in the same direction (2 to 4, then 4 to 6) extends the running operation; any other change ends it
as reverted and begins a new one, which takes over what was still being made.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from clients.serving.affected import Affected, count_of
from clients.serving.differences import own_trouble
from clients.serving.operation import Count, Operation, Outcome, Prediction
from clients.serving.phase import Cause, Phase
from clients.serving.plain import plain
from clients.serving.reasons import trouble_text
from clients.serving.workload import Group, Workload

__all__ = ["DEFAULT_LIMIT", "ActorHint", "FollowResult", "follow"]

_HPA_CONTROLLER = "kube-controller-manager"
"""The field manager of every HPA (Kubernetes 1.36)."""
_TEXT = 400
DEFAULT_LIMIT = 1800.0
"""Cluster seconds after which an operation is given up."""


class ActorHint(Struct, frozen=True):
    """What is known about who asks, from the audit log or a driver."""

    by: str
    after: Count | None = None
    """The count that was asked for: the hint holds for no other. ``None`` holds for any beginning."""
    mine: bool = False
    reason: str | None = None
    prediction: Prediction | None = None


class FollowResult(Struct, frozen=True):
    """The operation that runs now, and the one that has just ended; either may be missing."""

    operation: Operation | None = None
    ended: Operation | None = None


def follow(
    operation: Operation | None,
    before: Workload | None,
    after: Workload | None,
    now: float,
    *,
    hint: ActorHint | None = None,
    limit: float = DEFAULT_LIMIT,
) -> FollowResult:
    """One step. Call it on every change of a workload, and from time to time while an operation runs.

    ``before`` is ``None`` at first sight (with an ``operation`` that an earlier run has left unfinished),
    ``after`` when the workload is gone. ``limit`` is in cluster
    seconds, from the start or from when the count last moved on.
    """
    if after is None or (before is not None and before.uid != after.uid):
        ended = _end(operation, Outcome.GONE, now, "the workload was deleted") if operation else None
        return FollowResult(None, ended)
    wanted = count_of(after)
    ended = None
    if operation is None:
        operation = _begin(before, after, wanted, now, hint)
    elif wanted == operation.before != operation.after and after.given_up is not None:
        # It falls back to where it was: nobody asked for that.
        return FollowResult(None, _end(operation, Outcome.FAILED, now, plain(after.given_up, _TEXT)))
    elif wanted != operation.after and not _not_told_yet(operation, after, wanted):
        by = _asker(before, after, wanted, hint)
        if _goes_on(operation.before, operation.after, wanted):
            operation = _extend(operation, wanted, by, now, hint)
        else:
            ended = _end(
                operation, Outcome.REVERTED, now, f"{by} asked for {_words(wanted, operation.after)}"
            )
            operation = _start(after, operation.after, wanted, by, now, hint, operation)
    if operation is None:
        return FollowResult(None, ended)
    if before is None and not operation.times:
        operation = msgspec.structs.replace(operation, times=Affected.at_first_sight(after).times)
    return _advance(_informed(operation, hint), before, after, now, limit, ended)


def _not_told_yet(operation: Operation, after: Workload, wanted: Count) -> bool:
    """It is scaling, and its system may go on telling the old count until it is done."""
    silent = not after.capabilities.ready_known and after.phase is Phase.SCALING
    return silent and wanted == operation.before


def _begin(
    before: Workload | None, after: Workload, wanted: Count, now: float, hint: ActorHint | None
) -> Operation | None:
    if before is None:
        seen = Affected.at_first_sight(after)
        if not seen.times:
            return None
        known = hint if hint and hint.after == wanted else None
        by = known.by if known else _manager(after, seen.before, wanted)
        started = _start(after, seen.before, wanted, by, now, known, None)
        return msgspec.structs.replace(started, times=seen.times)
    was = count_of(before)
    names = {name for name, _ in was.roles} & {name for name, _ in wanted.roles}
    same = was.groups == wanted.groups and all(was.role(name) == wanted.role(name) for name in names)
    if same:
        return None
    return _start(after, was, wanted, _asker(before, after, wanted, hint), now, hint, None)


def _start(
    after: Workload,
    was: Count,
    wanted: Count,
    by: str,
    now: float,
    hint: ActorHint | None,
    previous: Operation | None,
) -> Operation:
    fits = hint is not None and (hint.after is None or hint.after == wanted)
    return Operation(
        id=f"{after.uid or after.key.name}@{now:.3f}",
        key=after.key,
        by=by,
        before=was,
        after=wanted,
        started_at=now,
        affected=(),
        prediction=hint.prediction if hint and fits else None,
        mine=bool(hint and fits and hint.mine),
        reason=hint.reason if hint and fits else None,
        times=tuple(
            item for item in (previous.times if previous else ()) if not item.removing and item.ready is None
        ),
    )


def _asker(before: Workload | None, after: Workload, wanted: Count, hint: ActorHint | None) -> str:
    """Our own log or a driver's word first, else the managers of the fields that changed."""
    if hint and (hint.after is None or hint.after == wanted):
        return hint.by
    return _manager(after, count_of(before) if before is not None else None, wanted)


def _manager(after: Workload, was: Count | None, wanted: Count) -> str:
    """Who last wrote the fields in which the counts differ, by ``managedFields``, or ``unknown``."""
    moved = [_scaler(after)] if was is not None and was.groups != wanted.groups else []
    if was is not None and was.roles != wanted.roles:
        moved.append(after.roles_manager)
    return ", ".join(dict.fromkeys(plain(manager) for manager in moved if manager)) or "unknown"


def _scaler(workload: Workload) -> str | None:
    """Who last wrote the number of groups; an HPA by its name, for one controller writes for all of them."""
    manager = workload.replicas_manager
    if manager == _HPA_CONTROLLER:
        for driver in workload.drivers:
            if driver.role is None and driver.kind in ("HPA", "KEDA"):
                return f"{driver.kind} {driver.ref.name}"
    return manager


def _informed(operation: Operation, hint: ActorHint | None) -> Operation:
    """A hint may come after the change itself was seen."""
    if hint is None or hint.after != operation.after or hint.by in operation.by.split(", "):
        return operation
    return msgspec.structs.replace(
        operation,
        by=hint.by if operation.retargeted_at is None else f"{operation.by}, {hint.by}",
        mine=hint.mine or operation.mine,
        reason=hint.reason or operation.reason,
        prediction=operation.prediction or hint.prediction,
    )


def _extend(operation: Operation, wanted: Count, by: str, now: float, hint: ActorHint | None) -> Operation:
    fits = hint is not None and hint.after == wanted
    return msgspec.structs.replace(
        operation,
        after=wanted,
        by=operation.by if by in operation.by.split(", ") else f"{operation.by}, {by}",
        mine=operation.mine or bool(hint and fits and hint.mine),
        prediction=_joined(operation.prediction, hint.prediction if hint and fits else None),
        retargeted_at=now,
    )


def _joined(first: Prediction | None, second: Prediction | None) -> Prediction | None:
    """One prediction of an operation that was extended: the orders one after the other.

    It is dropped where one half was never predicted: a half would be scored against the whole.
    """
    if first is None or second is None:
        return None
    order = None if first.order is None or second.order is None else first.order + second.order
    return Prediction(order)


def _goes_on(start: Count, target: Count, wanted: Count) -> bool:
    """Whether ``wanted`` leads further the way that ``target`` led, in groups and in every role."""
    triples = [(start.groups, target.groups, wanted.groups)]
    triples += [(start.role(name), target.role(name), count) for name, count in wanted.roles]
    return all(_further(a, b, c) for a, b, c in triples)


def _further(start: int | None, target: int | None, wanted: int | None) -> bool:
    if start is None or target is None or wanted is None:
        return True
    return wanted == target or start == target or (wanted > target) == (target > start)


def _words(count: Count, known: Count) -> str:
    parts = [f"{count.groups} groups"] if count.groups is not None and count.groups != known.groups else []
    parts += [f"{plain(name)} {n}" for name, n in count.roles if known.role(name) != n]
    return " and ".join(parts) or "another count"


def _end(operation: Operation, outcome: Outcome, now: float, detail: str | None) -> Operation:
    return msgspec.structs.replace(operation, ended_at=now, outcome=outcome, detail=detail)


def _advance(
    operation: Operation,
    before: Workload | None,
    after: Workload,
    now: float,
    limit: float,
    ended: Operation | None,
) -> FollowResult:
    seen = Affected.step(operation, before, after, now)
    fresh = tuple(name for name in seen.begun if name not in operation.happened)
    happened = operation.happened + fresh
    operation = msgspec.structs.replace(
        operation,
        affected=tuple(dict.fromkeys(item.name for item in seen.times)),
        times=seen.times,
        done=seen.done,
        total=len(seen.times) + seen.unnamed,
        happened=happened,
    )
    if seen.settled and _acted(after) and ended is None:
        detail = _others(after) or _warning(after)
        return FollowResult(None, _end(operation, Outcome.DONE, now, detail))
    if after.given_up is not None and ended is None:
        return FollowResult(None, _end(operation, Outcome.FAILED, now, plain(after.given_up, _TEXT)))
    if now - (operation.retargeted_at or operation.started_at) >= limit and ended is None:
        return FollowResult(None, _end(operation, Outcome.TIMED_OUT, now, _stuck(operation, after)))
    return FollowResult(operation, ended)


def _acted(workload: Workload) -> bool:
    """Whether the controller has seen the newest spec; at 0 groups its status never says (Kthena #1755)."""
    if workload.desired == 0 and not any(group.phase is not Phase.ABSENT for group in workload.groups):
        return True
    seen, newest = workload.observed_generation, workload.generation
    return seen is None or newest is None or seen >= newest


def _others(workload: Workload) -> str | None:
    """Groups that do not run although the operation is over: it did not touch them."""
    down = [group for group in workload.groups if group.phase is not Phase.RUNNING]
    return "; ".join(_why(group) for group in down[:3]) or None


def _warning(workload: Workload) -> str | None:
    """What its system says against the workload as a whole, although all of it runs."""
    trouble = own_trouble(workload)
    return None if trouble is None else trouble_text(trouble)


def _why(group: Group) -> str:
    trouble = group.trouble
    if trouble:
        return f"{plain(group.name)} {trouble.kind}: {plain(trouble.reason)}"
    cause = f" ({group.cause})" if group.cause and group.cause is not Cause.SCALE else ""
    return f"{plain(group.name)} {group.phase}{cause}"


def _stuck(operation: Operation, workload: Workload) -> str:
    down = [
        group
        for group in workload.groups
        if group.phase is not Phase.RUNNING
        and any(name.partition("/")[0] == group.name for name in operation.affected)
    ]
    text = f"{operation.done} of {operation.total} done"
    return "; ".join([text, *(_why(group) for group in down[:3])])
