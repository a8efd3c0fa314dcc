"""The ReplicaSet controller: as many pods as wanted, and a status that counts them."""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.objects import Json, decode, encode
from clients.embedded.controllers.owned_pods import OwnedPod, controller_of, owner_reference
from clients.embedded.controllers.pod_defaults import with_pod_defaults
from clients.embedded.controllers.pod_owners import PodOwners
from clients.embedded.controllers.recorder import reference
from clients.embedded.controllers.replicaset_order import victims
from clients.embedded.controllers.workqueue import Key
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["REPLICA_SETS", "ReplicaSets", "counted", "pod_of", "pod_template"]

REPLICA_SETS = "replicasets.apps"
MANAGER = "kube-controller-manager"

_BURST = 500
"""Pods created or deleted in one pass."""


def pod_template(owner: Json) -> Json:
    """A fresh copy of the owner's pod template."""
    copied: Json = decode(encode(owner["spec"]["template"]))
    return copied


def pod_of(owner: Json, template: Json) -> Json:
    """A pod of the owner from ``template``, still without a name."""
    own = template.get("metadata") or {}
    metadata: Json = {
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(own.get("labels") or {}),
        "ownerReferences": [owner_reference(owner)],
    }
    if own.get("annotations"):
        metadata["annotations"] = dict(own["annotations"])
    pod: Json = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template.get("spec") or {}}
    return with_pod_defaults(pod)


def counted(replica_set: Json, pods: list[OwnedPod], now: float) -> Json:
    """The status of a ReplicaSet with these pods; zeros but ``replicas`` are left out, as Go does."""
    spec, generation = replica_set["spec"], replica_set["metadata"].get("generation", 1)
    active = [pod for pod in pods if pod.active]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    counts = {
        "fullyLabeledReplicas": sum(labels.items() <= pod.labels.items() for pod in active),
        "readyReplicas": sum(pod.ready for pod in active),
        "availableReplicas": sum(pod.available(now, min_ready) for pod in active),
    }
    told: Json = {"replicas": len(active), "observedGeneration": generation}
    return told | {name: count for name, count in counts.items() if count}


class ReplicaSets(PodOwners):
    """Acts on every ReplicaSet from ``start`` on."""

    def __init__(self, store: Store, engine: Engine) -> None:
        super().__init__(store, engine, REPLICA_SETS, "ReplicaSet", "replicaset-controller")
        self.pod_hooks: list[Callable[[Json], None]] = []
        """Complete a pod before it is created, as mutating webhooks do."""
        self.emptied: list[Callable[[Key], None]] = []
        """Told when the last pod of a ReplicaSet is gone."""

    def _pod_changed(self, change: str, pod: OwnedPod) -> None:
        super()._pod_changed(change, pod)
        key = self._keys.get(pod.owner)
        if key is not None and change == "DELETED" and not self._pods.of(pod.owner):
            for listener in self.emptied:
                listener(key)

    def _sync(self, key: Key) -> None:
        obj = self._store.get(REPLICA_SETS, *key)
        if obj is None:
            return
        pods = self._pods.of(obj["metadata"]["uid"])
        if "deletionTimestamp" not in obj["metadata"]:
            self._count_right(obj, [pod for pod in pods if pod.active])
        self._write(key, obj)

    def _count_right(self, obj: Json, active: list[OwnedPod]) -> None:
        missing = int(obj["spec"].get("replicas", 1)) - len(active)
        about = reference(obj)
        for _ in range(min(missing, _BURST)):
            pod = pod_of(obj, pod_template(obj))
            pod["metadata"]["generateName"] = f"{obj['metadata']['name']}-"
            for hook in self.pod_hooks:
                hook(pod)
            made = self._store.create("pods", pod, manager=MANAGER)
            self._recorder.event(about, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        if missing < 0:
            now = self._engine.clock.now()
            for gone in victims(active, self._related(obj), min(-missing, _BURST), now):
                self._store.delete("pods", gone.namespace, gone.name)
                self._recorder.event(about, "SuccessfulDelete", f"Deleted pod: {gone.name}")

    def _related(self, obj: Json) -> list[OwnedPod]:
        """The active pods of all ReplicaSets of the same Deployment, this one's included."""
        owner = controller_of(obj)
        uids = [obj["metadata"]["uid"]]
        if owner is not None:
            uids = [r.uid for r in self._store.dependents(owner["uid"], REPLICA_SETS)]
        return [pod for uid in uids for pod in self._pods.of(uid) if pod.active]

    def _write(self, key: Key, obj: Json) -> None:
        now = self._engine.clock.now()
        pods = self._pods.of(obj["metadata"]["uid"])
        status = counted(obj, pods, now)

        def change(latest: Json) -> None:
            kept = (latest.get("status") or {}).get("conditions")
            latest["status"] = status | ({"conditions": kept} if kept else {})

        self._store.mutate(REPLICA_SETS, *key, change, manager=MANAGER, subresource="status")
        min_ready = obj["spec"].get("minReadySeconds") or 0
        waits = [
            pod.ready_since + min_ready - now
            for pod in pods
            if pod.active and pod.ready and not pod.available(now, min_ready)
        ]
        if waits:
            self._queue.add(key, max(0.1, min(waits)))
