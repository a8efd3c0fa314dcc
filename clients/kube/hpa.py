"""HorizontalPodAutoscalers as drivers: what they scale, within which bounds, on what (autoscaling/v2)."""

from __future__ import annotations

import msgspec

from clients.kube.hpa_object import (
    GROUP,
    KIND,
    HpaObject,
    MetricSpec,
    amount_in,
    condition_words,
    decode_object,
    unit_of,
)
from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.serving.chain import Link, LinkKind
from clients.serving.decision import Unit
from clients.serving.decision_words import amount
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

WATCHES = (ResourceSpec("hpa", GROUP, "horizontalpodautoscalers", KIND, ("v2",)),)

_INTERVAL = 15.0
"""``--horizontal-pod-autoscaler-sync-period``, the default; a cluster's own value is not readable."""


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from an object's JSON; items of a list carry no kind, so it is not looked at."""
    hpa = decode_object(raw)
    target = hpa.target
    return ScalerRow(
        hpa.uid,
        hpa.namespace,
        hpa.name,
        GROUP,
        KIND,
        ((target.group, target.kind, hpa.namespace, target.name, None, hpa.minimum, hpa.maximum),)
        if target is not None
        else (),
        desired=hpa.desired,
        current=hpa.current,
        signal=_signal(hpa),
        note=_note(hpa),
        owner=hpa.owner,
        interval=_INTERVAL,
    )


def _signal(hpa: HpaObject) -> str | None:
    """The metric that asks for most, ``cpu 72>60``: what is against what is wanted; else only the latter."""
    best: tuple[float, str] | None = None
    for index, metric in enumerate(hpa.metrics):
        current, wanted = hpa.reading(index), metric.target
        if current is None or not wanted:
            continue
        relation = ">" if current > wanted else "<" if current < wanted else "="
        words = f"{metric.name} {_short(metric, current)}{relation}{_short(metric, wanted)}"
        if best is None or current / wanted > best[0]:
            best = (current / wanted, words)
    if best is not None:
        return best[1]
    first = hpa.metrics[0]
    return first.name if not first.target else f"{first.name} {_short(first, first.target)}"


def _short(metric: MetricSpec, value: int) -> str:
    unit = unit_of(metric.kind, metric.name, metric.aggregate)
    return amount(amount_in(metric.aggregate, value), unit if unit is Unit.BYTES else Unit.PLAIN)


def _note(hpa: HpaObject) -> str | None:
    """What a person should know of its state in a few words."""
    active, limited = hpa.condition("ScalingActive"), hpa.condition("ScalingLimited")
    if active is not None and active.status is False:
        return condition_words(active) or None
    if hpa.minimum == hpa.maximum:
        return f"pinned at {hpa.minimum}"
    if limited is not None and limited.status and limited.reason == "TooManyReplicas":
        return "at max"
    return None


def _keda(row: ScalerRow) -> ObjectRef | None:
    """The ScaledObject that keeps this HPA."""
    if row.owner is not None and row.owner.kind == "ScaledObject":
        return ObjectRef(row.owner.group or "keda.sh", "ScaledObject", row.namespace, row.owner.name)
    return None


def drivers(row: ScalerRow) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for the target. An HPA that KEDA keeps is KEDA, acting through it."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    keda = _keda(row)
    return tuple(
        (
            ObjectRef(group, kind, namespace, name),
            Driver(
                kind="KEDA" if keda else "HPA",
                ref=keda or me,
                role=role,
                minimum=minimum,
                maximum=maximum,
                signal=row.signal,
                interval=row.interval,
                note=row.note,
                via=me if keda else None,
            ),
        )
        for group, kind, namespace, name, role, minimum, maximum in row.targets
    )


def links(row: ScalerRow) -> tuple[Link, ...]:
    """What it scales, and who keeps it."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    found = [
        Link(me, ObjectRef(group, kind, namespace, name), LinkKind.SCALES)
        for group, kind, namespace, name, *_ in row.targets
    ]
    if row.owner is not None:
        owner = ObjectRef(row.owner.group, row.owner.kind, row.namespace, row.owner.name)
        found.append(Link(_keda(row) or owner, me, LinkKind.OWNS))
    return tuple(found)
