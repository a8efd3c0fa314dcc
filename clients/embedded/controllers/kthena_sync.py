"""One pass of Kthena over a ModelServing: groups, roles, rolling update, services, status, in this order."""

from __future__ import annotations

from collections.abc import Callable

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.kthena_actions import Actions
from clients.embedded.controllers.kthena_labels import MANAGER
from clients.embedded.controllers.kthena_memory import GroupState, Memory, RoleState, Status
from clients.embedded.controllers.kthena_order import (
    Flavour,
    group_victims,
    groups_to_create,
    groups_to_walk,
    role_ordinals_to_create,
    role_victims,
)
from clients.embedded.controllers.kthena_rollout import (
    outdated_groups,
    outdated_groups_within_budget,
    outdated_roles,
)
from clients.embedded.controllers.kthena_spec import RESOURCE, RoleSpec, ServingSpec, group_name
from clients.embedded.controllers.kthena_status import write_status
from clients.embedded.controllers.pacing import Steps
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["Sync", "SyncError", "group_ready"]


class SyncError(Exception):
    """A pass ended early; it is tried again with growing delays."""


def group_ready(spec: ServingSpec, group: GroupState) -> bool:
    """Every role has exactly its replicas stored, and each is Running."""
    for role in spec.roles:
        replicas = group.roles.get(role.name, {})
        if len(replicas) != role.replicas:
            return False
        if any(replica.status is not Status.RUNNING for replica in replicas.values()):
            return False
    return True


class Sync:
    """The passes of one controller."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        memory: Memory,
        actions: Actions,
        flavour_of: Callable[[tuple[str, str]], Flavour],
        enqueue: Callable[[tuple[str, str], float], None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._memory = memory
        self._actions = actions
        self._flavour_of = flavour_of
        self._enqueue = enqueue

    def steps(self, spec: ServingSpec) -> Steps:
        """The pass. Raises SyncError where Kthena's own pass ends in an error."""
        flavour = self._flavour_of(spec.key)
        current = self._current_revision(spec)
        yield from self._groups(spec, flavour, current)
        yield from self._roles(spec, flavour, current)
        yield from self._rolling_update(spec, flavour)
        yield from self._headless_services(spec)
        self._status(spec)

    def _current_revision(self, spec: ServingSpec) -> str:
        obj = self._store.get(RESOURCE, spec.namespace, spec.name) or {}
        return str((obj.get("status") or {}).get("currentRevision") or "")

    # -- 1: groups -------------------------------------------------------------------------------------

    def _groups(self, spec: ServingSpec, flavour: Flavour, current: str) -> Steps:
        groups = self._memory.groups(spec.key)
        if len(groups) < spec.replicas:
            yield from self._pod_groups(spec)
            kept = False
            for ordinal in groups_to_create(flavour, spec, groups):
                name = group_name(spec.name, ordinal)
                if ordinal < spec.partition:
                    revision = current or spec.revision
                    roles = self._actions.roles_of_revision(spec, revision) or spec.roles
                    yield from self._actions.create_group(spec, name, revision, roles)
                    continue
                if not kept:
                    kept = True
                    yield from self._actions.keep_revision(spec)
                yield from self._actions.create_group(spec, name, spec.revision, spec.roles)
            return
        for victim in group_victims(flavour, spec, groups, lambda g: self._group_cost(spec, g)):
            if victim.status is Status.DELETING:
                self._actions.settle_group(spec, victim)
            else:
                yield from self._actions.delete_group(spec, victim)
        yield from self._pod_groups(spec)

    def _pod_groups(self, spec: ServingSpec) -> Steps:
        for group in self._memory.groups(spec.key):
            if group.status is not Status.DELETING:
                yield from self._actions.ensure_pod_group(spec, group.name)

    def _group_cost(self, spec: ServingSpec, group: GroupState) -> int:
        return sum(child.cost for child in self._actions.pods.of_group(spec.namespace, group.name))

    # -- 2: roles --------------------------------------------------------------------------------------

    def _roles(self, spec: ServingSpec, flavour: Flavour, current: str) -> Steps:
        groups = self._memory.groups(spec.key)
        if flavour is Flavour.DOCUMENTED:
            for group in groups:
                if group.status is Status.SCALING and group_ready(spec, group):
                    group.status = Status.RUNNING

        def mismatched(group: GroupState) -> bool:
            return any(len(group.roles.get(role.name, {})) != role.replicas for role in spec.roles)

        turn, waiting = groups_to_walk(flavour, groups, mismatched)
        for group in waiting:
            if group.status is not Status.CREATING:
                group.status = Status.SCALING
        for position, group in enumerate(groups):
            if group.status is Status.DELETING:
                continue
            roles, revision = self._template_for(spec, group, position, current)
            for role in roles:
                yield from self._refill(spec, group, role, revision)
                if group in turn:
                    yield from self._scale_role(spec, flavour, group, role, revision, current)

    def _template_for(
        self, spec: ServingSpec, group: GroupState, position: int, current: str
    ) -> tuple[tuple[RoleSpec, ...], str]:
        """Behind the partition the present template, before it the group's own."""
        if position >= spec.partition:
            return spec.roles, spec.revision
        revision = group.revision or current or spec.revision
        return self._actions.roles_of_revision(spec, revision) or spec.roles, revision

    def _refill(self, spec: ServingSpec, group: GroupState, role: RoleSpec, revision: str) -> Steps:
        """Missing pods of a role replica are created in place; no event tells of it."""
        spared = spec.role_partition(role)
        for position, replica in enumerate(group.role_list(role.name)):
            if replica.status is Status.DELETING:
                continue
            pods = self._actions.pods.of_replica(spec.namespace, group.name, role.name, replica.name)
            if any(pod.owner != spec.uid for pod in pods):
                self._enqueue(spec.key, 1.0)
            if len(pods) >= role.pods:
                continue
            template, own_revision, own_hash = role, revision, role.template_hash
            if position < spared:
                own_revision, own_hash = replica.revision, replica.template_hash
                kept = self._actions.roles_of_revision(spec, own_revision) or ()
                template = next((r for r in kept if r.name == role.name), role)
            yield from self._actions.create_pods(
                spec, group.name, template, replica.name, own_revision, own_hash
            )

    def _scale_role(
        self,
        spec: ServingSpec,
        flavour: Flavour,
        group: GroupState,
        role: RoleSpec,
        revision: str,
        current: str,
    ) -> Steps:
        existing = group.role_list(role.name)
        if len(existing) < role.replicas:
            group.status = Status.SCALING
            for ordinal in role_ordinals_to_create(flavour, role, existing):
                template, own_revision = role, revision
                if flavour is Flavour.HEAD and ordinal < spec.role_partition(role):
                    template, own_revision = self._protected_template(spec, role, revision, current)
                yield from self._actions.create_replica(spec, group.name, template, ordinal, own_revision)
        elif len(existing) > role.replicas:

            def cost(replica: RoleState) -> int:
                pods = self._actions.pods.of_replica(spec.namespace, group.name, role.name, replica.name)
                return sum(pod.cost for pod in pods)

            victims = role_victims(flavour, spec, role, existing, cost)
            if victims:
                group.status = Status.SCALING
            for victim in victims:
                yield from self._actions.delete_replica(spec, group, role.name, victim.name)

    def _protected_template(
        self, spec: ServingSpec, role: RoleSpec, revision: str, current: str
    ) -> tuple[RoleSpec, str]:
        """The old template for a role replica below the role's partition."""
        chosen = current or revision
        if chosen == revision:
            others = [r for r in self._actions.kept_revisions(spec) if r and r != revision]
            chosen = others[0] if others else chosen
        kept = self._actions.roles_of_revision(spec, chosen) or ()
        return next((r for r in kept if r.name == role.name), role), chosen

    # -- 3: rolling update -----------------------------------------------------------------------------

    def _rolling_update(self, spec: ServingSpec, flavour: Flavour) -> Steps:
        if not self._memory.known(spec.key):
            # Kthena #1755: with replicas 0 from the start, or after a restart, no pass gets beyond this.
            raise SyncError("cannot get ServingGroupList from store, err:serving group not found")
        groups = self._memory.groups(spec.key)
        if not spec.by_role:
            for group in outdated_groups_within_budget(spec, groups):
                if group.status is Status.DELETING:
                    self._actions.settle_group(spec, group)
                else:
                    yield from self._actions.delete_group(spec, group)
            return
        for group in outdated_groups(spec, groups):
            if group.status is Status.DELETING:
                continue
            victims, behind = outdated_roles(flavour, spec, group)
            if not behind:
                group.revision = spec.revision
            for role, replica in victims:
                yield from self._actions.delete_replica(spec, group, role, replica.name)

    # -- 4: headless services --------------------------------------------------------------------------

    def _headless_services(self, spec: ServingSpec) -> Steps:
        roles = [role for role in spec.roles if role.has_worker_template]
        if not roles:
            return
        for group in self._memory.groups(spec.key):
            if group.status is Status.DELETING:
                continue
            for role in roles:
                for replica in group.role_list(role.name):
                    if replica.status is not Status.DELETING:
                        yield from self._actions.ensure_headless_service(spec, group.name, role, replica.name)

    # -- 5: status -------------------------------------------------------------------------------------

    def _status(self, spec: ServingSpec) -> None:
        groups = self._memory.groups(spec.key)
        for group in groups:
            # Some transitions have no pod event of their own: the end of a role scale-down is one.
            if group.status in (Status.CREATING, Status.SCALING) and group_ready(spec, group):
                group.status = Status.RUNNING
        now = timestamp(self._engine.clock.now())
        pruned: set[str] = set()

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            if write_status(status, spec, groups, now):
                pruned.update((status["currentRevision"], status["updateRevision"]))

        self._store.mutate(RESOURCE, spec.namespace, spec.name, change, manager=MANAGER, subresource="status")
        if pruned:
            self._actions.prune_revisions(spec, pruned)
