"""Plain Kubernetes workloads: Deployments, whose pods have no order, and StatefulSets, whose pods have.

Rules of Kubernetes 1.36: a StatefulSet makes ordinals upwards and removes the highest first, one at a time
unless its pod management is Parallel; a Deployment's ReplicaSet picks by readiness, cost and age.
"""

from __future__ import annotations

import re

from clients.kube.controller_decode import SHOW_LABEL
from clients.kube.controller_rows import ControllerRow
from clients.kube.membership import Asked, Member
from clients.kube.resources import ResourceSpec
from clients.kube.rows import PodRow
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Trouble, TroubleKind
from clients.serving.workload import Capabilities, RoleSpec

__all__ = [
    "CAPABILITIES",
    "DEPLOYMENTS",
    "REPLICA_SETS",
    "STATEFUL_SETS",
    "SYSTEM",
    "about",
    "asked",
    "key",
    "member",
    "shows",
    "trouble",
]

SYSTEM = "workloads"
DEPLOYMENTS = ResourceSpec("deploy", "apps", "deployments", "Deployment", ("v1",))
REPLICA_SETS = ResourceSpec("rs", "apps", "replicasets", "ReplicaSet", ("v1",))
STATEFUL_SETS = ResourceSpec("sts", "apps", "statefulsets", "StatefulSet", ("v1",))

_ROLE = "pod"
_ORDINAL = re.compile(r"-(\d{1,9})\Z")

CAPABILITIES = {
    "Deployment": Capabilities(exact=True, to_zero=True, ordered=False),
    "StatefulSet": Capabilities(exact=True, to_zero=True, ordered=True),
}


def key(cluster: str, row: ControllerRow) -> WorkloadKey:
    """Its name everywhere."""
    return WorkloadKey(cluster, SYSTEM, row.namespace, row.kind, row.name)


def shows(row: ControllerRow, *, everything: bool) -> bool:
    """Whether it is a row of the fleet: by its label, else if it runs inference by all signs.

    The signs are GPUs that its pods ask for and a known engine. ``everything``: whatever it runs.
    """
    label = row.labels.get(SHOW_LABEL)
    if label is not None:
        return label != "false"
    return everything or row.template.gpus > 0 or row.template.engine is not None


def asked(row: ControllerRow) -> Asked:
    """What its spec wants."""
    template = row.template
    spec = RoleSpec(
        _ROLE,
        1,
        0,
        gpus_entry=template.gpus,
        placement=template.placement,
    )
    ordered = row.kind == "StatefulSet"
    return Asked(
        (spec,),
        ((_ROLE, row.replicas),),
        first=row.start if ordered else None,
        prefix=f"{row.name}-",
        whole=ordered,
        rolling=row.rolling,
        ending=row.deleted is not None,
        probed=frozenset((_ROLE,)) if template.startup_probe else frozenset(),
    )


def member(row: ControllerRow, pod: PodRow, owner: ControllerRow | None) -> Member:
    """Where a pod stands. ``owner``: the ReplicaSet between a Deployment and its pod."""
    if row.kind == "StatefulSet":
        found = _ORDINAL.search(pod.name)
        ordinal = int(found[1]) if found else None
        revision = pod.labels.controller_revision
        outdated = bool(row.revision and revision and revision != row.revision)
        return Member(pod.name, ordinal, _ROLE, 0, outdated)
    outdated = owner is not None and bool(row.revision) and owner.revision != row.revision
    return Member(pod.name, None, _ROLE, 0, outdated)


def about(row: ControllerRow) -> tuple[tuple[str, str], ...]:
    """Short facts for its header: what keeps a rollout from going on."""
    if row.paused:
        return (("paused", "its rollout is paused; its count is not"),)
    if row.by_hand:
        return (("update", "by hand: pods get a new template when somebody deletes them"),)
    return (("partition", f"ordinals below {row.partition} keep the old template"),) if row.partition else ()


def trouble(row: ControllerRow, before: Trouble | None, now: float) -> Trouble | None:
    """What its own conditions say is wrong, beyond what its pods show."""
    for kind, status, reason, message in row.conditions:
        if kind == "ReplicaFailure" and status == "True":
            found = Trouble(TroubleKind.BLOCKED, reason or "FailedCreate", message or "pods can not be made")
        elif kind == "Progressing" and status == "False" and reason == "ProgressDeadlineExceeded":
            found = Trouble(TroubleKind.BLOCKED, reason, message or "its rollout does not get on")
        else:
            continue
        since = before.since if before is not None and before.reason == found.reason else now
        return Trouble(found.kind, found.reason, found.message, since)
    return None
