"""Which state Kthena's controller remembers for a ServingGroup, from what can be seen of it.

``Creating`` from its making, or once a pod of a running group fails; ``Running`` as soon as every role has
exactly the wanted number of role replicas and each of them runs; ``Scaling`` when role replicas are added,
removed or refilled; ``Deleting`` when the whole group was chosen to go. A controller that restarts forgets
``Scaling`` and ``Deleting``; that cannot be seen from outside, so they last until the pods say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from clients.kube.kthena_parts import GroupContext, GroupNode
from clients.kube.kthena_replicas import shares_pod
from clients.serving.phase import Cause, ControllerState, Phase
from clients.serving.workload import Group, Role, RoleReplica

__all__ = ["group_state", "is_deleting"]


def is_deleting(
    node: GroupNode, past: Group | None, context: GroupContext, count: int, live: int, outdated: bool
) -> bool:
    """Whether the controller chose the whole group to go, and not its pods or role replicas one by one."""
    pod_group = node.pod_group
    known = past is not None and past.controller_state is ControllerState.DELETING
    if pod_group is not None and pod_group.deleted is None:
        # The controller deletes the PodGroup first. While it lives only its pods go: by role, evicted, …
        return (known or context.ending) and not live
    if pod_group is not None or known:
        return count == 0 or live < count or known or context.excess or outdated
    if live:
        return context.pod_groups and (live < count or context.excess or outdated)
    if count == 0:
        return False
    if context.excess or context.ending or context.pod_groups:
        return True
    if context.role_rollout or _evicted(node):
        return False
    return outdated or _all_at_once(node, context)


def _evicted(node: GroupNode) -> bool:
    """Its pods were driven from their node: Kubernetes ends them, not the controller."""
    return all(pod.status_reason for replica in node.replicas.values() for pod in replica.pods)


def _all_at_once(node: GroupNode, context: GroupContext) -> bool:
    """Several role replicas go together, though their roles are still wanted."""
    wanted = sum(role.replicas for role in context.roles)
    if context.recovery == "ServingGroupRecreate":
        # Some may be gone already: the first pod that failed is what made the whole group go.
        return wanted > 1
    return wanted > 0 and len(node.replicas) > 1


class _Census:
    """The role replicas that the controller holds of a group, counted."""

    __slots__ = ("added", "extra", "failing", "leaving", "rolling", "short")

    def __init__(
        self, node: GroupNode, roles: tuple[Role, ...], context: GroupContext, old: Mapping[str, RoleReplica]
    ) -> None:
        self.short = self.extra = False
        """Some role has fewer, or more, than wanted."""
        self.failing = False
        self.added = False
        """Some are new, or made again with new pods."""
        self.leaving = False
        """Some are being deleted, and not to be replaced by a rollout."""
        self.rolling = True
        """All that are not running are being replaced by a rollout, and ran until now."""
        for role in roles[: len(context.roles)]:
            stored = 0
            for item in role.replicas:
                state = item.controller_state
                if state is None:
                    continue
                stored += 1
                if state is ControllerState.RUNNING:
                    continue
                before = old.get(item.id)
                replaced = state is ControllerState.DELETING and item.cause is Cause.ROLLOUT
                ran = before is not None and before.controller_state is ControllerState.RUNNING
                self.rolling = self.rolling and replaced and ran
                if state is ControllerState.DELETING:
                    self.leaving = self.leaving or not replaced
                    continue
                replica = node.replicas.get(item.id)
                if replica is None:
                    continue
                self.failing = self.failing or replica.errors > 0 or replica.failed > 0
                if before is None or not shares_pod(replica, before):
                    self.added = self.added or context.recovery != "None"
            self.short = self.short or stored < role.desired
            self.extra = self.extra or stored > role.desired


def group_state(
    node: GroupNode,
    roles: tuple[Role, ...],
    past: Group | None,
    before: Group | None,
    context: GroupContext,
    deleting: bool,
) -> ControllerState:
    """The controller's word for a group of which something exists.

    ``before`` is the last value under its name, ``past`` the same if it is still that group.
    """
    if deleting:
        return ControllerState.DELETING
    if node.count and _complete(roles, context):
        return ControllerState.RUNNING
    old = {item.id: item for role in before.roles for item in role.replicas} if before is not None else {}
    known = past.controller_state if past is not None else None
    if not node.count:
        if past is not None and context.recovery != "None" and any(item.pods for item in old.values()):
            return ControllerState.SCALING
        return known or ControllerState.CREATING
    census = _Census(node, roles, context, old)
    even = not census.short and not census.extra
    if known is ControllerState.SCALING:
        # A rollout takes the next role replica only once all run: between two values it was Running.
        return ControllerState.RUNNING if census.rolling and even else ControllerState.SCALING
    if known is ControllerState.RUNNING:
        if census.failing:
            return ControllerState.CREATING
        if not even:
            return ControllerState.SCALING
        if census.leaving:
            return ControllerState.CREATING
        return ControllerState.SCALING if census.added else ControllerState.RUNNING
    if known is None and context.first:
        return _first_guess(node, not even)
    if past is not None and (
        _made_again(node, old, context) or _lost_replica(node, context, old) or _rescaled(past, context)
    ):
        return ControllerState.SCALING
    return ControllerState.CREATING


def _complete(roles: tuple[Role, ...], context: GroupContext) -> bool:
    """Every wanted role has exactly its replicas, and each of them runs."""
    for role in roles[: len(context.roles)]:
        if len(role.replicas) != role.desired:
            return False
        for item in role.replicas:
            if item.controller_state is not ControllerState.RUNNING:
                return False
    return True


def _made_again(node: GroupNode, old: Mapping[str, RoleReplica], context: GroupContext) -> bool:
    """A role replica that had pods has only others now."""
    if context.recovery == "None":
        return False
    for role_id, before in old.items():
        replica = node.replicas.get(role_id)
        if replica is not None and before.pods and not shares_pod(replica, before):
            return True
    return False


def _lost_replica(node: GroupNode, context: GroupContext, old: Mapping[str, RoleReplica]) -> bool:
    """A wanted role replica that existed is gone: it will be filled again."""
    return context.recovery != "None" and any(
        before.pods and role_id not in node.replicas and role_id.rpartition("-")[0] in context.by_name
        for role_id, before in old.items()
    )


def _rescaled(past: Group, context: GroupContext) -> bool:
    """The wanted number of a role's replicas has changed since, and no first making was under way."""
    for role in past.roles:
        wanted = context.by_name.get(role.name)
        if wanted is not None and wanted.replicas != role.desired:
            return all(item.phase is not Phase.QUEUED for item in role.replicas)
    return False


def _first_guess(node: GroupNode, uneven: bool) -> ControllerState:
    """Without memory: a role replica made after another one was ready shows that the group already ran."""
    ready_since = [
        item.ready_since
        for item in node.replicas.values()
        if item.ready_since is not None and item.value is not None and item.live_ready >= item.value.need
    ]
    if not ready_since:
        return ControllerState.CREATING
    if uneven:
        return ControllerState.SCALING
    for item in node.replicas.values():
        if item.value is None or item.value.controller_state is ControllerState.RUNNING or item.errors:
            continue
        if item.first_created is not None and item.first_created > min(ready_since):
            return ControllerState.SCALING
    return ControllerState.CREATING
