"""HorizontalPodAutoscalers as drivers: what they scale and within which bounds (autoscaling/v2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.kube.scaler_fields import (
    group_of,
    integer,
    listed,
    mapping,
    metadata,
    number,
    opened,
    owner_of,
    text,
)
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

GROUP = "autoscaling"
KIND = "HorizontalPodAutoscaler"
WATCHES = (ResourceSpec("hpa", GROUP, "horizontalpodautoscalers", KIND, ("v2",)),)

_INTERVAL = 15.0
"""``--horizontal-pod-autoscaler-sync-period``, the default; a cluster's own value is not readable."""


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from an object's JSON; items of a list carry no kind, so it is not looked at."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    ref = mapping(spec.get("scaleTargetRef"))
    minimum = integer(spec.get("minReplicas"))
    target = (
        group_of(ref.get("apiVersion"), ""),
        text(ref.get("kind")),
        namespace,
        text(ref.get("name")),
        None,
        1 if minimum is None else minimum,
        integer(spec.get("maxReplicas")),
    )
    return ScalerRow(
        uid,
        namespace,
        name,
        GROUP,
        KIND,
        (target,) if target[3] else (),
        desired=integer(status.get("desiredReplicas")),
        current=integer(status.get("currentReplicas")),
        signal=_signal(spec, status),
        owner=owner_of(obj),
        interval=_INTERVAL,
    )


def _signal(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str | None:
    """The first metric, ``cpu 72>60``: what is against what is wanted; without a reading only the latter."""
    metrics = listed(spec.get("metrics"))
    if not metrics:
        return None
    name, wanted = _metric(metrics[0], "target")
    if not name or wanted is None:
        return name or None
    readings = listed(status.get("currentMetrics"))
    current = _metric(readings[0], "current")[1] if readings else None
    if current is None:
        return f"{name} {wanted:g}"
    relation = ">" if current > wanted else "<" if current < wanted else "="
    return f"{name} {current:g}{relation}{wanted:g}"


def _metric(entry: Mapping[str, Any], side: str) -> tuple[str, float | None]:
    kind = text(entry.get("type"))
    body = mapping(entry.get(kind[:1].lower() + kind[1:]))
    name = text(body.get("name")) or text(mapping(body.get("metric")).get("name"))
    value = mapping(body.get(side))
    for field in ("averageUtilization", "averageValue", "value"):
        reading = number(value.get(field))
        if reading is not None:
            return name, reading
    return name, None


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
