"""Labels, annotations and names that LeaderWorkerSets put on what they create (v0.10)."""

from __future__ import annotations

__all__ = [
    "GROUP_INDEX",
    "GROUP_KEY",
    "LEADER_NAME",
    "LEADER_WORKER_SETS",
    "MANAGER",
    "NAME",
    "REPLICAS",
    "REVISION",
    "SIZE",
    "WORKER_INDEX",
]

LEADER_WORKER_SETS = "leaderworkersets.leaderworkerset.x-k8s.io"
MANAGER = "lws"

_PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME = _PREFIX + "name"
GROUP_INDEX = _PREFIX + "group-index"
WORKER_INDEX = _PREFIX + "worker-index"
GROUP_KEY = _PREFIX + "group-key"
REVISION = _PREFIX + "template-revision-hash"
SIZE = _PREFIX + "size"
LEADER_NAME = _PREFIX + "leader-name"
REPLICAS = _PREFIX + "replicas"
