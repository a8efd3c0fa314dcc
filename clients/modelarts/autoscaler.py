"""A deployment's own autoscaler, with its bounds, schedules and metrics, as a driver of the row."""

from __future__ import annotations

from collections.abc import Iterator

from clients.modelarts.decode import Hpa, HpaRule
from clients.serving.autoscaling import Autoscaling, Bears, Part
from clients.serving.decision import Decision, Outcome
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.plain import plain
from clients.serving.workload import Driver

__all__ = ["ACTIVE", "autoscaling", "driver_of"]

ACTIVE = "ACTIVE"
_DELETED = "DELETED"
_CRON, _METRIC = "CRON_HPA", "METRIC_HPA"
_GROUP = "modelarts"


def driver_of(key: WorkloadKey, hpa: Hpa) -> Iterator[Driver]:
    """The driver that it is; none once it is deleted."""
    if hpa.status == _DELETED:
        return
    yield Driver(
        kind="HPA",
        ref=_ref(key, hpa),
        minimum=hpa.minimum,
        maximum=hpa.maximum,
        signal=", ".join(_words(rule) for rule in hpa.rules if not rule.off) or None,
        reverts=hpa.status == ACTIVE,
        note=None if hpa.status == ACTIVE else plain(hpa.status or "no status", 40).lower(),
        suspended=hpa.status != ACTIVE,
    )


def autoscaling(key: WorkloadKey, hpa: Hpa | None, at: float) -> Autoscaling | None:
    """What is told of it; the numbers behind its decisions are not."""
    if hpa is None or hpa.status == _DELETED:
        return None
    ref, own = _ref(key, hpa), ObjectRef(_GROUP, key.kind, key.namespace, key.name)
    metrics = [rule for rule in hpa.rules if rule.kind == _METRIC and not rule.off]
    reason = "ModelArts does not tell the metrics that it decides by" if metrics else "it only has schedules"
    return Autoscaling(
        key=key,
        at=at,
        chain=((Part(own, Bears.IS), Part(ref, Bears.SCALES)),),
        decisions=(
            Decision(
                subject=ref,
                at=at,
                outcome=Outcome.UNKNOWN if hpa.status == ACTIVE else Outcome.DISABLED,
                target=own,
                minimum=hpa.minimum,
                maximum=hpa.maximum,
                reason=reason,
            ),
        ),
        conditions=tuple(_told(rule) for rule in hpa.rules),
    )


def _ref(key: WorkloadKey, hpa: Hpa) -> ObjectRef:
    return ObjectRef(_GROUP, "HPA", key.namespace, hpa.name or hpa.id or key.name)


def _words(rule: HpaRule) -> str:
    if rule.kind != _CRON:
        return "metric" if rule.kind == _METRIC else rule.kind
    return f"cron {rule.schedule or '–'} to {'–' if rule.target is None else rule.target}"


def _told(rule: HpaRule) -> str:
    off = "switched off, " if rule.off else ""
    zone = ", in a time zone that ModelArts does not tell" if rule.kind == _CRON else ""
    return f"{rule.name or 'rule'}: {off}{_words(rule)}{zone}; {rule.status or 'no status'}"
