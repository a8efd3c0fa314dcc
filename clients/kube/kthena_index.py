"""The value of one ModelServing, derived from its rows: only what was touched since is built again."""

from __future__ import annotations

from collections.abc import Iterable

from clients.kube.group_sums import exposure, phase_and_cause, worst_of
from clients.kube.kthena_groups import derive_group, queued_group
from clients.kube.kthena_names import group_name
from clients.kube.kthena_order import resolve_partition
from clients.kube.kthena_ordinals import MOST_QUEUED, free_ordinals
from clients.kube.kthena_parts import GroupContext, GroupNode
from clients.kube.kthena_replicas import queued_replica
from clients.kube.kthena_rows import ServingRows
from clients.kube.kthena_silence import answers
from clients.kube.kthena_workload import CAPABILITIES, owner_of, role_specs
from clients.kube.pod_reasons import Hints
from clients.kube.rows import EventRow, ModelServingRow, PodGroupRow, PodRow, RoleRow
from clients.kube.silence import behind_since, silence
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.phase import ControllerState
from clients.serving.workload import Group, Role, RoleSpec, Workload

__all__ = ["ServingIndex", "derive"]

_ROLE_ROLLOUT = "RoleRollingUpdate"


class ServingIndex(ServingRows):
    """One ModelServing with its pods, PodGroups, events and endpoints. Used by one thread.

    ``derive`` depends on what was put in, on ``previous`` and on ``now`` alone: a fresh index with the same
    rows derives the same value. Hand it the value that it returned last (fields of others stamped on is fine,
    marks too): then only what was touched since is rebuilt, and untouched groups stay the same objects.
    Derive for the first time only once the first lists are complete: what appears later counts as new.
    """

    def __init__(self, cluster: str, row: ModelServingRow, *, append_after_max: bool = False) -> None:
        """``append_after_max``: new ordinals follow the highest one (v0.2 to v1.0), gaps are not filled."""
        super().__init__(row, append_after_max=append_after_max)
        self.cluster = cluster
        self.controller_acted: float | None = None
        """Cluster time at which the controller last made a pod for any ModelServing; set from outside."""
        self._order: list[GroupNode] = []
        self._ghosts = False
        self._ready = self._gpus = 0
        self._warnings: tuple[str, ...] = ()
        self._context: GroupContext | None = None
        self._last: Workload | None = None
        self._last_groups: dict[str, Group] = {}
        self._queued_roles: tuple[Role, ...] | None = None
        self._queued_groups: list[Group] = []
        self._wake: float | None = None
        self._silence_wake: float | None = None
        self._exposure: tuple[str | None, tuple[int, int] | None] = (None, None)
        self._specs: tuple[RoleSpec, ...] = ()
        self._owner: ObjectRef | None = None
        self._labels: tuple[tuple[str, str], ...] = ()
        self._key = WorkloadKey(cluster, "kthena", row.namespace, "ModelServing", row.name)

    @property
    def wake(self) -> float | None:
        """Cluster time from which on ``derive`` may tell something new although nothing arrives."""
        return min((at for at in (self._wake, self._silence_wake) if at is not None), default=None)

    # -- value out

    def derive(self, previous: Workload | None, now: float) -> Workload:
        """The newest value. ``now`` is cluster time in UTC seconds; never raises, whatever the rows hold."""
        trusted = previous is not None and self._last is not None and previous.groups is self._last.groups
        wake = self.wake
        due = wake is not None and wake <= now
        if trusted and not self._touched and not due:
            assert previous is not None
            return previous
        self._stamp()
        befores = self._befores(previous, trusted)
        self._raise_ghosts(befores)
        context = self._surroundings(first=previous is None)
        if self._all_dirty:
            self._queued_roles = None
            for node in self._groups.values():
                node.forget()
        changed = self._derive_groups(befores, context, now, due=due)
        changed |= self._queued(befores, context, now)
        if changed or self._regroup or self._all_dirty or self._last is None:
            groups = self._assemble()
        else:
            groups = self._last.groups
        self._all_dirty = self._regroup = self._touched = False
        self._dirty_groups.clear()
        value = self._workload(groups, previous, now)
        if self._last is None or groups is not self._last.groups:
            self._last_groups = {group.name: group for group in groups}
        self._last = value
        return value

    def _befores(self, previous: Workload | None, trusted: bool) -> dict[str, Group]:
        """The last value of each group; what differs from the memory of this index is derived again."""
        if trusted:
            return self._last_groups
        befores = {group.name: group for group in previous.groups} if previous is not None else {}
        for name, node in self._groups.items():
            before, known = befores.get(name), self._last_groups.get(name)
            if before is not known and not _same_memory(before, known):
                self._forget(node)
            elif known is not None:
                befores[name] = known
        return befores

    def _raise_ghosts(self, befores: dict[str, Group]) -> None:
        """Groups all of whose pods are gone although the group was not deleted: their roles are refilled.

        The controller still holds such a group, and its ordinal, until its new pods come.
        """
        if not (self._ghosts or self._regroup or self._all_dirty or befores is not self._last_groups):
            return
        ghosts = {
            name: node for name, node in self._groups.items() if not node.replicas and node.pod_group is None
        }
        for name in ghosts:
            del self._groups[name]
        room = self.row.replicas - len(self._groups)
        if self.row.deleted is not None or self.row.recovery_policy == "ServingGroupRecreate":
            room = 0
        wanted = {role.name for role in self.row.roles if role.replicas}
        lost = [
            group
            for name, group in befores.items()
            if name not in self._groups
            and group.ordinal is not None
            and _refills(group, wanted, in_place=self.row.recovery_policy == "None")
        ]
        lost.sort(key=lambda group: group.ordinal or 0)
        for group in lost[: max(0, room)]:
            node = ghosts.pop(group.name, None)
            if node is None:
                node = GroupNode(group.name, group.ordinal)
                self._regroup = True
                self._dirty_groups[group.name] = node
            self._groups[group.name] = node
        self._ghosts = any(not node.replicas and node.pod_group is None for node in self._groups.values())
        if ghosts:
            self._regroup = True

    def _surroundings(self, *, first: bool) -> GroupContext:
        row = self.row
        old = self._context
        excess = len(self._groups) > row.replicas
        pod_groups = bool(self._pod_groups)
        targets = self._target_hashes()
        unobserved = row.observed_generation is not None and row.observed_generation != row.generation
        if self._regroup or self._all_dirty:
            self._sort()
        if (
            old is not None
            and not self._all_dirty
            and old.excess == excess
            and old.pod_groups == pod_groups
            and old.target_hashes == targets
            and old.unobserved == unobserved
        ):
            old.first = first
            return old
        role_rollout = row.rollout_type == _ROLE_ROLLOUT
        by_name: dict[str, RoleRow] = {}
        for role in row.roles:
            by_name.setdefault(role.name, role)
        context = self._context = GroupContext(
            serving=row.name,
            roles=tuple(by_name.values()),
            by_name=by_name,
            hints=Hints(row.scheduler, events=self._events, lost_nodes=self._lost_nodes),
            recovery=row.recovery_policy,
            role_rollout=role_rollout,
            rollout_pending=_rollout_pending(row),
            unobserved=unobserved,
            update_revision=row.update_revision,
            target_hashes=targets,
            partitions={
                role.name: resolve_partition(role.partition, role.replicas)
                for role in by_name.values()
                if role_rollout
            },
            pod_groups=pod_groups,
            excess=excess,
            ending=row.deleted is not None,
            append=self._append,
            first=first,
            held=frozenset(pod.name for pod in self._foreign.values()),
        )
        for node in self._groups.values():
            node.dirty = True
            self._dirty_groups[node.name] = node
        return context

    def _target_hashes(self) -> dict[str, frozenset[str]]:
        """Role template hashes of the wanted revision, known once a pod was made at it.

        A role that a role-wise rollout does not touch keeps pods with the old revision label: only the hash
        tells. ``revision`` labels and status fields are missing before v0.3, then nothing is outdated.
        """
        row = self.row
        wanted = row.update_revision
        if row.rollout_type != _ROLE_ROLLOUT or not _rollout_pending(row):
            return {}
        found: dict[str, set[str]] = {}
        for replica in self._replicas():
            for pod in replica.pods:
                if pod.labels.revision == wanted and pod.labels.template_hash is not None:
                    found.setdefault(replica.role, set()).add(pod.labels.template_hash)
        return {role: frozenset(hashes) for role, hashes in found.items()}

    def _sort(self) -> None:
        """Orders the groups and says which of them a partition spares: the first so many list positions."""
        self._order = sorted(
            self._groups.values(),
            key=lambda node: (1 << 30 if node.ordinal is None else node.ordinal, node.name),
        )
        spared = resolve_partition(self.row.partition, self.row.replicas)
        for position, node in enumerate(self._order):
            protected = position < spared
            if node.protected != protected:
                node.protected = protected
                node.dirty = True
                self._dirty_groups[node.name] = node

    def _derive_groups(
        self, befores: dict[str, Group], context: GroupContext, now: float, *, due: bool
    ) -> bool:
        """Builds the touched groups anew; says whether any came out different."""
        changed = False
        every = self._all_dirty or self._regroup or due
        nodes = self._groups.values() if every else self._dirty_groups.values()
        for node in nodes:
            if node.dirty or (node.wake is not None and node.wake <= now):
                old, whole, gpus = node.value, node.whole, node.gpus
                changed |= derive_group(node, befores.get(node.name), context, now) is not old
                self._ready += node.whole - whole
                self._gpus += node.gpus - gpus
                if node.wake is not None and (self._wake is None or node.wake < self._wake):
                    self._wake = node.wake
        if every:
            self._ready = sum([node.whole for node in self._groups.values()])
            self._gpus = sum([node.gpus for node in self._groups.values()])
            wakes = [node.wake for node in self._groups.values() if node.wake is not None]
            self._wake = min(wakes, default=None)
        return changed

    def _queued(self, befores: dict[str, Group], context: GroupContext, now: float) -> bool:
        """Builds the groups that are wanted and of which nothing exists; says whether they changed."""
        missing = self.row.replicas - len(self._groups)
        if missing <= 0 or self.row.deleted is not None:
            changed, self._queued_groups = bool(self._queued_groups), []
            return changed
        taken = {node.ordinal for node in self._order if node.ordinal is not None}
        below = resolve_partition(self.row.partition, self.row.replicas)
        known = {group.name: group for group in self._queued_groups}
        found: list[Group] = []
        for ordinal in free_ordinals(
            taken, self.row.replicas, min(missing, MOST_QUEUED), append=self._append, below=below
        ):
            name = group_name(self.row.name, ordinal)
            before, cached = befores.get(name), known.get(name)
            if cached is None or before is not cached or self._all_dirty:
                if self._queued_roles is None:
                    self._queued_roles = _queued_roles(context)
                made = queued_group(name, ordinal, self._queued_roles, before, context, now)
                cached = cached if cached is not None and made == cached else made
            found.append(cached)
        changed = len(found) != len(self._queued_groups) or any(
            one is not other for one, other in zip(found, self._queued_groups, strict=True)
        )
        self._queued_groups = found
        return changed

    def _assemble(self) -> tuple[Group, ...]:
        groups = [node.value for node in self._order if node.value is not None]
        if self._queued_groups:
            groups += self._queued_groups
            groups.sort(key=lambda group: (1 << 30 if group.ordinal is None else group.ordinal, group.name))
        return tuple(groups)

    def _workload(self, groups: tuple[Group, ...], previous: Workload | None, now: float) -> Workload:
        row = self.row
        ending = row.deleted is not None
        behind = behind_since(row, previous, now) if answers(row) else None
        pods = self._pods() if behind is not None else ()
        silent, self._silence_wake = silence(row, behind, pods, self.controller_acted, now)
        phase, cause = phase_and_cause(groups, row.replicas, ending=ending)
        if self._row_dirty:
            self._specs = role_specs(row)
            self._owner = owner_of(row)
            self._labels = tuple(sorted(row.labels.items()))
            self._row_dirty = False
            self._members_dirty = True
        if self._members_dirty:
            self._warnings = self._found_wrong()
            self._members_dirty = False
        if self._exposure_dirty:
            self._exposure = self._exposed()
            self._exposure_dirty = False
        endpoint, rotation = self._exposure
        return Workload(
            self._key,
            row.uid,
            row.replicas,
            0 if ending else self._ready,
            phase,
            groups,
            self._specs,
            silent or worst_of(groups),
            cause,
            capabilities=CAPABILITIES,
            owner=self._owner,
            created=row.created,
            generation=row.generation,
            observed_generation=row.observed_generation,
            behind_since=behind,
            replicas_manager=row.replicas_manager,
            roles_manager=row.roles_manager,
            endpoint=endpoint,
            in_rotation=rotation,
            gpus=self._gpus,
            warnings=self._warnings,
            labels=self._labels,
        )

    def _pods(self) -> list[PodRow]:
        return [pod for replica in self._replicas() for pod in replica.pods]

    def _exposed(self) -> tuple[str | None, tuple[int, int] | None]:
        if not self._slices:
            return None, None
        entries = frozenset(
            pod.name for replica in self._replicas() for pod in replica.pods if pod.index == 0
        )
        return exposure(self._slices.values(), self.row.namespace, entries)

    def _found_wrong(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._overridden:
            name, key = min(self._overridden.values())
            found.append(
                f"label {key} is overridden by a role's template, names are believed: pod {name}, "
                f"{len(self._overridden)} in all"
            )
        if self._foreign:
            name = min(pod.name for pod in self._foreign.values())
            found.append(f"{len(self._foreign)} pods of an earlier ModelServing of this name linger ({name})")
        context = self._context
        if context is not None:
            strays = {replica.role for replica in self._replicas() if replica.role not in context.by_name}
            if strays:
                found.append(f"pods of roles that are not in the spec: {', '.join(sorted(strays))}")
        if self.row.replicas - len(self._groups) > MOST_QUEUED:
            found.append(f"{self.row.replicas} groups are wanted; not all of the missing ones are listed")
        return tuple(found)


def derive(
    row: ModelServingRow,
    pods: Iterable[PodRow],
    pod_groups: Iterable[PodGroupRow] = (),
    events: Iterable[EventRow] = (),
    previous: Workload | None = None,
    now: float = 0.0,
    *,
    cluster: str = "",
    append_after_max: bool = False,
) -> Workload:
    """The value of one ModelServing from its rows alone: what a fresh ``ServingIndex`` derives."""
    index = ServingIndex(cluster, row, append_after_max=append_after_max)
    for pod in pods:
        index.put_pod(pod)
    for pod_group in pod_groups:
        index.put_pod_group(pod_group)
    for event in events:
        index.put_event(event)
    return index.derive(previous, now)


def _queued_roles(context: GroupContext) -> tuple[Role, ...]:
    """The roles of a group that does not exist yet; all such groups share them."""
    return tuple(
        Role(
            role.name,
            role.replicas,
            0,
            tuple(
                queued_replica(role, ordinal, None, None, None, None, 0.0)
                for ordinal in range(min(role.replicas, MOST_QUEUED))
            ),
        )
        for role in context.roles
    )


def _rollout_pending(row: ModelServingRow) -> bool:
    """Current and wanted revision are known and differ. Both are missing before v0.3."""
    return row.update_revision is not None and row.update_revision != row.current_revision


def _refills(group: Group, wanted: set[str], *, in_place: bool) -> bool:
    """It was held by the controller, not on its way out, and had pods (or is such a one without pods)."""
    state = group.controller_state
    if state is ControllerState.SCALING:
        return True
    if state not in (ControllerState.RUNNING, ControllerState.CREATING):
        return False
    held = {ControllerState.RUNNING, ControllerState.CREATING}
    if not in_place:
        held.add(ControllerState.DELETING)
    return any(
        item.controller_state in held for role in group.roles if role.name in wanted for item in role.replicas
    )


def _same_memory(one: Group | None, other: Group | None) -> bool:
    """Two values of a group from which the next one would come out the same; marks do not matter."""
    return (
        one is not None
        and other is not None
        and one.roles is other.roles
        and one.phase is other.phase
        and one.controller_state is other.controller_state
        and one.cause is other.cause
        and one.since == other.since
        and one.served == other.served
        and one.trouble == other.trouble
        and one.created_seq == other.created_seq
        and one.deleting_seq == other.deleting_seq
    )
