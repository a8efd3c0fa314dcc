"""The StatefulSet controller: pods with ordinals, one by one or together, revisions, rolling updates."""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.deployment import template_hash
from clients.embedded.controllers.owned_pods import OwnedPod, owner_reference
from clients.embedded.controllers.pod_owners import PodOwners
from clients.embedded.controllers.recorder import reference
from clients.embedded.controllers.replicaset import MANAGER, pod_of, pod_template
from clients.embedded.controllers.statefulset_order import (
    REVISION_LABEL,
    new_pod_is_current,
    next_step,
    ordinals,
    wanted,
)
from clients.embedded.controllers.workqueue import Key
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["POD_INDEX", "STATEFUL_SETS", "PodHook", "StatefulSets", "revision_of", "stateful_pod"]

STATEFUL_SETS = "statefulsets.apps"
POD_INDEX = "apps.kubernetes.io/pod-index"
_REVISIONS = "controllerrevisions.apps"
_POD_NAME = "statefulset.kubernetes.io/pod-name"

PodHook = Callable[[Json, int], None]
"""(pod, ordinal): completes a pod before it is created, as a mutating webhook does."""


def revision_of(obj: Json, number: int = 1) -> Json:
    """The ControllerRevision of the StatefulSet's present template."""
    meta = obj["metadata"]
    return {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{meta['name']}-{template_hash(obj)}",
            "namespace": meta["namespace"],
            "labels": dict((obj["spec"].get("selector") or {}).get("matchLabels") or {}),
            "ownerReferences": [owner_reference(obj)],
        },
        "data": {"spec": {"template": {"$patch": "replace", **pod_template(obj)}}},
        "revision": number,
    }


def stateful_pod(obj: Json, template: Json, ordinal: int, revision: str) -> Json:
    """The pod of one ordinal."""
    name = f"{obj['metadata']['name']}-{ordinal}"
    pod = pod_of(obj, template)
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {_POD_NAME: name, POD_INDEX: str(ordinal), REVISION_LABEL: revision}
    pod["spec"]["hostname"] = name
    if obj["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = obj["spec"]["serviceName"]
    return pod


class StatefulSets(PodOwners):
    """Acts on every StatefulSet from ``start`` on."""

    def __init__(self, store: Store, engine: Engine) -> None:
        super().__init__(store, engine, STATEFUL_SETS, "StatefulSet", "statefulset-controller")
        self.pod_hooks: list[PodHook] = []

    # -- one pass --------------------------------------------------------------------------------------

    def _sync(self, key: Key) -> None:
        obj = self._store.get(STATEFUL_SETS, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        now = self._engine.clock.now()
        update = self._newest_revision(obj)
        current = (obj.get("status") or {}).get("currentRevision") or update
        if self._store.record(_REVISIONS, key[0], current) is None:
            current = update
        about = reference(obj)
        step = next_step(obj, self._by_ordinal(obj), update, now)
        for pod in step.failed:
            message = f"StatefulSet {key[0]}/{key[1]} is recreating failed Pod {pod.name}"
            self._recorder.event(about, "RecreatingFailedPod", message, "Warning")
        for pod in (*step.failed, *step.delete):
            self._store.delete("pods", pod.namespace, pod.name)
            message = f"delete Pod {pod.name} in StatefulSet {key[1]} successful"
            self._recorder.event(about, "SuccessfulDelete", message)
        status = self._counts(obj, current, update, now)
        for ordinal in step.create:
            before = new_pod_is_current(obj, ordinal, status.get("currentReplicas", 0))
            self._create(obj, ordinal, current if before else update)
            message = f"create Pod {key[1]}-{ordinal} in StatefulSet {key[1]} successful"
            self._recorder.event(about, "SuccessfulCreate", message)
        self._write(key, obj, self._counts(obj, current, update, now))
        self._look_again(key, obj, now)

    def _by_ordinal(self, obj: Json) -> dict[int, OwnedPod]:
        prefix = f"{obj['metadata']['name']}-"
        found = {}
        for pod in self._pods.of(obj["metadata"]["uid"]):
            ordinal = pod.name.removeprefix(prefix)
            if ordinal.isdigit():
                found[int(ordinal)] = pod
        return found

    def _create(self, obj: Json, ordinal: int, revision: str) -> None:
        template = pod_template(obj)
        if revision != revision_of(obj)["metadata"]["name"]:
            kept = self._store.get(_REVISIONS, obj["metadata"]["namespace"], revision)
            if kept is not None:
                template = kept["data"]["spec"]["template"]
        pod = stateful_pod(obj, template, ordinal, revision)
        for hook in self.pod_hooks:
            hook(pod, ordinal)
        self._store.create("pods", pod, manager=MANAGER)

    def _newest_revision(self, obj: Json) -> str:
        """The name of the present template's revision, which is made, or made the newest, if need be."""
        made = revision_of(obj)
        name: str = made["metadata"]["name"]
        namespace = obj["metadata"]["namespace"]
        known = self._store.record(_REVISIONS, namespace, name)
        status = obj.get("status") or {}
        if known is not None and status.get("updateRevision") == name:
            return name
        records = self._store.dependents(obj["metadata"]["uid"], _REVISIONS)
        others = [self._store.get(_REVISIONS, namespace, r.name) for r in records if r.name != name]
        number = max((o["revision"] for o in others if o is not None), default=0) + 1
        if known is None:
            self._store.create(_REVISIONS, {**made, "revision": number}, manager=MANAGER)
            self._forget_history(obj, {name, status.get("currentRevision")})
        else:
            self._store.mutate(
                _REVISIONS, namespace, name, lambda o: o.update(revision=number), manager=MANAGER
            )
        return name

    def _forget_history(self, obj: Json, kept: set[str | None]) -> None:
        """Drops the oldest revisions that no pod is of, beyond ``revisionHistoryLimit``."""
        uid, namespace = obj["metadata"]["uid"], obj["metadata"]["namespace"]
        live = kept | {pod.labels.get(REVISION_LABEL) for pod in self._pods.of(uid)}
        records = [r for r in self._store.dependents(uid, _REVISIONS) if r.name not in live]
        found = [o for r in records if (o := self._store.get(_REVISIONS, namespace, r.name)) is not None]
        found.sort(key=lambda o: int(o["revision"]))
        for gone in found[: max(0, len(found) - int(obj["spec"].get("revisionHistoryLimit", 10)))]:
            self._store.delete(_REVISIONS, namespace, gone["metadata"]["name"])

    # -- what it tells ---------------------------------------------------------------------------------

    def _counts(self, obj: Json, current: str, update: str, now: float) -> Json:
        pods = self._pods.of(obj["metadata"]["uid"])
        min_ready = obj["spec"].get("minReadySeconds") or 0
        staying = [pod.labels.get(REVISION_LABEL) for pod in pods if not pod.deleting]
        counts = {
            "readyReplicas": sum(pod.ready for pod in pods),
            "currentReplicas": staying.count(current),
            "updatedReplicas": staying.count(update),
        }
        told: Json = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": len(pods),
            "availableReplicas": sum(pod.available(now, min_ready) for pod in pods),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        told |= {name: count for name, count in counts.items() if count}
        if told.get("updatedReplicas", 0) == told["replicas"] == told.get("readyReplicas", 0) == wanted(obj):
            told["currentRevision"] = update
            if told.get("updatedReplicas"):
                told["currentReplicas"] = told["updatedReplicas"]
        return told

    def _write(self, key: Key, obj: Json, status: Json) -> None:
        def change(latest: Json) -> None:
            latest["status"] = status

        self._store.mutate(STATEFUL_SETS, *key, change, manager=MANAGER, subresource="status")

    def _look_again(self, key: Key, obj: Json, now: float) -> None:
        """When the next pod has been ready for long enough."""
        min_ready = obj["spec"].get("minReadySeconds") or 0
        slots = ordinals(obj)
        waits = [
            pod.ready_since + min_ready - now
            for ordinal, pod in self._by_ordinal(obj).items()
            if ordinal in slots and pod.ready and not pod.available(now, min_ready)
        ]
        if waits:
            self._queue.add(key, max(0.1, min(waits)))
