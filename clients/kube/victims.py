"""Which pods go first when a Deployment shrinks: the ranking of its ReplicaSet (Kubernetes 1.36)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cmp_to_key

from clients.kube.rows import PodRow

__all__ = ["victims"]

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_SOON = 60.0
"""Seconds that may pass between plan and deletion; ages count by powers of two, so that a rank can turn."""


def victims(pods: Sequence[PodRow], count: int, now: float) -> tuple[tuple[str, ...], bool]:
    """The names of the ``count`` pods that go, first one first, and whether that is certain.

    ``pods`` are those that are neither ended nor on their way out. Unassigned before assigned, Pending before
    Unknown before Running, not ready before ready, lower deletion cost, more of them on one node, ready for
    less time (by powers of two of nanoseconds, then by uid), more restarts, newer (the same way). Certain
    where each that goes ranks before each that stays, now and a minute later. ``now`` is cluster time.
    """
    crowd = Counter(pod.node for pod in pods)

    def compare(one: PodRow, other: PodRow) -> int:
        return _compare(one, other, crowd, now)

    ranked = sorted(sorted(pods, key=lambda pod: pod.name), key=cmp_to_key(compare))
    gone, kept = ranked[:count], ranked[count:]
    # The rules are not transitive where some became ready in the same second, so each is held against each.
    certain = all(
        _compare(one, other, crowd, at) < 0 for at in (now, now + _SOON) for one in gone for other in kept
    )
    return tuple(pod.name for pod in gone), certain


def _compare(first: PodRow, second: PodRow, crowd: Counter[str | None], now: float) -> int:
    for one, other in (
        (bool(first.node), bool(second.node)),
        (_PHASES.get(first.phase, 1), _PHASES.get(second.phase, 1)),
        (first.ready, second.ready),
        (first.deletion_cost, second.deletion_cost),
        (-crowd[first.node], -crowd[second.node]),
    ):
        if one != other:
            return -1 if one < other else 1
    if first.ready and first.ready_at != second.ready_at:
        return _younger(first, second, first.ready_at, second.ready_at, now)
    if _restarts(first) != _restarts(second):
        return -1 if _restarts(first) > _restarts(second) else 1
    if first.created != second.created:
        return _younger(first, second, first.created, second.created, now)
    return 0


def _younger(first: PodRow, second: PodRow, one: float | None, other: float | None, now: float) -> int:
    """The one of fewer powers of two goes first; within one power the lower uid does."""
    ages = _power(one, now) - _power(other, now)
    return ages or (first.uid > second.uid) - (first.uid < second.uid)


def _power(since: float | None, now: float) -> int:
    age = 0.0 if since is None else now - since
    return int(math.log2(age * 1e9)) if age > 0 else -1


def _restarts(pod: PodRow) -> int:
    """Of its container that restarted most; init containers do not count."""
    return max((item.restarts for item in pod.containers if not item.init), default=0)
