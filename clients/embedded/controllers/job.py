"""The Job controller, for Indexed Jobs whose pods run once: all at a time, to their end or deadline.

Kubernetes 1.36, ``pkg/controller/job``. What is not there: other completion modes, retries, suspension, and
finalizers on pods.
"""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.pod_owners import PodOwners
from clients.embedded.controllers.recorder import reference
from clients.embedded.controllers.replicaset import MANAGER, pod_of, pod_template
from clients.embedded.controllers.workqueue import Key
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["COMPLETION_INDEX", "JOBS", "Jobs"]

JOBS = "jobs.batch"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
"""Label and annotation of every pod."""


class Jobs(PodOwners):
    """Acts on every Job from ``start`` on."""

    def __init__(self, store: Store, engine: Engine) -> None:
        super().__init__(store, engine, JOBS, "Job", "job-controller")
        self._begun: dict[str, float] = {}
        """By uid: UTC seconds."""

    def _changed(self, change: str, obj: Json) -> None:
        super()._changed(change, obj)
        if change == "DELETED":
            self._begun.pop(obj["metadata"]["uid"], None)

    def _is_news(self, obj: Json, *, known: bool) -> bool:
        """Its spec never changes in what matters; the rest is told by its pods and its deadline."""
        del obj
        return not known

    def _sync(self, key: Key) -> None:
        obj = self._store.get(JOBS, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"] or _over(obj):
            return
        spec, uid, now = obj["spec"], obj["metadata"]["uid"], self._engine.clock.now()
        pods = self._pods.of(uid)
        if uid not in self._begun:
            self._begun[uid] = now
            if (limit := spec.get("activeDeadlineSeconds")) is not None:
                self._engine.after(float(limit), lambda: self._queue.add(key))
            for index in range(spec.get("completions") or 1):
                self._create(obj, index)
            pods = self._pods.of(uid)
        failed = [pod for pod in pods if pod.phase == "Failed"]
        limit = spec.get("activeDeadlineSeconds")
        if limit is not None and now >= self._begun[uid] + limit:
            self._end(obj, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
        elif len(failed) > (spec.get("backoffLimit", 6)):
            self._end(obj, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif sum(pod.phase == "Succeeded" for pod in pods) >= (spec.get("completions") or 1):
            self._end(obj, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        else:
            self._write(obj, None)

    def _create(self, obj: Json, index: int) -> None:
        pod = pod_of(obj, pod_template(obj))
        meta, name = pod["metadata"], obj["metadata"]["name"]
        own = {"batch.kubernetes.io/job-name": name, COMPLETION_INDEX: str(index)}
        meta["labels"] |= own | {"batch.kubernetes.io/controller-uid": obj["metadata"]["uid"]}
        meta["annotations"] = {**(meta.get("annotations") or {}), COMPLETION_INDEX: str(index)}
        meta["generateName"] = f"{name}-{index}-"
        source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
        for container in pod["spec"]["containers"]:
            container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
        made = self._store.create("pods", pod, manager=MANAGER)["metadata"]["name"]
        self._recorder.event(reference(obj), "SuccessfulCreate", f"Created pod: {made}")

    def _end(self, obj: Json, kind: str, reason: str, message: str) -> None:
        """What still runs goes; the Job itself after its time to live."""
        meta, now = obj["metadata"], timestamp(self._engine.clock.now())
        for pod in self._pods.of(meta["uid"]):
            if pod.active:
                self._store.delete("pods", pod.namespace, pod.name)
        condition = {"type": kind, "status": "True", "reason": reason, "message": message}
        self._write(obj, {**condition, "lastProbeTime": now, "lastTransitionTime": now})
        self._recorder.event(reference(obj), kind if kind == "Failed" else "Completed", message, _WORDS[kind])
        kept = obj["spec"].get("ttlSecondsAfterFinished")
        if kept is not None:
            self._engine.after(float(kept), lambda: self._expire(meta))

    def _expire(self, meta: Json) -> None:
        record = self._store.record(JOBS, meta["namespace"], meta["name"])
        if record is not None and record.uid == meta["uid"]:
            self._store.delete(JOBS, meta["namespace"], meta["name"])

    def _write(self, obj: Json, condition: Json | None) -> None:
        pods = self._pods.of(obj["metadata"]["uid"])
        counts = {
            "active": sum(pod.active for pod in pods),
            "ready": sum(pod.ready and pod.active for pod in pods),
            "succeeded": sum(pod.phase == "Succeeded" for pod in pods),
            "failed": sum(pod.phase == "Failed" for pod in pods),
        }
        told: Json = {name: count for name, count in counts.items() if count}
        told["startTime"] = timestamp(self._begun[obj["metadata"]["uid"]])
        if condition is not None:
            told["conditions"] = [condition]
            if condition["type"] == "Complete":
                told["completionTime"] = condition["lastTransitionTime"]
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        self._store.mutate(
            JOBS, namespace, name, lambda o: o.update(status=told), manager=MANAGER, subresource="status"
        )


_WORDS = {"Failed": "Warning", "Complete": "Normal"}


def _over(obj: Json) -> bool:
    return bool((obj.get("status") or {}).get("conditions"))
