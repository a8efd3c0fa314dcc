"""What Kthena does to the cluster, call by call, within its budget of 5 calls a second (burst 10)."""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers import kthena_objects as objects
from clients.embedded.controllers.kthena_informer import Informer
from clients.embedded.controllers.kthena_labels import MANAGER, NAME, REVISION
from clients.embedded.controllers.kthena_memory import GroupState, Memory, Status
from clients.embedded.controllers.kthena_spec import RESOURCE, RoleSpec, ServingSpec, read_roles
from clients.embedded.controllers.pacing import Steps, TokenBucket
from clients.embedded.controllers.pod_defaults import with_pod_defaults
from clients.embedded.controllers.recorder import Recorder
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["Actions"]

POD_GROUPS = "podgroups.scheduling.volcano.sh"
REVISIONS = "controllerrevisions.apps"

_CALL = 0.01
"""Seconds that one call takes, besides waiting for the budget."""
_LEFTOVER_RETRY = 1.0


class Actions:
    """Creates and deletes for one controller; remembers what it did in its memory."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        memory: Memory,
        pods: Informer,
        services: Informer,
        pod_groups: Informer,
        enqueue: Callable[[tuple[str, str], float], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._memory = memory
        self.pods = pods
        self.services = services
        self.pod_groups = pod_groups
        self._enqueue = enqueue
        self._budget = TokenBucket(engine.clock, qps=5, burst=10)
        self._recorder = Recorder(store, engine, "modelserving-controller")
        self.quiet = False
        """No events: a grown-up cluster starts without a history."""

    def _call(self) -> float:
        return self._budget.reserve() + _CALL

    # -- creating --------------------------------------------------------------------------------------

    def ensure_pod_group(self, spec: ServingSpec, group: str) -> Steps:
        """Creates or updates the group's PodGroup. Its client has a budget of its own, never exhausted."""
        if spec.scheduler != "volcano":
            return
        known = self.pod_groups.get(spec.namespace, group)
        if known is None:
            yield _CALL
            try:
                self._store.create(POD_GROUPS, objects.pod_group(spec, group), manager=MANAGER)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
            return
        if known.owner != spec.uid:
            self._enqueue(spec.key, _LEFTOVER_RETRY)
            return
        wanted = objects.pod_group_spec(spec)

        def change(obj: Json) -> None:
            kept = {k: v for k, v in (obj.get("spec") or {}).items() if k != "networkTopology"}
            obj["spec"] = {**kept, **wanted}

        self._store.mutate(POD_GROUPS, spec.namespace, group, change, manager=MANAGER)

    def create_group(
        self, spec: ServingSpec, group: str, revision: str, roles: tuple[RoleSpec, ...]
    ) -> Steps:
        """PodGroup first, then every role replica; nothing waits for readiness."""
        yield from self.ensure_pod_group(spec, group)
        for role in roles:
            for ordinal in range(role.replicas):
                yield from self.create_replica(spec, group, role, ordinal, revision)
        self._memory.add_group(spec.key, group, revision)

    def create_replica(
        self, spec: ServingSpec, group: str, role: RoleSpec, ordinal: int, revision: str
    ) -> Steps:
        """A role replica's pods; it is remembered, and told of, once they exist."""
        replica = f"{role.name}-{ordinal}"
        yield from self.create_pods(spec, group, role, replica, revision, role.template_hash)
        state = self._memory.add_group(spec.key, group, revision)
        state.add_role(role.name, replica, revision, role.template_hash)
        self.tell(spec, "RoleCreating", role.name, replica, group, "Creating")

    def create_pods(
        self, spec: ServingSpec, group: str, role: RoleSpec, replica: str, revision: str, template_hash: str
    ) -> Steps:
        """The entry pod, then the workers; those that exist stay."""
        for index in range(role.pods if role.has_worker_template else 1):
            name = objects.pod_name(group, replica, index)
            if (known := self.pods.get(spec.namespace, name)) is not None:
                if known.owner != spec.uid:
                    self._enqueue(spec.key, _LEFTOVER_RETRY)
                continue
            yield self._call()
            made = objects.pod(spec, role, group, replica, index, revision, template_hash)
            try:
                self._store.create("pods", with_pod_defaults(made), manager=MANAGER)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                self._enqueue(spec.key, _LEFTOVER_RETRY)

    def ensure_headless_service(self, spec: ServingSpec, group: str, role: RoleSpec, replica: str) -> Steps:
        """Only roles with a worker template have one."""
        name = objects.pod_name(group, replica, 0)
        known = self.services.get(spec.namespace, name)
        if known is not None:
            if known.owner != spec.uid:
                self._enqueue(spec.key, _LEFTOVER_RETRY)
            return
        yield self._call()
        try:
            service = objects.headless_service(spec, role, group, replica)
            self._store.create("services", service, manager=MANAGER)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def keep_revision(self, spec: ServingSpec) -> Steps:
        """Keeps the present template under its revision."""
        yield self._call()
        made = objects.controller_revision(spec)
        name = made["metadata"]["name"]

        def change(obj: Json) -> None:
            if obj.get("data") != made["data"]:
                obj["data"], obj["revision"] = made["data"], obj.get("revision", 1) + 1

        if self._store.mutate(REVISIONS, spec.namespace, name, change, manager=MANAGER) is None:
            self._store.create(REVISIONS, made, manager=MANAGER)

    def roles_of_revision(self, spec: ServingSpec, revision: str) -> tuple[RoleSpec, ...] | None:
        """The roles kept under a revision."""
        name = objects.controller_revision_name(spec.name, revision)
        kept = self._store.get(REVISIONS, spec.namespace, name)
        data = (kept or {}).get("data") or {}
        return read_roles(data["data"]) if isinstance(data.get("data"), list) else None

    def kept_revisions(self, spec: ServingSpec) -> list[str]:
        """Revisions of which a template is kept."""
        return [
            record.labels.get(REVISION, "")
            for record in self._store.dependents(spec.uid, REVISIONS)
            if record.labels.get(NAME) == spec.name
        ]

    def prune_revisions(self, spec: ServingSpec, keep: set[str]) -> None:
        """Forgets the templates that no status field names any longer."""
        for record in self._store.dependents(spec.uid, REVISIONS):
            if record.labels.get(NAME) == spec.name and record.labels.get(REVISION) not in keep:
                self._store.delete(REVISIONS, record.namespace, record.name)

    # -- deleting --------------------------------------------------------------------------------------

    def delete_group(self, spec: ServingSpec, group: GroupState) -> Steps:
        """PodGroup, pods in one call, services one by one. The group is remembered until all are gone."""
        group.status = Status.DELETING
        yield _CALL
        self._store.delete(POD_GROUPS, spec.namespace, group.name)
        yield self._call()
        for child in self.pods.of_group(spec.namespace, group.name):
            self._store.delete("pods", child.namespace, child.name)
        for child in self.services.of_group(spec.namespace, group.name):
            yield self._call()
            self._store.delete("services", child.namespace, child.name)
        self.settle_group(spec, group)

    def settle_group(self, spec: ServingSpec, group: GroupState) -> None:
        """Forgets a group being deleted once nothing of it is left, and looks at the ModelServing again."""
        if group.status is not Status.DELETING or self._memory.group(spec.key, group.name) is not group:
            return
        for informer in (self.pods, self.services, self.pod_groups):
            if informer.of_group(spec.namespace, group.name):
                return
        self._memory.drop_group(spec.key, group.name)
        self._enqueue(spec.key, 0.0)

    def delete_replica(self, spec: ServingSpec, group: GroupState, role: str, replica: str) -> Steps:
        """Its pods in one call, then its services. It is remembered until all are gone."""
        state = group.replica(role, replica)
        if state is None or state.status is Status.DELETING:
            return
        state.status = Status.DELETING
        self.tell(spec, "RoleDeleting", role, replica, group.name, "Deleting")
        yield self._call()
        for child in self.pods.of_replica(spec.namespace, group.name, role, replica):
            self._store.delete("pods", child.namespace, child.name)
        for child in self.services.of_replica(spec.namespace, group.name, role, replica):
            yield self._call()
            self._store.delete("services", child.namespace, child.name)
        self.settle_replica(spec, group, role, replica)

    def settle_replica(self, spec: ServingSpec, group: GroupState, role: str, replica: str) -> None:
        """Forgets a role replica being deleted once nothing of it is left."""
        state = group.replica(role, replica)
        if state is None or state.status is not Status.DELETING:
            return
        for informer in (self.pods, self.services):
            if informer.of_replica(spec.namespace, group.name, role, replica):
                return
        del group.roles[role][replica]
        self._enqueue(spec.key, 0.0)

    def delete_failed_pod(self, namespace: str, name: str, uid: str) -> Steps:
        """One pod, if it is still the one that failed."""
        yield self._call()
        try:
            self._store.delete("pods", namespace, name, uid=uid)
        except ApiError as error:
            if error.reason != "Conflict":
                raise

    # -- telling ---------------------------------------------------------------------------------------

    def tell(self, spec: ServingSpec, reason: str, role: str, replica: str, group: str, state: str) -> None:
        """Kthena's only events: about role replicas, on the ModelServing, always Normal."""
        if self.quiet:
            return
        about = {
            "kind": "ModelServing",
            "apiVersion": "workload.serving.volcano.sh/v1alpha1",
            "namespace": spec.namespace,
            "name": spec.name,
            "uid": spec.uid,
        }
        record = self._store.record(RESOURCE, spec.namespace, spec.name)
        if record is not None:
            about["resourceVersion"] = str(record.rv)
        self._recorder.event(about, reason, f"Role {role}/{replica} in ServingGroup {group} is now {state}")
