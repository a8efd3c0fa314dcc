"""KEDA ScaledObjects as drivers: what they scale and within which bounds (keda.sh/v1alpha1)."""

from __future__ import annotations

import msgspec

from clients.kube.resources import ResourceSpec
from clients.kube.rows import ScalerRow
from clients.kube.scaler_fields import group_of, integer, listed, mapping, metadata, number, opened, text
from clients.serving.chain import Link, LinkKind
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

GROUP = "keda.sh"
KIND = "ScaledObject"
WATCHES = (ResourceSpec("keda", GROUP, "scaledobjects", KIND, ("v1alpha1",)),)

_PAUSED = "autoscaling.keda.sh/paused"
_PAUSED_AT = "autoscaling.keda.sh/paused-replicas"


def decode(raw: bytes | msgspec.Raw) -> ScalerRow:
    """A row from an object's JSON, with KEDA's defaults: 0 to 100 replicas, looked at every 30 s."""
    obj = opened(raw)
    uid, namespace, name = metadata(obj)
    spec = mapping(obj.get("spec"))
    notes = mapping(mapping(obj.get("metadata")).get("annotations"))
    ref = mapping(spec.get("scaleTargetRef"))
    minimum, maximum = integer(spec.get("minReplicaCount")), integer(spec.get("maxReplicaCount"))
    target = (
        group_of(ref.get("apiVersion"), "apps"),
        text(ref.get("kind"), "Deployment"),
        namespace,
        text(ref.get("name")),
        None,
        0 if minimum is None else minimum,
        100 if maximum is None else maximum,
    )
    triggers = listed(spec.get("triggers"))
    held = text(notes.get(_PAUSED_AT))
    interval = number(spec.get("pollingInterval"))
    return ScalerRow(
        uid,
        namespace,
        name,
        GROUP,
        KIND,
        (target,) if target[3] else (),
        signal=text(triggers[0].get("type")) or None if triggers else None,
        paused=bool(held) or text(notes.get(_PAUSED)).lower() == "true",
        note=f"paused at {held}" if held else None,
        interval=30.0 if interval is None else interval,
    )


def drivers(row: ScalerRow) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for the target. A paused one leaves a count set by hand alone, unless it is pinned."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    return tuple(
        (
            ObjectRef(group, kind, namespace, name),
            Driver(
                kind="KEDA",
                ref=me,
                role=role,
                minimum=minimum,
                maximum=maximum,
                signal=row.signal,
                interval=row.interval,
                reverts=not row.paused or row.note is not None,
                note=row.note or ("paused" if row.paused else None),
            ),
        )
        for group, kind, namespace, name, role, minimum, maximum in row.targets
    )


def links(row: ScalerRow) -> tuple[Link, ...]:
    """What it scales, directly between 0 and 1, else through its HPA."""
    me = ObjectRef(row.group, row.kind, row.namespace, row.name)
    return tuple(
        Link(me, ObjectRef(group, kind, namespace, name), LinkKind.SCALES)
        for group, kind, namespace, name, *_ in row.targets
    )
