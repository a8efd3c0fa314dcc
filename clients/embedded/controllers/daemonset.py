"""The DaemonSet controller: a pod on every node that takes it, remade one by one when its template changes.

Whether a node takes it is the scheduler's rule, with the tolerations that this controller adds; a pod that is
there stays until a NoExecute taint or the node's labels say otherwise (Kubernetes 1.36,
``pkg/controller/daemon``). It binds its pods itself, as it did before 1.12. What is not there: surge, and
revisions to go back to.
"""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.deployment import template_hash
from clients.embedded.controllers.owned_pods import OwnedPod
from clients.embedded.controllers.pod_owners import PodOwners
from clients.embedded.controllers.recorder import reference
from clients.embedded.controllers.replicaset import MANAGER, pod_of, pod_template
from clients.embedded.controllers.workqueue import Key
from clients.embedded.engine import Engine
from clients.embedded.node_filter import NodeFilter
from clients.embedded.nodes import Nodes
from clients.embedded.store import Store

__all__ = ["DAEMON_SETS", "DaemonSets"]

DAEMON_SETS = "daemonsets.apps"
_REVISION = "controller-revision-hash"
_GENERATION = "pod-template-generation"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""What every DaemonSet's pod stands."""


class DaemonSets(PodOwners):
    """Acts on every DaemonSet from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, nodes: Nodes) -> None:
        super().__init__(store, engine, DAEMON_SETS, "DaemonSet", "daemonset-controller")
        self._nodes = nodes
        self._seen: dict[str, list[Any]] = {}
        """What decides whether a node takes a pod."""
        store.subscribe("nodes", self._node_changed)

    def _node_changed(self, change: str, node: Json) -> None:
        """Heartbeats are no news."""
        spec, name = node.get("spec") or {}, node["metadata"]["name"]
        facts = [node["metadata"].get("labels"), spec.get("taints"), spec.get("unschedulable")]
        if change == "DELETED":
            facts = []
        if self._seen.get(name) != facts:
            self._seen[name] = facts
            for key in self._keys.values():
                self._queue.add(key)

    # -- one pass --------------------------------------------------------------------------------------

    def _sync(self, key: Key) -> None:
        obj = self._store.get(DAEMON_SETS, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        takes, keeps = self._nodes_for(obj)
        held: dict[str, list[OwnedPod]] = {}
        for pod in self._pods.of(obj["metadata"]["uid"]):
            held.setdefault(pod.node, []).append(pod)
        about = reference(obj)
        for node in sorted(takes - held.keys()):
            name = self._create(obj, node)
            self._recorder.event(about, "SuccessfulCreate", f"Created pod: {name}")
        gone = [p for node, pods in held.items() for p in pods if node not in keeps or p.phase == "Failed"]
        wanted = takes | (keeps & held.keys())
        for pod in gone or self._outdated(obj, held, wanted):
            if not pod.deleting:
                self._store.delete("pods", pod.namespace, pod.name)
                self._recorder.event(about, "SuccessfulDelete", f"Deleted pod: {pod.name}")
        status = self._counts(obj, wanted, held)
        self._store.mutate(
            DAEMON_SETS, *key, lambda o: o.update(status=status), manager=MANAGER, subresource="status"
        )

    def _nodes_for(self, obj: Json) -> tuple[set[str], set[str]]:
        """Nodes that take its pods, and those on which its pods may stay."""
        spec = obj["spec"]["template"].get("spec") or {}
        come = NodeFilter(spec, _tolerations())
        stay = NodeFilter(spec, (*_tolerations(), {"operator": "Exists", "effect": "NoSchedule"}))
        takes = {node.name for node in self._nodes if come.refusal(node) is None}
        return takes, {node.name for node in self._nodes if stay.refusal(node) is None}

    def _create(self, obj: Json, node: str) -> str:
        pod = pod_of(obj, pod_template(obj))
        meta, spec = pod["metadata"], pod["spec"]
        meta["generateName"] = f"{obj['metadata']['name']}-"
        meta["labels"] |= {_REVISION: template_hash(obj), _GENERATION: str(obj["metadata"]["generation"])}
        spec["nodeName"] = node
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *_tolerations()]
        name: str = self._store.create("pods", pod, manager=MANAGER)["metadata"]["name"]
        return name

    def _outdated(self, obj: Json, held: dict[str, list[OwnedPod]], wanted: set[str]) -> list[OwnedPod]:
        """The next pods of a former template to go: as many as ``maxUnavailable`` still allows."""
        strategy = obj["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return []
        most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        share = -(-len(wanted) * int(most.rstrip("%")) // 100) if isinstance(most, str) else int(most)
        revision, now = template_hash(obj), self._engine.clock.now()
        pods = [pod for node in sorted(wanted & held.keys()) for pod in held[node]]
        down = len(wanted) - sum(pod.available(now, 0) and not pod.deleting for pod in pods)
        old = [pod for pod in pods if pod.labels.get(_REVISION) != revision and not pod.deleting]
        serving = [pod for pod in old if pod.available(now, 0)]
        # One that is down anyway costs nothing.
        return [pod for pod in old if pod not in serving] + serving[: max(0, share - down)]

    def _counts(self, obj: Json, wanted: set[str], held: dict[str, list[OwnedPod]]) -> Json:
        now, revision = self._engine.clock.now(), template_hash(obj)
        pods = [pod for node in wanted & held.keys() for pod in held[node] if not pod.deleting]
        available = sum(pod.available(now, obj["spec"].get("minReadySeconds") or 0) for pod in pods)
        told: Json = {
            "observedGeneration": obj["metadata"]["generation"],
            "desiredNumberScheduled": len(wanted),
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": sum(len(pods) for node, pods in held.items() if node not in wanted),
            "numberReady": sum(pod.ready for pod in pods),
        }
        counts = {
            "updatedNumberScheduled": sum(pod.labels.get(_REVISION) == revision for pod in pods),
            "numberAvailable": available,
            "numberUnavailable": len(wanted) - available,
        }
        return told | {name: count for name, count in counts.items() if count}


def _tolerations() -> list[Json]:
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
