"""Kthena's ModelServing controller: what it hears, what it remembers, when it looks again.

Its states live in memory only; ``restart`` forgets them and rebuilds what pods show, as a new process would.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_actions import POD_GROUPS, Actions
from clients.embedded.controllers.kthena_informer import Child, Informer
from clients.embedded.controllers.kthena_memory import Memory, Status
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE, ServingSpec, read_serving
from clients.embedded.controllers.kthena_sync import Sync, SyncError, group_ready
from clients.embedded.controllers.pacing import Backoff, Steps, run_steps
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["KthenaController"]

_log = logging.getLogger(__name__)

_WORKERS = 5
_REACTION = 0.02
"""Seconds from a change to the pass that it causes."""

_Key = tuple[str, str]


class KthenaController:
    """Acts from ``start`` on; until then it only fills its informers."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        flavour: Flavour = Flavour.HEAD,
        flavours: Mapping[_Key, Flavour] | None = None,
    ) -> None:
        """``flavours`` makes exceptions by (namespace, name)."""
        self._store = store
        self._engine = engine
        self._flavour = flavour
        self.flavours: dict[_Key, Flavour] = dict(flavours or {})
        self._memory = Memory()
        self._specs: dict[_Key, ServingSpec] = {}
        self._pods = Informer(store, "pods", pods=True)
        self._services = Informer(store, "services")
        self._pod_groups = Informer(store, POD_GROUPS)
        self._actions = Actions(
            store, engine, self._memory, self._pods, self._services, self._pod_groups, self.enqueue
        )
        self._sync = Sync(store, engine, self._memory, self._actions, self.flavour_of, self.enqueue)
        self._queue: deque[_Key] = deque()
        self._queued: set[_Key] = set()
        self._working: set[_Key] = set()
        self._again: set[_Key] = set()
        self._backoff = Backoff()
        self._in_grace: set[str] = set()
        self._life = 0
        self._running = False
        self._synced = False
        for obj in store.list(RESOURCE):
            self._serving_changed("ADDED", obj)
        store.subscribe(RESOURCE, self._serving_changed)
        self._pods.listeners.append(self._pod_changed)
        self._services.listeners.append(self._part_changed)
        self._pod_groups.listeners.append(self._part_changed)

    def flavour_of(self, key: _Key) -> Flavour:
        """Whose order a ModelServing follows."""
        return self.flavours.get(key, self._flavour)

    def spec_of(self, key: _Key) -> ServingSpec | None:
        """What it knows of a ModelServing's spec."""
        return self._specs.get(key)

    def dump(self) -> Json:
        """The answer of ``/debug/modelserving/cache``."""
        return self._memory.dump()

    def start(self, *, quiet: bool = False) -> None:
        """Rebuilds the memory from pods and begins to act. ``quiet`` sends no events for what it finds."""
        self._running = True
        self._synced = False
        self._actions.quiet = quiet
        for child in sorted(self._pods, key=lambda c: (c.namespace, c.name)):
            self._pod_changed("ADDED", child)
        self._actions.quiet = False
        self._synced = True
        for key in sorted(self._specs):
            self.enqueue(key)

    def restart(self) -> None:
        """What the controller's process forgets when it ends: Scaling and Deleting, and passes under way."""
        self._life += 1
        self._memory.clear()
        self._queue.clear()
        self._queued.clear()
        self._working.clear()
        self._again.clear()
        self._in_grace.clear()
        self._backoff = Backoff()
        self.start()

    # -- queue -----------------------------------------------------------------------------------------

    def enqueue(self, key: _Key, delay: float = 0.0) -> None:
        """Looks at a ModelServing soon, or after ``delay`` seconds; once, however often it is asked."""
        if delay > 0:
            life = self._life
            self._engine.after(delay, lambda: self.enqueue(key) if life == self._life else None)
            return
        if not self._running or key in self._queued:
            return
        if key in self._working:
            self._again.add(key)
            return
        self._queued.add(key)
        self._queue.append(key)
        life = self._life
        self._engine.after(_REACTION, lambda: self._work() if life == self._life else None)

    def _work(self) -> None:
        while self._queue and len(self._working) < _WORKERS:
            key = self._queue.popleft()
            self._queued.discard(key)
            spec = self._specs.get(key)
            if spec is None:
                continue
            self._working.add(key)
            self._run(key, self._sync.steps(spec))

    def _run(self, key: _Key, steps: Steps) -> None:
        life = self._life

        def guarded() -> Steps:
            for pause in steps:
                yield pause
                if life != self._life:
                    return

        def done(error: Exception | None) -> None:
            if life != self._life:
                return
            self._working.discard(key)
            if error is None:
                self._backoff.forget(key)
            else:
                if not isinstance(error, SyncError | ApiError):
                    _log.error("a pass over %s failed", key, exc_info=error)
                self.enqueue(key, self._backoff.next(key))
            if key in self._again:
                self._again.discard(key)
                self.enqueue(key)
            if self._queue:
                self._engine.after(0.0, lambda: self._work() if life == self._life else None)

        run_steps(self._engine, guarded(), done)

    def _aside(self, steps: Steps) -> None:
        """Runs what an event handler does to the cluster, beside the queue."""
        life = self._life

        def guarded() -> Steps:
            for pause in steps:
                yield pause
                if life != self._life:
                    return

        def done(error: Exception | None) -> None:
            if error is not None:
                _log.warning("a step of recovery failed: %s", error)

        run_steps(self._engine, guarded(), done)

    # -- handlers --------------------------------------------------------------------------------------

    def _serving_changed(self, change: str, obj: Json) -> None:
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        if change == "DELETED":
            self._specs.pop(key, None)
            self._memory.drop_serving(key)
            self._backoff.forget(key)
            return
        known = self._specs.get(key)
        if known is not None and known.uid == meta["uid"] and known.generation == meta.get("generation"):
            return
        self._specs[key] = read_serving(obj)
        self.enqueue(key)

    def _pod_changed(self, change: str, pod: Child) -> None:
        spec = self._specs.get((pod.namespace, pod.serving))
        if not self._running or spec is None:
            return
        if change == "DELETED":
            self._pod_deleted(spec, pod)
        elif pod.deleting or pod.owner != spec.uid:
            return
        elif pod.ready:
            self._pod_ready(spec, pod)
        elif pod.failed or pod.restarted:
            self._pod_failed(spec, pod)
        elif not self._synced:
            group = self._memory.add_group(spec.key, pod.group, pod.revision)
            group.add_role(pod.role, pod.role_id, pod.revision, pod.template_hash)

    def _pod_ready(self, spec: ServingSpec, pod: Child) -> None:
        group = self._memory.add_group(spec.key, pod.group, pod.revision)
        replica = group.add_role(pod.role, pod.role_id, pod.revision, pod.template_hash)
        settled = Status.RUNNING, Status.RUNNING
        if pod.name in group.running_pods and (group.status, replica.status) == settled:
            return
        group.running_pods.add(pod.name)
        role = spec.role(pod.role)
        pods = self._pods.of_replica(pod.namespace, pod.group, pod.role, pod.role_id)
        if (
            role is not None
            and replica.status is Status.CREATING
            and sum(1 for other in pods if other.ready) == role.pods
        ):
            replica.status = Status.RUNNING
            self._actions.tell(spec, "RoleRunning", pod.role, pod.role_id, pod.group, "Running")
        if group.status is not Status.DELETING and group_ready(spec, group):
            group.status = Status.RUNNING
            self.enqueue(spec.key)

    def _pod_failed(self, spec: ServingSpec, pod: Child) -> None:
        if pod.uid in self._in_grace:
            return
        self._in_grace.add(pod.uid)
        group = self._memory.group(spec.key, pod.group)
        if group is not None:
            group.running_pods.discard(pod.name)
            replica = group.replica(pod.role, pod.role_id)
            if replica is not None and replica.status is Status.RUNNING:
                replica.status = Status.CREATING
                self._actions.tell(spec, "RoleCreating", pod.role, pod.role_id, pod.group, "Creating")
            if group.status is Status.RUNNING:
                group.status = Status.CREATING
        life, name, uid = self._life, pod.name, pod.uid

        def after_grace() -> None:
            if life != self._life:
                return
            self._in_grace.discard(uid)
            now = self._pods.get(spec.namespace, name)
            if now is None or now.uid != uid or (now.ready and spec.restart_grace > 0):
                return
            self._aside(self._actions.delete_failed_pod(spec.namespace, name, uid))

        self._engine.after(max(spec.restart_grace, _REACTION), after_grace)
        self.enqueue(spec.key)

    def _pod_deleted(self, spec: ServingSpec, pod: Child) -> None:
        group = self._memory.group(spec.key, pod.group)
        if group is not None:
            group.running_pods.discard(pod.name)
        if pod.owner != spec.uid or self._being_deleted(spec, pod) or group is None:
            return
        if spec.recovery_policy == "ServingGroupRecreate":
            self._aside(self._actions.delete_group(spec, group))
        elif spec.recovery_policy == "RoleRecreate":
            if group.status is Status.RUNNING:
                group.status = Status.CREATING
            self._aside(self._actions.delete_replica(spec, group, pod.role, pod.role_id))

    def _part_changed(self, change: str, part: Child) -> None:
        """A service or PodGroup vanished: a deletion may be complete, or it must be made again."""
        spec = self._specs.get((part.namespace, part.serving))
        if change != "DELETED" or not self._running or spec is None or part.owner != spec.uid:
            return
        if not self._being_deleted(spec, part):
            self.enqueue(spec.key)

    def _being_deleted(self, spec: ServingSpec, part: Child) -> bool:
        """Whether its group or role replica is on its way out; if it was the last part, that is over now."""
        group = self._memory.group(spec.key, part.group)
        if group is None:
            return False
        if group.status is Status.DELETING:
            self._actions.settle_group(spec, group)
            return True
        replica = group.replica(part.role, part.role_id)
        if replica is not None and replica.status is Status.DELETING:
            self._actions.settle_replica(spec, group, part.role, part.role_id)
            return True
        return False
