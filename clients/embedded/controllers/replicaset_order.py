"""Which pods a ReplicaSet gives up first (Kubernetes 1.36, ActivePodsWithRanks)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cmp_to_key

from clients.embedded.controllers.owned_pods import OwnedPod

__all__ = ["victims"]

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(pods: Sequence[OwnedPod], related: Iterable[OwnedPod], count: int, now: float) -> list[OwnedPod]:
    """``count`` of the active ``pods``; ``related`` are all active pods of the same Deployment.

    Unassigned before assigned, Pending before Unknown before Running, not ready before ready, lower deletion
    cost, more related pods on its node, ready for a shorter time (by powers of two), more restarts, newer.
    """
    crowd = Counter(pod.node for pod in related)

    def compare(first: OwnedPod, second: OwnedPod) -> int:
        for one, other in (
            (bool(first.node), bool(second.node)),
            (_PHASES.get(first.phase, 1), _PHASES.get(second.phase, 1)),
            (first.ready, second.ready),
            (first.cost, second.cost),
            (-crowd[first.node], -crowd[second.node]),
        ):
            if one != other:
                return -1 if one < other else 1
        if first.ready and second.ready and first.ready_since != second.ready_since:
            return _shorter(now - first.ready_since, now - second.ready_since) or _by_uid(first, second)
        if first.restarts != second.restarts:
            return -1 if first.restarts > second.restarts else 1
        if first.created != second.created:
            return _shorter(now - first.created, now - second.created) or _by_uid(first, second)
        return _by_uid(first, second)

    return sorted(pods, key=cmp_to_key(compare))[:count]


def _shorter(first: float, second: float) -> int:
    """Compares ages by their power of two, in nanoseconds as Kubernetes counts them."""
    return _bucket(first) - _bucket(second)


def _bucket(age: float) -> int:
    return int(math.log2(age * 1e9)) if age > 0 else -1


def _by_uid(first: OwnedPod, second: OwnedPod) -> int:
    return (first.uid > second.uid) - (first.uid < second.uid)
