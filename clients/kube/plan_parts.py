"""Parts of a plan that every system's changes have in common: sizes, GPUs, the equivalent kubectl line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct

from clients.kube.capacity import GpuLedger
from clients.kube.gpu_room import PodNeed, Unit
from clients.serving.operation import Count
from clients.serving.phase import Phase
from clients.serving.plans import Capacity, Step, StepKind
from clients.serving.workload import Group, RoleReplica, RoleSpec, Workload

__all__ = ["NOBODY", "Asker", "ChangeError", "capacity_of", "kubectl", "needs", "serves", "size"]


class ChangeError(ValueError):
    """A change that can not be planned: a role that there is not, a kind that has no such field."""


class Asker(Struct, frozen=True):
    """As whom kubectl would have to be called."""

    context: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()


NOBODY = Asker()


def kubectl(asker: Asker, namespace: str, *words: str) -> str:
    """The equivalent line, quoted for a shell."""
    line = ["kubectl"]
    if asker.context:
        line.append(f"--context={asker.context}")
    if asker.user:
        line.append(f"--as={asker.user}")
    line += [f"--as-group={group}" for group in asker.groups]
    return shlex.join([*line, "-n", namespace, *words])


def size(specs: Sequence[RoleSpec], count: Count) -> tuple[int, int]:
    """(pods, GPUs) that a count amounts to."""
    pods = gpus = 0
    for spec in specs:
        replicas = count.role(spec.name) or 0
        pods += replicas * (1 + spec.workers)
        gpus += replicas * spec.gpus_replica
    groups = count.groups or 0
    return groups * pods, groups * gpus


def serves(group: Group, replica: RoleReplica) -> bool:
    """It takes part in serving now: its group has run, and it has a ready pod that is not on its way out."""
    if group.phase is not Phase.RUNNING and not group.served:
        return False
    if replica.phase is Phase.RUNNING:
        return True
    return any(pod.ready and not pod.terminating for pod in replica.pods)


def needs(specs: Sequence[RoleSpec], times: Mapping[str, int] | None = None) -> tuple[PodNeed, ...]:
    """The pods of so many replicas of each role; of one each without ``times``."""
    found = []
    for spec in specs:
        count = 1 if times is None else times.get(spec.name, 0)
        entry = (spec.gpus_entry, count, spec.placement)
        workers = (spec.gpus_worker, count * spec.workers, spec.worker_placement)
        found += [PodNeed(*pods) for pods in (entry, workers) if pods[0] and pods[1] > 0]
    return tuple(found)


def capacity_of(
    workload: Workload, after: Count, steps: Sequence[Step], ledger: GpuLedger | None
) -> Capacity:
    """GPUs for what is made. What the same change removes is not counted as free: it goes no sooner."""
    units = [_unit(workload.role_specs, after, made) for made in _made(after, steps).values()]
    if ledger is None:
        return Capacity(None, None, sum(need.gpus * need.count for one in units for need in one.needs), None)
    return ledger.room_for(units)


def _made(after: Count, steps: Sequence[Step]) -> dict[str, tuple[bool, dict[str, int]]]:
    """By group: whether it is new as a whole, and how many replicas of each role are made in it."""
    found: dict[str, tuple[bool, dict[str, int]]] = {}
    for step in steps:
        if step.kind is StepKind.CREATE:
            group, _, role_id = step.name.partition("/")
            if role_id:
                role = role_id.rpartition("-")[0]
                _, times = found.setdefault(group, (False, {}))
                times[role] = times.get(role, 0) + 1
            else:
                found[group] = (True, {name: max(0, replicas) for name, replicas in after.roles})
    return found


def _unit(specs: Sequence[RoleSpec], after: Count, made: tuple[bool, dict[str, int]]) -> Unit:
    """What of it is placed at once: a scheduler of gangs wants each role's minimum, or all of its replicas.

    Of replicas that join a group, those count that its minimum still lacks.
    """
    whole, times = made
    together: dict[str, int] = {}
    for spec in specs:
        count = times.get(spec.name, 0)
        wanted = after.role(spec.name) or 0
        least = wanted if spec.minimum is None else min(spec.minimum, wanted)
        there = 0 if whole else wanted - count
        together[spec.name] = min(count, max(0, least - there)) if spec.gang else 0
    rest = {name: count - together.get(name, 0) for name, count in times.items()}
    return Unit(needs(specs, together), needs(specs, rest))
