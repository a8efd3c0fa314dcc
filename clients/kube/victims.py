"""Which pods go first when a Deployment shrinks: the ranking of its ReplicaSet (Kubernetes 1.36)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from clients.serving.workload import Group, PodView, RoleReplica

__all__ = ["victims"]

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(groups: Sequence[Group], count: int, now: float) -> tuple[tuple[Group, ...], bool]:
    """The ``count`` groups of one pod each that go, first one first, and whether that is certain.

    Unassigned before assigned, Pending before Unknown before Running, not ready before ready, lower deletion
    cost, more of them on one node, ready for less time (by powers of two), more restarts, newer. Where the
    last one to go and the first one to stay rank alike, the choice is the controller's.
    """
    together = Counter(pod.node for group in groups for _, pod in _pods(group) if pod.node is not None)
    ranked = sorted(groups, key=lambda group: (_rank(group, together, now), group.name))
    chosen = tuple(ranked[:count])
    certain = count >= len(ranked) or count == 0
    if not certain:
        certain = _rank(ranked[count - 1], together, now) != _rank(ranked[count], together, now)
    return chosen, certain


def _pods(group: Group) -> list[tuple[RoleReplica, PodView]]:
    return [(item, pod) for role in group.roles for item in role.replicas for pod in item.pods]


def _rank(group: Group, together: Counter[str], now: float) -> tuple[float, ...]:
    pods = _pods(group)
    if not pods:
        return ()
    item, pod = pods[0]
    ready_for = max(0.0, now - item.since) if pod.ready and item.since is not None else 0.0
    return (
        pod.node is not None,
        _PHASES.get(pod.phase, 1),
        pod.ready,
        item.deletion_cost,
        -together[pod.node or ""],
        math.floor(math.log2(ready_for)) if ready_for >= 1 else 0,
        -pod.restarts,
        -(pod.created or 0.0),
    )
