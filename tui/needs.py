"""What needs a person, most urgent first: failures, what waits in vain, operations that are stuck, logins."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct

from clients.serving.keys import WorkloadKey
from clients.serving.operation import Operation
from clients.serving.phase import Trouble, TroubleKind
from clients.serving.plain import plain
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload

__all__ = ["Need", "Urgency", "after", "needs", "of_sources", "of_workload", "stuck"]

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


_URGENCY = {
    TroubleKind.FAILED: Urgency.FAILED,
    TroubleKind.BLOCKED: Urgency.BLOCKED,
    TroubleKind.DEGRADED: Urgency.DEGRADED,
}


class Need(Struct, frozen=True):
    """One thing that needs a person."""

    urgency: Urgency
    key: WorkloadKey | None
    """``None``: a source."""
    group: str | None
    text: str
    """Plain, one line, without the workload's name."""
    since: float | None = None
    """Cluster time, where known."""

    @property
    def name(self) -> str:
        """Whom it is about."""
        return plain(self.key.name) if self.key else "data"


def stuck(operation: Operation, now: float) -> bool:
    """Whether a running operation takes far longer than it should: twice its prediction and a minute."""
    if operation.ended_at is not None:
        return False
    high = operation.prediction.eta_high if operation.prediction else None
    return now - operation.started_at > (_PATIENCE if high is None else 2 * high + _GRACE)


def _sentence(trouble: Trouble) -> str:
    reason, message = plain(trouble.reason), plain(trouble.message)
    return message if not reason or reason.lower() in message.lower() else f"{reason}: {message}".rstrip(": ")


def of_workload(workload: Workload, now: float) -> tuple[Need, ...]:
    """What needs a person about one workload: one line a group in trouble, and its operation if stuck."""
    found: list[Need] = []
    for group in workload.groups:
        trouble, where = group.trouble, plain(group.name)
        for role in group.roles:
            for replica in role.replicas:
                if replica.trouble and (trouble is None or replica.trouble.kind == trouble.kind):
                    if trouble is None or replica.trouble.reason == trouble.reason:
                        where = f"{plain(group.name)} {plain(replica.id)}"
                    trouble = trouble or replica.trouble
                    break
            else:
                continue
            break
        if trouble:
            text = _sentence(trouble)
            for prefix in (where, plain(group.name)):
                text = text.removeprefix(prefix).lstrip(": ")
            found.append(
                Need(_URGENCY[trouble.kind], workload.key, group.name, f"{where}: {text}", trouble.since)
            )
    if not found and workload.trouble:
        trouble = workload.trouble
        found.append(Need(_URGENCY[trouble.kind], workload.key, None, _sentence(trouble), trouble.since))
    operation = workload.operation
    if operation and stuck(operation, now):
        minutes = int(now - operation.started_at) // 60
        text = f"scaling for {minutes} min, {operation.done} of {operation.total} done"
        found.append(Need(Urgency.STUCK, workload.key, None, text, operation.started_at))
    return tuple(found)


def of_sources(sources: Iterable[SourceStatus]) -> tuple[Need, ...]:
    """A login that is needed comes before everything else: without it nothing shown is fresh."""
    if any(source.state is SourceState.LOGIN for source in sources):
        return (Need(Urgency.LOGIN, None, None, "the login has expired; press R to log in again"),)
    return ()


def needs(workloads: Iterable[Workload], sources: Iterable[SourceStatus], now: float) -> tuple[Need, ...]:
    """Everything that needs a person, most urgent first, older before newer, then by name."""
    found = list(of_sources(sources))
    for workload in workloads:
        if workload.trouble or workload.operation or any(group.trouble for group in workload.groups):
            found.extend(of_workload(workload, now))
    return tuple(sorted(found, key=_order))


def _order(need: Need) -> tuple[int, float, str, str]:
    since = need.since if need.since is not None else float("inf")
    return (need.urgency, since, str(need.key) if need.key else "", need.group or "")


def after(all_needs: tuple[Need, ...], current: Need | None) -> Need | None:
    """The one that ``n`` goes to next: round and round, from where it was, also if that is solved by now."""
    about = [need for need in all_needs if need.key is not None]
    if not about:
        return None
    if current is None:
        return about[0]
    for index, need in enumerate(about):
        if (need.key, need.group, need.urgency) == (current.key, current.group, current.urgency):
            return about[(index + 1) % len(about)]
    for need in about:
        if _order(need) > _order(current):
            return need
    return about[0]
