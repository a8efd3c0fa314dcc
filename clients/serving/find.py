"""What a person means by a name on the command line.

``name``, ``kind/name``, ``namespace/name`` (the left part is a kind if it is one that is known, or an
alias of one) and ``kind/namespace/name``. A name that is no row's own may be that of anything in a row's
chain: a pod, a group, an autoscaler, an owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from clients.serving.chain import Chains
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.workload import Workload

__all__ = ["BadName", "Wanted", "find", "parse"]


class BadName(ValueError):  # noqa: N818
    """A name with empty or too many parts."""


_KINDS: dict[str, tuple[str, ...]] = {
    "ModelServing": ("modelserving", "modelservings", "ms"),
    "ModelBooster": ("modelbooster", "modelboosters", "mb"),
    "AutoscalingPolicy": ("autoscalingpolicy", "autoscalingpolicies", "asp"),
    "AutoscalingPolicyBinding": ("autoscalingpolicybinding", "autoscalingpolicybindings", "aspb"),
    "HorizontalPodAutoscaler": ("horizontalpodautoscaler", "horizontalpodautoscalers", "hpa"),
    "CronHorizontalPodAutoscaler": (
        "cronhorizontalpodautoscaler",
        "cronhorizontalpodautoscalers",
        "cronhpa",
    ),
    "ScaledObject": ("scaledobject", "scaledobjects", "so"),
    "InferenceService": ("inferenceservice", "inferenceservices", "isvc"),
    "Deployment": ("deployment", "deployments", "deploy"),
    "StatefulSet": ("statefulset", "statefulsets", "sts"),
    "ReplicaSet": ("replicaset", "replicasets", "rs"),
    "LeaderWorkerSet": ("leaderworkerset", "leaderworkersets", "lws"),
    "ServingGroup": ("servinggroup", "servinggroups", "group", "sg"),
    "PodGroup": ("podgroup", "podgroups", "pg"),
    "Pod": ("pod", "pods", "po"),
    "Service": ("service", "services", "svc"),
    "Endpoints": ("endpoints", "endpoint", "ep"),
    "EndpointSlice": ("endpointslice", "endpointslices"),
}
_ALIASES = {alias: kind for kind, aliases in _KINDS.items() for alias in aliases}


class Wanted(Struct, frozen=True):
    """A parsed name."""

    name: str
    kind: str | None = None
    namespace: str | None = None


def kind_of(word: str) -> str | None:
    """The kind that a word names: ``ms``, ``ModelServing``, ``modelservings.workload.serving.volcano.sh``."""
    return _ALIASES.get(word.partition(".")[0].lower())


def parse(text: str) -> Wanted:
    """The parts of a name; raises ``BadName`` with one sentence of what is wrong."""
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        raise BadName("a name is NAME, KIND/NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME")
    if len(parts) == 1:
        return Wanted(parts[0])
    kind = kind_of(parts[0])
    if len(parts) == 3:
        if kind is None:
            raise BadName(f"{parts[0]!r} is no kind; known are {', '.join(sorted(_KINDS))}")
        return Wanted(parts[2], kind, parts[1])
    return Wanted(parts[1], kind, None if kind else parts[0])


def find(text: str, workloads: Iterable[Workload], chains: Chains | None = None) -> tuple[WorkloadKey, ...]:
    """The workloads that a name means, sorted; a row's own name goes before anything else of that name.

    Raises:
        BadName: it can not be a name.
    """
    wanted = parse(text)
    here = [
        workload
        for workload in workloads
        if wanted.namespace is None or workload.key.namespace == wanted.namespace
    ]
    own = {workload.key for workload in here if _is(workload.key, wanted)}
    if not own:
        own = {workload.key for workload in here if _holds(workload, wanted)}
    if not own and chains is not None:
        own = set(_chained(wanted, here, chains))
    return tuple(sorted(own, key=lambda key: (str(key), key.cluster, key.system)))


def _is(key: WorkloadKey, wanted: Wanted) -> bool:
    return key.name == wanted.name and wanted.kind in (None, key.kind)


def _holds(workload: Workload, wanted: Wanted) -> bool:
    """Whether one of its groups, pods, drivers or its owner has the name."""
    kind, name = wanted.kind, wanted.name
    refs: list[ObjectRef | None] = [workload.owner]
    for driver in workload.drivers:
        refs += [driver.ref, driver.via]
    if any(ref is not None and ref.name == name and kind in (None, ref.kind) for ref in refs):
        return True
    if kind in (None, "ServingGroup", "PodGroup") and any(group.name == name for group in workload.groups):
        return True
    return kind in (None, "Pod") and any(
        pod.name == name
        for group in workload.groups
        for role in group.roles
        for replica in role.replicas
        for pod in replica.pods
    )


def _chained(wanted: Wanted, workloads: Collection[Workload], chains: Chains) -> Iterable[WorkloadKey]:
    for ref in chains.named(wanted.name):
        if wanted.kind not in (None, ref.kind) or wanted.namespace not in (None, ref.namespace):
            continue
        for row in chains.rows_of(ref):
            for workload in workloads:
                key = workload.key
                if (key.kind, key.namespace, key.name) == (row.kind, row.namespace, row.name):
                    yield key
