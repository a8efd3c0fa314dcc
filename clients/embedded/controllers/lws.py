"""The LeaderWorkerSet controller: leaders, their workers, restarts of whole groups, rolling updates."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.event_series import SeriesRecorder
from clients.embedded.controllers.lws_names import (
    GROUP_INDEX,
    LEADER_NAME,
    LEADER_WORKER_SETS,
    MANAGER,
    NAME,
    REPLICAS,
    REVISION,
    WORKER_INDEX,
)
from clients.embedded.controllers.lws_objects import (
    complete_pod,
    group_size,
    headless_service,
    leader_set,
    revision_key,
    revision_object,
    worker_set,
)
from clients.embedded.controllers.lws_rollout import Group, Sizes, limits, sizes
from clients.embedded.controllers.lws_status import status_of
from clients.embedded.controllers.owned_pods import OwnedPod
from clients.embedded.controllers.recorder import reference
from clients.embedded.controllers.statefulset import STATEFUL_SETS, StatefulSets
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["LeaderWorkerSets"]

_REVISIONS = "controllerrevisions.apps"
_KEPT_REVISIONS = 10


class LeaderWorkerSets:
    """Acts on every LeaderWorkerSet from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, stateful_sets: StatefulSets) -> None:
        self._store = store
        self._engine = engine
        self._stateful_sets = stateful_sets
        self._recorder = SeriesRecorder(store, engine, "leaderworkerset")
        self._queue = WorkQueue(engine, self._sync)
        self._restarts = WorkQueue(engine, self._recreate_group)
        stateful_sets.pod_hooks.append(complete_pod)
        store.subscribe(LEADER_WORKER_SETS, self._changed)
        store.subscribe(STATEFUL_SETS, self._part_changed)
        store.subscribe("pods", self._pod_changed)

    def start(self) -> None:
        """Looks at its objects from now on, and at those that nobody has looked at yet."""
        self._queue.open()
        self._restarts.open()
        for record in self._store.records(LEADER_WORKER_SETS):
            if record.status in (None, b"{}"):
                self._queue.add(record.key)

    def look(self, namespace: str, name: str) -> None:
        """One pass now; before the start it makes no events, which would be long gone."""
        self._sync((namespace, name))

    def _tell(self, obj: Json, reason: str, action: str, note: str) -> None:
        if self._queue.is_open:
            self._recorder.event(reference(obj), reason, action, note)

    def _changed(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        if change != "DELETED" and (obj.get("status") or {}).get("observedGeneration") != meta["generation"]:
            self._queue.add((meta["namespace"], meta["name"]))

    def _part_changed(self, _change: str, obj: Json) -> None:
        meta = obj["metadata"]
        name = (meta.get("labels") or {}).get(NAME)
        if name:
            self._queue.add((meta["namespace"], name))

    def _pod_changed(self, change: str, pod: Json) -> None:
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        if NAME not in labels:
            return
        self._queue.add((meta["namespace"], labels[NAME]))
        if change == "DELETED" or "deletionTimestamp" in meta or _restarted(pod):
            self._note_failure(pod, gone=change == "DELETED")

    # -- restarts ----------------------------------------------------------------------------------------

    def _note_failure(self, pod: Json, *, gone: bool) -> None:
        """A pod that restarted or is deleted takes its group along, unless the policy says otherwise."""
        meta = pod["metadata"]
        labels = meta["labels"]
        is_leader = labels.get(WORKER_INDEX) == "0"
        obj = self._store.get(LEADER_WORKER_SETS, meta["namespace"], labels[NAME])
        if obj is None or "deletionTimestamp" in obj["metadata"] or (is_leader and gone):
            return
        policy = obj["spec"]["leaderWorkerTemplate"].get("restartPolicy")
        if policy not in ("RecreateGroupOnPodRestart", "RecreateGroupAfterStart"):
            return
        name = meta["name"] if is_leader else (meta.get("annotations") or {}).get(LEADER_NAME, "")
        leader = self._store.get("pods", meta["namespace"], name)
        if leader is None or "deletionTimestamp" in leader["metadata"]:
            return
        if leader["metadata"]["creationTimestamp"] > meta["creationTimestamp"]:
            return
        if policy == "RecreateGroupAfterStart" and self._starting(leader):
            return
        note = f"Worker pod {meta['name']} failed, deleted leader pod {name} to recreate group "
        note += labels.get(GROUP_INDEX, "")
        self._tell(obj, "RecreateGroup", "Delete", note)
        self._restarts.add((meta["namespace"], name))

    def _starting(self, leader: Json) -> bool:
        labels = leader["metadata"]["labels"]
        group = {k: labels.get(k, "") for k in (NAME, GROUP_INDEX)}
        pods = self._store.list("pods", leader["metadata"]["namespace"], group)
        return any((pod.get("status") or {}).get("phase", "Pending") == "Pending" for pod in pods)

    def _recreate_group(self, key: Key) -> None:
        record = self._store.record("pods", *key)
        if record is not None and not record.deleting:
            self._store.delete("pods", *key, propagation="Foreground")

    # -- one pass --------------------------------------------------------------------------------------

    def _sync(self, key: Key) -> None:
        obj = self._store.get(LEADER_WORKER_SETS, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        revision = revision_key(obj)
        leaders = self._store.get(STATEFUL_SETS, *key)
        self._keep_revision(obj, revision, first=leaders is None)
        groups = self._groups(obj, leaders, revision)
        renewed = leaders is not None and leaders["metadata"]["labels"].get(REVISION) != revision
        total = int(leaders["spec"]["replicas"]) if leaders is not None else 0
        listed = [groups.get(index, Group()) for index in range(total)]
        wanted = sizes(obj, leaders, listed, renewed=renewed)
        leaders = self._apply(obj, leaders, wanted, revision)
        if self._store.record("services", *key) is None:
            self._store.create("services", headless_service(obj), manager=MANAGER)
        for leader in self._stateful_sets.pods_of(leaders["metadata"]["uid"]):
            self._keep_workers(obj, leader)
        self._write(key, obj, leaders, self._groups(obj, leaders, revision))

    def _apply(self, obj: Json, before: Json | None, wanted: Sizes, revision: str) -> Json:
        """Puts the leader StatefulSet as it should be, whoever changed it."""
        meta = obj["metadata"]
        surge, missing = limits(obj)
        made = leader_set(obj, revision, wanted.replicas, wanted.partition, max(1, missing + surge))
        if before is None:
            leaders = self._store.create(STATEFUL_SETS, made, manager=MANAGER)
            note = f"Created leader statefulset {meta['name']}"
            self._tell(obj, "GroupsProgressing", "Create", note)
            return leaders
        had = int(before["spec"]["replicas"])
        was = int(before["spec"]["updateStrategy"]["rollingUpdate"]["partition"])
        rescaled = before["metadata"]["annotations"].get(REPLICAS) != str(obj["spec"]["replicas"])
        if wanted.replicas < had and not rescaled:
            for index in range(had - 1, wanted.replicas - 1, -1):
                note = f"deleting surge replica {meta['name']}-{index}"
                self._tell(obj, "GroupsProgressing", "Delete", note)
        if wanted.partition < was:
            last = was - 1
            one = wanted.partition == last
            note = (
                f"Updating replica {last}"
                if one
                else (f"Updating replicas {wanted.partition} to {last} (inclusive)")
            )
            self._tell(obj, "GroupsUpdating", "Update", note)

        def change(leaders: Json) -> None:
            leaders["spec"].update(made["spec"])
            leaders["metadata"]["labels"] = {
                **(leaders["metadata"].get("labels") or {}),
                **made["metadata"]["labels"],
            }
            annotations = leaders["metadata"].get("annotations") or {}
            leaders["metadata"]["annotations"] = {**annotations, **made["metadata"]["annotations"]}

        done = self._store.mutate(STATEFUL_SETS, meta["namespace"], meta["name"], change, manager=MANAGER)
        assert done is not None
        return done

    def _keep_workers(self, obj: Json, leader: OwnedPod) -> None:
        if group_size(obj) == 1 or leader.deleting:
            return
        if obj["spec"].get("startupPolicy") == "LeaderReady" and not leader.ready:
            return
        if self._store.record(STATEFUL_SETS, leader.namespace, leader.name) is not None:
            return
        pod = self._store.get("pods", leader.namespace, leader.name)
        # A leader of a former template gets the workers of the present one only once it is replaced itself.
        if pod is None or pod["metadata"]["labels"].get(REVISION) is None:
            return
        owner = self._of_revision(obj, pod["metadata"]["labels"][REVISION])
        self._store.create(STATEFUL_SETS, worker_set(owner, pod), manager=MANAGER)
        note = f"Created worker statefulset for leader pod {leader.name}"
        self._tell(obj, "GroupsProgressing", "Create", note)

    # -- revisions ---------------------------------------------------------------------------------------

    def _keep_revision(self, obj: Json, key: str, *, first: bool) -> None:
        records = self._store.dependents(obj["metadata"]["uid"], _REVISIONS)
        if any(r.labels.get(REVISION) == key for r in records):
            return
        known = [self._store.get(_REVISIONS, r.namespace, r.name) for r in records]
        kept = sorted((o for o in known if o is not None), key=lambda o: int(o["revision"]))
        number = int(kept[-1]["revision"]) + 1 if kept else 1
        self._store.create(_REVISIONS, revision_object(obj, key, number), manager=MANAGER)
        what = "a newly created LeaderWorkerSet" if first else "updated LeaderWorkerSet"
        note = f"Creating revision with key {key} for {what}"
        self._tell(obj, "CreatingRevision", "Create", note)
        for gone in kept[: max(0, len(kept) + 1 - _KEPT_REVISIONS)]:
            self._store.delete(_REVISIONS, gone["metadata"]["namespace"], gone["metadata"]["name"])

    def _of_revision(self, obj: Json, key: str) -> Json:
        """The object with the template that one of its revisions kept."""
        for record in self._store.dependents(obj["metadata"]["uid"], _REVISIONS):
            if record.labels.get(REVISION) == key:
                kept = self._store.get(_REVISIONS, record.namespace, record.name)
                if kept is not None:
                    return {**obj, "spec": {**obj["spec"], **kept["data"]["spec"]}}
        return obj

    # -- what it tells ---------------------------------------------------------------------------------

    def _groups(self, obj: Json, leaders: Json | None, revision: str) -> dict[int, Group]:
        """Groups that have a leader and a set of workers, by index."""
        found: dict[int, Group] = {}
        alone = group_size(obj) == 1
        for leader in self._stateful_sets.pods_of(leaders["metadata"]["uid"]) if leaders else ():
            index = leader.labels.get(GROUP_INDEX, "")
            if not index.isdigit():
                continue
            workers = None if alone else self._store.get(STATEFUL_SETS, leader.namespace, leader.name)
            if workers is None and not alone:
                continue
            ready = leader.ready and not leader.deleting and (workers is None or _complete(workers))
            of = (workers["metadata"].get("labels") or {}).get(REVISION) if workers else revision
            updated = leader.labels.get(REVISION) == of == revision
            found[int(index)] = Group(ready, updated)
        return found

    def _write(self, key: Key, obj: Json, leaders: Json, groups: dict[int, Group]) -> None:
        replicas = int((leaders.get("status") or {}).get("replicas") or 0)
        status, event = status_of(obj, replicas, groups, self._engine.clock.now())

        def change(latest: Json) -> None:
            latest["status"] = status

        self._store.mutate(LEADER_WORKER_SETS, *key, change, manager=MANAGER, subresource="status")
        if event is not None:
            self._tell(obj, event[0], "Create", event[1])


def _complete(workers: Json) -> bool:
    """Whether all workers of a group are available and of one revision."""
    status = workers.get("status") or {}
    return (
        status.get("observedGeneration") == workers["metadata"].get("generation")
        and status.get("availableReplicas", 0) == int(workers["spec"]["replicas"])
        and status.get("currentRevision") == status.get("updateRevision")
    )


def _restarted(pod: Json) -> bool:
    """Whether a container of a live pod has been started again."""
    status = pod.get("status") or {}
    told = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return status.get("phase") in ("Running", "Pending") and any(c.get("restartCount") for c in told)
