"""A deployment as a row and a grid: as many groups as replicas are wanted, in what its one state says of all.

Exoscale's replicas have no names and no states of their own, and how many are ready is told nowhere. Groups
stand for them by number. What ran when the deployment was last seen ready is ``scaling`` while it changes,
what was added to it ``creating``: that much follows from the counts alone.
"""

from __future__ import annotations

from collections.abc import Collection

from clients.exoscale.decode import ERROR, READY, SCALING, Deployment
from clients.exoscale.following import Following, settled
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.plain import plain
from clients.serving.workload import Capabilities, Group, Workload

__all__ = ["KIND", "SYSTEM", "derive", "gpus_of", "group_name", "keys_of"]

SYSTEM = "exoscale"
KIND = "Exoscale"
CAPABILITIES = Capabilities(exact=True, bounds=False, to_zero=True, ready_known=False)
_PHASES = {
    "creating": Phase.CREATING,
    "deploying": Phase.CREATING,
    "preparing": Phase.CREATING,
    READY: Phase.RUNNING,
    SCALING: Phase.SCALING,
    "updating": Phase.UPDATING,
    ERROR: Phase.CREATING,
}
_MOST = 2000
"""Groups that are drawn; a higher number is only told."""


def keys_of(zone: str, deployments: Collection[Deployment]) -> dict[WorkloadKey, Deployment]:
    """Private deployments by key. Names need not differ: those that do not are told apart by their ids."""
    ours = [one for one in deployments if not one.public]
    names = [one.name for one in ours]
    found = {}
    for one in ours:
        name = one.name if names.count(one.name) == 1 else f"{one.name}#{(one.id or 'unknown')[:8]}"
        found[WorkloadKey(zone, SYSTEM, None, KIND, name)] = one
    return found


def group_name(number: int) -> str:
    """Of the replica of this number, from 1 on: ours, for Exoscale gives them none."""
    return f"replica-{number}"


def gpus_of(deployment: Deployment, replicas: int | None) -> int | None:
    """GPUs of so many replicas: its GPU count times them; ``None`` where either is not told."""
    return None if deployment.gpu_count is None or replicas is None else deployment.gpu_count * replicas


def derive(
    key: WorkloadKey, deployment: Deployment, previous: Workload | None, following: Following | None
) -> Workload:
    """The row of a deployment, given what it was before and what was asked of it from here."""
    uid = deployment.id or str(key)
    if previous is not None and previous.uid != uid:
        previous = None
    pending = following is not None and not following.failed
    desired = deployment.replicas
    if following is not None and pending and following.replicas is not None:
        desired = following.replicas
    trouble = _trouble(deployment, following)
    deleted = following is not None and pending and following.replicas is None
    phase = Phase.DELETING if deleted else _phase(deployment, desired, pending)
    return Workload(
        key=key,
        uid=uid,
        desired=desired,
        ready=None,
        phase=phase,
        groups=_groups(deployment, desired, previous, phase, trouble),
        trouble=trouble,
        capabilities=CAPABILITIES,
        created=deployment.created,
        endpoint=deployment.url,
        gpus=gpus_of(deployment, desired) or 0,
        about=_about(deployment, following),
        given_up=_given_up(deployment, following),
    )


def _phase(deployment: Deployment, desired: int | None, pending: bool) -> Phase:
    """Zero is told by the count, not by the state: what that says at zero is not documented."""
    if settled(deployment):
        if pending:
            return Phase.SCALING
        return Phase.ABSENT if desired == 0 else Phase.RUNNING
    return _PHASES.get(deployment.state, Phase.UPDATING)


def _groups(
    deployment: Deployment,
    desired: int | None,
    previous: Workload | None,
    phase: Phase,
    trouble: Trouble | None,
) -> tuple[Group, ...]:
    if desired is None:
        return ()
    known = {group.name: group.phase for group in previous.groups} if previous is not None else {}
    groups = []
    for number in range(1, min(desired, _MOST) + 1):
        name = group_name(number)
        groups.append(_group(name, _of(phase, known.get(name), previous), deployment, trouble))
    if phase in (Phase.SCALING, Phase.UPDATING):
        # What is given up stays in sight until the deployment has settled.
        names = {group.name for group in groups}
        groups += [_group(name, Phase.DELETING, deployment, None) for name in known if name not in names]
    return tuple(groups)


def _of(phase: Phase, was: Phase | None, previous: Workload | None) -> Phase:
    """What one replica does while the deployment as a whole is in ``phase``."""
    if phase is not Phase.SCALING:
        return phase
    if previous is None:
        return Phase.SCALING
    return Phase.SCALING if was in (Phase.RUNNING, Phase.SCALING, Phase.UPDATING) else Phase.CREATING


def _group(name: str, phase: Phase, deployment: Deployment, trouble: Trouble | None) -> Group:
    failed = trouble if trouble is not None and trouble.kind is TroubleKind.FAILED else None
    return Group(name, None, phase, None, (), trouble=failed, gpus=deployment.gpu_count or 0)


def _trouble(deployment: Deployment, following: Following | None) -> Trouble | None:
    state = deployment.state
    if state == ERROR:
        details = deployment.details or "Exoscale says no more: look at its logs"
        return Trouble(TroubleKind.FAILED, ERROR, details)
    if state not in _PHASES:
        told = f'its state reads "{state}"' if state else "it tells no state"
        return Trouble(
            TroubleKind.BLOCKED, state or "no state", f"{told}, which is not known here: it counts as busy"
        )
    if following is not None and following.failed:
        return Trouble(TroubleKind.DEGRADED, f"operation {following.state}", following.words)
    return None


def _given_up(deployment: Deployment, following: Following | None) -> str | None:
    if following is not None and following.failed:
        return f"operation {following.state}: {following.words}"
    if deployment.state == ERROR:
        return f"{ERROR}: {deployment.details}" if deployment.details else ERROR
    return None


def _about(deployment: Deployment, following: Following | None) -> tuple[tuple[str, str], ...]:
    """Facts in the order in which people ask for them. Texts are from outside."""
    sent = None
    if following is not None and following.operation is not None:
        sent = f"{following.state} {following.operation}"
    each = None
    if deployment.gpu_count is not None:
        each = f"{deployment.gpu_count} {deployment.gpu_type or 'of unknown type'}"
    facts = (
        ("state", deployment.state),
        ("operation", sent),
        ("GPUs each", each),
        ("model", deployment.model),
        ("service level", deployment.level),
        ("engine", deployment.engine),
        ("parameters", " ".join(deployment.parameters)),
    )
    return tuple((name, plain(value)) for name, value in facts if value)
