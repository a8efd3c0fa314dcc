"""What a StatefulSet does next: which ordinals it creates, which pods it deletes (Kubernetes 1.36)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.owned_pods import OwnedPod

__all__ = ["REVISION_LABEL", "Step", "new_pod_is_current", "next_step", "ordinals", "wanted"]

REVISION_LABEL = "controller-revision-hash"


class Step(Struct):
    """One pass."""

    create: list[int] = []
    """Ordinals."""
    delete: list[OwnedPod] = []
    failed: list[OwnedPod] = []
    """Pods that ended and are deleted so that they can be made again."""


def wanted(obj: Json) -> int:
    """``spec.replicas``, 1 where it is not given."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def ordinals(obj: Json) -> range:
    """The ordinals that the pods should have."""
    start = int((obj["spec"].get("ordinals") or {}).get("start") or 0)
    return range(start, start + wanted(obj))


def _rolling(obj: Json) -> Json | None:
    """The rolling update's parameters, or None where pods are replaced only once somebody deletes them."""
    strategy = obj["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return None
    found: Json = strategy.get("rollingUpdate") or {}
    return found


def new_pod_is_current(obj: Json, ordinal: int, current_replicas: int) -> bool:
    """Whether a pod made now still gets the former revision."""
    rolling = _rolling(obj)
    start = ordinals(obj).start
    if rolling is None:
        return False
    if "partition" in rolling:
        return ordinal < start + int(rolling["partition"])
    return ordinal < start + current_replicas


def next_step(obj: Json, pods: Mapping[int, OwnedPod], update: str, now: float) -> Step:
    """One pass over the pods by ordinal; ``update`` is the name of the newest revision."""
    step = Step()
    one_by_one = obj["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    min_ready = obj["spec"].get("minReadySeconds") or 0
    slots = ordinals(obj)

    def healthy(ordinal: int) -> bool:
        pod = pods.get(ordinal)
        return pod is not None and not pod.deleting and pod.available(now, min_ready)

    for ordinal in slots:
        pod = pods.get(ordinal)
        if pod is not None and pod.phase in ("Failed", "Succeeded") and not pod.deleting:
            step.failed.append(pod)
        elif pod is None:
            step.create.append(ordinal)
        if one_by_one and not healthy(ordinal):
            return step
    condemned = sorted((o for o in pods if o not in slots), reverse=True)
    lowest_unhealthy = next((o for o in sorted(pods) if not healthy(o)), None)
    for ordinal in condemned:
        pod = pods[ordinal]
        if not pod.deleting:
            if one_by_one and not healthy(ordinal) and ordinal != lowest_unhealthy:
                return step
            step.delete.append(pod)
        if one_by_one:
            return step
    rolling = _rolling(obj)
    if rolling is not None:
        first = min(slots.start + int(rolling.get("partition") or 0), slots.stop)
        targets = [o for o in reversed(slots) if o >= first]
        step.delete += _outdated(targets, pods, update, healthy, rolling.get("maxUnavailable"), slots)
    return step


def _outdated(
    targets: Sequence[int],
    pods: Mapping[int, OwnedPod],
    update: str,
    healthy: Callable[[int], bool],
    most: Any,
    slots: range,
) -> list[OwnedPod]:
    """Pods of a former revision whose turn it is, the highest ordinal first."""
    unhealthy = sum(not healthy(ordinal) for ordinal in slots)
    budget = _unavailable(most, len(slots)) - unhealthy
    found: list[OwnedPod] = []
    for ordinal in targets:
        pod = pods.get(ordinal)
        if pod is not None and not pod.deleting and pod.labels.get(REVISION_LABEL) != update:
            if most is None:
                return [pod]
            if budget <= 0:
                return found
            found.append(pod)
            budget -= 1
        elif most is None and not healthy(ordinal):
            return []
    return found


def _unavailable(value: Any, total: int) -> int:
    text = str(1 if value is None else value)
    if not text.endswith("%"):
        return max(1, int(text))
    return max(1, -(-int(text[:-1]) * total // 100))
