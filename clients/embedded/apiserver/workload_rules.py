"""What kube-apiserver fills into the kinds of apps/v1 with a pod template, and what must stay as it is."""

from __future__ import annotations

from clients.embedded.apiserver.errors import Cause
from clients.embedded.apiserver.objects import Json, at_path, encode

__all__ = ["WORKLOADS", "fill_workload", "unchangeable"]

DEPLOYMENTS = "deployments.apps"
STATEFUL_SETS = "statefulsets.apps"
DAEMON_SETS = "daemonsets.apps"
WORKLOADS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, "replicasets.apps")
_STATEFUL_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def fill_workload(key: str, spec: Json) -> None:
    """Completes a spec whose pod template is complete already."""
    if key == DAEMON_SETS:
        _fill_daemons(spec)
        return
    spec.setdefault("replicas", 1)
    if key == DEPLOYMENTS:
        spec.setdefault("progressDeadlineSeconds", 600)
        spec.setdefault("revisionHistoryLimit", 10)
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxSurge", "25%")
            rolling.setdefault("maxUnavailable", "25%")
    elif key == STATEFUL_SETS:
        spec.setdefault("podManagementPolicy", "OrderedReady")
        spec.setdefault("revisionHistoryLimit", 10)
        strategy = spec.setdefault("updateStrategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        retention.setdefault("whenDeleted", "Retain")
        retention.setdefault("whenScaled", "Retain")


def _fill_daemons(spec: Json) -> None:
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", 0)
        rolling.setdefault("maxUnavailable", 1)


def unchangeable(key: str, obj: Json, old: Json | None) -> list[Cause]:
    """Complaints about fields that differ from the former self and must not."""
    if old is None:
        return []
    spec, former = obj.get("spec") or {}, old.get("spec") or {}
    if key == STATEFUL_SETS:
        fixed = [k for k in {*spec, *former} if k not in (*_STATEFUL_CHANGEABLE, "selector")]
        if any(spec.get(k) != former.get(k) for k in fixed):
            listed = ", ".join(f"'{k}'" for k in _STATEFUL_CHANGEABLE[:-1])
            why = (
                f"Forbidden: updates to statefulset spec for fields other than {listed} and "
                f"'{_STATEFUL_CHANGEABLE[-1]}' are forbidden"
            )
            return [Cause("FieldValueForbidden", why, "spec")]
    if at_path(spec, ("selector",)) != at_path(former, ("selector",)):
        shown = encode(spec.get("selector") or {}).decode()
        why = f"Invalid value: {shown}: field is immutable"
        return [Cause("FieldValueInvalid", why, "spec.selector")]
    return []
