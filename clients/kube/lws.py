"""LeaderWorkerSets (leaderworkerset.x-k8s.io/v1): groups of one leader and its workers, by group index.

Rules of LWS 0.10: missing groups are made at once, the highest indexes go first whatever their health, and
workers go when their leader is gone.
"""

from __future__ import annotations

from clients.kube.controller_rows import ControllerRow, LeaderWorkerSetRow, TemplateRow
from clients.kube.membership import Asked, Member
from clients.kube.resources import ResourceSpec
from clients.kube.rows import PodRow
from clients.serving.keys import WorkloadKey
from clients.serving.workload import Capabilities, RoleSpec

__all__ = ["CAPABILITIES", "LEADER_WORKER_SETS", "SYSTEM", "asked", "key", "member"]

SYSTEM = "lws"
LEADER_WORKER_SETS = ResourceSpec(
    "lws", "leaderworkerset.x-k8s.io", "leaderworkersets", "LeaderWorkerSet", ("v1",)
)
CAPABILITIES = Capabilities(exact=True, to_zero=True, ordered=True)

_LEADER, _WORKER = "leader", "worker"


def key(cluster: str, row: LeaderWorkerSetRow) -> WorkloadKey:
    """Its name everywhere."""
    return WorkloadKey(cluster, SYSTEM, row.namespace, row.kind, row.name)


def asked(row: LeaderWorkerSetRow) -> Asked:
    """What its spec wants: in each group one leader and size - 1 workers."""
    roles = [_role(_LEADER, 1, row.leader)]
    if row.size > 1:
        roles.append(_role(_WORKER, row.size - 1, row.worker))
    probed = ((_LEADER, row.leader), (_WORKER, row.worker))
    return Asked(
        tuple(roles),
        (("", row.replicas),),
        first=0,
        prefix=f"{row.name}-",
        whole=True,
        head=_LEADER,
        rolling=_updating(row),
        ending=row.deleted is not None,
        probed=frozenset(name for name, template in probed if template.startup_probe),
    )


def _role(name: str, replicas: int, template: TemplateRow) -> RoleSpec:
    return RoleSpec(
        name,
        replicas,
        0,
        gpus_entry=template.gpus,
        placement=template.placement,
    )


def _updating(row: LeaderWorkerSetRow) -> bool:
    return any(kind == "UpdateInProgress" and status == "True" for kind, status, _, _ in row.conditions)


def member(row: LeaderWorkerSetRow, pod: PodRow, leaders: ControllerRow | None) -> Member | None:
    """Where a pod stands, by the labels that the LWS webhook writes; ``None`` where they are missing.

    ``leaders`` is the StatefulSet that keeps the leaders; it bears the revision that is wanted now.
    """
    group, index = _ordinal(pod.labels.group_index), _ordinal(pod.labels.worker_index)
    if group is None or index is None:
        return None
    wanted, own = leaders.revision if leaders is not None else None, pod.labels.group_revision
    outdated = bool(wanted and own and wanted != own)
    return Member(f"{row.name}-{group}", group, _WORKER if index else _LEADER, max(0, index - 1), outdated)


def _ordinal(text: str | None) -> int | None:
    """A label's whole number; labels may hold anything."""
    return int(text) if text is not None and text.isdecimal() and text.isascii() and len(text) < 10 else None
